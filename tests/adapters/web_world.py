"""A made-up site, its snapshot and its books, for the tests and the pictures of the page.

Rule of this file: everything is drawn from a seed and an instant; nothing is measured.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from netwatch.core.ledger import clip_spans, fill_unknown, join_equal
from netwatch.core.rtt_window import BUCKETS_US
from netwatch.records import Cause, Histogram, HostFacts, Role, RttSummary, Span, Verdict
from netwatch.snapshot import BandwidthView, DirectionView, Snapshot, StoreHealth, TargetSnapshot
from netwatch.web.books import SiteIdentity

#: Thursday 26 November 2026, 16:37:00 in Paris.
NOW_MS = 1_795_707_420_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

SITE = SiteIdentity(
    id="ecole-jaures",
    name="École Jean-Jaurès",
    commune="Trilport",
    operator="Opérateur A",
    reference="FTTH-0042",
)

INTERNET = ("cloudflare", "google", "quad9", "dns4eu", "opendns", "fdn")


class FakePoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point of the latency graph."""

    target: str
    start_ms: int
    sent: int
    lost: int
    min_us: int | None
    median_us: int | None
    p95_us: int | None
    max_us: int | None


class FakeTest(msgspec.Struct, frozen=True, kw_only=True):
    """A throughput test of the page's table."""

    started_ms: int
    engine: str = "librespeed"
    server: str | None = "test.trilport.fr:443"
    down_bytes_per_second: int | None = None
    up_bytes_per_second: int | None = None
    idle_rtt_us: int | None = 9_000
    down_loaded_rtt_us: int | None = None
    up_loaded_rtt_us: int | None = None
    down_invalid: str | None = None
    up_invalid: str | None = None


def build_tests(now_ms: int = NOW_MS) -> list[FakeTest]:
    """A month of tests: most keep what is guaranteed, some do not, some do not count."""
    dice = random.Random(7)
    tests = []
    for number in range(120):
        at_ms = now_ms - (120 - number) * 6 * HOUR_MS + dice.randrange(5 * HOUR_MS)
        down, up = 12_600_000 + dice.randrange(900_000), 6_300_000 + dice.randrange(500_000)
        test = FakeTest(
            started_ms=at_ms,
            down_bytes_per_second=down - (3_500_000 if number % 17 == 3 else 0),
            up_bytes_per_second=up,
            down_loaded_rtt_us=34_000 + dice.randrange(9_000),
            up_loaded_rtt_us=52_000 + dice.randrange(30_000),
        )
        if number % 23 == 20:
            test = msgspec.structs.replace(test, down_invalid="busy_link", up_invalid="busy_link")
        if number % 29 == 28:
            test = FakeTest(
                started_ms=at_ms,
                down_invalid="test_server_failed",
                up_invalid="test_server_failed",
            )
        tests.append(test)
    return tests


BANDWIDTH = BandwidthView(
    engines=("librespeed", "iperf3"),
    running=False,
    next_ms=NOW_MS + 3 * HOUR_MS,
    used_bytes=23_400_000_000,
    budget_bytes=60_000_000_000,
    bytes_moved={"down": 310_000_000_000, "up": 158_000_000_000},
    tests={("librespeed", "valid"): 402, ("librespeed", "busy_link"): 11, ("iperf3", "valid"): 3},
    at_ms=NOW_MS - 2 * HOUR_MS,
    engine="librespeed",
    server="test.trilport.fr:443",
    asked_by="plan",
    down=DirectionView(bytes_per_second=13_100_000, loaded_rtt_us=36_000),
    up=DirectionView(bytes_per_second=6_500_000, loaded_rtt_us=61_000),
    idle_rtt_us=9_000,
    responsiveness_rpm=740,
    grade="B",
    skipped_ms=NOW_MS - 8 * HOUR_MS,
    skipped_reason="busy_link",
)


class FakeBooks:
    """Books that were written by hand: spans in order; what they leave out is unknown."""

    def __init__(
        self, spans: Sequence[Span], seed: int = 1, tests: Sequence[FakeTest] = ()
    ) -> None:
        self.spans = list(spans)
        self.tests = list(tests)
        self._seed = seed

    def read_ledger(self, from_ms: int, to_ms: int) -> list[Span]:
        inside = clip_spans(self.spans, from_ms, to_ms)
        return join_equal(fill_unknown(inside, [], from_ms, to_ms))

    def read_tests(self, from_ms: int, to_ms: int) -> list[FakeTest]:
        return [each for each in self.tests if from_ms <= each.started_ms < to_ms]

    def read_rtt_points(self, from_ms: int, to_ms: int, step_ms: int) -> list[FakePoint]:
        points = []
        for start_ms in range(from_ms, to_ms, step_ms):
            covering = self.read_ledger(start_ms, start_ms + step_ms)
            carried = any(span.verdict in (Verdict.UP, Verdict.DEGRADED) for span in covering)
            known = any(span.verdict is not Verdict.UNKNOWN for span in covering)
            slow = any(span.verdict is Verdict.DEGRADED for span in covering)
            hour = (start_ms // HOUR_MS + 1) % 24
            busy = 4_000 if 8 <= hour < 17 else 0
            for index, target in enumerate(INTERNET):
                dice = random.Random(f"{self._seed}{target}{start_ms}")
                median = 8_200 + index * 700 + dice.randrange(700) + dice.randrange(busy or 1) // 3
                median += 42_000 + dice.randrange(9_000) if slow else 0
                p95 = median + 900 + dice.randrange(1_500 + busy)
                if known:
                    points.append(
                        FakePoint(
                            target=target,
                            start_ms=start_ms,
                            sent=60,
                            lost=0 if carried else 60,
                            min_us=median - 600 - dice.randrange(500) if carried else None,
                            median_us=median if carried else None,
                            p95_us=p95 if carried else None,
                            max_us=p95 + 5_000 if carried else None,
                        )
                    )
        return points


def span(
    verdict: Verdict,
    cause: Cause | None,
    start_ms: int,
    end_ms: int,
    reason: str | None = None,
) -> Span:
    return Span(verdict=verdict, cause=cause, start_ms=start_ms, end_ms=end_ms, reason=reason)


def build_month(now_ms: int = NOW_MS, last: Sequence[Span] = ()) -> list[Span]:
    """Five weeks before ``now_ms`` with what such a line meets; ``last`` is laid over the end."""

    def ago(days: float, hours: float = 0, minutes: float = 0) -> int:
        return now_ms - int(days * DAY_MS + hours * HOUR_MS + minutes * MINUTE_MS)

    access, upstream, gateway = Cause.ACCESS, Cause.UPSTREAM, Cause.GATEWAY
    events = [
        span(Verdict.DOWN, access, ago(22, 5), ago(22, 2, 48)),
        span(Verdict.UNKNOWN, Cause.AGENT, ago(19, 9), ago(18, 19), "power_loss"),
        span(Verdict.DEGRADED, Cause.LOSS, ago(16, 4), ago(16, 1, 20)),
        span(Verdict.DOWN, Cause.DNS, ago(12, 6), ago(12, 5, 38)),
        span(Verdict.DOWN, gateway, ago(9, 8), ago(9, 7, 51)),
        span(Verdict.UNKNOWN, Cause.LOCAL, ago(8, 3), ago(8, 1, 10), "carrier"),
        span(Verdict.DEGRADED, Cause.LATENCY, ago(5, 2), ago(5, 0, 12)),
        span(Verdict.DOWN, upstream, ago(2, 14), ago(2, 13, 21)),
        span(Verdict.DEGRADED, Cause.LATENCY, ago(0, 9, 20), ago(0, 8, 5)),
        span(Verdict.UNKNOWN, Cause.AGENT, ago(0, 6, 10), ago(0, 5, 22), "stopped"),
        span(Verdict.DOWN, access, ago(0, 14, 3), ago(0, 13, 44)),
        *last,
    ]
    spans: list[Span] = []
    at_ms = ago(24, 2)
    for event in sorted(events, key=lambda each: each.start_ms):
        spans += [span(Verdict.UP, None, at_ms, event.start_ms), event]
        at_ms = event.end_ms
    spans.append(span(Verdict.UP, None, at_ms, now_ms))
    return [each for each in spans if each.duration_ms > 0]


def build_histogram(median_us: int, count: int) -> Histogram:
    counts = tuple(count * bound // (bound + median_us // 4) for bound in BUCKETS_US)
    return Histogram(
        bounds_us=BUCKETS_US, counts=(*counts, count), sum_us=count * (median_us + 321)
    )


def build_target(
    name: str,
    role: Role,
    address: str,
    *,
    median_us: int = 9_000,
    answered: bool | None = True,
    kind: str = "icmp",
    **more: object,
) -> TargetSnapshot:
    alive = answered is True
    sent = 0 if answered is None else 60
    return TargetSnapshot(
        summary=RttSummary(
            target=name,
            role=role,
            address=address,
            sent=sent,
            lost=0 if alive else sent,
            last_us=median_us + 140 if alive else None,
            minimum_us=median_us - 500 if alive else None,
            median_us=median_us if alive else None,
            p95_us=median_us + 1_700 if alive else None,
            maximum_us=median_us + 4_100 if alive else None,
            jitter_us=median_us // 30 if alive else None,
            answered=answered,
        ),
        kind=kind,
        probes=17_280,
        failures={} if alive else {"timeout": 41},
        histogram=build_histogram(median_us, 17_239),
        **more,  # type: ignore[arg-type]  # of `TargetSnapshot`
    )


def build_targets(*, reach: int = 9) -> tuple[TargetSnapshot, ...]:
    """``reach``: how far the path answers: 0 nothing, 1 box, 2 first hop, 9 everything."""
    since_ms = NOW_MS - 3 * DAY_MS
    addresses = ("1.1.1.1", "8.8.8.8", "9.9.9.9", "86.54.11.100", "208.67.222.222", "80.67.169.12")
    return (
        build_target("box", Role.GATEWAY, "192.168.1.1", median_us=410, answered=reach >= 1),
        build_target("first-hop", Role.FIRST_HOP, "100.64.0.1", median_us=4_870, answered=reach >= 2),
        build_target(
            "resolver", Role.RESOLVER, "192.168.1.1", median_us=6_120, answered=reach >= 4,
            kind="dns", verdict=Verdict.UP if reach >= 4 else Verdict.DOWN, since_ms=since_ms,
        ),
        *(
            build_target(name, Role.INTERNET, address, median_us=8_300 + 811 * at, answered=reach >= 3)
            for at, (name, address) in enumerate(zip(INTERNET, addresses, strict=True))
        ),
        build_target(
            "ent", Role.SERVICE, "https://ent.example.fr/health", median_us=48_200,
            answered=reach >= 4, kind="http", detail="200" if reach >= 4 else None,
            verdict=Verdict.UP if reach >= 4 else Verdict.DOWN, since_ms=since_ms,
            measures={"certificate_expires_ms": NOW_MS + 61 * DAY_MS} if reach >= 4 else {},
        ),
    )  # fmt: skip


def build_snapshot(**changes: object) -> Snapshot:
    """A line that works, with what ``changes`` say instead."""
    plain = Snapshot(
        at_ms=NOW_MS,
        uptime_ms=5 * HOUR_MS + 22 * MINUTE_MS,
        version="0.1.0",
        verdict=Verdict.UP,
        cause=None,
        reason=None,
        since_ms=NOW_MS - 8 * HOUR_MS - 5 * MINUTE_MS,
        held_ms=8 * HOUR_MS + 5 * MINUTE_MS,
        link_ms={
            (Verdict.UP, None): 2_073_600_123,
            (Verdict.DEGRADED, Cause.LATENCY): 11_220_000,
            (Verdict.DOWN, Cause.ACCESS): 9_060_007,
            (Verdict.DOWN, Cause.DNS): 1_320_000,
            (Verdict.UNKNOWN, Cause.AGENT): 52_920_000,
        },
        incidents={Cause.ACCESS: 2, Cause.DNS: 1, Cause.GATEWAY: 1, Cause.UPSTREAM: 1},
        targets=build_targets(),
        facts=HostFacts(
            interface="eth0", carrier=True, address=True, default_route=True, port_speed_mbit=1_000
        ),
        clock_synchronised=True,
        icmp="raw",
        notices=(),
        missed_slots=3,
        send_lateness_us=1_840,
        store_bytes=14_680_064,
        store=StoreHealth(
            fault=None,
            waiting_observations=312,
            dropped_observations=0,
            dropped_spans=0,
            device_written_bytes_today=41_943_040,
        ),
        written_bytes_today=29_884_416,
    )
    return msgspec.structs.replace(plain, **changes)


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One state of the site."""

    snapshot: Snapshot
    books: FakeBooks


def build_world(state: str) -> World:
    """``up``, ``down``, ``degraded``, ``unknown`` (cable out), ``fresh`` (no past, no clock)."""
    if state == "up":
        return World(
            snapshot=build_snapshot(bandwidth=BANDWIDTH),
            books=FakeBooks(build_month(), tests=build_tests()),
        )
    if state == "fresh":
        snapshot = build_snapshot(
            verdict=Verdict.UNKNOWN, cause=Cause.AGENT, reason="starting", since_ms=None,
            held_ms=4_000, uptime_ms=4_000, clock_synchronised=False, icmp="none",
            targets=tuple(
                build_target(name, Role.INTERNET, "1.1.1.1", answered=None) for name in INTERNET
            ),
            store_bytes=None, written_bytes_today=None, send_lateness_us=None, missed_slots=0,
        )  # fmt: skip
        return World(snapshot=snapshot, books=FakeBooks([]))
    minutes, verdict, cause, reason, reach = {
        "down": (35, Verdict.DOWN, Cause.ACCESS, None, 1),
        "degraded": (52, Verdict.DEGRADED, Cause.LATENCY, None, 9),
        "unknown": (18, Verdict.UNKNOWN, Cause.LOCAL, "carrier", 0),
    }[state]
    start_ms = NOW_MS - minutes * MINUTE_MS
    facts = HostFacts(
        interface="eth0", carrier=state != "unknown", address=True, default_route=True,
        port_speed_mbit=None if state == "unknown" else 1_000,
    )  # fmt: skip
    snapshot = build_snapshot(
        verdict=verdict, cause=cause, reason=reason, since_ms=start_ms,
        held_ms=minutes * MINUTE_MS, targets=build_targets(reach=reach), facts=facts,
    )  # fmt: skip
    last = [span(verdict, cause, start_ms, NOW_MS, reason)]
    return World(snapshot=snapshot, books=FakeBooks(build_month(last=last)))
