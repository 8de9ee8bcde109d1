"""The ``librespeed`` engine: parallel HTTP streams against a LibreSpeed backend or large files.

Rule of this file: it puts together what to ask for, the streams, the loop and the probes
beside them, and says what came of it. It moves no byte itself. Protocol: LibreSpeed v6
(STANDARDS.md 6), whose own client multiplies by 1.06 for overhead; this one does not.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import msgspec

from netwatch.bandwidth.base import Counterpart, DirectionFinding, EngineFinding, Plan, Tell
from netwatch.bandwidth.http_connect import Connectors, Opened
from netwatch.bandwidth.http_down import Area, DownStream
from netwatch.bandwidth.http_place import parse_place
from netwatch.bandwidth.http_probes import Prober
from netwatch.bandwidth.http_scout import Sides, find_sides, freshen
from netwatch.bandwidth.http_sender import Noise
from netwatch.bandwidth.http_streams import Loop
from netwatch.bandwidth.http_up import UpStream
from netwatch.bandwidth.reach import Trouble
from netwatch.core.goodput import Goodput
from netwatch.core.responsiveness import tell_responsiveness
from netwatch.core.throughput import Direction

#: LibreSpeed sends at most so many MiB for one request.
_MOST_MEBIBYTES = 1_024
_MEBIBYTE = 1_048_576
_RECONNECT_MS = 2_000
#: Without which there is no use in trying the other direction.
_UNREACHABLE = frozenset({"name", "unreachable", "tls"})


class LibrespeedEngine:
    """Measures against ``counterpart.url``: a backend's folder, or a file with ``upload_url``."""

    name = "librespeed"

    def __init__(
        self, counterpart: Counterpart, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._counterpart = counterpart
        self._monotonic_ns = monotonic_ns
        self._sides: Sides | None = None
        self._connectors = Connectors(counterpart.certificate_authority, monotonic_ns)

    def measure(self, plan: Plan, tell: Tell) -> EngineFinding:
        """As `base.Engine`; the responsiveness is that of the direction where it is lower."""
        findings: list[DirectionFinding] = []
        rpms: list[int] = []
        left = plan.budget_bytes
        for direction in plan.directions:
            before = findings[-1] if findings else None
            if before is not None and before.reason in _UNREACHABLE and not before.moved_bytes:
                findings.append(msgspec.structs.replace(before, direction=direction))
                continue
            finding, rpm = self._measure_direction(direction, plan, left, tell)
            findings.append(finding)
            if rpm is not None:
                rpms.append(rpm)
            if left is not None:
                left = max(0, left - finding.moved_bytes)
        return EngineFinding(
            engine=self.name,
            server=self._name_server(),
            directions=tuple(findings),
            responsiveness_rpm=min(rpms, default=None),
        )

    def _measure_direction(
        self, direction: Direction, plan: Plan, allowance_bytes: int | None, tell: Tell
    ) -> tuple[DirectionFinding, int | None]:
        began_ms = self._now_ms()
        loop = Loop(
            direction,
            plan,
            began_ms=began_ms,
            allowance_bytes=allowance_bytes,
            tell=tell,
            now_ms=self._now_ms,
        )
        loop.report(began_ms)
        load = _Load(loop)
        goodput: Goodput | None = None
        reason = detail = rpm = None
        try:
            goodput, rpm = self._load(load, direction, plan, allowance_bytes, began_ms)
        except Trouble as trouble:
            reason, detail = trouble.reason, trouble.detail
        return DirectionFinding(
            direction=direction,
            bytes_per_second=None if goodput is None else goodput.bytes_per_second,
            reason=reason,
            detail=detail,
            moved_bytes=load.moved_bytes,
            loaded_from_ms=None if goodput is None else goodput.from_ms,
            loaded_to_ms=None if goodput is None else goodput.to_ms,
            streams=load.opened or None,
        ), rpm

    def _load(
        self,
        load: _Load,
        direction: Direction,
        plan: Plan,
        allowance_bytes: int | None,
        began_ms: int,
    ) -> tuple[Goodput, int | None]:
        """Open the streams, run them with the probes beside, close them; (goodput, RPM)."""
        if allowance_bytes is not None and allowance_bytes <= 0:
            raise Trouble("budget", "no bytes are left for this direction")
        open_until_ms = began_ms + max(1_000, plan.grace_ms - 1_000)
        if self._sides is None:
            self._sides = find_sides(self._counterpart, self._connectors, open_until_ms)
        sides = self._sides
        prober = Prober(
            self._connectors.get(sides.small),
            sides.small,
            method=sides.small_method,
            monotonic_ns=self._monotonic_ns,
        )
        with prober.until(open_until_ms), contextlib.ExitStack() as closing:
            open_one = self._make_opener(
                direction,
                sides,
                plan,
                allowance_bytes=allowance_bytes,
                open_until_ms=open_until_ms,
                closing=closing,
            )
            closing.callback(load.close)
            for index in range(plan.streams):
                try:
                    stream = open_one()
                except Trouble:  # one that takes no more is measured with those it took
                    if index == 0 or self._now_ms() >= open_until_ms:
                        raise
                    break
                load.add(stream)
            goodput = load.run()
        if direction == "up" and not load.answers:
            raise Trouble("timeout", f"{sides.up.host} took an upload and never answered")
        return goodput, tell_responsiveness(prober.pick(goodput.from_ms, goodput.to_ms))

    def _make_opener(
        self,
        direction: Direction,
        sides: Sides,
        plan: Plan,
        *,
        allowance_bytes: int | None,
        open_until_ms: int,
        closing: contextlib.ExitStack,
    ) -> Callable[[], DownStream | UpStream]:
        """What opens one more stream of a direction."""
        place = sides.down if direction == "down" else sides.up
        connector = self._connectors.get(place)

        def connect() -> Opened:
            return connector.open(max(open_until_ms, self._now_ms() + _RECONNECT_MS))

        if direction == "up":
            noise = Noise()
            closing.callback(noise.close)
            return lambda: UpStream(connect, lambda: freshen(place), noise=noise)
        area = Area()
        if not sides.is_backend:
            return lambda: DownStream(connect, lambda: freshen(place), asked_bytes=None, area=area)
        mebibytes = _MOST_MEBIBYTES
        if allowance_bytes is not None:
            mebibytes = min(mebibytes, allowance_bytes // _MEBIBYTE // plan.streams + 1)
        return lambda: DownStream(
            connect,
            lambda: freshen(place).asking(f"ckSize={mebibytes}"),
            asked_bytes=mebibytes * _MEBIBYTE,
            area=area,
        )

    def _name_server(self) -> str | None:
        if self._sides is not None:
            return self._sides.down.server
        with contextlib.suppress(Trouble):
            return parse_place(self._counterpart.url).server
        return None

    def _now_ms(self) -> int:
        return self._monotonic_ns() // 1_000_000


class _Load:
    """The streams of one direction and what they came to, however it ended."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._streams: list[DownStream | UpStream] = []
        self._moved_bytes = 0

    def add(self, stream: DownStream | UpStream) -> None:
        self._streams.append(stream)

    def run(self) -> Goodput:
        return self._loop.drive(self._streams)

    def close(self) -> None:
        """Count all that has moved and what is on the line, and close the streams."""
        moved = sum(stream.read_moved() for stream in self._streams)
        self._moved_bytes = moved + sum(stream.count_under_way() for stream in self._streams)
        for stream in self._streams:
            stream.close()

    @property
    def moved_bytes(self) -> int:
        return max(self._moved_bytes, self._loop.run.moved_bytes)

    @property
    def opened(self) -> int:
        return len(self._streams)

    @property
    def answers(self) -> int:
        return sum(stream.answers for stream in self._streams)
