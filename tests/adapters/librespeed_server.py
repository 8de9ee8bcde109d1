"""A LibreSpeed backend by hand, from the protocol's description (STANDARDS.md 6), on loopback.

Rule of this file: it does what a sound backend does, and counts what it received. It is
slow beside nginx, and quick enough for loopback.
"""

from __future__ import annotations

import os
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.adapters.hostile import StreamServer

_MIB = 2**20
_GARBAGE = os.urandom(_MIB)


class LibrespeedServer:
    """``/backend/{garbage,empty}.php`` and ``getIP.php``; ``suffix`` renames ``.php``."""

    def __init__(
        self, prefix: str = "/backend/", suffix: str = ".php", *, keep_alive: bool = True
    ) -> None:
        self._prefix, self._suffix, self._keep_alive = prefix, suffix, keep_alive
        self._server = StreamServer(self._serve)
        self.port = self._server.port
        self.received_bytes = 0
        self.requests: list[str] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def _serve(self, stream: socket.socket) -> None:
        with stream.makefile("rb") as reader:
            while line := reader.readline(65_536):
                method, target, version = line.decode("latin-1").split()
                fields: dict[str, str] = {}
                while (field := reader.readline(65_536)) not in (b"\r\n", b""):
                    name, _, value = field.decode("latin-1").partition(":")
                    fields[name.lower()] = value.strip()
                with self._lock:
                    self.requests.append(f"{method} {target}")
                if method == "POST":
                    self._receive(reader, int(fields["content-length"]))
                keep = self._keep_alive and version == "HTTP/1.1"
                self._answer(stream, target, chunked=keep, keep=keep)
                if not keep:
                    return

    def _receive(self, reader: object, length: int) -> None:
        buffer = bytearray(65_536)
        while length > 0:
            count = reader.readinto(memoryview(buffer)[: min(length, len(buffer))])  # type: ignore[attr-defined] # a socket's reader
            if not count:
                return
            length -= count
            with self._lock:
                self.received_bytes += count

    def _answer(self, stream: socket.socket, target: str, *, chunked: bool, keep: bool) -> None:
        parts = urlsplit(target)
        name = parts.path.removeprefix(self._prefix).removesuffix(self._suffix)
        known = parts.path.startswith(self._prefix) and parts.path.endswith(self._suffix)
        connection = b"Connection: keep-alive\r\n" if keep else b"Connection: close\r\n"
        if known and name == "garbage":
            mebibytes = min(1_024, int(parse_qs(parts.query).get("ckSize", ["4"])[0]))
            self._send_garbage(stream, mebibytes, connection, chunked=chunked)
        elif known and name == "empty":
            # As PHP does: text/html, and nothing in it.
            stream.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=UTF-8\r\n"
                b"Content-Length: 0\r\n" + connection + b"\r\n"
            )
        else:
            stream.sendall(
                b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n"
                b"Content-Length: 9\r\n" + connection + b"\r\nNot Found"
            )

    def _send_garbage(
        self, stream: socket.socket, mebibytes: int, connection: bytes, *, chunked: bool
    ) -> None:
        """Chunked where the client can take it: PHP does not say how long it will be."""
        coding = b"Transfer-Encoding: chunked\r\n" if chunked else b""
        stream.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
            + coding
            + connection
            + b"\r\n"
        )
        for _ in range(mebibytes):
            if chunked:
                stream.sendall(b"100000\r\n" + _GARBAGE + b"\r\n")
            else:
                stream.sendall(_GARBAGE)
        if chunked:
            stream.sendall(b"0\r\n\r\n")
