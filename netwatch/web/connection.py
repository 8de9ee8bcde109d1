"""One client's connection: its bytes in, its bytes out, and until when.

Rule of this file: never blocks. It reads and writes what the socket takes at once
and says what it waits for; it knows no route and decides nothing about requests.
"""

from __future__ import annotations

import contextlib
import enum
import selectors
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import ssl

_PIECE_BYTES = 4_096
_DRAIN_LIMIT_BYTES = 65_536
_T = TypeVar("_T")


class Phase(enum.Enum):
    """Where a connection stands."""

    HANDSHAKE = enum.auto()
    READING = enum.auto()  # a head, or the wait for the next one
    WORKING = enum.auto()  # a worker has its request
    WRITING = enum.auto()
    DRAINING = enum.auto()  # told goodbye; what still comes in is thrown away


class Wants(enum.IntFlag):
    """What the connection waits for on its socket, in the words of selectors."""

    NOTHING = 0
    READ = selectors.EVENT_READ
    WRITE = selectors.EVENT_WRITE


_TLS_WANTS = {"SSLWantReadError": Wants.READ, "SSLWantWriteError": Wants.WRITE}


class Gone(Exception):
    """The other side has closed, reset, or does not speak TLS."""


class Connection:
    """State of one accepted socket, which must be non-blocking."""

    def __init__(
        self,
        accepted: socket.socket,
        address: str,
        *,
        tls: ssl.SSLContext | None,
        deadline_ms: int,
    ) -> None:
        self._tls_socket: ssl.SSLSocket | None = None
        self.socket = accepted
        self.phase = Phase.READING
        if tls is not None:
            self._tls_socket = tls.wrap_socket(
                accepted, server_side=True, do_handshake_on_connect=False
            )
            self.socket = self._tls_socket
            self.phase = Phase.HANDSHAKE
        self.address = address
        self.deadline_ms = deadline_ms
        self.wants = Wants.READ
        self.incoming = bytearray()
        self.served = 0
        self.keep_alive = False  # whether another request may follow the answer
        self.head_only = False
        self.ended = False  # the client has said all that it will
        self._outgoing = memoryview(b"")
        self._drained_bytes = 0

    def shake_hands(self) -> bool:
        """Go on with the TLS handshake as far as it goes; True: it is done.

        Raises :class:`Gone`.
        """
        if self._tls_socket is not None:
            self._attempt(self._tls_socket.do_handshake)
        if self.wants is not Wants.NOTHING:
            return False
        self.begin_reading()
        return True

    @property
    def tls(self) -> bool:
        return self._tls_socket is not None

    def begin_reading(self) -> None:
        self.phase = Phase.READING
        self.wants = Wants.READ

    def read(self, limit_bytes: int) -> None:
        """Take in what has come until ``incoming`` has more than ``limit_bytes``.

        At the end of the stream ``ended`` is set: what came before it may still be a
        request. Raises :class:`Gone`.
        """
        while len(self.incoming) <= limit_bytes:
            piece = self._attempt(self.socket.recv, _PIECE_BYTES)
            if piece is None:
                return
            if not piece:
                self.ended = True
                break
            self.incoming += piece
        self.wants = Wants.READ

    def begin_writing(self, answer: bytes) -> None:
        self.phase = Phase.WRITING
        self._outgoing = memoryview(answer)

    def write(self) -> bool:
        """Send what the socket takes; True: all is sent. Raises :class:`Gone`."""
        while self._outgoing:
            sent = self._attempt(self.socket.send, self._outgoing)
            if sent is None:
                return False
            self._outgoing = self._outgoing[sent:]
        return True

    def begin_draining(self) -> None:
        """Say goodbye and wait for the client's own, so that no reset eats the answer.

        Raises :class:`Gone`.
        """
        self.phase = Phase.DRAINING
        self.wants = Wants.READ
        self.incoming.clear()
        if self._tls_socket is not None:
            with contextlib.suppress(OSError):  # it wants to wait for the answer: we do not
                self._tls_socket.unwrap()
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            raise Gone from None

    def drain(self) -> None:
        """Throw away what comes. Raises :class:`Gone` at its end or when it is too much."""
        while self._drained_bytes < _DRAIN_LIMIT_BYTES:
            piece = self._attempt(self.socket.recv, _PIECE_BYTES)
            if piece is None:
                return
            if not piece:
                raise Gone
            self._drained_bytes += len(piece)
        raise Gone

    def abort(self) -> None:
        """Close, and let the kernel forget at once what the client does not take."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def _attempt(self, call: Callable[..., _T], *arguments: object) -> _T | None:
        """Do it if it can be done at once; None: not yet, and ``wants`` says what it waits for.

        Raises :class:`Gone`.
        """
        self.wants = Wants.NOTHING
        try:
            return call(*arguments)
        except BlockingIOError:
            self.wants = Wants.WRITE if self.phase is Phase.WRITING else Wants.READ
        except OSError as error:
            # ssl is not imported for its exceptions' sake alone: they are OSErrors.
            wanted = _TLS_WANTS.get(type(error).__name__)
            if wanted is None:
                raise Gone from None
            self.wants = wanted
        return None
