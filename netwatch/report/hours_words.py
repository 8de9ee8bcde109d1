"""A calendar's hours in the reader's language.

Rule of this file: what it says is what `netwatch.core.calendars` counts, public holidays
included. A rule that cannot be read is shown as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from netwatch.core.calendars import DAY_MINUTES, DAYS, HOLIDAYS, DayWindow, parse_rule
from netwatch.report.language import Language


def describe_hours(name: str, rules: Sequence[str], language: Language) -> str:
    """``S1`` with its weekly list → S1: Monday to Saturday, 08:00 to 18:00; not on public holidays.

    >>> english = Language("en", timezone="UTC")
    >>> describe_hours("S2", ["mon-sun 00:00-24:00", "holidays 00:00-24:00"], english)
    'S2: around the clock, every day, public holidays included'
    >>> describe_hours("custom", ["mon-fri 08:00-18:00", "fri,holidays 22:00-02:00"], english)
    'Monday to Friday, 08:00 to 18:00; Friday and public holidays, 22:00 to 02:00 the next day'
    """
    _ = language.gettext
    windows: list[DayWindow] = []
    try:
        for rule in rules:
            windows += parse_rule(rule)
    except ValueError:
        hours = ", ".join(rules)
    else:
        hours = _describe(rules, windows, language)
    if name == "custom" or not hours:
        return hours or name
    return _("%(name)s: %(hours)s") % {"name": name, "hours": hours}


def _describe(rules: Sequence[str], windows: Sequence[DayWindow], language: Language) -> str:
    _ = language.gettext
    whole = {
        day
        for window in windows
        if window.start_minute == 0 and window.end_minute == DAY_MINUTES
        for day in window.days
    }
    if len(whole) == len(DAYS) + 1:
        return _("around the clock, every day, public holidays included")
    parts = [_describe_rule(rule, language) for rule in rules]
    if not any(HOLIDAYS in window.days for window in windows):
        parts.append(_("not on public holidays"))
    return "; ".join(parts) if language.code == "en" else " ; ".join(parts)


def _describe_rule(rule: str, language: Language) -> str:
    days, _, hours = rule.strip().partition(" ")
    return f"{_describe_days(days, language)}, " + ", ".join(
        _describe_times(part, language) for part in hours.replace(" ", "").split(",")
    )


def _describe_days(text: str, language: Language) -> str:
    _ = language.gettext
    names = [str(language.locale.days["format"]["wide"][number]) for number in range(len(DAYS))]
    words = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if part == "holidays":
            words.append(_("public holidays"))
        elif dash:
            words.append(
                _("%(first)s to %(last)s")
                % {"first": names[DAYS.index(first)], "last": names[DAYS.index(last)]}
            )
        else:
            words.append(names[DAYS.index(first)])
    if len(words) == 1:
        return words[0]
    return _("%(days)s and %(day)s") % {"days": ", ".join(words[:-1]), "day": words[-1]}


def _describe_times(text: str, language: Language) -> str:
    _ = language.gettext
    start, _dash, end = text.partition("-")
    times = {"start": _say_time(start, language), "end": _say_time(end, language)}
    if end < start:
        return _("%(start)s to %(end)s the next day") % times
    return _("%(start)s to %(end)s") % times


def _say_time(text: str, language: Language) -> str:
    hour, _colon, minute = text.partition(":")
    return language.gettext("%(hour)02d:%(minute)02d") % {"hour": int(hour), "minute": int(minute)}
