"""The month's report: its inputs gathered from books and settings, its files written.

Rule of this file: composition. What the store holds and what the settings say become
`report.inputs.ReportInputs`; every figure is reckoned in `core` and `report`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from netwatch import __version__
from netwatch.agent.month_books import MonthBooks, list_latency_targets, truncate_address
from netwatch.config.contract_terms import build_money, build_versions
from netwatch.config.model import Settings
from netwatch.core.calendars import civil_date, contract_year, month_window
from netwatch.core.contract import Contract, contract_at
from netwatch.core.linkstate import OUTAGE_RULE_VERSION
from netwatch.core.outages import incident_id
from netwatch.core.sla import Exclusion
from netwatch.errors import UsageError
from netwatch.records import CheckDefinition
from netwatch.report.build import build_report, measure_year_before
from netwatch.report.holidays_calendar import read_holidays
from netwatch.report.identity import ChainEnd, CircuitIdentity, Evidence, Method, SiteIdentity
from netwatch.report.inputs import ReportInputs
from netwatch.report.recompute import collect_targets, list_stretches
from netwatch.report.rtt_table import RttTable
from netwatch.report.terms import TargetIdentity
from netwatch.store.annals import ExclusionRecord
from netwatch.store.chain_verify import read_chain_end
from netwatch.store.marks import read_simulated

Month = tuple[int, int]


def find_last_month(now_ms: int, zone: ZoneInfo) -> Month:
    """The newest civil month that is over.

    >>> find_last_month(1_793_487_600_000, ZoneInfo("Europe/Paris"))
    (2026, 10)
    """
    today = civil_date(now_ms, zone)
    return (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)


def gather_inputs(
    settings: Settings, month: Month, now_ms: int, table: RttTable | None = None
) -> ReportInputs:
    """Everything that the month's report depends on, latency samples included.

    Of a month that is not over, up to what the books hold by ``now_ms`` (UTC). With a
    ``table``, the month's round trips are written into it on their way. Raises
    UsageError for a month that has not begun, StoreError where the books cannot be read,
    ConfigError for holidays that nobody knows.
    """
    books = MonthBooks(settings.store.path)
    inputs = gather_figures(settings, books, month, now_ms)
    charged = _charge_before(settings, books, inputs)
    definitions = books.read_definitions(month_end(inputs))
    latency = list_latency_targets(definitions)
    start, month_ends_ms = month_window(inputs.year, inputs.month, inputs.zone)
    stretches = list_stretches(inputs)
    round_trips = books.count_round_trips([(each.start_ms, each.end_ms) for each in stretches])
    if table is not None:
        round_trips = table.keep(round_trips, stretches)
    targets = collect_targets(inputs, [_identify(each) for each in latency], round_trips)
    targets = tuple(target for target in targets if target.days)
    shown = {target.name for target in targets}
    method = msgspec.structs.replace(
        inputs.method, targets=_describe_targets(settings, definitions, shown)
    )
    chain = read_chain_end(settings.store.path)
    return msgspec.structs.replace(
        inputs,
        charged_before=charged,
        targets=targets,
        method=method,
        campaigns=books.read_campaigns(start, month_ends_ms, inputs.now_ms),
        simulated=_name_scenario(read_simulated(settings.store.path)),
        evidence=Evidence(
            chain=None
            if chain is None
            else ChainEnd(number=chain.number, day=chain.day, hash=chain.hash)
        ),
    )


def _name_scenario(mark: str | None) -> str | None:
    """The scenario's name out of the mark in a simulated database.

    >>> _name_scenario('{"scenario":"october.toml","seed":1}'), _name_scenario("by hand")
    ('october.toml', 'by hand')
    """
    if mark is None:
        return None
    try:
        return msgspec.json.decode(mark, type=_SimulationMark).scenario
    except msgspec.DecodeError:
        return mark


class _SimulationMark(msgspec.Struct):
    scenario: str


def month_end(inputs: ReportInputs) -> int:
    """The instant up to which the report speaks (UTC ms)."""
    start, end = month_window(inputs.year, inputs.month, inputs.zone)
    return max(start, min(end, inputs.now_ms))


def gather_figures(
    settings: Settings, books: MonthBooks, month: Month, now_ms: int
) -> ReportInputs:
    """The same without latency, and without what was charged before: enough for penalties."""
    year, number = month
    zone = ZoneInfo(settings.site.timezone)
    start, end = month_window(year, number, zone)
    if now_ms < start:
        raise UsageError(
            f"{year:04}-{number:02}: that month has not begun: the last that is over is "
            f"{'-'.join(f'{part:02}' for part in find_last_month(now_ms, zone))}"
        )
    if now_ms < end:
        now_ms = max(start, books.find_end_ms(now_ms))
    until = min(end, now_ms)
    versions = build_versions(settings.circuit, zone)
    spans = books.read_around(start, end, now_ms, versions)
    first_ms = spans[0].start_ms if spans else start
    in_force = contract_at(versions, start) or Contract()
    since, _ = contract_year(in_force.contract_year_starts, start, zone)
    annotations = books.annals.read_annotations()
    tests = books.read_tests(start, until)
    inputs = ReportInputs(
        year=year,
        month=number,
        now_ms=now_ms,
        zone=zone,
        site=_build_site(settings),
        circuit=_build_circuit(settings),
        versions=versions,
        opening_hours=settings.site.opening_hours,
        holidays=read_holidays(
            settings.site.holidays, range(year - 1, year + 2), settings.site.extra_holidays
        ),
        spans=spans,
        rule=_build_rule(settings),
        method=Method(
            software_version=__version__,
            test_servers=tuple(sorted({test.server for test in tests if test.server is not None})),
            thresholds=_build_thresholds(settings),
        ),
        exclusions=tuple(
            _name_kind(record)
            for record in books.read_exclusions(min(since, first_ms), max(end, now_ms))
        ),
        annotations=tuple(
            each for each in annotations if each.incident_id[:15] >= incident_id(first_ms)[:15]
        ),
        loss_timeout_ms=int(settings.latency.timeout_ms),
        tests=tests,
        skipped=books.count_skips(start, until),
    )
    if since < start:
        before = measure_year_before(inputs, books.read_ledger(since, start))
        inputs = msgspec.structs.replace(inputs, year_before=before)
    return inputs


def _charge_before(
    settings: Settings, books: MonthBooks, inputs: ReportInputs
) -> Mapping[tuple[str, str], Decimal]:
    """What each rule had charged earlier in the civil quarter and the contract year.

    Only reckoned for rules that have a cap over such a time: month after month, each with
    what the ones before it had charged.
    """
    capped = {
        (rule.name, cap.per)
        for version in inputs.versions
        for rule in version.penalties
        for cap in rule.caps
        if cap.per in {"quarter", "year"}
    }
    if not capped:
        return {}
    start, _ = month_window(inputs.year, inputs.month, inputs.zone)
    in_force = contract_at(inputs.versions, start) or Contract()
    since, _ = contract_year(in_force.contract_year_starts, start, inputs.zone)
    year_start = civil_date(since, inputs.zone)
    quarter = date(inputs.year, 3 * ((inputs.month - 1) // 3) + 1, 1)
    starts = {"quarter": quarter, "year": year_start.replace(day=1)}
    begun_ms = books.reader.read_first_ms()
    charged: dict[Month, dict[str, Decimal]] = {}

    def charged_since(first: date) -> dict[str, Decimal]:
        sums: dict[str, Decimal] = {}
        for (year, number), amounts in charged.items():
            if date(year, number, 1) >= first:
                for name, amount in amounts.items():
                    sums[name] = sums.get(name, Decimal(0)) + amount
        return sums

    def before(month: Month) -> dict[tuple[str, str], Decimal]:
        own_quarter = date(month[0], 3 * ((month[1] - 1) // 3) + 1, 1)
        sums = {
            "quarter": charged_since(own_quarter),
            "year": charged_since(starts["year"]),
        }
        return {(name, per): sums[per][name] for name, per in sorted(capped) if name in sums[per]}

    for month in _months(min(starts.values()), date(inputs.year, inputs.month, 1)):
        _, month_end_ms = month_window(*month, inputs.zone)
        if begun_ms is None or month_end_ms <= begun_ms:
            continue
        earlier = msgspec.structs.replace(
            gather_figures(settings, books, month, inputs.now_ms), charged_before=before(month)
        )
        amounts: dict[str, Decimal] = {}
        for line in build_report(earlier).penalties:
            if line.amount is not None:
                amounts[line.rule] = amounts.get(line.rule, Decimal(0)) + line.amount.amount
        charged[month] = amounts
    return before((inputs.year, inputs.month))


def _months(first: date, until: date) -> Iterator[Month]:
    year, number = first.year, first.month
    while date(year, number, 1) < until:
        yield year, number
        year, number = (year, number + 1) if number < 12 else (year + 1, 1)


def _name_kind(record: ExclusionRecord) -> Exclusion:
    return msgspec.structs.replace(record.entry, kind=record.kind)


def _identify(check: CheckDefinition) -> TargetIdentity:
    assert check.role is not None  # it has a kind, so it was defined
    return TargetIdentity(
        name=check.check_id, role=check.role.value, address=truncate_address(check.target or "")
    )


def _describe_targets(
    settings: Settings, definitions: Mapping[str, CheckDefinition], sampled: set[str]
) -> tuple[Mapping[str, str | int], ...]:
    """What was probed: the targets of the configuration, and those that the month knows."""
    configured = {target.name for target in settings.target}
    rows: list[Mapping[str, str | int]] = []
    for each in definitions.values():
        base = each.check_id.rstrip("0123456789").rstrip("-")
        if configured and not {each.check_id, base} & configured and each.check_id not in sampled:
            continue
        identity = _identify(each)
        rows.append(
            {
                "name": identity.name,
                "role": identity.role,
                "kind": each.kind or "",
                "address": identity.address,
            }
        )
    return tuple(rows)


def _build_site(settings: Settings) -> SiteIdentity:
    site = settings.site
    return SiteIdentity(
        id=site.id,
        name=site.name,
        commune=site.commune,
        timezone=site.timezone,
        holidays=site.holidays,
        latitude=site.latitude,
        longitude=site.longitude,
    )


def _build_circuit(settings: Settings) -> CircuitIdentity:
    circuit = settings.circuit
    return CircuitIdentity(
        operator=circuit.operator,
        reference=circuit.reference,
        technology=circuit.technology,
        monthly_fee=build_money(circuit.contract.monthly_fee or circuit.monthly_fee),
    )


def _build_rule(settings: Settings) -> dict[str, str | int]:
    """The outage rule with its numbers, as the agent applies them (`agent.rules`)."""
    latency = settings.latency
    return {
        "version": OUTAGE_RULE_VERSION,
        "interval_ms": int(latency.interval_ms),
        "burst_interval_ms": int(latency.burst_interval_ms),
        "down_after_rounds": latency.down_after_rounds,
        "up_after_rounds": latency.up_after_rounds,
        "maximum_gap_ms": int(2 * latency.interval_ms + latency.timeout_ms),
    }


def _build_thresholds(settings: Settings) -> dict[str, str | int]:
    latency, dns, bandwidth = settings.latency, settings.dns, settings.bandwidth
    return {
        "latency.timeout_ms": int(latency.timeout_ms),
        "latency.window_ms": int(latency.window_ms),
        "latency.degraded_after_windows": latency.degraded_after_windows,
        "dns.interval_ms": int(dns.interval_ms),
        "dns.timeout_ms": int(dns.timeout_ms),
        "bandwidth.per_day": bandwidth.per_day,
        "bandwidth.busy_above": str(bandwidth.busy_above),
    }
