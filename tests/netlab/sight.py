"""What a plain observer in the school sees: who answers at this instant.

Rule of this file: it looks once, with its own sockets and nothing of netwatch, so that
the lab's faults can be checked without the program that they are to check.
"""

from __future__ import annotations

import contextlib
import http.client
import secrets
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import dns.exception
import dns.message
import dns.query

from tests.netlab import namespaces, topology
from tests.netlab.lab import Lab

_PATIENCE_S = 0.7
_PINGED = {
    "gateway": topology.GATEWAY,
    "first_hop": topology.FIRST_HOP,
    "albane": topology.HOSTS["albane"],
    "celeste": topology.HOSTS["celeste"],
    "albane6": topology.HOSTS_IPV6["albane6"],
}
#: All that can be seen; what :func:`look` returns when nothing is wrong.
EVERYTHING = frozenset(
    {*_PINGED, "carrier", "tcp_albane", "tcp_celeste", "tcp_albane6", "dns", "page"}
)


def look(lab: Lab) -> frozenset[str]:
    """The words of :data:`EVERYTHING` that hold now; ``portal`` for a page that is not its own."""
    school = lab.names["school"]
    with ThreadPoolExecutor(6) as pool:
        pinged = pool.submit(ping, lab, _PINGED.values())
        jobs = {
            "tcp_albane": pool.submit(connects, school, topology.HOSTS["albane"]),
            "tcp_celeste": pool.submit(connects, school, topology.HOSTS["celeste"]),
            "tcp_albane6": pool.submit(connects, school, topology.HOSTS_IPV6["albane6"]),
            "dns": pool.submit(resolves, school),
        }
        page = pool.submit(fetch_page, school)
        seen = {word for word, job in jobs.items() if job.result()}
        seen |= {word for word, address in _PINGED.items() if address in pinged.result()}
        seen |= {page.result()} - {""}
    if has_carrier(lab):
        seen.add("carrier")
    return frozenset(seen)


def ping(lab: Lab, addresses: Iterable[str], patience_s: float = _PATIENCE_S) -> dict[str, float]:
    """Round-trip times in ms of one echo to each address; who does not answer is absent."""
    with open_echo_sockets(lab) as sockets:
        asked = {}
        for address in addresses:
            # Refused at once (no carrier, no neighbour): not answered either.
            with contextlib.suppress(OSError):
                send_echo(sockets, address, 1)
            asked[address] = time.monotonic_ns()
        answers: dict[str, float] = {}
        for address, _, at_ns in receive_echoes(sockets, patience_s):
            if address in asked:
                answers[address] = (at_ns - asked[address]) / 1_000_000
            if len(answers) == len(asked):
                break
        return answers


@contextlib.contextmanager
def open_echo_sockets(lab: Lab) -> Iterator[dict[int, socket.socket]]:
    """Unprivileged echo sockets in the school, by family."""
    protocols = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
    with contextlib.ExitStack() as stack:
        yield {
            int(family): stack.enter_context(
                namespaces.socket_in(lab.names["school"], family, socket.SOCK_DGRAM, protocol)
            )
            for family, protocol in protocols.items()
        }


def send_echo(sockets: dict[int, socket.socket], address: str, sequence: int) -> None:
    """Sends one echo request; the kernel fills in identifier and checksum."""
    ipv6 = ":" in address
    packet = struct.pack("!BBHHH", 128 if ipv6 else 8, 0, 0, 0, sequence) + bytes(8)
    sockets[socket.AF_INET6 if ipv6 else socket.AF_INET].sendto(packet, (address, 0))


def receive_echoes(
    sockets: dict[int, socket.socket], patience_s: float
) -> Iterator[tuple[str, int, int]]:
    """(address, sequence, monotonic ns) of each reply until none comes for so long."""
    deadline = time.monotonic() + patience_s
    while ready := select.select([*sockets.values()], [], [], max(0, deadline - time.monotonic()))[
        0
    ]:
        for readable in ready:
            with contextlib.suppress(OSError):  # an ICMP error is told on the socket: no reply
                packet, source = readable.recvfrom(2_048)
                yield source[0], struct.unpack_from("!H", packet, 6)[0], time.monotonic_ns()


def connects(namespace: str, address: str) -> bool:
    """Whether a TCP connection to port 443 is accepted."""
    try:
        namespaces.connect_in(namespace, (address, 443), _PATIENCE_S).close()
    except OSError:
        return False
    return True


def resolves(namespace: str) -> bool:
    """Whether the gateway's resolver answers; a new name each time, or it would wait for the
    answer to an earlier question that an outage swallowed.
    """
    query = dns.message.make_query(f"{secrets.token_hex(4)}.example", "A")
    with namespaces.socket_in(namespace, socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.setblocking(False)  # as dnspython asks of a socket that it is handed
        try:
            answer = dns.query.udp(query, topology.GATEWAY, timeout=_PATIENCE_S, sock=opened)
        except (dns.exception.DNSException, OSError):
            return False
    return bool(answer.answer)


def fetch_page(namespace: str) -> str:
    """``page`` when the portal check is answered by itself, ``portal`` by another, or empty."""
    address = (topology.CHECK_ADDRESS, 80)
    connection = http.client.HTTPConnection(*address)
    with contextlib.closing(connection):
        try:
            connection.sock = namespaces.connect_in(namespace, address, _PATIENCE_S)
            connection.request("GET", "/generate_204")
            return "page" if connection.getresponse().status == 204 else "portal"
        except (OSError, http.client.HTTPException):
            return ""


def has_carrier(lab: Lab) -> bool:
    """Whether the school's interface has its carrier."""
    return "NO-CARRIER" not in lab.run("ip", "link", "show", "eth0")
