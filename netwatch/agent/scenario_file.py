"""A scenario file (TOML) to a story, or every mistake in it at once.

Rule of this file: what a scenario may say, in the manner of the agent's configuration
and with its means. It knows no store, and reads no other file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from netwatch.agent.scenario_model import (
    AgentOffScenario,
    BandwidthScenario,
    CableOutScenario,
    CampaignScenario,
    ClockLostScenario,
    DegradedScenario,
    OutageScenario,
    RttScenario,
    ScenarioFile,
)
from netwatch.config.convert import Converter
from netwatch.config.forms import check_date, check_path, check_text
from netwatch.config.load import read_document
from netwatch.config.notes import Notes, Refused, show_path, show_quoted
from netwatch.config.rules import between, check_share, of_text
from netwatch.config.units import format_duration, format_rate
from netwatch.core.calendars import day_start, month_window
from netwatch.core.intervals import Interval, normalise
from netwatch.core.scenario import BOOT_MS, Absence, Degradation, LostClock, Outage, Story
from netwatch.errors import ConfigError
from netwatch.records import Cause

_MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])", re.ASCII)
_MOST_DAYS = 366


_EVENTS = ("outage", "degraded", "agent_off", "cable_out", "clock_lost")


#: Kind and index of an event in the file.
Place = tuple[str, int]
_E = TypeVar("_E")


def spell_instant(value: object) -> object:
    """An instant without quotation marks is as good as one with them."""
    return value.isoformat() if isinstance(value, datetime | date) else value


def check_month(text: str) -> None:
    """A civil month.

    Raises:
        Refused: not written ``YYYY-MM``.
    """
    if not _MONTH.fullmatch(text) or not "1970" < text[:4] < "2200":
        raise Refused(f'must be a month like "2026-10", got {show_quoted(text)}')


def check_instant(text: str) -> None:
    """A date and time.

    Raises:
        Refused: not ISO 8601 with both.
    """
    try:
        datetime.fromisoformat(text)
        sound = len(text) > 10 and "1970" < text[:4] < "2200"
    except ValueError:
        sound = False
    if not sound:
        raise Refused(f'must be a local time like "2026-10-07 14:03:10", got {show_quoted(text)}')


_LASTS = between(1_000, _MOST_DAYS * 86_400_000, format_duration)
_RATE = between(1_000, 125_000_000_000, format_rate)
_RULES: Mapping[tuple[type, str], Callable[[object], None]] = {
    (ScenarioFile, "month"): of_text(check_month),
    (ScenarioFile, "start"): of_text(check_date),
    (ScenarioFile, "days"): between(1, _MOST_DAYS),
    (ScenarioFile, "configuration"): of_text(check_path),
    (ScenarioFile, "seed"): between(0, 2**31),
    (ScenarioFile, "interval_ms"): between(1_000, 3_600_000, format_duration),
    (RttScenario, "target"): of_text(check_text),
    (RttScenario, "base_ms"): between(0, 10_000, format_duration),
    (RttScenario, "jitter_ms"): between(0, 10_000, format_duration),
    (RttScenario, "loss"): check_share,
    (DegradedScenario, "loss"): check_share,
    (DegradedScenario, "rtt_ms"): between(1, 10_000, format_duration),
    (BandwidthScenario, "per_day"): between(0, 48),
    (CampaignScenario, "start"): of_text(check_date),
    **{
        (CampaignScenario, f"{name}_{side}"): _RATE
        for name in ("maximum", "normal", "minimum")
        for side in ("down", "up")
    },
    (BandwidthScenario, "down"): _RATE,
    (BandwidthScenario, "up"): _RATE,
    **{
        (BandwidthScenario, name): check_share
        for name in ("spread", "evening", "skipped", "failed", "device_limited")
    },
    **{
        (struct, name): rule
        for struct in (
            OutageScenario,
            DegradedScenario,
            AgentOffScenario,
            CableOutScenario,
            ClockLostScenario,
        )
        for name, rule in (("start", of_text(check_instant)), ("lasts_ms", _LASTS))
    },
}
_SPELLINGS: Mapping[tuple[type, str], Callable[[object], object]] = {
    (struct, "start"): spell_instant
    for struct in (
        ScenarioFile,
        OutageScenario,
        DegradedScenario,
        AgentOffScenario,
        CableOutScenario,
        CampaignScenario,
        ClockLostScenario,
    )
}


def load_document(path: Path) -> dict[str, object]:
    """The scenario file as TOML has it. Raises ConfigError."""
    if not path.exists():
        raise ConfigError([f"{path}: does not exist: give the path of a scenario (TOML)"])
    return read_document(path)


def parse_scenario(
    document: dict[str, object], file_name: str, zone: tzinfo, targets: Sequence[str]
) -> tuple[ScenarioFile, Story]:
    """The scenario and the story that it tells, for an agent with these targets.

    Raises:
        ConfigError: every problem found, in the file's order.
    """
    notes = Notes(document)
    converter = Converter(notes, rules=_RULES, spellings=_SPELLINGS)
    scenario = converter.convert_table(document, ScenarioFile, ())
    assert scenario is not None  # a document is always a table
    period = _find_period(scenario, zone, notes)
    _check_targets(scenario, targets, notes)
    _check_degraded(scenario, notes)
    _check_shares(scenario, notes)
    _check_campaigns(scenario, notes)
    spans = _place_events(scenario, period, zone, notes)
    _check_overlaps(scenario, spans, notes)
    problems = notes.lines(file_name)
    if problems or period is None:
        raise ConfigError(problems)
    return scenario, _build_story(scenario, period, spans)


def _find_period(scenario: ScenarioFile, zone: tzinfo, notes: Notes) -> Interval | None:
    if not notes.sound((), "month", "start", "days"):
        return None
    if scenario.month is not None:
        for key in ("start", "days"):
            if getattr(scenario, key) is not None:
                notes.refuse((key,), "stands beside month: leave one of them out")
        return month_window(int(scenario.month[:4]), int(scenario.month[5:]), zone)
    if scenario.start is None or scenario.days is None:
        notes.refuse(
            ("month",), 'is missing: write month = "2026-10", or start = "2026-10-05" and days = 7'
        )
        return None
    first = date.fromisoformat(scenario.start)
    return day_start(first, zone), day_start(first + timedelta(days=scenario.days), zone)


def parse_instant(text: str, zone: tzinfo) -> int:
    """Milliseconds UTC of a local time; of one that is there twice the first is meant.

    >>> parse_instant("2026-10-07 14:03:10", UTC)
    1791381790000

    Raises:
        Refused: that local time is skipped when the clocks go forward.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        placed = instant.replace(tzinfo=zone)
        if placed.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != instant:
            raise Refused(
                f"does not exist in the site's zone, got {show_quoted(text)}: "
                "the clocks go forward then"
            )
        instant = placed
    return round(instant.timestamp() * 1000)


def _place_events(
    scenario: ScenarioFile, period: Interval | None, zone: tzinfo, notes: Notes
) -> dict[Place, Interval]:
    """Each event's time in UTC, by its path in the file."""
    spans: dict[Place, Interval] = {}
    for kind in _EVENTS:
        for index, event in enumerate(getattr(scenario, kind)):
            at: Place = (kind, index)
            if event is None or not notes.sound(at, "start", "lasts"):
                continue
            try:
                from_ms = parse_instant(event.start, zone)
            except Refused as refused:
                notes.refuse((*at, "start"), str(refused))
                continue
            if period is not None and not period[0] <= from_ms < period[1]:
                notes.refuse(
                    (*at, "start"),
                    f"must lie in the scenario's time, from {_show_local(period[0], zone)} to "
                    f"{_show_local(period[1], zone)}, got {show_quoted(event.start)}",
                )
                continue
            spans[at] = (from_ms, from_ms + event.lasts_ms)
    return spans


def _show_local(instant_ms: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")


def _check_overlaps(scenario: ScenarioFile, spans: dict[Place, Interval], notes: Notes) -> None:
    """Events of a kind that cannot be at one time; the others have their order (STANDARDS.md)."""
    groups: dict[str, list[tuple[Interval, Place]]] = {}
    for (kind, index), span in spans.items():
        group, taken = kind, span
        if kind == "outage" and scenario.outage[index].cause == "dns":
            group = "dns"
        if kind == "clock_lost":
            group, taken = "agent_off", (span[0], max(span[1], span[0] + BOOT_MS) + BOOT_MS)
        groups.setdefault(group, []).append((taken, (kind, index)))
    for events in groups.values():
        for (earlier, first), (later, second) in pairwise(sorted(events)):
            if later[0] < earlier[1]:
                notes.refuse(
                    (*second, "start"), f"must be after the end of {show_path(first)}: both overlap"
                )


def _check_targets(scenario: ScenarioFile, targets: Sequence[str], notes: Notes) -> None:
    for index, each in enumerate(scenario.rtt):
        if each is None or not notes.sound(("rtt", index), "target") or each.target == "*":
            continue
        if each.target not in targets:
            hint = notes.suggest(each.target, targets)
            notes.refuse(
                ("rtt", index, "target"),
                f"the configuration has no target {show_quoted(each.target)}{hint}"
                + ("" if hint else f": it has {', '.join(targets)}"),
            )


def _check_degraded(scenario: ScenarioFile, notes: Notes) -> None:
    for index, each in enumerate(scenario.degraded):
        at: Place = ("degraded", index)
        if each is None or not notes.sound(at, "cause", "loss", "rtt"):
            continue
        key, value = ("loss", each.loss) if each.cause == "loss" else ("rtt", each.rtt_ms)
        if value is None:
            example = "0.05" if key == "loss" else '"120ms"'
            notes.refuse(
                (*at, key), f'is missing: for cause "{each.cause}" write {key} = {example}'
            )


def _check_shares(scenario: ScenarioFile, notes: Notes) -> None:
    tests = scenario.bandwidth
    keys = ("skipped", "failed", "device_limited")
    if tests is None or not notes.sound(("bandwidth",), *keys):
        return
    total = tests.skipped + tests.failed + tests.device_limited
    if total > 1:
        notes.refuse(
            ("bandwidth",),
            f"skipped, failed and device_limited must add up to 1 at most, got {total}",
        )


def _check_campaigns(scenario: ScenarioFile, notes: Notes) -> None:
    for index, each in enumerate(scenario.campaign):
        at: Place = ("campaign", index)
        if each is not None and scenario.bandwidth is None and notes.sound((), "bandwidth"):
            notes.refuse(at, "has tests only with a section [bandwidth]: write one")


def _build_story(scenario: ScenarioFile, period: Interval, spans: dict[Place, Interval]) -> Story:
    usual_ms = next(
        (each.base_ms for each in scenario.rtt if each.target == "*"),
        RttScenario(target="*").base_ms,
    )
    return Story(
        start_ms=period[0],
        end_ms=period[1],
        outages=tuple(
            Outage(cause=Cause(event.cause), start_ms=start_ms, end_ms=end_ms)
            for event, (start_ms, end_ms) in _pair(scenario.outage, "outage", spans)
        ),
        degradations=tuple(
            Degradation(
                cause=Cause(event.cause),
                start_ms=start_ms,
                end_ms=end_ms,
                loss=float(event.loss or 0),
                added_rtt_us=max(0, (event.rtt_ms or 0) - usual_ms) * 1000,
            )
            for event, (start_ms, end_ms) in _pair(scenario.degraded, "degraded", spans)
        ),
        absences=tuple(
            Absence(reason=event.reason, start_ms=start_ms, end_ms=end_ms)
            for event, (start_ms, end_ms) in _pair(scenario.agent_off, "agent_off", spans)
        ),
        cable_out=normalise(span for _, span in _pair(scenario.cable_out, "cable_out", spans)),
        lost_clocks=tuple(
            LostClock(start_ms=start_ms, end_ms=end_ms, never=event.never)
            for event, (start_ms, end_ms) in _pair(scenario.clock_lost, "clock_lost", spans)
        ),
    )


def _pair(
    events: Sequence[_E], kind: str, spans: dict[Place, Interval]
) -> Iterator[tuple[_E, Interval]]:
    return ((event, spans[kind, index]) for index, event in enumerate(events))
