"""The agent's state and its ledger as JSON values.

Rule of this file: pure, from records to dicts; keys are an interface (docs/metrics.md)
and only ever added to. Instants are ISO 8601 UTC, durations integer milliseconds,
shares numbers from 0 to 1; what is not known is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from fractions import Fraction

from netwatch.core.calendars import civil_date, day_start, local_time, month_window
from netwatch.core.push_problems import explain_problem
from netwatch.records import CAUSES, Span, Verdict
from netwatch.snapshot import CentralView, PushState, Snapshot, TargetSnapshot
from netwatch.web.accounts import Account, build_account
from netwatch.web.bandwidth_status import build_bandwidth_json
from netwatch.web.books import Books, SiteIdentity

LONGEST_LEDGER_MS = 400 * 86_400_000


def render_instant(at_ms: int | None) -> str | None:
    """ISO 8601 in UTC, to the millisecond.

    >>> render_instant(1_793_487_600_250)
    '2026-10-31T23:00:00.250Z'
    """
    if at_ms is None:
        return None
    return local_time(at_ms, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_instant(text: str) -> int:
    """Milliseconds since 1970 from an ISO 8601 instant, or from that number itself.

    Without an offset it is UTC. Raises ValueError.

    >>> parse_instant("2026-11-01T00:00:00+01:00"), parse_instant("1793487600000")
    (1793487600000, 1793487600000)
    """
    if text.isascii() and text.isdigit() and len(text) > 8:
        at_ms = int(text[:20])
    else:
        parsed = datetime.fromisoformat(text)
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        elapsed = aware - datetime(1970, 1, 1, tzinfo=UTC)
        at_ms = (elapsed.days * 86_400 + elapsed.seconds) * 1_000 + elapsed.microseconds // 1_000
    if not 0 <= at_ms < 4_102_444_800_000:
        raise ValueError("outside 1970 to 2099")
    return at_ms


def _number(share: Fraction | None) -> float | None:
    return None if share is None else float(share)


def build_account_json(account: Account) -> dict[str, object]:
    """The four sums, which add up to ``duration_ms``, and the shares that follow from them."""
    return {
        "duration_ms": account.length_ms,
        "up_ms": account.total_ms(Verdict.UP),
        "degraded_ms": account.total_ms(Verdict.DEGRADED),
        "down_ms": account.total_ms(Verdict.DOWN),
        "unknown_ms": account.total_ms(Verdict.UNKNOWN),
        "by_cause_ms": {
            verdict.value: {
                cause.value: account.entries.get((verdict, cause), 0) for cause in causes
            }
            for verdict, causes in CAUSES.items()
            if causes
        },
        "availability": _number(account.availability),
        "availability_low": _number(account.low),
        "availability_high": _number(account.high),
        "coverage": _number(account.coverage),
    }


def build_ledger_json(spans: Sequence[Span], from_ms: int, to_ms: int) -> dict[str, object]:
    """``/api/v1/ledger``: the account of ``[from_ms, to_ms)`` and the spans that make it up."""
    return {
        "from": render_instant(from_ms),
        "to": render_instant(to_ms),
        **build_account_json(build_account(spans, from_ms, to_ms)),
        "spans": [
            {
                "verdict": span.verdict.value,
                "cause": span.cause.value if span.cause else None,
                "reason": span.reason,
                "start": render_instant(span.start_ms),
                "end": render_instant(span.end_ms),
                "duration_ms": span.duration_ms,
            }
            for span in spans
        ],
    }


def build_status_json(
    snapshot: Snapshot, site: SiteIdentity, accounts: Mapping[str, Account] | None, *, alive: bool
) -> dict[str, object]:
    """``/api/v1/status``; ``accounts`` (today, last_24h, month) is None when the books fail."""
    facts, store = snapshot.facts, snapshot.store
    return {
        "schema_version": 1,
        "at": render_instant(snapshot.at_ms),
        "alive": alive,
        "version": snapshot.version,
        "uptime_ms": snapshot.uptime_ms,
        "site": {
            "id": site.id,
            "name": site.name,
            "commune": site.commune,
            "operator": site.operator,
            "reference": site.reference,
            "timezone": site.timezone,
        },
        "link": {
            "verdict": snapshot.verdict.value,
            "cause": snapshot.cause.value if snapshot.cause else None,
            "reason": snapshot.reason,
            "since": render_instant(snapshot.since_ms),
            "held_ms": snapshot.held_ms,
            "restore_deadline": render_instant(snapshot.restore_deadline_ms),
            "ipv6": snapshot.ipv6.value if snapshot.ipv6 is not None else None,
        },
        "accounts": None
        if accounts is None
        else {name: build_account_json(account) for name, account in accounts.items()},
        "incidents": {
            cause.value: snapshot.incidents.get(cause, 0) for cause in CAUSES[Verdict.DOWN]
        },
        "targets": [_build_target(target) for target in snapshot.targets],
        "host": {
            "interface": facts.interface,
            "carrier": facts.carrier,
            "address": facts.address,
            "default_route": facts.default_route,
            "port_speed_mbit": facts.port_speed_mbit,
            "fault": facts.fault,
        },
        "clock_synchronised": snapshot.clock_synchronised,
        "clock_held_ms": snapshot.clock_held_ms,
        "icmp": snapshot.icmp,
        "notices": list(snapshot.notices),
        "missed_slots": snapshot.missed_slots,
        "send_lateness_us": snapshot.send_lateness_us,
        "store": {
            "bytes": snapshot.store_bytes,
            "written_today_bytes": snapshot.written_bytes_today,
            "failing": store.fault.value if store is not None and store.fault else None,
            "waiting_observations": None if store is None else store.waiting_observations,
        },
        "push": _build_push(snapshot.push),
        "bandwidth": build_bandwidth_json(snapshot.bandwidth),
        "central": _build_central(snapshot.central),
    }


def _build_push(push: PushState | None) -> dict[str, object] | None:
    """How the push goes; null where none is configured."""
    if push is None:
        return None
    problem = push.problem
    explained = None if problem is None else explain_problem(problem)
    return {
        "outlet": push.outlet,
        "ok": push.ok,
        "waiting_minutes": push.minutes,
        "oldest": render_instant(push.oldest_ms),
        "accepted": push.accepted,
        "rejected": push.rejected,
        "attempts": push.attempts,
        "failed": push.failed,
        "reason": None if problem is None else problem.reason.value,
        "problem": None if explained is None else explained.sentence,
        "remedy": None if explained is None else explained.remedy,
    }


def _build_central(view: CentralView | None) -> dict[str, object] | None:
    """The centre's configuration; null without ``[central]``."""
    if view is None:
        return None
    return {
        "version": view.version,
        "taken": render_instant(view.taken_ms),
        "trial": view.trial,
        "refused_version": view.refused_version,
        "refused_why": view.refused_why,
        "refused_problem": view.refused_problem,
        "asked": render_instant(view.asked_ms),
        "answered": render_instant(view.answered_ms),
        "reason": view.reason,
        "problem": view.problem,
    }


def _build_target(target: TargetSnapshot) -> dict[str, object]:
    summary = target.summary
    return {
        "name": summary.target,
        "role": summary.role.value,
        "kind": target.kind,
        "address": summary.address,
        "answered": summary.answered,
        "verdict": target.verdict.value,
        "since": render_instant(target.since_ms),
        "window": {
            "sent": summary.sent,
            "lost": summary.lost,
            "last_us": summary.last_us,
            "minimum_us": summary.minimum_us,
            "median_us": summary.median_us,
            "p95_us": summary.p95_us,
            "maximum_us": summary.maximum_us,
            "jitter_us": summary.jitter_us,
        },
        "probes": target.probes,
        "failures": dict(target.failures),
        "measures": dict(target.measures),
        "detail": target.detail,
    }


def read_accounts(books: Books, at_ms: int, zone: tzinfo) -> dict[str, Account]:
    """Today, the last 24 hours and the present month, up to ``at_ms``. Raises StoreError."""
    today = civil_date(at_ms, zone)
    starts = {
        "today": day_start(today, zone),
        "last_24h": at_ms - 86_400_000,
        "month": month_window(today.year, today.month, zone)[0],
    }
    spans = books.read_ledger(min(starts.values()), at_ms)
    return {name: build_account(spans, start_ms, at_ms) for name, start_ms in starts.items()}
