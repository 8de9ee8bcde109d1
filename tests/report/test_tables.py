"""The tables: what is written reads back, what is not a table is refused with its line."""

from __future__ import annotations

import io
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.round_trips import StretchCount
from netwatch.errors import EvidenceError
from netwatch.records import CAUSES, Cause, Span, Verdict
from netwatch.report.build import build_report
from netwatch.report.inputs import Stretch, count_probes
from netwatch.report.ledger_table import write_ledger_rows
from netwatch.report.rows import (
    annotation_rows,
    bandwidth_rows,
    exclusion_rows,
    incident_rows,
    ledger_rows,
    merge_ledger,
    read_annotation,
    read_exclusion,
)
from netwatch.report.rtt_table import RttTable, read_round_trips
from netwatch.report.tables import (
    ANNOTATIONS,
    BANDWIDTH,
    EXCLUSIONS,
    INCIDENTS,
    LEDGER,
    RTT,
    TABLES,
    Table,
    Value,
    build_schema,
    parse_instant_ms,
    read_table,
    write_rows,
    write_table,
)
from netwatch.report.terms import build_inputs, build_terms, decode_terms, encode_terms
from tests.report.sample_month import make_inputs


def read(data: bytes, table: Table) -> list[dict[str, Value]]:
    with io.BytesIO(data) as stream:
        return list(read_table(stream, table))


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    """Spans without holes, neighbours never alike."""
    at = draw(st.integers(1_700_000_000_000, 1_800_000_000_000))
    result: list[Span] = []
    for length in draw(st.lists(st.integers(1, 200_000), min_size=1, max_size=8)):
        verdict = draw(st.sampled_from(list(Verdict)))
        cause: Cause | None = None
        if CAUSES[verdict]:
            cause = draw(st.sampled_from(CAUSES[verdict]))
        reason = draw(st.sampled_from([None, "power_loss", 'odd, "one"\nof two lines']))
        span = Span(verdict=verdict, cause=cause, reason=reason, start_ms=at, end_ms=at + length)
        if result and (result[-1].verdict, result[-1].cause, result[-1].reason) == (
            verdict,
            cause,
            reason,
        ):
            continue
        result.append(span)
        at += length
    return result


@given(made=spans())
def test_a_ledger_comes_back_to_the_millisecond(
    made: list[Span], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Cut at every minute, written, read and joined again: the same spans."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.csv"
    count = write_table(path, LEDGER, ledger_rows(made))
    rows = read(path.read_bytes(), LEDGER)
    assert len(rows) == count
    assert list(merge_ledger(rows)) == made
    for row in rows:
        start, end = (parse_instant_ms(str(row[key])) for key in ("start", "end"))
        assert start // 60_000 == (end - 1) // 60_000


def test_the_other_tables_come_back_as_they_were(tmp_path: Path) -> None:
    """Annotations with their pauses, exclusions, tests and probes, in their types."""
    inputs = make_inputs()
    path = tmp_path / "table.csv"
    assert write_table(path, INCIDENTS, incident_rows(build_report(inputs).incidents)) == 3
    first, second, _ = read(path.read_bytes(), INCIDENTS)
    assert first["ticket"] == "T-48213"
    assert second["ticket"] is None
    assert isinstance(first["restore_met"], bool)
    write_table(path, ANNOTATIONS, annotation_rows(inputs.annotations))
    assert tuple(map(read_annotation, read(path.read_bytes(), ANNOTATIONS))) == inputs.annotations
    write_table(path, EXCLUSIONS, exclusion_rows(inputs.exclusions))
    assert tuple(map(read_exclusion, read(path.read_bytes(), EXCLUSIONS))) == inputs.exclusions
    write_table(path, BANDWIDTH, bandwidth_rows(inputs.tests))
    assert [row["bytes_per_second"] for row in read(path.read_bytes(), BANDWIDTH)] == [
        test.bytes_per_second
        for test in sorted(inputs.tests, key=lambda each: (each.at_ms, each.direction))
    ]


HOUR = 3_600_000
STRETCHES = tuple(
    Stretch(start_ms=at, end_ms=at + HOUR, day=date(1970, 1, 1), available=at % 2 == 0)
    for at in range(0, 10 * HOUR, HOUR)
)
PROBES = st.lists(
    st.tuples(
        st.integers(0, 12 * HOUR),
        st.sampled_from(["box", "a,b", 'say "hi"', "é", "two\nlines"]),
        st.none() | st.integers(0, 10**7),
    ),
    max_size=60,
)


@given(PROBES)
def test_round_trips_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, probes: list[tuple[int, str, int | None]]
) -> None:
    """Every value, how often it came and what was lost, whatever the names of the targets."""
    ordered = sorted(probes, key=lambda probe: probe[0])
    counted = list(count_probes(ordered, STRETCHES))
    with RttTable(tmp_path_factory.mktemp("rtt")) as table:
        assert list(table.keep(counted, STRETCHES)) == counted
        table.place()
    rows = read(table.path.read_bytes(), RTT)
    assert len(rows) == table.rows
    assert [
        (each.start_ms, each.end_ms, each.target, list(each.values), list(each.counts), each.lost)
        for each in read_round_trips(rows, STRETCHES)
    ] == [
        (each.start_ms, each.end_ms, each.target, each.values, each.counts, each.lost)
        for each in counted
    ]


def test_many_round_trips_go_on_in_the_next_row(tmp_path: Path) -> None:
    """No cell is longer than a spreadsheet takes; together the rows have all of them."""
    many = StretchCount(
        start_ms=0,
        end_ms=HOUR,
        target="a",
        values=[*range(9_999_999, 3 * 10**9, 9_999_999), *range(3 * 10**9, 3 * 10**9 + 4_200)],
        counts=[3] * 4_500,
        lost=7,
    )
    with RttTable(tmp_path) as table:
        list(table.keep([many], STRETCHES))
        table.place()
    rows = read(table.path.read_bytes(), RTT)
    assert [(row["answered"], row["lost"]) for row in rows] == [(6_000, 7), (6_000, 0), (1_500, 0)]
    assert max(len(str(row["rtt_us"])) for row in rows) < 32_767
    parts = list(read_round_trips(rows, STRETCHES))
    assert [value for part in parts for value in part.values] == many.values


ROW = "1970-01-01T00:00:00Z,1970-01-01T01:00:00Z,a,true,3,1,900 7*2"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            ROW.replace(",3,", ",4,"),
            "rtt.csv: line 2: answered: must be the 3 round trips of the row and lost no less "
            "than 0, got 4 and 1",
        ),
        (
            ROW.replace("900 7", "900 0"),
            "rtt.csv: line 2: rtt_us: must be whole numbers with a space between, each perhaps "
            "with *N, got '900 0*2'",
        ),
        (
            ROW.replace("900", "3600000001"),
            "rtt.csv: line 2: rtt_us: more than an hour, or more probes than there can be",
        ),
    ],
)
def test_round_trips_that_cannot_be_are_refused_with_their_line(row: str, sentence: str) -> None:
    """Numbers that are none, too large, or not as many as the row says."""
    header = ",".join(column.name for column in RTT.columns)
    rows = read(f"{header}\n{row}\n".encode(), RTT)
    with pytest.raises(EvidenceError) as error:
        list(read_round_trips(rows, STRETCHES))
    assert str(error.value) == sentence


@pytest.mark.parametrize("other", [("true", "false"), ("T01:00", "T00:59")])
def test_what_the_ledger_does_not_say_of_a_stretch_is_left_out(other: tuple[str, str]) -> None:
    """A row of another stretch, or of one that was not available then, counts nowhere."""
    header = ",".join(column.name for column in RTT.columns)
    rows = read(f"{header}\n{ROW}\n{ROW.replace(*other)}\n".encode(), RTT)
    assert len(list(read_round_trips(rows, STRETCHES))) == 1


def test_probes_out_of_order_are_refused(tmp_path: Path) -> None:
    """Not counted wrong, and nothing stays behind."""
    probes = [(60_000, "a", 1), (59_999, "a", 1)]
    with pytest.raises(ValueError, match="in the order of sending"), RttTable(tmp_path) as table:
        list(table.keep(count_probes(probes, STRETCHES), STRETCHES))
    assert list(tmp_path.iterdir()) == []


@given(spans())
def test_the_ledger_is_written_as_any_other_table_would_be(made: list[Span]) -> None:
    """The quick way gives the bytes of `write_rows`."""
    quick, plain = io.StringIO(newline=""), io.StringIO(newline="")
    assert write_ledger_rows(quick, made) == write_rows(plain, LEDGER, ledger_rows(made))
    assert quick.getvalue() == plain.getvalue()


def test_the_terms_come_back_exactly() -> None:
    """Fractions, money, dates, penalty rules of every field that is set, quotes in names."""
    terms = build_terms(make_inputs())
    assert decode_terms(encode_terms(terms)) == terms
    assert encode_terms(decode_terms(encode_terms(terms))) == encode_terms(terms)
    rebuilt = build_inputs(terms)
    assert rebuilt.versions == make_inputs().versions
    assert rebuilt.charged_before == {("V·R/30", "quarter"): Decimal("10.00")}
    nowhere = msgspec.structs.replace(
        terms, site=msgspec.structs.replace(terms.site, timezone="../etc")
    )
    with pytest.raises(EvidenceError, match=r"contract\.toml: site\.timezone: not a time zone"):
        build_inputs(nowhere)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_each_schema_describes_its_table(table: Table) -> None:
    """Same columns in the same order, each with a type and a description."""
    schema = json.loads(build_schema(table))
    assert [field["name"] for field in schema["fields"]] == [c.name for c in table.columns]
    for field in schema["fields"]:
        assert field["type"] in ("datetime", "integer", "string", "boolean", "array")
        assert field["description"]
    assert set(schema.get("primaryKey", [])) <= {c.name for c in table.columns}
    assert schema["missingValues"] == [""]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "ledger.csv: line 1: the columns must be start,end,verdict,cause,reason, got "),
        (b"start,end\n", "ledger.csv: line 1: the columns must be start,end,verdict,cause,reason"),
        (b"*a,b\n", "ledger.csv: line 2: must have 5 cells, got 2"),
        (b"*2026-10-01T00:00:00Z,,up,,\n", "ledger.csv: line 2: end: must not be empty"),
        (
            b"*2026-10-01T00:00:00Z,yesterday,up,,\n",
            "ledger.csv: line 2: end: must be of type datetime, got 'yesterday'",
        ),
        (
            b"*2026-10-01T00:00:00Z,2026-10-01T00:00:00+02:00,up,,\n",
            "ledger.csv: line 2: end: must be of type datetime, got '2026-10-01T00:00:00+02:00'",
        ),
        (
            b"*2026-10-01T00:00:00Z,2026-10-01T00:01:00Z,fine,,\n",
            "ledger.csv: line 2: verdict: must be one of up, degraded, down, unknown, got 'fine'",
        ),
        (b'*2026-10-01T00:00:00Z,"2026\n', "ledger.csv: line 2: not CSV (unexpected end of data)"),
        (b"*\xff,,,,\n", "ledger.csv: not UTF-8 text"),
    ],
)
def test_what_is_not_the_table_is_refused_with_its_line(text: bytes, sentence: str) -> None:
    """File, line, column, what was given."""
    header = b"start,end,verdict,cause,reason\n"
    data = header + text[1:] if text.startswith(b"*") else text
    with pytest.raises(EvidenceError) as caught:
        read(data, LEDGER)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("00:00:00Z", "00:01:00Z"), ("00:02:00Z", "00:03:00Z")),  # a hole
        (("00:00:00Z", "00:01:00Z"), ("00:00:59Z", "00:02:00Z")),  # twice the same second
        (("00:00:00Z", "00:01:00Z"), ("00:01:00Z", "00:01:00Z")),  # no time at all
    ],
)
def test_a_ledger_with_a_hole_or_an_overlap_is_refused(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    """Every millisecond once."""
    rows: list[dict[str, Value]] = [
        {"start": f"2026-10-01T{a}", "end": f"2026-10-01T{b}", "verdict": "up", "cause": None,
         "reason": None}
        for a, b in (first, second)
    ]  # fmt: skip
    with pytest.raises(EvidenceError, match=r"ledger\.csv: line 3: must begin where the line bef"):
        list(merge_ledger(rows))
