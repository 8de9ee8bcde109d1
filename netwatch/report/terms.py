"""``contract.toml``: what a report was computed with, beside its tables.

Rule of this file: values to TOML and back, exactly. Shares are written as fractions and
holidays as dates, so that a later version of a library cannot change an old report. It
must not know how a figure follows.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from netwatch.core.campaign_record import Campaign, CampaignBooks, RoundTrips
from netwatch.core.contract import Contract
from netwatch.core.sla import Availability
from netwatch.errors import EvidenceError
from netwatch.report.identity import (
    ChainEnd,
    CircuitIdentity,
    Evidence,
    Method,
    SiteIdentity,
    iso_utc,
)
from netwatch.report.inputs import ReportInputs
from netwatch.report.tables import parse_instant_ms

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEAD = (
    "# What this report was computed with: the contract as configured, the site's hours and\n"
    "# holidays, the rule of outages. With the tables beside it every figure follows.\n"
)


class TargetIdentity(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    role: str
    address: str


class Charged(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule had charged before this month, of one period's cap."""

    rule: str
    period: str
    amount: Decimal


class CampaignTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's plan; its tests are in campaigns.csv."""

    plan: Campaign
    round_trips: RoundTrips = RoundTrips()


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of :class:`ReportInputs` that is no table."""

    year: int
    month: int
    now: str
    loss_timeout_ms: int | None = None
    opening_hours: tuple[str, ...]
    holidays: tuple[date, ...] = ()
    site: SiteIdentity
    circuit: CircuitIdentity
    rule: Mapping[str, str | int] = {}
    method: Method
    skipped: Mapping[str, int] = {}
    year_before: Availability
    charged_before: tuple[Charged, ...] = ()
    targets: tuple[TargetIdentity, ...] = ()
    versions: tuple[Contract, ...] = ()
    simulated: str | None = None
    chain: ChainEnd | None = None
    campaigns: tuple[CampaignTerms, ...] = ()


def build_terms(inputs: ReportInputs) -> Terms:
    """What of the inputs goes into contract.toml."""
    return Terms(
        year=inputs.year,
        month=inputs.month,
        now=iso_utc(inputs.now_ms),
        loss_timeout_ms=inputs.loss_timeout_ms,
        opening_hours=inputs.opening_hours,
        holidays=tuple(sorted(inputs.holidays)),
        site=inputs.site,
        circuit=inputs.circuit,
        rule=inputs.rule,
        method=inputs.method,
        skipped=inputs.skipped,
        year_before=inputs.year_before,
        charged_before=tuple(
            Charged(rule=rule, period=period, amount=amount)
            for (rule, period), amount in sorted(inputs.charged_before.items())
        ),
        targets=tuple(
            TargetIdentity(name=each.name, role=each.role, address=each.address)
            for each in inputs.targets
        ),
        versions=inputs.versions,
        simulated=inputs.simulated,
        chain=inputs.evidence.chain,
        campaigns=tuple(
            CampaignTerms(plan=each.campaign, round_trips=each.round_trips)
            for each in inputs.campaigns
        ),
    )


def build_inputs(terms: Terms) -> ReportInputs:
    """Inputs without their tables. Raises ``EvidenceError`` for an unknown time zone."""
    try:
        zone = ZoneInfo(terms.site.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise EvidenceError(
            f"contract.toml: site.timezone: not a time zone that is known here, "
            f"got {terms.site.timezone!r}"
        ) from error
    return ReportInputs(
        year=terms.year,
        month=terms.month,
        now_ms=parse_instant_ms(terms.now),
        zone=zone,
        site=terms.site,
        circuit=terms.circuit,
        versions=terms.versions,
        opening_hours=terms.opening_hours,
        holidays=frozenset(terms.holidays),
        spans=(),
        rule=terms.rule,
        method=terms.method,
        loss_timeout_ms=terms.loss_timeout_ms,
        skipped=terms.skipped,
        year_before=terms.year_before,
        charged_before={(each.rule, each.period): each.amount for each in terms.charged_before},
        campaigns=tuple(
            CampaignBooks(campaign=each.plan, tests=(), round_trips=each.round_trips)
            for each in terms.campaigns
        ),
        simulated=terms.simulated,
        evidence=Evidence(chain=terms.chain),
    )


def encode_terms(terms: Terms) -> bytes:
    """The file's bytes; equal terms give equal bytes."""
    plain = msgspec.to_builtins(terms, enc_hook=_encode, order="deterministic")
    assert isinstance(plain, dict)
    return (_HEAD + "\n".join(_write_table(plain, ())) + "\n").encode()


def decode_terms(data: bytes) -> Terms:
    """Read it back. Raises ``EvidenceError`` that says where it is not as it should be."""
    try:
        plain = tomllib.loads(data.decode())
        return msgspec.convert(plain, Terms, dec_hook=_decode)
    except (
        tomllib.TOMLDecodeError,
        UnicodeDecodeError,
        msgspec.ValidationError,
        ValueError,
    ) as error:
        raise EvidenceError(f"contract.toml: {error}") from error


def _encode(value: object) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in contract.toml")


def _decode(kind: type, value: object) -> Fraction:
    if kind is Fraction and isinstance(value, str):
        return Fraction(value)
    raise NotImplementedError(f"{kind.__name__} has no form in contract.toml")


def _write_table(table: Mapping[str, object], path: tuple[str, ...]) -> Iterator[str]:
    """Values first, then the tables below, as TOML wants them; None is left out."""
    below = {}
    for key, value in table.items():
        if isinstance(value, dict) or _is_tables(value):
            below[key] = value
        elif value is not None:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in below.items():
        name = ".".join(map(_key, (*path, key)))
        if isinstance(value, dict):
            yield f"\n[{name}]"
            yield from _write_table(value, (*path, key))
            continue
        for each in cast("list[dict[str, object]]", value):
            yield f"\n[[{name}]]"
            yield from _write_table(each, (*path, key))


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], dict)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: object) -> str:
    """Strings, whole numbers, floats, booleans and lists of them.

    >>> _value(["a", 1, True])
    '["a", 1, true]'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    assert isinstance(value, str), value
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
