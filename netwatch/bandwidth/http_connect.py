"""Connections of the HTTP engine: opened by one deadline, timed, the certificate verified.

Rule of this file: it hands out connected sockets to one server, or raises Trouble. The
server's name is resolved once, its authorities are read once. It knows no HTTP.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable

import msgspec

from netwatch.bandwidth.http_place import Place
from netwatch.bandwidth.reach import Trouble, resolve_host, seconds_left

#: Of a TLS record: 5 of header, 16 of tag, and in TLS 1.3 the type, in 1.2 GCM the nonce.
RECORD_BYTES = 16_384
_RECORD_OVERHEADS = {("TLSv1.3", False): 22, ("TLSv1.2", False): 29, ("TLSv1.2", True): 21}


class Opened(msgspec.Struct, kw_only=True):
    """A connection, and how long it took to make."""

    stream: socket.socket  # or ssl.SSLSocket
    tcp_us: int
    tls_us: int | None = None  # None without TLS
    record_overhead_bytes: int = 0  # that TLS adds to RECORD_BYTES of content


class Connector:
    """Opens connections to the server of one place."""

    def __init__(
        self,
        place: Place,
        authority: str | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._place = place
        self._authority = authority
        self._monotonic_ns = monotonic_ns
        self._addresses: list[tuple[int, tuple[str, int]]] = []
        self._context: ssl.SSLContext | None = None

    def open(self, deadline_ms: int) -> Opened:
        """One more connection, in blocking mode; Trouble ("name", "unreachable", "tls", …)."""
        place = self._place
        if not self._addresses:
            self._addresses = resolve_host(place.host, place.port, deadline_ms)
        stream, tcp_us = self._connect(deadline_ms)
        if place.scheme != "https":
            return Opened(stream=stream, tcp_us=tcp_us)
        began_ns = self._monotonic_ns()
        secured = self._secure(stream, deadline_ms)
        tls_us = (self._monotonic_ns() - began_ns) // 1_000
        return Opened(
            stream=secured,
            tcp_us=tcp_us,
            tls_us=tls_us,
            record_overhead_bytes=_tell_overhead(secured),
        )

    def _connect(self, deadline_ms: int) -> tuple[socket.socket, int]:
        """To the first address that takes one, which is then the only one to be asked."""
        place = self._place
        trouble = Trouble("unreachable", f"no connection to {place.server}: no answer in time")
        for index, (family, address) in enumerate(self._addresses):
            stream = socket.socket(family, socket.SOCK_STREAM)
            try:
                parts = len(self._addresses) - index
                stream.settimeout(seconds_left(deadline_ms) / parts)
                began_ns = self._monotonic_ns()
                stream.connect(address)
            except OSError as error:
                stream.close()
                timed_out = isinstance(error, TimeoutError)
                why = "no answer in time" if timed_out else error.strerror or str(error)
                trouble = Trouble(
                    "unreachable", f"no connection to {address[0]}:{address[1]}: {why}"
                )
            else:
                self._addresses = [(family, address)]
                return stream, (self._monotonic_ns() - began_ns) // 1_000
        raise trouble

    def _secure(self, stream: socket.socket, deadline_ms: int) -> ssl.SSLSocket:
        host = self._place.host
        with contextlib.ExitStack() as undo:
            undo.callback(stream.close)
            try:
                context = self._read_context()
                stream.settimeout(seconds_left(deadline_ms))
                secured = context.wrap_socket(stream, server_hostname=host)
            except TimeoutError as error:
                raise Trouble(
                    "timeout", f"{host}: the TLS handshake did not end in time"
                ) from error
            except ssl.SSLCertVerificationError as error:
                raise Trouble("tls", f"{host}: certificate: {error.verify_message}") from error
            except (OSError, ValueError) as error:
                why = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
                raise Trouble("tls", f"{host}: TLS handshake: {why}") from error
            undo.pop_all()
            return secured

    def _read_context(self) -> ssl.SSLContext:
        """Verifies certificate and name; with the kernel's TLS where there is one."""
        if self._context is None:
            try:
                self._context = ssl.create_default_context(cafile=self._authority)
            except OSError as error:
                raise Trouble(
                    "tls", f"the authorities in {self._authority} cannot be read: {error}"
                ) from error
            # From Python 3.12; the kernel then encrypts where it can, and OpenSSL where not.
            self._context.options |= getattr(ssl, "OP_ENABLE_KTLS", 0)
        return self._context


class Connectors:
    """One for each server: a name is resolved, and authorities are read, once for each."""

    def __init__(self, authority: str | None, monotonic_ns: Callable[[], int]) -> None:
        self._authority, self._monotonic_ns = authority, monotonic_ns
        self._known: dict[tuple[str, str], Connector] = {}

    def get(self, place: Place) -> Connector:
        key = (place.scheme, place.server)
        if key not in self._known:
            self._known[key] = Connector(place, self._authority, self._monotonic_ns)
        return self._known[key]


def _tell_overhead(secured: ssl.SSLSocket) -> int:
    cipher = secured.cipher()
    is_chacha = cipher is not None and "CHACHA20" in cipher[0]
    version = secured.version() or ""
    known = _RECORD_OVERHEADS.get((version, is_chacha and version == "TLSv1.2"))
    return 29 if known is None else known
