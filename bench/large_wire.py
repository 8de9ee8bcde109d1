"""A wire of a fixed delay for a gigabit: whole segments of up to 64 KiB, as the kernel hands them on.

Rule of this file: what came in at *t* goes out at *t* + delay. It is run as a program in the
wire's namespace, ``large_wire.py NEAR FAR MILLISECONDS``, and ends with its standard input.
The laboratory's own wire (`tests.netlab.wire`) carries single frames and their faults, and
so a tenth of that rate.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator

_SOL_PACKET, _PACKET_VNET_HDR, _PACKET_IGNORE_OUTGOING = 263, 15, 23
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 33, 32
_ETH_P_ALL = 0x0003
_BUFFER_BYTES = 64_000_000
_MOST_BYTES = 70_000
_AT_ONCE = 32
#: The last stretch is not slept through.
_SPIN_NS = 100_000


def main() -> None:
    near, far = (open_port(name) for name in sys.argv[1:3])
    delay_ns = round(float(sys.argv[3]) * 1_000_000)
    ways = {near.fileno(): (near, far), far.fileno(): (far, near)}
    waiting: deque[tuple[int, socket.socket, bytes]] = deque()  # one delay: in order of leaving
    with select.epoll() as poll:
        for descriptor in (*ways, sys.stdin.fileno()):
            poll.register(descriptor, select.EPOLLIN)
        print("ready", flush=True)
        while True:
            left_ns = waiting[0][0] - time.monotonic_ns() if waiting else 1_000_000_000
            events = poll.poll(max(0, left_ns - _SPIN_NS) / 1e9)
            for descriptor, _ in events:
                if descriptor not in ways:
                    return
                port, other = ways[descriptor]
                for _ in range(_AT_ONCE):
                    try:
                        segment = port.recv(_MOST_BYTES, socket.MSG_DONTWAIT)
                    except BlockingIOError:
                        break
                    waiting.append((time.monotonic_ns() + delay_ns, other, segment))
            while waiting and waiting[0][0] <= time.monotonic_ns():
                _, other, segment = waiting.popleft()
                other.send(segment)


def open_port(name: str) -> socket.socket:
    """Frames as the kernel has them, unsegmented and without check sums, with a header that says so."""
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    port.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    port.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    port.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    port.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER_BYTES)
    port.bind((name, 0))
    return port


@contextlib.contextmanager
def laid(near: tuple[str, str], far: tuple[str, str], delay_ms: float) -> Iterator[None]:
    """The wire between two interfaces (namespace, name) that it makes; gone when left."""
    from tests.netlab import namespaces

    wire = f"nwlw{secrets.token_hex(3)}-wire"
    namespaces.add_namespace(wire)
    try:
        for side, (owner, interface) in (("near", near), ("far", far)):
            namespaces.configure(
                wire,
                [
                    f"link add {side} type veth peer name {interface} netns {owner}",
                    f"link set {side} up",
                ],
            )
            namespaces.configure(owner, [f"link set {interface} up"])
        process = namespaces.popen(
            wire,
            [sys.executable, "-I", "-S", __file__, "near", "far", str(delay_ms)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdout.readline()
            yield
        finally:
            process.stdin.close()
            process.wait(10)
            process.stdout.close()
    finally:
        namespaces.remove_namespace(wire)


if __name__ == "__main__":
    main()
