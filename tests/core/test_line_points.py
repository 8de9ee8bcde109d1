"""Points of the push: they add up, and nothing in a name can break out of its line."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.line_points import (
    RttMinute,
    build_tags,
    format_incident,
    format_ledger_minute,
    format_line,
    format_rtt_minute,
)
from netwatch.records import CAUSES, Cause, Entry, Incident, LedgerMinute, Verdict
from tests.adapters.victoria import split_line

TAGS = build_tags("ecole-jaures", "FTTH-0042", "Opérateur A")
KEYS = [
    (Verdict.UP, None),
    *((verdict, cause) for verdict in Verdict for cause in CAUSES[verdict]),
]


def fields_of(line: str) -> dict[str, int]:
    return {name: int(value) for name, _, _, value in split_line(line)}


@given(st.lists(st.integers(0, 60_000), max_size=8), st.data())
def test_a_ledger_point_adds_up_however_its_minute_is_divided(
    cuts: list[int], data: st.DataObject
) -> None:
    """The verdicts add up to 60 000, and the causes of each to that verdict."""
    edges = sorted({0, 60_000, *cuts})
    entries = tuple(
        Entry(verdict=verdict, cause=cause, duration_ms=end - start)
        for start, end in itertools.pairwise(edges)
        for verdict, cause in [data.draw(st.sampled_from(KEYS))]
    )
    found = fields_of(format_ledger_minute(LedgerMinute(start_ms=60_000, entries=entries), TAGS))
    assert sum(found[f"netwatch_ledger_{verdict.value}_ms"] for verdict in Verdict) == 60_000
    for verdict in (Verdict.DEGRADED, Verdict.DOWN, Verdict.UNKNOWN):
        by_cause = [
            found[f"netwatch_ledger_{verdict.value}_{cause.value}_ms"] for cause in CAUSES[verdict]
        ]
        assert sum(by_cause) == found[f"netwatch_ledger_{verdict.value}_ms"]


def test_a_minute_that_does_not_add_up_is_refused() -> None:
    """A ledger that lost a millisecond is a fault of ours, and is not sent."""
    short = Entry(verdict=Verdict.UP, cause=None, duration_ms=59_999)
    with pytest.raises(ValueError, match="the minute at 0 adds up to 59999 ms, not 60000"):
        format_ledger_minute(LedgerMinute(start_ms=0, entries=(short,)), TAGS)


def test_the_ledger_point_of_a_known_minute_is_this_to_the_letter() -> None:
    """Tags in order and escaped, every field there, nanoseconds."""
    minute = LedgerMinute(
        start_ms=1_790_812_800_000,
        entries=(
            Entry(verdict=Verdict.DOWN, cause=Cause.ACCESS, duration_ms=12_345),
            Entry(verdict=Verdict.UP, cause=None, duration_ms=47_655),
        ),
    )
    assert format_ledger_minute(minute, TAGS) == (
        "netwatch_ledger,circuit=FTTH-0042,operator=Opérateur\\ A,site=ecole-jaures "
        "up_ms=47655i,degraded_ms=0i,down_ms=12345i,unknown_ms=0i,"
        "degraded_loss_ms=0i,degraded_latency_ms=0i,degraded_throughput_ms=0i,"
        "down_gateway_ms=0i,down_access_ms=12345i,down_upstream_ms=0i,down_dns_ms=0i,"
        "unknown_agent_ms=0i,unknown_clock_ms=0i,unknown_local_ms=0i 1790812800000000000"
    )


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_tag_can_break_out_of_its_line(operator: str, target: str) -> None:
    """Whatever a name holds, the line is one line with the same fields, read by another hand."""
    line = format_line("m", {"operator": operator, "target": target}, {"x": 1}, 7)
    assert len(line.splitlines()) == 1
    [(name, labels, at_ms, value)] = split_line(line)
    assert (name, at_ms, value) == ("m_x", 7, 1.0)
    assert {key for key, _ in labels} <= {"operator", "target"}
    assert all(text for _, text in labels)


def test_what_was_not_measured_is_no_field() -> None:
    """A minute in which all was lost has counts and no times; a lost majority has no median."""
    nothing = format_rtt_minute(RttMinute(target="box", start_ms=0, rtt_us=(None, None)), {})
    assert nothing == "netwatch_rtt,target=box sent=2i,lost=2i 0"
    mostly = RttMinute(target="box", start_ms=0, rtt_us=(10, None, None))
    assert fields_of(format_rtt_minute(mostly, {})).keys().isdisjoint({"netwatch_rtt_p50"})


def test_an_incident_that_lasts_is_not_sent() -> None:
    """It would be two where a server keeps both."""
    with pytest.raises(ValueError, match="the incident of 5 is not over"):
        format_incident(Incident(cause=Cause.DNS, start_ms=5, end_ms=None), {})
