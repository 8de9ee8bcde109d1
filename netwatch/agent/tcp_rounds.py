"""TCP in ICMP's place: the second witness of an outage, and rounds where pings cannot go.

Rule of this file: it connects and reports; what a connection means is the judge's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from netwatch.agent.events import TcpRound, WitnessHeard
from netwatch.clock import Clock
from netwatch.probes.tcp import carries_traffic, connect_many
from netwatch.records import Check, Outcome, Role, Round, RoundProbe

#: Below a second: one SYN each, no retransmission (RFC 6298).
WITNESS_TIMEOUT_MS = 950
PORTAL_TIMEOUT_MS = 4_000
DEFAULT_PORT = 443
GATEWAY_PORT = 53
WITNESSES = 2


class TcpRounds:
    """Rounds of connections in a thread of its own, while ``active``; and the witness.

    ``targets`` are the internet targets and the gateway; replaced as a whole.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        interval_ms: int,
        burst_interval_ms: int,
        emit: Callable[[TcpRound | WitnessHeard], None],
        look_for_portal: bool = True,
    ) -> None:
        self._clock = clock
        self._interval_ms = interval_ms
        self._burst_interval_ms = burst_interval_ms
        self._emit = emit
        self._look_for_portal = look_for_portal
        self._targets: tuple[Check, ...] = ()
        self._changed = threading.Condition()
        self._active = False
        self._uneasy = False
        self._stopping = False
        self._asking = False
        self._number = 0
        self._turn = 0
        self._threads = [
            threading.Thread(target=self._run_rounds, name="tcp-rounds", daemon=True),
            threading.Thread(target=self._run_witness, name="witness", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def set_targets(self, checks: Sequence[Check]) -> None:
        with self._changed:
            self._targets = tuple(
                check for check in checks if check.role in (Role.INTERNET, Role.GATEWAY)
            )

    def set_pace(self, *, active: bool, uneasy: bool) -> None:
        """Whether rounds are wanted, and one a second of them."""
        with self._changed:
            if (active, uneasy) != (self._active, self._uneasy):
                self._active, self._uneasy = active, uneasy
                self._changed.notify_all()

    def ask_witness(self) -> None:
        """Try two internet targets now; the answer comes as `WitnessHeard`. Once at a time."""
        with self._changed:
            self._asking = True
            self._changed.notify_all()

    # -- rounds ---------------------------------------------------------------------

    def _run_rounds(self) -> None:
        while True:
            with self._changed:
                while not self._active and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                targets = self._targets
            started_ms = self._clock.monotonic_ms()
            if targets:
                self._emit(TcpRound(round=self._connect(targets)))
            with self._changed:
                pace_ms = self._burst_interval_ms if self._uneasy else self._interval_ms
                wait_ms = started_ms + pace_ms - self._clock.monotonic_ms()
                self._changed.wait(max(0.05, wait_ms / 1000))

    def _connect(self, targets: Sequence[Check]) -> Round:
        sent_ms = self._clock.monotonic_ms()
        findings = connect_many([_endpoint(check) for check in targets], WITNESS_TIMEOUT_MS)
        self._number += 1
        return Round(
            number=self._number,
            burst=False,
            probes=tuple(
                RoundProbe(
                    target_id=check.id,
                    role=check.role,
                    sent_ms=sent_ms,
                    rtt_us=finding.measures.get("rtt_us", finding.measures.get("connect_us", 0))
                    if carries_traffic(finding)
                    else None,
                    reason=finding.reason,
                )
                for check, finding in zip(targets, findings, strict=True)
            ),
            settled_ms=self._clock.monotonic_ms(),
        )

    # -- the second witness ------------------------------------------------------------

    def _run_witness(self) -> None:
        while True:
            with self._changed:
                while not self._asking and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                internet = [check for check in self._targets if check.role is Role.INTERNET]
                turn = self._turn
                self._turn += WITNESSES
            asked_ms = self._clock.monotonic_ms()
            chosen = [
                internet[(turn + place) % len(internet)]
                for place in range(min(WITNESSES, len(internet)))
            ]
            findings = connect_many([_endpoint(check) for check in chosen], WITNESS_TIMEOUT_MS)
            carries = any(carries_traffic(finding) for finding in findings)
            portal = carries and self._look_for_portal and self._finds_portal()
            with self._changed:
                self._asking = False
            self._emit(WitnessHeard(asked_ms=asked_ms, carries=carries, portal=portal))

    def _finds_portal(self) -> bool:
        # HTTP takes memory: not before pings and connections have once disagreed.
        from netwatch.probes.portal import (  # noqa: PLC0415 -- HTTP takes memory, and most agents never come here
            PORTAL_ADDRESSES,
            check_captive_portal,
        )

        finding = check_captive_portal(PORTAL_ADDRESSES, PORTAL_TIMEOUT_MS)
        return finding.outcome is not Outcome.ANSWERED and finding.reason == "captive_portal"


def _endpoint(check: Check) -> tuple[str, int]:
    port = check.params.get("port")
    if isinstance(port, int):
        return check.target, port
    return check.target, GATEWAY_PORT if check.role is Role.GATEWAY else DEFAULT_PORT
