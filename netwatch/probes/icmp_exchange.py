"""Probes under way: what is sent, what may count as its answer, and what it took.

Rule of this file: it keeps the table of probes in flight over a pair of sockets, and
believes an answer only when it comes from the address that was asked (an error: from
anywhere, about a packet to that address), with our identifier, the sequence, and the
random payload of that very probe. Everything else is counted and ignored. It knows no
schedule and never waits.
"""

from __future__ import annotations

import heapq
import os
import secrets
from typing import Protocol

import msgspec

from netwatch.probes.icmp_destination import Destination
from netwatch.probes.icmp_open import IcmpSockets
from netwatch.probes.icmp_packet import PAYLOAD_BYTES, Kind, Message, build_echo
from netwatch.probes.icmp_report import Counters
from netwatch.probes.icmp_rtt import Stamps, compute_round_trip
from netwatch.probes.icmp_socket import READ_LIMIT, Arrival, IcmpSocket

#: How many finished probes are remembered to tell a late or second answer from a forged one.
_REMEMBERED = 256


class StampClock(Protocol):
    """The two readings that a round trip needs."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of CLOCK_MONOTONIC."""

    def offset_ns(self) -> int:
        """Wall clock less monotonic clock: it changes when the wall clock steps."""


class Flight:
    """One probe on its way."""

    __slots__ = (
        "deadline_ns",
        "destination",
        "offset_ns",
        "payload",
        "sent_ns",
        "sequence",
        "timeout_ms",
        "tx_wall_ns",
    )

    def __init__(
        self,
        *,
        destination: Destination,
        sequence: int,
        payload: bytes,
        timeout_ms: int,
        sent_ns: int,
        offset_ns: int,
    ) -> None:
        self.destination = destination
        self.sequence = sequence
        self.payload = payload
        self.timeout_ms = timeout_ms
        self.sent_ns = sent_ns
        self.offset_ns = offset_ns
        self.deadline_ns = 0
        self.tx_wall_ns: int | None = None

    @property
    def key(self) -> tuple[int, int]:
        return self.destination.family, self.sequence

    @property
    def departed_ns(self) -> int:
        """When it left (monotonic), by the kernel's stamp where there is one."""
        if self.tx_wall_ns is None:
            return self.sent_ns
        return max(self.sent_ns, min(self.tx_wall_ns - self.offset_ns, self.deadline_ns))


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """How a probe ended: ``rtt_us`` when answered, else ``reason``.

    ``hop`` is who answered, when that is not the destination itself: the router in
    which a probe's time to live ended.
    """

    flight: Flight
    rtt_us: int | None
    reason: str | None
    hop: str | None = None
    kernel_timed: bool = False
    clock_stepped: bool = False


class Exchange:
    """The table of probes in flight. For one thread.

    A probe sent with a ``ttl`` asks the router in which it ends: "time exceeded" is its
    answer. To any other probe the same message is a failure.
    """

    def __init__(self, sockets: IcmpSockets, clock: StampClock) -> None:
        self._sockets = sockets
        self._clock = clock
        self._sequence = secrets.randbelow(0x1_0000)
        self._flights: dict[tuple[int, int], Flight] = {}
        self._waiting = {each.family: 0 for each in sockets.opened()}  # in flight, by family
        self._limited: set[tuple[int, int]] = set()
        self._unstamped: set[tuple[int, int]] = set()  # their departure may still be told
        self._queued: list[Arrival] = []  # ICMP errors met while looking for stamps
        self._deadlines: list[tuple[int, tuple[int, int], Flight]] = []
        self._remembered: dict[tuple[int, int], tuple[bytes, bool]] = {}
        self._counts = dict.fromkeys(Counters.__struct_fields__, 0)

    @property
    def in_flight(self) -> int:
        return len(self._flights)

    @property
    def kernel_stamped(self) -> bool:
        """Whether answers may be left in the kernel for a while without bending their time."""
        return all(each.stamped for each in self._sockets.opened())

    def counters(self) -> Counters:
        self._counts["overflowed"] = sum(each.overflowed for each in self._sockets.opened())
        return Counters(**self._counts)

    def next_deadline_ns(self) -> int | None:
        """When the next probe in flight is to be given up (monotonic); None: none is."""
        while self._deadlines and self._deadlines[0][2] is not self._flights.get(
            self._deadlines[0][1]
        ):
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def send(
        self, destination: Destination, *, timeout_ms: int, ttl: int | None = None
    ) -> Flight | str:
        """Sends one probe; the reason when it did not leave.

        Reasons: ``no_route``, ``network_down``, ``no_address``, ``refused_local``,
        ``send_failed``.
        """
        opened = self._sockets.of_family(destination.family)
        if opened is None or destination.socket_address is None:
            return "no_route"
        payload = os.urandom(PAYLOAD_BYTES)
        sequence = self._draw_sequence(destination.family)
        packet = build_echo(
            destination.family, identifier=opened.identifier, sequence=sequence, payload=payload
        )
        flight = Flight(
            destination=destination,
            sequence=sequence,
            payload=payload,
            timeout_ms=timeout_ms,
            offset_ns=self._clock.offset_ns(),
            sent_ns=self._clock.monotonic_ns(),
        )
        reason = opened.send(destination.socket_address, packet, ttl)
        if reason is not None:
            return reason
        # From after the sending: a process stopped in between has not waited for anything.
        flight.deadline_ns = self._clock.monotonic_ns() + timeout_ms * 1_000_000
        self._flights[flight.key] = flight
        self._waiting[destination.family] += 1
        self._unstamped.add(flight.key)
        if ttl is not None:
            self._limited.add(flight.key)
        heapq.heappush(self._deadlines, (flight.deadline_ns, flight.key, flight))
        # Most drivers have stamped it by now; the rest is read with the answers.
        self._read_departures(opened, limit=1)
        return flight

    def collect(self) -> list[Settled]:
        """Reads what has come in for the probes in flight; those that it ends.

        What comes when nothing is in flight stays in the kernel's buffer, which is
        bounded, and is read before the next probe's answer.
        """
        ended: list[Settled] = []
        for opened in self._sockets.opened():
            waiting = self._waiting[opened.family]
            if not waiting:
                continue
            arrivals = opened.read_arrivals(waiting)
            self._judge_all(opened, arrivals, ended)
            if len(arrivals) == waiting and self._waiting[opened.family]:
                # Strangers were among them: the rest is read, however much it is.
                self._judge_all(opened, opened.read_arrivals(), ended)
        return ended

    def expire(self, now_ns: int) -> list[Settled]:
        """Gives up what has waited its time. Call it after :meth:`collect`."""
        given_up = []
        while (deadline := self.next_deadline_ns()) is not None and deadline <= now_ns:
            flight = heapq.heappop(self._deadlines)[2]
            self._forget(flight, answered=False)
            given_up.append(Settled(flight=flight, rtt_us=None, reason="timeout"))
        return given_up

    def withdraw(self, flight: Flight) -> None:
        """Takes a probe out of the table: nobody waits for it any more."""
        if self._flights.get(flight.key) is flight:
            self._forget(flight, answered=False)

    def _draw_sequence(self, family: int) -> int:
        """The next sequence that is not in flight (16 bits, and around)."""
        while True:
            self._sequence = (self._sequence + 1) & 0xFFFF
            key = (family, self._sequence)
            if key not in self._flights:
                self._remembered.pop(key, None)
                return self._sequence

    def _read_departures(self, opened: IcmpSocket, limit: int = READ_LIMIT) -> None:
        for entry in opened.read_departures(limit):
            if isinstance(entry, Arrival):
                self._queued.append(entry)
                continue
            key = (entry.family, entry.sequence)
            flight = self._flights.get(key)
            if flight is not None and flight.payload == entry.payload:
                flight.tx_wall_ns = flight.tx_wall_ns or entry.tx_wall_ns
                self._unstamped.discard(key)

    def _judge_all(self, opened: IcmpSocket, arrivals: list[Arrival], ended: list[Settled]) -> None:
        # After the answers: whatever was answered has left before, so its stamp is here.
        if self._unstamped or not opened.raw:
            self._read_departures(opened)
        if self._queued:
            arrivals = [*arrivals, *self._queued]
            self._queued.clear()
        if not arrivals:
            return
        read_ns, read_offset_ns = self._clock.monotonic_ns(), self._clock.offset_ns()
        for arrival in arrivals:
            settled = self._judge(arrival, read_ns, read_offset_ns)
            if settled is not None:
                ended.append(settled)

    def _judge(self, arrival: Arrival, read_ns: int, read_offset_ns: int) -> Settled | None:
        message = arrival.message
        if message is None:
            self._counts["malformed"] += 1
            return None
        flight = self._match(arrival, message)
        if flight is None:
            return None
        limited = flight.key in self._limited
        answered = message.kind is Kind.ECHO_REPLY or (
            message.kind is Kind.TIME_EXCEEDED and limited
        )
        hop = None if message.kind is Kind.ECHO_REPLY else arrival.source
        if not answered:
            self._forget(flight, answered=True)
            return Settled(flight=flight, rtt_us=None, reason=message.kind.value, hop=hop)
        trip = compute_round_trip(
            Stamps(
                sent_ns=flight.sent_ns,
                sent_offset_ns=flight.offset_ns,
                tx_wall_ns=flight.tx_wall_ns,
                rx_wall_ns=arrival.rx_wall_ns,
                read_ns=read_ns,
                read_offset_ns=read_offset_ns,
            )
        )
        rtt_us = (trip.rtt_ns + 500) // 1_000
        if rtt_us > flight.timeout_ms * 1_000:
            # It came in time for nobody; expire() will say so.
            self._counts["late"] += 1
            return None
        self._forget(flight, answered=True)
        return Settled(
            flight=flight,
            rtt_us=rtt_us,
            reason=None,
            hop=hop,
            kernel_timed=trip.kernel_timed,
            clock_stepped=trip.clock_stepped,
        )

    def _match(self, arrival: Arrival, message: Message) -> Flight | None:
        opened = self._sockets.of_family(arrival.family)
        if opened is None or message.identifier != opened.identifier:
            self._counts["wrong_identifier"] += 1
            return None
        key = (arrival.family, message.sequence)
        flight = self._flights.get(key)
        if flight is None:
            payload, answered = self._remembered.get(key, (b"", False))
            if not payload:
                self._counts["unmatched"] += 1
            elif message.payload != payload[: len(message.payload)]:
                self._counts["wrong_payload"] += 1
            else:
                self._counts["duplicate" if answered else "late"] += 1
            return None
        reply = message.kind is Kind.ECHO_REPLY
        if (arrival.source if reply else message.destination) != flight.destination.address:
            self._counts["wrong_source"] += 1
            return None
        # An error embeds as much of the probe as its sender liked.
        if message.payload != (flight.payload if reply else flight.payload[: len(message.payload)]):
            self._counts["wrong_payload"] += 1
            return None
        return flight

    def _forget(self, flight: Flight, *, answered: bool) -> None:
        del self._flights[flight.key]
        self._waiting[flight.destination.family] -= 1
        self._limited.discard(flight.key)
        self._unstamped.discard(flight.key)
        self._remembered[flight.key] = (flight.payload, answered)
        if len(self._remembered) > _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
