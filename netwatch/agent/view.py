"""The snapshot: what page, metrics and `netwatch status` show, gathered at one instant.

Rule of this file: it reads what others hold and changes nothing. It runs on the runner's
thread, between two turns.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from netwatch import __version__
from netwatch.agent.attachment import Attachment
from netwatch.agent.evidence import Evidence
from netwatch.agent.outside import Outside
from netwatch.agent.recorder import Recorder
from netwatch.agent.target_state import TargetState
from netwatch.clock import Clock
from netwatch.core.clockline import Clockline
from netwatch.core.judge import IPV6, SERVICE, Judge, list_keys
from netwatch.core.ledger import Key
from netwatch.records import Check, Role, Span, Verdict
from netwatch.snapshot import Snapshot, TargetSnapshot


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """The newest spans of one layer, in the order of recording."""

    from_mono_ms: int  # from there on they say all that there is
    parts: tuple[tuple[int, Span], ...]  # each begins there (monotonic); the span is in UTC


def build_snapshot(
    *,
    judge: Judge,
    recorder: Recorder,
    attachment: Attachment,
    evidence: Evidence,
    outside: Outside,
    clock: Clock,
    clockline: Clockline,
    started_ms: int,
    missed_slots: int,
    lateness_us: int | None,
) -> Snapshot:
    """All that is shown, now. Instants are UTC, or absent while the clock cannot tell."""
    now_ms = clock.monotonic_ms()
    standing = judge.standing(now_ms)
    newest = clockline.newest
    utc_ms = clockline.to_utc_ms(now_ms)
    held_ms = None if newest is None else clock.held_ms()
    store = outside.describe_store()
    ipv6 = judge.standing_of(IPV6)
    outage_ms = judge.find_outage_start(now_ms)
    return Snapshot(
        at_ms=clock.wall_ms() if utc_ms is None else utc_ms,
        uptime_ms=now_ms - started_ms,
        version=__version__,
        verdict=standing.verdict,
        cause=standing.cause,
        reason=standing.reason,
        since_ms=clockline.to_utc_ms(standing.since_ms),
        held_ms=max(0, now_ms - standing.since_ms),
        link_ms=complete_totals(recorder.link_ms),
        incidents=dict(recorder.incidents),
        targets=tuple(
            build_target(state, judge, now_ms=now_ms, clockline=clockline)
            for state in attachment.states.values()
        ),
        facts=evidence.facts,
        clock_synchronised=newest is not None and held_ms is None,
        clock_held_ms=held_ms,
        icmp=outside.icmp_kind,
        notices=(
            *list_notices(
                attachment.checks, evidence, outside, dated=newest is not None, held_ms=held_ms
            ),
            *store.notices,
        ),
        missed_slots=missed_slots,
        send_lateness_us=lateness_us,
        store_bytes=store.store_bytes,
        written_bytes_today=store.written_bytes_today,
        store=store.health,
        totals_known=recorder.totals_known,
        ipv6=None if ipv6 is None else ipv6.verdict,
        outage_since_ms=None if outage_ms is None else clockline.to_utc_ms(outage_ms),
    )


def list_notices(
    checks: tuple[Check, ...],
    evidence: Evidence,
    outside: Outside,
    *,
    dated: bool,
    held_ms: int | None,
) -> list[str]:
    """What a person should do something about, by the keys of the page's sentences."""
    internet = sum(1 for check in checks if check.role is Role.INTERNET)
    said = {
        "clock_unsynchronised": not dated,
        "clock_held": held_ms is not None,
        "icmp_refused": outside.icmp_kind == "none",
        "icmp_filtered": evidence.filtered and outside.icmp_kind != "none",
        "captive_portal": evidence.portal,
        "gateway_unknown": all(check.role is not Role.GATEWAY for check in checks),
        "first_hop_unknown": all(check.role is not Role.FIRST_HOP for check in checks),
        "few_targets": internet < 3,
    }
    return [name for name, is_so in said.items() if is_so]


def build_live_spans(judge: Judge, clockline: Clockline) -> dict[str, Recent]:
    """What the store may not have yet, by layer. Empty while the time is not known."""
    if clockline.newest is None:
        return {}
    return {
        layer: Recent(
            from_mono_ms=clockline.reach_back(spans[0].start_ms),
            parts=tuple(part for span in spans for part in clockline.place(span)),
        )
        for layer, spans in judge.recent_spans().items()
        if spans
    }


def build_target(
    state: TargetState, judge: Judge, *, now_ms: int, clockline: Clockline
) -> TargetSnapshot:
    """One target as it is shown."""
    standing = None
    if state.check.role is Role.SERVICE:
        standing = judge.standing_of(SERVICE + state.check.id)
    return TargetSnapshot(
        summary=state.window.summarise(state.check.target, now_ms=now_ms),
        kind=state.check.kind,
        probes=state.window.probes,
        failures=dict(state.window.failures),
        histogram=state.window.build_histogram(),
        detail=state.detail,
        measures=dict(state.measures),
        verdict=Verdict.UNKNOWN if standing is None else standing.verdict,
        since_ms=None if standing is None else clockline.to_utc_ms(standing.since_ms),
    )


def complete_totals(link_ms: Mapping[Key, int]) -> dict[Key, int]:
    """Totals from nothing for what has not happened yet, so that a counter exists before."""
    return {key: link_ms.get(key, 0) for key in list_keys()}
