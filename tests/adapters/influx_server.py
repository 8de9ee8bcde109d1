"""A write endpoint that keeps what it is given, and answers as badly as a test wants.

Rule of this file: the request is read whole and checked; what is answered is the test's.
"""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.adapters.hostile import StreamServer

TOKEN = "s3cret-token"
TAKEN = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


def answer(status: str, body: str = "", *headers: str, kind: str = "application/json") -> bytes:
    content = body.encode()
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(content)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


class InfluxServer:
    """``decide`` gets the lines of a request and gives the bytes to answer; None: it hangs up."""

    def __init__(self, decide: Callable[[list[str]], bytes | None]) -> None:
        self._decide = decide
        self._server = StreamServer(self._serve)
        self.kept: list[str] = []
        self.sizes: list[int] = []
        self.paths: list[str] = []
        self.tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

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
        with stream.makefile("rb") as reading:
            while request := reading.readline():
                headers: dict[str, str] = {}
                while line := reading.readline().strip():
                    name, _, value = line.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = reading.read(int(headers.get("content-length", "0")))
                lines = gzip.decompress(body).decode().split("\n")
                self.sizes.append(len(lines))
                self.paths.append(request.decode().split(" ")[1])
                self.tokens.add(headers.get("authorization", ""))
                said = self._decide(lines)
                if said is None:
                    return
                if said.startswith(b"HTTP/1.1 204"):
                    self.kept += lines
                stream.sendall(said)
