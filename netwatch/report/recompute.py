"""A bundle's report made anew from its tables: what `verify` holds the reported one against.

Rule of this file: it reads the evidence and nothing else. Where the report came from,
and what it says, it must not know; only the list of files to hash is taken from it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import msgspec

from netwatch.core.calendars import month_window
from netwatch.core.campaign_record import SlotTest
from netwatch.core.intervals import difference
from netwatch.core.round_trips import StretchCount
from netwatch.core.sla import available_time, complete_spans
from netwatch.core.throughput import Direction, ThroughputTest, loaded_time
from netwatch.errors import EvidenceError
from netwatch.records import Span
from netwatch.report.build import build_report
from netwatch.report.evidence import Bundle
from netwatch.report.identity import Evidence, EvidenceFile
from netwatch.report.inputs import (
    Probe,
    ReportInputs,
    Stretch,
    TargetSamples,
    collect_days,
    count_probes,
    cut_stretches,
)
from netwatch.report.json_form import encode_report
from netwatch.report.model import Report
from netwatch.report.older_tables import EXCLUSIONS_WITHOUT_KIND, OLDER_TABLES, RTT_PROBES
from netwatch.report.rows import (
    incident_rows,
    merge_ledger,
    read_annotation,
    read_exclusion,
    read_slot_test,
)
from netwatch.report.rtt_table import read_round_trips
from netwatch.report.tables import (
    ANNOTATIONS,
    BANDWIDTH,
    CAMPAIGNS,
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
)
from netwatch.report.terms import TargetIdentity, build_inputs, decode_terms

_LONGEST_HEADER = 1_000


def recompute_report(bundle: Bundle) -> object:
    """The report as JSON values. Raises ``EvidenceError`` for a table that cannot be used."""
    terms = decode_terms(bundle.read("contract.toml"))
    inputs = build_inputs(terms)
    counts: dict[str, int] = {}
    forms = {table.name: _find_form(bundle, table) for table in list_tables(inputs)}

    def rows(table: Table) -> Iterator[dict[str, Value]]:
        counts[table.file_name] = 0
        with bundle.open(table.file_name) as stream, bundle.explained(table.file_name):
            for row in read_table(stream, forms[table.name]):
                counts[table.file_name] += 1
                yield row

    def fit(round_trips: Iterable[StretchCount]) -> Iterator[StretchCount]:
        """A row that the ledger contradicts is none."""
        fitting = 0
        for each in round_trips:
            fitting += 1
            yield each
        counts[RTT.file_name] = fitting

    try:
        inputs = msgspec.structs.replace(
            inputs,
            spans=tuple(merge_ledger(rows(LEDGER))),
            exclusions=tuple(map(read_exclusion, rows(EXCLUSIONS))),
            annotations=tuple(map(read_annotation, rows(ANNOTATIONS))),
            tests=tuple(map(_read_test, rows(BANDWIDTH))),
        )
        if inputs.campaigns:
            inputs = _add_campaign_tests(inputs, rows(CAMPAIGNS))
        stretches = list_stretches(inputs)
        if forms[RTT.name] is RTT_PROBES:
            round_trips = count_probes(map(_read_probe, rows(RTT)), stretches)
        else:
            round_trips = fit(read_round_trips(rows(RTT), stretches))
        inputs = msgspec.structs.replace(
            inputs, targets=collect_targets(inputs, terms.targets, round_trips)
        )
        report = build_report(inputs)
    except ValueError as error:
        raise EvidenceError(f"{bundle.path}: {error}") from error
    report = msgspec.structs.replace(
        report, evidence=_evidence(bundle, report, counts, list(forms.values()))
    )
    plain = msgspec.json.decode(encode_report(report))
    if forms[EXCLUSIONS.name] is EXCLUSIONS_WITHOUT_KIND:
        for entry in plain["exclusions"]:
            del entry["kind"]
    return cast("object", plain)


def _find_form(bundle: Bundle, table: Table) -> Table:
    """The table as this bundle has it: as it is written now, or as it once was."""
    older = [each for each in OLDER_TABLES if each.name == table.name]
    with bundle.open(table.file_name) as stream, bundle.explained(table.file_name):
        header = stream.readline(_LONGEST_HEADER).rstrip(b"\r\n")
    for each in older:
        if header == ",".join(column.name for column in each.columns).encode():
            return each
    return table


def list_stretches(inputs: ReportInputs) -> tuple[Stretch, ...]:
    """The parts of the month, up to its end or ``now_ms``, in which round trips are counted.

    ``inputs.spans`` and ``inputs.tests`` must be there already: what was sent while one of
    our own throughput tests loaded the line is not of the line's latency.
    """
    start, end = month_window(inputs.year, inputs.month, inputs.zone)
    until = max(start, min(end, inputs.now_ms))
    spans = complete_spans(inputs.spans, start, until)
    quiet = difference(available_time(spans), loaded_time(inputs.tests))
    return cut_stretches(quiet, start, until, inputs.zone)


def collect_targets(
    inputs: ReportInputs, targets: Sequence[TargetIdentity], round_trips: Iterable[StretchCount]
) -> tuple[TargetSamples, ...]:
    """Each target's samples in the available time of the month, as the report counts them.

    For the caller that builds a report too, so that both count alike. ``inputs.spans`` must
    be there already; ``round_trips`` are counted in the stretches of `list_stretches`.
    """
    samples = collect_days(round_trips, list_stretches(inputs))
    return tuple(
        TargetSamples(
            name=each.name, role=each.role, address=each.address, days=samples.get(each.name, {})
        )
        for each in targets
    )


def _read_test(row: dict[str, Value]) -> ThroughputTest:
    ended = cast("str | None", row.get("ended_at"))
    return ThroughputTest(
        ended_ms=None if ended is None else parse_instant_ms(ended),
        at_ms=parse_instant_ms(cast("str", row["at"])),
        direction=cast("Direction", row["direction"]),
        bytes_per_second=cast("int | None", row["bytes_per_second"]),
        invalid=cast("str | None", row["invalid"]),
        engine=cast("str | None", row["engine"]),
        server=cast("str | None", row["server"]),
    )


def _read_probe(row: dict[str, Value]) -> Probe:
    at = parse_instant_ms(cast("str", row["at"]))
    return at, cast("str", row["target"]), cast("int | None", row["rtt_us"])


def list_tables(inputs: ReportInputs) -> tuple[Table, ...]:
    """The tables of a month's bundle."""
    return (*TABLES, CAMPAIGNS) if inputs.campaigns else TABLES


def _add_campaign_tests(inputs: ReportInputs, rows: Iterable[dict[str, Value]]) -> ReportInputs:
    tests: dict[str, list[SlotTest]] = {each.campaign.id: [] for each in inputs.campaigns}
    for row in rows:
        name, test = read_slot_test(row)
        if name not in tests:
            raise EvidenceError(f"campaigns.csv: contract.toml has no campaign {name}")
        tests[name].append(test)
    return msgspec.structs.replace(
        inputs,
        campaigns=tuple(
            msgspec.structs.replace(each, tests=tuple(tests[each.campaign.id]))
            for each in inputs.campaigns
        ),
    )


def _evidence(
    bundle: Bundle, report: Report, counts: dict[str, int], tables: Sequence[Table]
) -> Evidence:
    """The list of files: sources hashed as they are, what follows from them made anew."""
    text = io.StringIO(newline="")
    counts[INCIDENTS.file_name] = write_rows(text, INCIDENTS, incident_rows(report.incidents))
    made = {INCIDENTS.file_name: text.getvalue().encode()}
    made |= {table.schema_name: build_schema(table) for table in tables}
    files = []
    for name in sorted({*made, *(table.file_name for table in tables), "contract.toml"}):
        if name in made:
            digest = hashlib.sha256(made[name]).hexdigest()
        else:
            digest, _ = bundle.hash(name)
        files.append(EvidenceFile(name=name, sha256=digest, rows=counts.get(name)))
    return Evidence(files=tuple(files), chain=report.evidence.chain)


def completed_ledger(inputs: ReportInputs) -> tuple[Span, ...]:
    """The spans of the inputs without a hole, over the month at least."""
    start, end = month_window(inputs.year, inputs.month, inputs.zone)
    until = max(start, min(end, inputs.now_ms))
    first = min([start, *(span.start_ms for span in inputs.spans)])
    last = max([until, *(span.end_ms for span in inputs.spans)])
    return complete_spans(inputs.spans, first, last)
