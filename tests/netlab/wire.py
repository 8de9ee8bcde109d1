"""The process that is the wire: it carries Ethernet frames between two interfaces.

Rule of this file: a frame that came in at *t* goes out at *t* + delay, or never. It
runs alone (standard library only, started by path, see ``relay.py``), and it knows
nothing of labs, faults or agents.

How it keeps time: the kernel stamps each frame as it arrives (``SO_TIMESTAMPNS``), so
being woken late costs nothing; the last stretch before a departure is spun through on
the monotonic clock; the process runs under ``SCHED_FIFO`` where it may. netem would do
the same, but is not in every kernel.

Control: JSON messages on an inherited ``SOCK_SEQPACKET`` socket; each is answered with
the instant at which it took effect. End of file there ends the process, so that a wire
never outlives the one who laid it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import random
import select
import socket
import struct
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

_SOL_PACKET = 263
_PACKET_IGNORE_OUTGOING = 23
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_PR_SET_TIMERSLACK = 29
_ETH_P_ALL = 0x0003
_TIMESPEC = struct.Struct("=qq")
_FRAME_BYTES = 9_100
_SPIN_NS = 200_000
_BATCH = 64
#: A stamp older than this is not believed (the wall clock stepped): now counts instead.
_STAMP_LIMIT_NS = 500_000_000

_ECHO_TYPES = {4: {8: "request", 0: "reply"}, 6: {128: "request", 129: "reply"}}
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}


class Direction:
    """One way along the wire: its settings, its queue, its counts."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.delay_ns = 0
        self.loss = 0.0
        self.cut = False
        self.drop: frozenset[str] = frozenset()
        self.rate_bit_s: int | None = None
        self.queue_ns = 200_000_000
        self.random = random.Random(seed)  # seeded: a lab's losses are to be repeatable
        self.queue: deque[tuple[int, int, bytes]] = deque()  # (leave_ns, arrived_ns, frame)
        self.line_free_ns = 0
        self.counts = {"in": 0, "out": 0, "lost": 0, "cut": 0, "dropped": 0, "overflow": 0}

    def accept(self, frame: bytes, arrived_ns: int) -> None:
        """Queues a frame, or loses it, as the settings say."""
        counts = self.counts
        counts["in"] += 1
        if self.cut:
            counts["cut"] += 1
            return
        if self.drop and not self.drop.isdisjoint(classify_frame(frame)):
            counts["dropped"] += 1
            return
        if self.loss and self.random.random() < self.loss:
            counts["lost"] += 1
            return
        leave = arrived_ns
        if self.rate_bit_s is not None:
            start = max(arrived_ns, self.line_free_ns)
            if start - arrived_ns > self.queue_ns:
                counts["overflow"] += 1
                return
            leave = self.line_free_ns = start + len(frame) * 8_000_000_000 // self.rate_bit_s
        leave += self.delay_ns
        if self.queue and self.queue[-1][0] > leave:
            leave = self.queue[-1][0]  # a shorter delay does not let frames overtake
        self.queue.append((leave, arrived_ns, frame))

    def apply(self, settings: dict[str, object]) -> None:
        """Takes new settings; a cut also loses what is on the way."""
        for key, value in settings.items():
            if key not in ("delay_ns", "loss", "cut", "drop", "rate_bit_s", "queue_ns"):
                raise ValueError(f"unknown setting {key!r}")
            setattr(self, key, frozenset(value) if isinstance(value, list) else value)
        if self.cut:
            self.counts["cut"] += len(self.queue)
            self.queue.clear()


def classify_frame(frame: bytes) -> set[str]:
    r"""The words by which a frame can be dropped: ipv4, ipv6, arp, icmp, tcp, udp, echo.

    >>> sorted(classify_frame(bytes(12) + b"\x08\x06"))
    ['arp']
    """
    ether_type = frame[12:14]
    if ether_type == b"\x08\x00":
        words = {"ipv4", _PROTOCOLS.get(frame[23], "other")}
    elif ether_type == b"\x86\xdd":
        words = {"ipv6", _PROTOCOLS.get(frame[20], "other")}
    else:
        return {"arp"}
    if "icmp" in words and parse_echo(frame) is not None:
        words.add("echo")
    return words


def parse_echo(frame: bytes) -> tuple[str, str, int, int] | None:
    """(request or reply, far address, identifier, sequence) of an ICMP echo; None otherwise.

    The far address is where a request goes and where a reply comes from.
    """
    if frame[12:14] == b"\x08\x00" and frame[23] == 1:
        version, start, family = 4, 14 + (frame[14] & 0x0F) * 4, socket.AF_INET
        source, destination = frame[26:30], frame[30:34]
    elif frame[12:14] == b"\x86\xdd" and frame[20] == 58:
        version, start, family = 6, 54, socket.AF_INET6
        source, destination = frame[22:38], frame[38:54]
    else:
        return None
    if len(frame) < start + 8:
        return None
    what = _ECHO_TYPES[version].get(frame[start])
    if what is None:
        return None
    identifier, sequence = struct.unpack_from("!HH", frame, start + 4)
    far = destination if what == "request" else source
    return what, socket.inet_ntop(family, far), identifier, sequence


class Wire:
    """Two interfaces, two directions, one loop."""

    def __init__(self, control: socket.socket, near: str, far: str, seed: int) -> None:
        self.control = control
        self.outward = Direction("outward", seed)
        self.inward = Direction("inward", seed + 1)
        near_socket, far_socket = open_interface(near), open_interface(far)
        self.ways = (
            (near_socket, far_socket, self.outward),
            (far_socket, near_socket, self.inward),
        )
        self.log: list[str] | None = None

    def run(self) -> None:
        """Carries frames until the control socket is closed."""
        waited = [self.control, *(way[0] for way in self.ways)]
        while True:
            leave_ns = min((way[2].queue[0][0] for way in self.ways if way[2].queue), default=None)
            if leave_ns is None:
                timeout = None
            else:
                timeout = max(0, leave_ns - _SPIN_NS - time.monotonic_ns()) / 1e9
            ready = select.select(waited, [], [], timeout)[0]
            for source, _, direction in self.ways:
                if source in ready:
                    take_frames(source, direction)
            if self.control in ready and not self.obey():
                return
            for _, sink, direction in self.ways:
                self.release(sink, direction)

    def release(self, sink: socket.socket, direction: Direction) -> None:
        """Sends what is due within the spinning distance, each at its instant."""
        queue = direction.queue
        horizon = time.monotonic_ns() + _SPIN_NS
        while queue and queue[0][0] <= horizon:
            leave_ns, arrived_ns, frame = queue.popleft()
            now = time.monotonic_ns()
            while now < leave_ns:
                now = time.monotonic_ns()
            # Nobody at the other end (interface down): the frame is gone, as on any wire.
            with contextlib.suppress(OSError):
                sink.send(frame)
            direction.counts["out"] += 1
            if self.log is not None:
                self.note(direction, arrived_ns, now, frame)

    def note(self, direction: Direction, arrived_ns: int, left_ns: int, frame: bytes) -> None:
        """Remembers when an echo came in and went out."""
        echo = parse_echo(frame)
        if echo is not None and self.log is not None:
            words = (direction.name, *echo, arrived_ns, left_ns)
            self.log.append(" ".join(map(str, words)))

    def obey(self) -> bool:
        """Carries out one message; False when the other side has gone."""
        message = self.control.recv(65_536)
        if not message:
            return False
        order = json.loads(message)
        try:
            answer = self.carry_out(order)
        except (ValueError, KeyError, OSError) as error:
            answer = {"error": str(error)}
        answer["at_ns"] = time.monotonic_ns()
        self.control.send(json.dumps(answer).encode())
        return True

    def carry_out(self, order: dict[str, Any]) -> dict[str, object]:
        """The answer to one order; ValueError for one that does not exist."""
        match order["do"]:
            case "set":
                for direction in (self.outward, self.inward):
                    direction.apply(order.get(direction.name, {}))
            case "counts":
                return {way[2].name: way[2].counts for way in self.ways}
            case "log":
                self.log = [] if order["on"] else None
            case "write_log":
                lines, self.log = self.log or [], []
                Path(order["path"]).write_text("".join(line + "\n" for line in lines))
            case other:
                raise ValueError(f"unknown order {other!r}")
        return {}


def open_interface(name: str) -> socket.socket:
    """A packet socket that sees, stamped, whatever arrives on an interface and nothing else."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    opened.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 8 << 20)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    opened.setblocking(False)
    opened.bind((name, _ETH_P_ALL))
    return opened


def take_frames(source: socket.socket, direction: Direction) -> None:
    """Reads what waits, with its arrival on the monotonic clock."""
    for _ in range(_BATCH):
        try:
            frame, ancillary, _, _ = source.recvmsg(_FRAME_BYTES, 64)
        except OSError:
            return  # nothing more; or the interface went down, which the next frame shows
        arrived_ns = time.monotonic_ns()
        if ancillary:
            seconds, nanoseconds = _TIMESPEC.unpack_from(ancillary[0][2])
            age_ns = time.time_ns() - seconds * 1_000_000_000 - nanoseconds
            if 0 <= age_ns < _STAMP_LIMIT_NS:
                arrived_ns -= age_ns
        direction.accept(frame, arrived_ns)


def main() -> None:
    """``wire.py CONTROL_FD NEAR FAR SEED``."""
    control_fd, near, far, seed = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    with contextlib.suppress(OSError):  # without the right it is merely less precise
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    gc.disable()  # the loop makes no cycles, and a collection would be a delay
    with socket.socket(fileno=int(control_fd)) as control:
        wire = Wire(control, near, far, int(seed))
        control.send(b'{"ready": true}')
        wire.run()


if __name__ == "__main__":
    main()
