"""Small servers for probes: each does one thing, right or wrong, on loopback.

Rule of this file: a server lives as long as its ``with`` block, and counts what it did.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

#: What a client that goes away does to a server that is still talking.
GONE = (BrokenPipeError, ConnectionResetError, TimeoutError)


class StreamServer:
    """Accepts TCP connections and hands each to ``handle`` in a thread of its own."""

    def __init__(
        self, handle: Callable[[socket.socket], None], address: str = "127.0.0.1", port: int = 0
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family, backlog=8)
        self.address, self.port = self._listener.getsockname()[:2]
        self._handle = handle
        self._streams: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.accepted = 0

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._streams.append(stream)
            self._start(lambda stream=stream: self._serve(stream))

    def _serve(self, stream: socket.socket) -> None:
        with stream, contextlib.suppress(*GONE):
            self._handle(stream)


class DatagramServer:
    """Answers each datagram with those that ``answer`` makes of it."""

    def __init__(
        self, answer: Callable[[bytes], Iterable[bytes]], address: str = "127.0.0.1", port: int = 0
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self._socket.settimeout(0.05)
        self.address, self.port = self._socket.getsockname()[:2]
        self._answer = answer
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.asked: list[bytes] = []
        self.clients: list[object] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                question, client = self._socket.recvfrom(4_096)
            except TimeoutError:
                continue
            self.asked.append(question)
            self.clients.append(client)
            for datagram in self._answer(question):
                with contextlib.suppress(ConnectionRefusedError):
                    self._socket.sendto(datagram, client)


class FullListener:
    """A port whose queue is full: SYNs to it are dropped, as by a line that is cut."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.address, self.port = self._listener.getsockname()
        self._clients = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex((self.address, self.port))
            self._clients.append(client)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients:
            client.close()
        self._listener.close()


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port on 127.0.0.1 on which nothing listens."""
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def saying(*pieces: bytes) -> Callable[[socket.socket], None]:
    """A server that reads a request, says this, and closes."""

    def handle(stream: socket.socket) -> None:
        stream.recv(4_096)
        for piece in pieces:
            stream.sendall(piece)

    return handle


def dribble(start: bytes = b"") -> Callable[[socket.socket], None]:
    """A byte every 20 ms, for ever: never silent for long, never done."""

    def handle(stream: socket.socket) -> None:
        stream.recv(4_096)
        stream.sendall(start)
        while True:
            stream.sendall(b"x")
            time.sleep(0.02)

    return handle
