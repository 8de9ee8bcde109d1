"""Getting to a server: its address, a connection, TLS; each bounded by one deadline.

Rule of this file: it comes back with a connected socket, or raises Trouble with one of
`base.REASONS`. It knows no protocol above TLS.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

#: What is read of a head before it is called no answer at all.
HEAD_LIMIT_BYTES = 16_384


class Trouble(Exception):
    """Why there is no rate: ``reason`` of `base.REASONS`, ``detail`` a sentence for a person."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail[:300]


def now_ms() -> int:
    """Milliseconds of ``CLOCK_MONOTONIC``."""
    return time.monotonic_ns() // 1_000_000


def seconds_left(deadline_ms: int) -> float:
    """Seconds until an instant, for ``settimeout``; raises TimeoutError when it is past."""
    left_ms = deadline_ms - now_ms()
    if left_ms <= 0:
        raise TimeoutError
    return left_ms / 1_000


def resolve_host(host: str, port: int, deadline_ms: int) -> list[tuple[int, tuple[str, int]]]:
    """Addresses of a host, in the system's order: (family, socket address).

    The system's resolver cannot be interrupted; it is left behind in a thread of its own
    when it takes too long, which ends with the process. Raises Trouble ("name").
    """
    found: list[tuple[int, tuple[str, int]]] = []
    failures: list[str] = []

    def look_up() -> None:
        try:
            for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append((int(family), address[:4]))  # type: ignore[arg-type]  # (host, port, …)
        except (OSError, UnicodeError) as error:
            failures.append(getattr(error, "strerror", None) or str(error))

    thread = threading.Thread(target=look_up, name="resolve", daemon=True)
    thread.start()
    thread.join(max(0, deadline_ms - now_ms()) / 1_000)
    if thread.is_alive():
        raise Trouble("name", f"no answer for the name {host} in time")
    if not found:
        why = failures[0] if failures else "no address"
        raise Trouble("name", f"the name {host} has no address: {why}")
    return found


def connect(host: str, port: int, deadline_ms: int) -> socket.socket:
    """A TCP connection to the first address that takes one; Trouble otherwise."""
    addresses = resolve_host(host, port, deadline_ms)
    trouble = Trouble("unreachable", f"no connection to {host} port {port}")
    for index, (family, address) in enumerate(addresses):
        left_ms = max(1, deadline_ms - now_ms()) // (len(addresses) - index)
        stream = socket.socket(family, socket.SOCK_STREAM)
        stream.settimeout(max(1, left_ms) / 1_000)
        try:
            stream.connect(address)
        except OSError as error:
            stream.close()
            why = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
            trouble = Trouble("unreachable", f"no connection to {address[0]} port {port}: {why}")
        else:
            return stream
    raise trouble


def wrap_tls(
    stream: socket.socket, host: str, authority: str | None, deadline_ms: int
) -> ssl.SSLSocket:
    """TLS over a connection, the certificate verified; Trouble ("tls", "timeout") otherwise.

    ``authority`` is a PEM file to trust instead of the system's. The connection is closed
    when this fails.
    """
    import ssl  # noqa: PLC0415 -- 4 MB that an engine without TLS does not need

    try:
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        stream.close()
        raise Trouble("tls", f"the authorities of {authority} cannot be read: {error}") from error
    try:
        stream.settimeout(seconds_left(deadline_ms))
        return context.wrap_socket(stream, server_hostname=host)
    except TimeoutError as error:
        stream.close()
        raise Trouble("timeout", f"{host}: the TLS handshake did not end in time") from error
    except ssl.SSLCertVerificationError as error:
        stream.close()
        raise Trouble("tls", f"{host}: certificate: {error.verify_message}") from error
    except OSError as error:
        stream.close()
        why = getattr(error, "reason", None) or error.strerror or str(error)
        raise Trouble("tls", f"{host}: TLS handshake: {why}") from error


def read_head(stream: socket.socket, deadline_ms: int) -> tuple[bytes, bytes]:
    """The head of an HTTP answer with its empty line, and what came after it so far.

    Raises Trouble: "timeout", "closed_early", "answer_invalid" (more than 16 KiB of head).
    """
    data = bytearray()
    while (end := data.find(b"\r\n\r\n")) < 0:
        if len(data) > HEAD_LIMIT_BYTES:
            raise Trouble("answer_invalid", "the answer's header does not end")
        piece = read_some(stream, deadline_ms)
        if not piece:
            raise Trouble("closed_early", "the server closed the connection without an answer")
        data += piece
    return bytes(data[: end + 4]), bytes(data[end + 4 :])


def read_some(stream: socket.socket, deadline_ms: int) -> bytes:
    """What is there, up to 16 KiB; empty at the end. Trouble: "timeout", "closed_early"."""
    try:
        stream.settimeout(seconds_left(deadline_ms))
        return stream.recv(HEAD_LIMIT_BYTES)
    except TimeoutError as error:
        raise Trouble("timeout", "the server did not answer in time") from error
    except OSError as error:
        raise Trouble("closed_early", f"the connection broke: {error.strerror or error}") from error


def send_all(stream: socket.socket, data: bytes, deadline_ms: int) -> None:
    """Sends a request; Trouble as `read_some`."""
    try:
        stream.settimeout(seconds_left(deadline_ms))
        stream.sendall(data)
    except TimeoutError as error:
        raise Trouble("timeout", "the server took no request in time") from error
    except OSError as error:
        raise Trouble("closed_early", f"the connection broke: {error.strerror or error}") from error
