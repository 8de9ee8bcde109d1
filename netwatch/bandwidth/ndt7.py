"""The ndt7 engine: M-Lab's protocol, version 0.11, one TCP connection for each direction.

Rule of this file: which server, which direction, within which limits. What a direction does
and comes to is in `ndt7_direction`, servers are found in `ndt7_locate`.
M-Lab publishes every test with the address it came from (docs/bandwidth.md).
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from netwatch.bandwidth.base import (
    Counterpart,
    DirectionFinding,
    EngineFinding,
    Plan,
    Tell,
)
from netwatch.bandwidth.ndt7_direction import STALL_MS, DirectionRun
from netwatch.bandwidth.ndt7_locate import (
    MLAB_LOCATE_URL,
    Server,
    build_server,
    read_servers,
)
from netwatch.bandwidth.ndt7_stream import Ndt7Stream
from netwatch.bandwidth.reach import Trouble, now_ms
from netwatch.core.throughput import Direction


class Ndt7Engine:
    """Measures against one server, or the nearest that M-Lab's locate service names.

    ``locate_url`` is asked when the counterpart names no server.
    """

    name: ClassVar[str] = "ndt7"

    def __init__(
        self,
        counterpart: Counterpart,
        *,
        locate_url: str = MLAB_LOCATE_URL,
        stall_ms: int = STALL_MS,
    ) -> None:
        self._counterpart = counterpart
        self._locate_url = locate_url
        self._stall_ms = stall_ms

    def measure(self, plan: Plan, tell: Tell) -> EngineFinding:
        """Each direction in turn, on a connection of its own; see `base.Engine`."""
        servers: tuple[Server, ...] = ()
        findings: list[DirectionFinding] = []
        for direction in plan.directions:
            moved = sum(finding.moved_bytes for finding in findings)
            budget = None if plan.budget_bytes is None else plan.budget_bytes - moved
            test = DirectionRun(direction, plan, budget=budget, stall_ms=self._stall_ms, tell=tell)
            try:
                if budget is not None and budget <= 0:
                    raise Trouble("budget", "nothing is left of the bytes allowed")  # noqa: TRY301 -- told below, where every reason that ends a direction is
                deadline_ms = now_ms() + plan.grace_ms * 3 // 4
                servers = servers or self._find_servers(deadline_ms)
                stream, server = self._open(servers, direction, deadline_ms)
                # What worked once is kept: both directions over one line to one place.
                servers = (server,)
                with stream:
                    findings.append(test.run(stream))
            except Trouble as trouble:
                findings.append(test.fail(trouble))
            findings[-1] = msgspec.structs.replace(findings[-1], moved_bytes=test.moved_bytes)
        return EngineFinding(
            engine=self.name,
            server=servers[0].name if servers else None,
            directions=tuple(findings),
        )

    def _find_servers(self, deadline_ms: int) -> tuple[Server, ...]:
        authority = self._counterpart.certificate_authority
        try:
            if self._counterpart.url is not None:
                return (build_server(self._counterpart.url),)
            return read_servers(self._locate_url, authority, deadline_ms)
        except ValueError as error:
            raise Trouble("name", str(error)) from error

    def _open(
        self, servers: tuple[Server, ...], direction: Direction, deadline_ms: int
    ) -> tuple[Ndt7Stream, Server]:
        """The first server that takes us, in the order of the list; Trouble of the last."""
        trouble = Trouble("no_capacity", "no server to test with")
        for index, server in enumerate(servers):
            place = server.download if direction == "down" else server.upload
            share_ms = max(0, deadline_ms - now_ms()) // (len(servers) - index)
            try:
                stream = Ndt7Stream.open(
                    place, self._counterpart.certificate_authority, now_ms() + share_ms
                )
            except Trouble as failure:
                trouble = failure
            else:
                return stream, server
        raise trouble
