"""The settings of the method page in words, with value and unit.

Rule of this file: a setting's key in, a phrase and a value that people read out. A key
that is not known is shown as it is: a new threshold must not hide itself. ``_`` marks
what the catalogues translate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

import msgspec

from netwatch.report.language import Language


class SettingLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table; ``key`` is None where the words are the key already."""

    words: str
    key: str | None
    value: str


def _(message: str) -> str:
    """Marks a message for extraction; it is translated where it is used."""
    return message


_RULE = {
    "version": _("Version of the outage rule"),
    "interval_ms": _("Pings are sent every"),
    "burst_interval_ms": _("Pings while an outage is suspected, every"),
    "down_after_rounds": _("Unanswered rounds in a row that make an outage"),
    "up_after_rounds": _("Answered rounds in a row that end one"),
    "maximum_gap_ms": _("Longest gap between two rounds that counts as watched"),
}
_THRESHOLDS = {
    "latency.timeout_ms": _("An answer to a ping is waited for"),
    "latency.window_ms": _("Loss and latency are judged over"),
    "latency.degraded_after_windows": _("Such periods in a row that make the line degraded"),
    "dns.interval_ms": _("Resolvers are asked every"),
    "dns.timeout_ms": _("An answer of a resolver is waited for"),
    "bandwidth.per_day": _("Throughput tests a day"),
    "bandwidth.busy_above": _("A test does not count where others use more of the line than"),
}
_SHARES = frozenset({"bandwidth.busy_above"})


def list_settings(
    rule: Mapping[str, str | int], thresholds: Mapping[str, str | int], language: Language
) -> Iterator[SettingLine]:
    """The outage rule's constants, then the thresholds, each in the order given.

    >>> english = Language("en", timezone="UTC")
    >>> [line] = list_settings({}, {"dns.timeout_ms": 2000}, english)
    >>> line.words, line.value == english.duration(2000)
    ('An answer of a resolver is waited for', True)
    """
    for words, settings in ((_RULE, rule), (_THRESHOLDS, thresholds)):
        for key, value in settings.items():
            known = key in words
            yield SettingLine(
                words=language.gettext(words[key]) if known else key,
                key=key if known else None,
                value=_say_value(key, value, language),
            )


def _say_value(key: str, value: str | int, language: Language) -> str:
    if isinstance(value, int):
        return language.duration(value) if key.endswith("_ms") else language.number(value)
    if key in _SHARES:
        try:
            return language.share(Fraction(value))
        except (ValueError, ZeroDivisionError):
            return value
    return value
