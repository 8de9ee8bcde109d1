"""Simulated agents: what each site's agent says at any instant, as its own snapshot.

Rule of this file: everything is a function of site, state and instant, and becomes text by
netwatch's own renderer alone. No bench has a metric of its own making.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from netwatch.config.model import Target, default_targets
from netwatch.core.rtt_window import BUCKETS_US
from netwatch.fleet.inventory import build_inventory
from netwatch.fleet.model import Inventory
from netwatch.records import (
    Cause,
    Histogram,
    PushProblem,
    PushReason,
    Role,
    RttSummary,
    Verdict,
)
from netwatch.snapshot import (
    BandwidthView,
    DirectionView,
    PushState,
    Snapshot,
    TargetSnapshot,
)
from tests.adapters.web_world import build_snapshot

DAY_MS = 86_400_000
TEST_EVERY_MS = DAY_MS // 4
_PROBE_EVERY_MS = 5_000
#: Down for an hour every ninth day, unknown for ten minutes of every day.
_SLOW = PushProblem(reason=PushReason.TIMEOUT, where="https://influx.example.fr")
_DOWN_EVERY_MS, _DOWN_MS, _UNKNOWN_MS = 9 * DAY_MS, 3_600_000, 600_000


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is so at a site since a while ago; ``more`` is what its agent shows besides."""

    verdict: Verdict = Verdict.UP
    cause: Cause | None = None
    since_ms: int = 0  # UTC; 0: since the last hour that it was down by rule
    #: Throughput tests and a push to InfluxDB: not at defaults.
    equipped: bool = False
    notices: tuple[str, ...] = ()
    clock: bool = True
    #: Since when nothing could be pushed; 0: all goes out.
    waits_since_ms: int = 0
    #: A card that was replaced then: the books are as old as that.
    books_since_ms: int = 0
    certificate_ms: int = 0


def build_fleet_inventory(port: int, sites: int, *, small: int = 0) -> Inventory:
    """So many sites of four operators under two contracts that promise all that there is.

    ``small``: the last sites are so many of a fifth operator, and so many of a sixth.
    """
    names = [f"Opérateur {letter}" for letter in "ABCDEF"]
    many = sites - 2 * small

    def choose(number: int) -> str:
        return names[number % 4 if number < many else 4 + (number - many) // small]

    def promise(number: int) -> str:
        # Of the last ones the third has hours that rest as well: it is one that is down.
        rests = number % 4 == 3 if number < many else number == many + 2
        return "bureau" if rests else "gold"

    return build_inventory(
        {
            "operator": [{"name": name} for name in names],
            "contract": [
                {"name": name, "availability": Decimal("0.999"), "restore_within": "4h",
                 "yearly_interruption": "13h", "guaranteed_down": "100 Mbit/s",
                 "guaranteed_up": "50 Mbit/s", "guaranteed_share": Decimal("0.9"),
                 "max_rtt": "60ms", "max_loss": Decimal("0.05"), "calendar": calendar}
                for name, calendar in (("gold", "S2"), ("bureau", ["mon-fri 08:00-18:00"]))
            ],
            "site": [
                {"id": f"site-{number:04}", "name": f"École {number:04}",
                 "commune": f"Commune {number % 20:02}", "timezone": "Europe/Paris",
                 "address": f"http://127.0.0.1:{port}/site-{number:04}",
                 "latitude": Decimal("48.5") + Decimal(number) / 1000,
                 "longitude": Decimal("2.5") + Decimal(number) / 1000,
                 "circuit": {"operator": choose(number),
                             "contract": promise(number),
                             "reference": f"FTTH-{number:04}", "technology": "ftth"}}
                for number in range(sites)
            ],
        },
        "fleet.toml",
    )  # fmt: skip


def build_agent(number: int, state: State, at_ms: int, began_ms: int) -> Snapshot:
    """The snapshot of one site's agent; its books and its process are from ``began_ms`` on."""
    if at_ms >= state.books_since_ms:
        began_ms = max(began_ms, state.books_since_ms)
    if at_ms < state.since_ms:
        state = msgspec.structs.replace(state, verdict=Verdict.UP, cause=None, since_ms=0)
    held = sum_link(state, at_ms, began_ms)
    since_ms = state.since_ms or (at_ms - began_ms) // _DOWN_EVERY_MS * _DOWN_EVERY_MS + began_ms
    changes: dict[str, object] = {
        "at_ms": at_ms,
        "verdict": state.verdict,
        "cause": state.cause,
        "since_ms": since_ms,
        "link_ms": held,
        "incidents": {Cause.ACCESS: (at_ms - began_ms) // _DOWN_EVERY_MS},
        "targets": tuple(
            _build_target(number, place, each, at_ms - began_ms, state)
            for place, each in enumerate(default_targets())
        ),
        "clock_synchronised": state.clock,
        "notices": state.notices,
        "missed_slots": (at_ms - began_ms) // 1_000_000 + number,
        "send_lateness_us": 900 + number % 700,
        "store_bytes": 14_000_000 + number * 4_096,
        "written_bytes_today": at_ms % DAY_MS // 3 + number,
    }
    if state.equipped:
        waiting = max(0, at_ms - (state.waits_since_ms or at_ms)) // 60_000
        changes["bandwidth"] = _build_tests(number, at_ms, began_ms)
        changes["push"] = PushState(
            ok=not waiting,
            problem=_SLOW if waiting else None,
            minutes=waiting,
            oldest_ms=state.waits_since_ms if waiting else None,
            accepted=(at_ms - began_ms) // 5_000,
            attempts=(at_ms - began_ms) // 60_000,
            failed=waiting,
        )
    return build_snapshot(**changes)


def sum_link(state: State, at_ms: int, began_ms: int) -> dict[tuple[Verdict, Cause | None], int]:
    """The books: milliseconds under each verdict and cause that had any."""
    age_ms = at_ms - began_ms
    whole, part = divmod(age_ms, _DOWN_EVERY_MS)
    days, rest = divmod(age_ms, DAY_MS)
    held: dict[tuple[Verdict, Cause | None], int] = {
        (Verdict.DOWN, Cause.ACCESS): whole * _DOWN_MS + max(0, part - _DOWN_EVERY_MS + _DOWN_MS),
        (Verdict.UNKNOWN, Cause.AGENT): days * _UNKNOWN_MS + min(rest, _UNKNOWN_MS),
        (Verdict.DEGRADED, Cause.LATENCY): age_ms // 1_000,
    }
    if state.verdict is not Verdict.UP and at_ms > state.since_ms:
        key = (state.verdict, state.cause)
        held[key] = held.get(key, 0) + at_ms - state.since_ms
    held[Verdict.UP, None] = age_ms - sum(held.values())
    return held


def _build_target(
    number: int, place: int, target: Target, age_ms: int, state: State
) -> TargetSnapshot:
    name, role = target.name, target.role
    up = state.verdict in (Verdict.UP, Verdict.DEGRADED)
    median_us = 400 if role is Role.GATEWAY else 5_000 + number % 40 * 700 + place * 500
    probes = age_ms // _PROBE_EVERY_MS
    failed = probes * (1 + number % 5) // 1_000
    answered = probes - failed
    counts = tuple(answered * bound // (bound + median_us // 4) for bound in BUCKETS_US)
    measures = {"certificate_expires_ms": state.certificate_ms} if state.certificate_ms else {}
    return TargetSnapshot(
        summary=RttSummary(
            target=name, role=role, address=f"192.0.2.{place + 1}", sent=60, lost=0 if up else 60,
            last_us=median_us if up else None, jitter_us=median_us // 30, answered=up,
        ),
        kind="dns" if role is Role.RESOLVER else "icmp",
        probes=probes,
        failures={"timeout": failed},
        histogram=Histogram(
            bounds_us=BUCKETS_US, counts=(*counts, answered), sum_us=answered * median_us
        ),
        measures=measures if place == 0 else {},
    )  # fmt: skip


def _build_tests(number: int, at_ms: int, began_ms: int) -> BandwidthView:
    tests = at_ms // TEST_EVERY_MS
    down = 9_000_000 + (tests * 2_654_435_761 + number * 40_503) % 6_000_000
    return BandwidthView(
        engines=("librespeed",),
        running=False,
        next_ms=None,
        used_bytes=tests % 120 * 200_000_000,
        budget_bytes=60_000_000_000,
        bytes_moved={"down": tests * 100_000_000, "up": tests * 50_000_000},
        tests={("librespeed", "valid"): (at_ms - began_ms) // TEST_EVERY_MS},
        at_ms=tests * TEST_EVERY_MS + 40_500,
        engine="librespeed",
        server="test.example.fr:443",
        asked_by="plan",
        down=DirectionView(bytes_per_second=down, loaded_rtt_us=36_000 + number),
        up=DirectionView(bytes_per_second=down * 6 // 10, loaded_rtt_us=61_000),
        idle_rtt_us=9_000,
        responsiveness_rpm=740 + number % 50,
        grade="B",
    )
