"""A month's report from its records: the figures, the edges of the month, the bad cases."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.core.contract import AvailabilityTiers, Contract, DurationSlices, Money, PerTime
from netwatch.core.incidents import Annotation
from netwatch.core.outages import incident_id
from netwatch.core.sla import Exclusion
from netwatch.core.stats import distribution
from netwatch.core.throughput import ThroughputTest
from netwatch.records import CAUSES, Cause, Span, Verdict
from netwatch.report.build import build_report, measure_year_before
from netwatch.report.identity import CircuitIdentity, Method, SiteIdentity
from netwatch.report.inputs import (
    ReportInputs,
    TargetSamples,
    collect_days,
    count_probes,
    cut_stretches,
)
from netwatch.report.json_form import decode_report, encode_report

PARIS = ZoneInfo("Europe/Paris")
HOUR = 3_600_000
FEE = Money(amount=Decimal(300), currency="EUR")
CONTRACT = Contract(
    availability=Fraction("0.9985"),
    restore_within_ms=4 * HOUR,
    yearly_interruption_ms=13 * HOUR,
    recurrence_window_ms=8 * HOUR,
    guaranteed_down=12_500_000,
    monthly_fee=FEE,
    penalties=(
        AvailabilityTiers(
            name="tiers",
            tiers=(
                (Fraction("0.9999"), Fraction("0.05")),
                (Fraction("0.995"), Fraction("0.10")),
                (Fraction("0.99"), Fraction("0.20")),
            ),
        ),
    ),
)


def at(text: str) -> int:
    """A local instant of Paris, "2026-10-14T08:00", as UTC ms."""
    return int(datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp()) * 1000


START, END = at("2026-10-01T00:00"), at("2026-11-01T00:00")
NOW = at("2026-11-02T06:00")


def down(start: str, end: str, cause: Cause = Cause.ACCESS) -> Span:
    return Span(verdict=Verdict.DOWN, cause=cause, start_ms=at(start), end_ms=at(end))


def books(*other: Span, start: int = START - 24 * HOUR, end: int = NOW) -> tuple[Span, ...]:
    """The line up all the time but for these spans."""
    spans, begin = [], start
    for span in sorted(other, key=lambda each: each.start_ms):
        if begin < span.start_ms:
            spans.append(Span(verdict=Verdict.UP, cause=None, start_ms=begin, end_ms=span.start_ms))
        spans.append(span)
        begin = span.end_ms
    spans.append(Span(verdict=Verdict.UP, cause=None, start_ms=begin, end_ms=end))
    return tuple(spans)


INPUTS = ReportInputs(
    year=2026,
    month=10,
    now_ms=NOW,
    zone=PARIS,
    site=SiteIdentity(id="ecole-jaures", timezone="Europe/Paris", holidays="FR"),
    circuit=CircuitIdentity(operator="Opérateur A", monthly_fee=FEE),
    versions=(CONTRACT,),
    opening_hours=("mon-fri 08:00-18:00",),
    holidays=frozenset({date(2026, 11, 1), date(2026, 11, 11)}),
    spans=books(),
    rule={"version": "1"},
    method=Method(software_version="0"),
)


def given_inputs(**changes: object) -> ReportInputs:
    return msgspec.structs.replace(INPUTS, **changes)


def test_a_quiet_month_is_all_up_and_has_745_hours() -> None:
    report = build_report(INPUTS)
    assert report.ledger.up_ms == 745 * HOUR
    assert report.availability.contractual == 1
    assert (report.availability.met, report.availability.coverage) == (True, 1)
    assert report.incidents == ()
    assert len(report.series.hours) == 745
    assert report.penalties[0].amount == Money(amount=Decimal("0.00"), currency="EUR")
    assert report.period.complete


def test_the_json_has_the_names_and_forms_of_the_interface() -> None:
    report = build_report(given_inputs(spans=books(down("2026-10-14T08:00", "2026-10-14T12:00"))))
    text = json.loads(encode_report(report))
    for name in [
        "schema_version",
        "generated_at",
        "site",
        "circuit",
        "contract",
        "period",
        "rule",
        "ledger",
        "availability",
        "calendars",
        "incidents",
        "yearly_interruption",
        "throughput",
        "latency",
        "skipped",
        "invalid",
        "exclusions",
        "penalties",
        "evidence",
    ]:
        assert name in text
    assert text["schema_version"] == 1
    assert text["period"]["start"] == "2026-09-30T22:00:00Z"
    assert text["ledger"]["down_by_cause_ms"] == {"access": 4 * HOUR}
    assert {"measured", "low", "high", "contractual", "coverage", "target", "met"} <= set(
        text["availability"]
    )
    assert set(text["calendars"]) == {"24/7", "contract", "opening"}
    assert text["availability"]["contractual"] == 741 / 745
    assert text["penalties"][0]["amount"] == {"amount": "30.00", "currency": "EUR"}
    (incident,) = text["incidents"]
    assert incident["restore_deadline"] == "2026-10-14T10:00:00Z"
    assert incident["restore_met"] is True


def test_the_json_comes_back_as_the_same_figures_and_the_same_bytes() -> None:
    report = build_report(given_inputs(spans=books(down("2026-10-14T08:00", "2026-10-14T12:00"))))
    data = encode_report(report)
    assert encode_report(build_report(given_inputs(spans=tuple(reversed(books(
        down("2026-10-14T08:00", "2026-10-14T12:00"))))))) == data  # fmt: skip
    back = decode_report(data)
    assert encode_report(back) == data
    assert back.penalties[0].amount == report.penalties[0].amount


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.integers(START - 20 * HOUR, END + 20 * HOUR),
            st.integers(1, 30 * HOUR),
            st.sampled_from([(v, c) for v in Verdict for c in CAUSES[v]]),
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_whatever_happened_every_sum_in_the_report_is_the_period(
    events: list[tuple[int, int, tuple[Verdict, Cause | None]]], partial: bool
) -> None:
    """Verdicts, causes, hours and incidents are four ways to add up the same month."""
    spans, begin = [], START - 24 * HOUR
    for start, length, (verdict, cause) in sorted(events, key=lambda event: event[0]):
        if start >= begin:
            spans.append(Span(verdict=verdict, cause=cause, start_ms=start, end_ms=start + length))
            begin = start + length
    now = at("2026-10-20T10:20") if partial else NOW
    report = build_report(given_inputs(spans=tuple(spans), now_ms=now))
    length = min(now, END) - START
    ledger = report.ledger
    assert ledger.up_ms + ledger.degraded_ms + ledger.down_ms + ledger.unknown_ms == length
    assert sum(ledger.down_by_cause_ms.values()) == ledger.down_ms
    assert sum(ledger.degraded_by_cause_ms.values()) == ledger.degraded_ms
    assert sum(ledger.unknown_by_cause_ms.values()) == ledger.unknown_ms
    assert sum(ledger.unknown_by_reason_ms.values()) == ledger.unknown_ms
    for name in ("up_ms", "degraded_ms", "down_ms", "unknown_ms"):
        assert sum(getattr(hour, name) for hour in report.series.hours) == getattr(ledger, name)
    assert sum(incident.in_period_ms for incident in report.incidents) == ledger.down_ms
    whole = report.calendars["24/7"]
    assert (whole.covered_ms, whole.down_ms) == (length, ledger.down_ms)


def test_a_month_without_any_record_is_a_report_of_no_coverage() -> None:
    report = build_report(given_inputs(spans=()))
    assert report.availability.coverage == 0
    assert (report.availability.measured, report.availability.contractual) == (None, None)
    assert report.availability.met is None
    assert report.ledger.unknown_by_reason_ms == {"no_record": 745 * HOUR}
    assert report.penalties[0].amount is None
    assert report.penalties[0].basis.missing == "availability"
    assert report.penalties_total is None


def test_a_month_that_is_not_over_speaks_only_up_to_now() -> None:
    now = at("2026-10-11T00:00")
    report = build_report(given_inputs(now_ms=now))
    assert report.period.complete is False
    assert report.period.until == "2026-10-10T22:00:00Z"
    assert report.availability.covered_ms == now - START
    assert report.availability.coverage == 1


def test_a_month_in_the_future_covers_nothing_and_claims_nothing() -> None:
    report = build_report(given_inputs(now_ms=START - HOUR))
    assert report.period.complete is False
    assert report.availability.coverage is None
    assert report.availability.contractual is None
    assert report.series.hours == ()
    assert encode_report(report)


def test_an_incident_over_the_edge_of_the_month_is_whole_and_split_by_month() -> None:
    """It is listed in both months, and charged in the one in which it was restored."""
    late = PerTime(name="late", amount=Money(amount=Decimal(10), currency="EUR"))
    contract = msgspec.structs.replace(CONTRACT, penalties=(late,))
    spans = books(down("2026-10-31T20:00", "2026-11-01T02:00"))
    october = build_report(given_inputs(spans=spans, versions=(contract,)))
    november = build_report(
        given_inputs(spans=spans, versions=(contract,), month=11, now_ms=at("2026-12-02T00:00"))
    )
    for report, inside in ((october, 4), (november, 2)):
        (incident,) = report.incidents
        assert incident.duration_ms == 6 * HOUR
        assert incident.in_period_ms == inside * HOUR
        assert incident.restore_met is False
        assert report.ledger.down_ms == inside * HOUR
    assert october.penalties == ()
    assert [str(line.amount.amount) for line in november.penalties if line.amount] == ["20.00"]
    assert october.incident_summary.mean_time_to_restore_ms is None
    assert november.incident_summary.mean_time_to_restore_ms == 6 * HOUR


def test_raw_and_adjusted_figures_stand_side_by_side_and_late_entries_are_marked() -> None:
    exclusion = Exclusion(
        id="works",
        start_ms=at("2026-10-14T08:00"),
        end_ms=at("2026-10-14T10:00"),
        reason="works",
        author="town",
        entered_ms=at("2026-10-15T09:00"),
    )
    other = msgspec.structs.replace(exclusion, id="again", end_ms=at("2026-10-14T09:00"))
    report = build_report(
        given_inputs(
            spans=books(down("2026-10-14T08:00", "2026-10-14T12:00")),
            exclusions=(exclusion, other),
        )
    )
    assert report.availability.counted_ms == 4 * HOUR
    assert report.availability.counted_after_exclusions_ms == 2 * HOUR
    assert report.availability.contractual == Fraction(741, 743)
    assert report.availability.measured == Fraction(741, 745)
    assert [(each.id, each.after_the_fact, each.overlaps) for each in report.exclusions] == [
        ("again", True, ("works",)),
        ("works", True, ("again",)),
    ]
    assert report.incidents[0].counted_ms == 2 * HOUR


def test_what_people_entered_stands_with_the_incident() -> None:
    start = at("2026-10-14T08:00")
    report = build_report(
        given_inputs(
            spans=books(down("2026-10-14T08:00", "2026-10-14T12:30")),
            annotations=(
                Annotation(
                    incident_id=incident_id(start),
                    author="town",
                    entered_ms=start + HOUR,
                    ticket="T1",
                    reported_ms=start + HOUR,
                ),
            ),
        )
    )
    (incident,) = report.incidents
    assert (incident.ticket, incident.clock_from) == ("T1", "reported")
    assert incident.restore_met is True
    assert incident.annotations[0].author == "town"


def test_a_contract_changed_in_mid_month_is_charged_by_each_version_for_its_part() -> None:
    """11 October begins after 10 of the 31 days; only the new version is breached."""
    new = msgspec.structs.replace(
        CONTRACT,
        name="new",
        valid_from_ms=at("2026-10-11T00:00"),
        availability=Fraction("0.999"),
        monthly_fee=Money(amount=Decimal(745), currency="EUR"),
    )
    report = build_report(
        given_inputs(
            spans=books(down("2026-10-14T00:00", "2026-10-15T00:00")), versions=(CONTRACT, new)
        )
    )
    assert [version.name for version in report.contract.versions] == [None, "new"]
    assert report.contract.terms is not None
    assert report.contract.terms.name == "new"
    assert [str(line.amount.amount) for line in report.penalties if line.amount] == [
        "0.00",
        "101.00",  # 20 % of 505 of the month's 745 hours at 745 €
    ]
    assert (report.availability.target, report.availability.met) == (Fraction("0.999"), False)


def test_time_before_the_first_contract_is_shown_and_not_promised() -> None:
    new = msgspec.structs.replace(CONTRACT, valid_from_ms=at("2026-10-11T00:00"))
    report = build_report(given_inputs(versions=(new,)))
    assert report.availability.covered_ms == END - at("2026-10-11T00:00")
    assert report.calendars["24/7"].covered_ms == END - START


def test_contradictory_rules_are_printed_and_stop_nothing() -> None:
    twice = DurationSlices(name="a", slices=((0, Fraction(1, 10)),))
    contract = msgspec.structs.replace(
        CONTRACT, penalties=(twice, msgspec.structs.replace(twice, name="b"))
    )
    report = build_report(given_inputs(versions=(contract,)))
    assert report.contract.terms is not None
    (problem,) = report.contract.terms.problems
    assert problem.startswith("penalty 'b': prices the duration of the incident, as 'a' does")


def test_the_year_adds_up_from_its_first_day_with_its_coverage() -> None:
    before = (
        Span(verdict=Verdict.UP, cause=None, start_ms=at("2026-01-01T00:00"), end_ms=START - HOUR),
        Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=START - HOUR, end_ms=START),
    )
    inputs = given_inputs(spans=books(down("2026-10-14T08:00", "2026-10-14T12:00"), start=START))
    inputs = msgspec.structs.replace(inputs, year_before=measure_year_before(inputs, before))
    yearly = build_report(inputs).yearly_interruption
    assert (yearly.used_ms, yearly.used_before_ms) == (5 * HOUR, HOUR)
    assert (yearly.allowed_ms, yearly.coverage) == (13 * HOUR, 1)
    assert yearly.start == "2025-12-31T23:00:00Z"
    unwatched = msgspec.structs.replace(inputs, year_before=measure_year_before(inputs, ()))
    coverage = build_report(unwatched).yearly_interruption.coverage
    assert coverage == Fraction(745 * HOUR, END - at("2026-01-01T00:00"))


def test_a_contract_year_that_begins_in_the_month_begins_its_count_there() -> None:
    contract = msgspec.structs.replace(CONTRACT, contract_year_starts=date(2020, 10, 14))
    inputs = given_inputs(
        versions=(contract,),
        spans=books(
            down("2026-10-13T08:00", "2026-10-13T12:00"),
            down("2026-10-20T08:00", "2026-10-20T09:00"),
        ),
    )
    ended = (Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=START - HOUR, end_ms=START),)
    inputs = msgspec.structs.replace(inputs, year_before=measure_year_before(inputs, ended))
    assert inputs.year_before.counted_ms == HOUR
    yearly = build_report(inputs).yearly_interruption
    assert (yearly.used_ms, yearly.start) == (HOUR, "2026-10-13T22:00:00Z")


def test_tests_latency_and_what_was_not_measured_are_of_this_month() -> None:
    tests = tuple(
        ThroughputTest(
            at_ms=START + hour * HOUR, direction="down", bytes_per_second=rate, invalid=invalid
        )
        for hour, rate, invalid in (
            (-1, 1, None),
            (1, 13_000_000, None),
            (2, 12_000_000, None),
            (3, 2, "busy_link"),
            (745, 1, "device_limited"),
        )
    )
    samples = TargetSamples(
        name="quad9",
        role="internet",
        address="9.9.9.0/24",
        days={
            date(2026, 10, 1): distribution([10_400, 10_500]),
            date(2026, 10, 2): distribution([20_000], lost=1),
        },
    )
    report = build_report(
        given_inputs(tests=tests, targets=(samples,), skipped={"overlap": 1, "busy_link": 2})
    )
    assert (report.throughput.down.tests, report.throughput.down.valid) == (3, 2)
    assert report.throughput.down.share_met == Fraction(1, 2)
    assert report.throughput.up.tests == 0
    assert report.invalid == {"busy_link": 1}
    assert list(report.skipped) == ["busy_link", "overlap"]
    (target,) = report.latency.targets
    assert (target.sent, target.lost, target.loss) == (4, 1, Fraction(1, 4))
    assert (target.p50, target.p50_us) == (11, 10_500)
    assert (target.p99, target.pdv) == (None, None)
    assert target.mean_us == 13_633
    assert [(day.date, day.p50_us) for day in report.series.latency_days] == [
        ("2026-10-01", 10_400),
        ("2026-10-02", 20_000),
    ]


def test_spans_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="two spans claim the instant"):
        build_report(given_inputs(spans=(*books(), *books())))


@given(
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from("ab"), st.sampled_from([None, 1, 2]))),
    st.lists(st.tuples(st.integers(0, 100), st.integers(101, 200)), max_size=1),
)
def test_latency_is_sampled_in_available_time_by_civil_day(
    probes: list[tuple[int, str, int | None]], available: list[tuple[int, int]]
) -> None:
    """Hours from the 24th in Paris, over the night in which the clock goes back."""
    first = int(datetime(2026, 10, 24, tzinfo=UTC).timestamp()) * 1000
    ordered = [(first + hour * HOUR, *rest) for hour, *rest in sorted(probes, key=lambda p: p[0])]
    times = tuple((first + start * HOUR, first + end * HOUR) for start, end in available)
    stretches = cut_stretches(times, first, first + 201 * HOUR, PARIS)
    assert sum(part.end_ms - part.start_ms for part in stretches) == 201 * HOUR
    counted = count_probes(ordered, stretches)  # type: ignore[arg-type]  # the tuple's rest
    found = collect_days(counted, stretches)
    expected: dict[tuple[str, date], list[int | None]] = {}
    for sent, target, rtt in ordered:
        if any(start <= sent < end for start, end in times):
            day = datetime.fromtimestamp(sent / 1000, PARIS).date()
            expected.setdefault((target, day), []).append(rtt)
    assert {(target, day) for target, days in found.items() for day in days} == set(expected)
    for (target, day), values in expected.items():
        own = distribution([value for value in values if value is not None], values.count(None))
        assert (found[target][day].sent, found[target][day].lost) == (own.sent, own.lost)
        for percent in (0, 20, 50, 95, 99, 100):
            assert found[target][day].percentile(percent) == own.percentile(percent)
