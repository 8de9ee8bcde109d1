"""Outages and incidents: their times, deadlines, recurrences and what people entered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.calendars import CoveredHours, build_calendar
from netwatch.core.contract import Contract
from netwatch.core.incidents import (
    Account,
    Annotation,
    Pause,
    build_cases,
    merge_annotations,
    settle_incidents,
)
from netwatch.core.intervals import total
from netwatch.core.outages import (
    Outage,
    find_outages,
    incident_id,
    mean_time_between_failures,
    mean_time_to_restore,
)
from netwatch.core.sla import complete_spans
from netwatch.records import CAUSES, Cause, Span, Verdict

HOUR = 3_600_000
STATES: list[tuple[Verdict, Cause | None]] = [
    (Verdict.UP, None),
    *((verdict, cause) for verdict in Verdict for cause in CAUSES[verdict]),
]


def at(text: str) -> int:
    """An instant of October 2026, "14T08:00", as UTC ms."""
    return int(datetime.fromisoformat(f"2026-10-{text}").replace(tzinfo=UTC).timestamp()) * 1000


def down(start: str, end: str, cause: Cause = Cause.ACCESS) -> Span:
    return Span(verdict=Verdict.DOWN, cause=cause, start_ms=at(start), end_ms=at(end))


def month(*downs: Span) -> tuple[Span, ...]:
    """October with these outages, up in between."""
    edges = sorted(downs, key=lambda span: span.start_ms)
    spans, begin = [], at("01T00:00")
    for span in edges:
        if begin < span.start_ms:
            spans.append(Span(verdict=Verdict.UP, cause=None, start_ms=begin, end_ms=span.start_ms))
        spans.append(span)
        begin = span.end_ms
    if begin < at("31T00:00"):
        spans.append(Span(verdict=Verdict.UP, cause=None, start_ms=begin, end_ms=at("31T00:00")))
    return tuple(spans)


def hours_of(contract: Contract) -> CoveredHours:
    return CoveredHours(calendar=build_calendar(contract.calendar), zone=ZoneInfo("UTC"))


def settle(
    contract: Contract,
    *downs: Span,
    annotations: tuple[Annotation, ...] = (),
    excluded: tuple[tuple[int, int], ...] = (),
) -> tuple[Account, ...]:
    return settle_incidents(
        find_outages(month(*downs)), annotations, (contract,), hours_of, excluded
    )


BUSINESS = Contract(
    calendar=("mon-fri 08:00-18:00",), restore_within_ms=4 * HOUR, recurrence_window_ms=8 * HOUR
)


@given(st.lists(st.tuples(st.sampled_from(STATES), st.integers(1, 9)), min_size=1, max_size=12))
def test_outages_are_the_maximal_runs_of_seconds_that_are_down(
    runs: list[tuple[tuple[Verdict, Cause | None], int]],
) -> None:
    history = [state for state, length in runs for _ in range(length)]
    spans, begin = [], 0
    for (verdict, cause), length in runs:
        spans.append(Span(verdict=verdict, cause=cause, start_ms=begin, end_ms=begin + length))
        begin += length
    found = find_outages(spans)
    downs = [state[0] is Verdict.DOWN for state in history]
    starts = [i for i, is_down in enumerate(downs) if is_down and (i == 0 or not downs[i - 1])]
    assert [outage.start_ms for outage in found] == starts
    assert sum(outage.duration_ms for outage in found) == sum(downs)
    for outage in found:
        inside = history[outage.start_ms : outage.last_ms]
        assert all(verdict is Verdict.DOWN for verdict, _ in inside)
        most = max(sum(cause is each for _, cause in inside) for each in Cause)
        assert sum(cause is outage.cause for _, cause in inside) == most
        assert sum(part.end_ms - part.start_ms for part in outage.parts) == outage.duration_ms
        assert (outage.end_ms is None) == (outage.last_ms == len(history))
        first = outage.start_ms == 0 or history[outage.start_ms - 1][0] is Verdict.UNKNOWN
        assert outage.start_seen is not first
        ends = outage.last_ms == len(history) or history[outage.last_ms][0] is Verdict.UNKNOWN
        assert outage.end_seen is not ends


def test_where_two_causes_held_equally_long_the_first_names_the_incident() -> None:
    (outage,) = find_outages(
        month(
            down("14T08:00", "14T09:00", Cause.UPSTREAM), down("14T09:00", "14T10:00", Cause.ACCESS)
        )
    )
    assert outage.cause is Cause.UPSTREAM


def test_the_identity_follows_from_the_first_instant_alone() -> None:
    """More spans before or after, or an end that comes to be known, do not change it."""
    short = find_outages(
        complete_spans([down("14T08:00", "14T09:00")], at("14T07:00"), at("14T09:00"))
    )
    long = find_outages(month(down("14T08:00", "14T09:30")))
    assert [outage.id for outage in short] == [outage.id for outage in long] == ["20261014T080000Z"]


def test_a_down_span_without_a_cause_is_refused() -> None:
    span = Span(verdict=Verdict.DOWN, cause=None, start_ms=0, end_ms=1)
    with pytest.raises(ValueError, match="a span that is down has a cause, got none at 0"):
        find_outages([span])


def test_duration_is_counted_in_covered_hours_only() -> None:
    """Friday 16:00 to Monday 10:00 is 4 of the hours from 8 to 18."""
    (account,) = settle(BUSINESS, down("16T16:00", "19T10:00"))
    assert account.outage.duration_ms == 66 * HOUR
    assert account.covered_ms == account.counted_ms == 4 * HOUR


def test_the_deadline_runs_in_covered_hours_and_is_kept_to_the_millisecond() -> None:
    (kept,) = settle(BUSINESS, down("16T16:00", "19T10:00"))
    assert kept.deadline_ms == at("19T10:00")
    assert kept.restore_met is True
    late = msgspec.structs.replace(down("16T16:00", "19T10:00"), end_ms=at("19T10:00") + 1)
    (missed,) = settle(BUSINESS, late)
    assert missed.restore_met is False


def test_a_restoration_time_of_many_days_is_kept_to_the_millisecond() -> None:
    patient = msgspec.structs.replace(BUSINESS, calendar="S2", restore_within_ms=150 * HOUR)
    (account,) = settle(patient, down("14T08:00", "14T09:00"))
    assert account.deadline_ms == at("20T14:00")


def test_the_clock_starts_at_the_report_where_there_is_one() -> None:
    outage = down("14T08:00", "14T13:30")
    entry = Annotation(
        incident_id=incident_id(outage.start_ms),
        author="town",
        entered_ms=0,
        reported_ms=at("14T09:30"),
        ticket="T1",
    )
    (reported,) = settle(BUSINESS, outage, annotations=(entry,))
    assert (reported.clock_from, reported.deadline_ms) == ("reported", at("14T13:30"))
    assert reported.restore_met is True
    (detected,) = settle(BUSINESS, outage)
    assert (detected.clock_from, detected.restore_met) == ("detected", False)
    strict = msgspec.structs.replace(BUSINESS, restore_from="detected")
    (by_contract,) = settle(strict, outage, annotations=(entry,))
    assert (by_contract.clock_from, by_contract.restore_met) == ("detected", False)


def test_pauses_and_exclusions_stop_the_clock_and_the_count() -> None:
    outage = down("14T08:00", "14T14:00")
    entry = Annotation(
        incident_id=incident_id(outage.start_ms),
        author="operator",
        entered_ms=0,
        pauses=(Pause(start_ms=at("14T09:00"), end_ms=at("14T10:00")),),
    )
    (account,) = settle(
        BUSINESS, outage, annotations=(entry,), excluded=((at("14T09:30"), at("14T10:30")),)
    )
    assert account.covered_ms == 6 * HOUR
    assert account.counted_ms == 6 * HOUR - 90 * 60_000
    assert account.deadline_ms == at("14T13:30")
    assert account.restore_met is False


def test_an_incident_that_still_goes_on_is_late_only_once_the_deadline_has_passed() -> None:
    running = find_outages(
        complete_spans([down("14T08:00", "14T11:00")], at("14T00:00"), at("14T11:00"))
    )
    assert running[0].end_ms is None
    (account,) = settle_incidents(running, (), (BUSINESS,), hours_of)
    assert account.restore_met is None
    longer = find_outages(
        complete_spans([down("14T08:00", "14T12:01")], at("14T00:00"), at("14T12:01"))
    )
    (account,) = settle_incidents(longer, (), (BUSINESS,), hours_of)
    assert account.restore_met is False


def test_an_end_that_nobody_saw_is_no_restoration() -> None:
    spans = complete_spans([down("14T08:00", "14T09:00")], at("14T00:00"), at("15T00:00"))
    (outage,) = find_outages(spans)
    assert (outage.end_ms, outage.end_seen) == (at("14T09:00"), False)
    (account,) = settle_incidents((outage,), (), (BUSINESS,), hours_of)
    assert account.restore_met is None
    assert mean_time_to_restore([outage]) is None


def test_a_cause_that_the_contract_does_not_count_has_no_deadline() -> None:
    contract = msgspec.structs.replace(BUSINESS, counted_causes=(Cause.ACCESS,))
    (account,) = settle(contract, down("14T08:00", "14T17:00", Cause.GATEWAY))
    assert (account.counted, account.deadline_ms, account.restore_met) == ((), None, None)
    (mixed,) = settle(
        contract,
        down("14T08:00", "14T12:00", Cause.GATEWAY),
        down("14T12:00", "14T13:00", Cause.ACCESS),
    )
    assert mixed.counted_ms == HOUR
    assert mixed.covered_ms == 5 * HOUR


def test_the_same_cause_within_the_window_is_counted_from_the_first_outage() -> None:
    """Eight hours of use: from 17:00 one day to 15:00 the next are 8, at 8 to 18."""
    first = down("13T16:00", "13T17:00")
    accounts = settle(BUSINESS, first, down("14T15:00", "14T16:00"), down("15T09:00", "15T10:00"))
    root = incident_id(first.start_ms)
    assert [account.recurrence_of for account in accounts] == [None, root, root]
    assert accounts[1].clock_start_ms == first.start_ms
    assert accounts[1].restore_met is False
    (case,) = build_cases(accounts, (BUSINESS,), hours_of)
    assert case.incident_ids == tuple(account.outage.id for account in accounts)
    assert (case.start_ms, case.end_ms) == (first.start_ms, at("15T10:00"))
    assert total(case.counted) == (2 + 10 + 2) * HOUR


def test_another_cause_or_a_later_time_is_no_recurrence() -> None:
    later = settle(BUSINESS, down("13T16:00", "13T17:00"), down("14T15:01", "14T16:00"))
    assert [account.recurrence_of for account in later] == [None, None]
    other = settle(
        BUSINESS, down("13T16:00", "13T17:00"), down("13T17:30", "13T17:40", Cause.UPSTREAM)
    )
    assert [account.recurrence_of for account in other] == [None, None]
    silent = msgspec.structs.replace(BUSINESS, recurrence_window_ms=None)
    again = settle(silent, down("13T16:00", "13T17:00"), down("13T17:30", "13T17:40"))
    assert len(build_cases(again, (silent,), hours_of)) == 2


def test_a_contract_that_never_runs_out_its_hours_has_no_deadline() -> None:
    never = msgspec.structs.replace(BUSINESS, calendar=())
    (account,) = settle(never, down("14T08:00", "14T17:00"))
    assert account.deadline_ms is None
    assert account.covered_ms == 0


def test_an_incident_before_any_contract_is_kept_and_not_counted() -> None:
    later = msgspec.structs.replace(BUSINESS, valid_from_ms=at("20T00:00"))
    (account,) = settle(later, down("14T08:00", "14T17:00"))
    assert account.counted == ()
    assert build_cases((account,), (later,), hours_of) == ()


def test_later_entries_add_to_earlier_ones_and_the_last_word_stands() -> None:
    def entry(entered: int, **said: object) -> Annotation:
        return Annotation(incident_id="i", author="a", entered_ms=entered, **said)  # type: ignore[arg-type]  # any field

    merged = merge_annotations(
        [
            entry(3, answer="works on the road", pauses=(Pause(start_ms=5, end_ms=6),)),
            entry(1, ticket="T1", reported_ms=1, pauses=(Pause(start_ms=2, end_ms=3),)),
            entry(2, ticket="T2"),
        ]
    )
    assert merged is not None
    assert (merged.ticket, merged.reported_ms, merged.answer) == ("T2", 1, "works on the road")
    assert [pause.start_ms for pause in merged.pauses] == [2, 5]
    assert merge_annotations([]) is None


def test_mean_times_are_exact() -> None:
    def outage(start: int, end: int) -> Outage:
        spans = [
            Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=start),
            Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=start, end_ms=end),
            Span(verdict=Verdict.UP, cause=None, start_ms=end, end_ms=100),
        ]
        return find_outages(spans)[0]

    outages = [outage(1, 3), outage(10, 15)]
    assert mean_time_to_restore(outages) == Fraction(7, 2)
    assert mean_time_between_failures(outages, 93) == Fraction(93, 2)
    assert mean_time_to_restore([]) is None


def test_the_hours_are_asked_of_the_contract_that_was_in_force_when_it_began() -> None:
    new = msgspec.structs.replace(BUSINESS, calendar="S2", valid_from_ms=at("14T00:00"))
    asked: list[object] = []

    def remember(ask: Callable[[Contract], CoveredHours]) -> Callable[[Contract], CoveredHours]:
        def answer(contract: Contract) -> CoveredHours:
            asked.append(contract.calendar)
            return ask(contract)

        return answer

    settle_incidents(
        find_outages(month(down("13T20:00", "13T21:00"), down("14T20:00", "14T21:00"))),
        (),
        (BUSINESS, new),
        remember(hours_of),
    )
    assert asked == [BUSINESS.calendar, "S2"]
