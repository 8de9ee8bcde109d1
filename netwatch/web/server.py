"""The server's front: one thread for all sockets.

Rule of this file: nobody waits for a slow client. The thread reads heads and writes
answers without ever blocking, under a deadline for the whole exchange; only complete
requests go to the desk. When the connections are all taken, the one that has waited
longest, of the address that holds most, makes room. It knows no page and no agent.
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping

import msgspec

from netwatch.web.connection import Connection, Gone, Phase, Wants
from netwatch.web.desk import Desk, Route
from netwatch.web.gate import RateLimit
from netwatch.web.listener import Tls, build_tls_context, open_listener
from netwatch.web.request import HEAD_LIMIT_BYTES, find_head_end, parse_head
from netwatch.web.response import Response, build_refusal, encode_response

_LOG = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the device strangers may have."""

    connections: int = 96
    exchange_ms: int = 10_000  # from the first chance to send a head to the last byte answered
    drain_ms: int = 1_000
    requests_per_connection: int = 100
    requests_per_second: int = 20  # of one address, steadily
    burst: int = 100
    waiting: int = 8  # requests queued for one worker


class Server:
    """Made by :func:`build_server`; it listens from then on and answers from :meth:`serve` on."""

    def __init__(
        self,
        listener: socket.socket,
        routes: Mapping[str, Route],
        *,
        monotonic_ms: Callable[[], int],
        token: str | None,
        tls: Tls | None,
        limits: Limits,
    ) -> None:
        self._listener = listener
        self._now_ms = monotonic_ms
        self._tls = build_tls_context(tls) if tls else None
        self._limits = limits
        self._desk: Desk[Connection] = Desk(
            routes,
            token=token,
            rate=RateLimit(per_second=limits.requests_per_second, burst=limits.burst),
            waiting=limits.waiting,
            deliver=self._deliver,
        )
        self._selector = selectors.DefaultSelector()
        self._connections: dict[Connection, None] = {}  # oldest first
        self._answers: deque[tuple[Connection, bytes]] = deque()
        self._wake_in, self._wake_out = socket.socketpair()
        self._stopping = threading.Event()
        self._front = threading.Thread(target=self._run, name="web-front", daemon=True)
        self.port = int(listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Where a person on this machine finds it: ``http://127.0.0.1:10779/``."""
        host = str(self._listener.getsockname()[0])
        if host in ("0.0.0.0", "::"):  # noqa: S104 -- compared, not bound
            host = "127.0.0.1"
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self._tls else 'http'}://{shown}:{self.port}/"

    def serve(self) -> None:
        """Start the threads and return."""
        for sock in (self._listener, self._wake_in):
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ)
        self._wake_out.setblocking(False)
        self._desk.start()
        self._front.start()

    def stop(self) -> None:
        """Close everything; returns when the threads have ended. Twice is once."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake()
        if self._front.is_alive():
            self._front.join()
        self._desk.stop()
        for connection in list(self._connections):
            self._close(connection)
        self._selector.close()
        for sock in (self._listener, self._wake_in, self._wake_out):
            sock.close()

    def _deliver(self, connection: Connection, answer: bytes) -> None:
        """Called by the desk's workers."""
        self._answers.append((connection, answer))
        self._wake()

    def _wake(self) -> None:
        try:
            self._wake_out.send(b".")
        except BlockingIOError:
            return  # it is full of wakes already

    # Everything below runs on the front thread alone.

    def _run(self) -> None:
        while not self._stopping.is_set():
            # With nobody connected the thread sleeps until somebody is.
            for key, _ in self._selector.select(1.0 if self._connections else None):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._wake_in:
                    self._wake_in.recv(4_096)
                elif key.data in self._connections:  # not closed since the selector spoke
                    self._guard(key.data, self._advance)
            while self._answers:
                self._begin_answer(*self._answers.popleft())
            now_ms = self._now_ms()
            late = [
                each
                for each in self._connections
                if each.deadline_ms <= now_ms and each.phase is not Phase.WORKING
            ]
            for connection in late:
                self._close(connection)

    def _begin_answer(self, connection: Connection, answer: bytes) -> None:
        # What we took ourselves to answer is not the client's delay.
        enough_ms = self._now_ms() + self._limits.exchange_ms // 2
        connection.deadline_ms = max(connection.deadline_ms, enough_ms)
        connection.begin_writing(answer)
        self._guard(connection, self._advance)

    def _accept(self) -> None:
        for _ in range(64):
            try:
                accepted, peer = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._make_room()
                    self._stopping.wait(0.05)  # no busy loop while there is no descriptor
                    return
                continue  # the client left before it was met
            accepted.setblocking(False)
            if len(self._connections) >= self._limits.connections and not self._make_room():
                accepted.close()
                continue
            connection = Connection(
                accepted,
                str(peer[0]),
                tls=self._tls,
                deadline_ms=self._now_ms() + self._limits.exchange_ms,
            )
            self._connections[connection] = None
            self._guard(connection, self._advance)

    def _make_room(self) -> bool:
        """Close the oldest connection of the address that holds most; False: none can go."""
        idle = [each for each in self._connections if each.phase is not Phase.WORKING]
        if not idle:
            return False
        held = Counter(each.address for each in idle)
        most = max(held.values())
        self._close(next(each for each in idle if held[each.address] == most))
        return True

    def _guard(self, connection: Connection, step: Callable[[Connection], None]) -> None:
        try:
            step(connection)
        except Gone:
            self._close(connection)
        except Exception:  # noqa: BLE001 -- the last line: one connection's fault must not close the door to the others
            _LOG.exception("a connection from %s was closed by a fault", connection.address)
            self._close(connection)
        else:
            self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        wants = Wants.NOTHING if connection.phase is Phase.WORKING else connection.wants
        watched = connection.socket.fileno() in self._selector.get_map()
        if wants is Wants.NOTHING:
            if watched:
                self._selector.unregister(connection.socket)
        elif watched:
            self._selector.modify(connection.socket, int(wants), connection)
        else:
            self._selector.register(connection.socket, int(wants), connection)

    def _close(self, connection: Connection) -> None:
        del self._connections[connection]
        if connection.socket.fileno() in self._selector.get_map():
            self._selector.unregister(connection.socket)
        if connection.phase is Phase.WRITING:
            connection.abort()
        else:
            connection.close()

    def _advance(self, connection: Connection) -> None:
        """Take one connection as far as it goes without waiting."""
        if connection.phase is Phase.HANDSHAKE and not connection.shake_hands():
            return
        if connection.phase is Phase.READING:
            connection.read(HEAD_LIMIT_BYTES)
            self._take_request(connection)
        while connection.phase is Phase.WRITING and connection.write():
            connection.served += 1
            if connection.keep_alive:
                connection.deadline_ms = self._now_ms() + self._limits.exchange_ms
                connection.begin_reading()
                self._take_request(connection)  # one that was sent ahead
                self._read_what_tls_holds(connection)
            else:
                connection.deadline_ms = self._now_ms() + self._limits.drain_ms
                connection.begin_draining()
        if connection.phase is Phase.DRAINING:
            connection.drain()

    def _read_what_tls_holds(self, connection: Connection) -> None:
        if connection.phase is Phase.READING and connection.tls:
            connection.read(HEAD_LIMIT_BYTES)  # bytes in its buffer wake no selector
            self._take_request(connection)

    def _take_request(self, connection: Connection) -> None:
        incoming = connection.incoming
        while incoming.startswith(b"\r\n"):  # RFC 9112, 2.2
            del incoming[:2]
        end = find_head_end(incoming)
        if end < 0 and len(incoming) <= HEAD_LIMIT_BYTES:
            if connection.ended:
                raise Gone
            return
        connection.keep_alive = False
        connection.head_only = incoming.startswith(b"HEAD ")
        if not 0 <= end <= HEAD_LIMIT_BYTES:
            refusal: Response | None = build_refusal(
                431, f"The head is longer than {HEAD_LIMIT_BYTES} bytes."
            )
        else:
            request = parse_head(bytes(incoming[:end]))
            del incoming[:end]
            if isinstance(request, Response):
                refusal = request
            else:
                last = connection.served + 1 >= self._limits.requests_per_connection
                connection.keep_alive = request.keep_alive and not last
                connection.phase = Phase.WORKING  # before a worker can be done with it
                refusal = self._desk.take(
                    connection,
                    request,
                    address=connection.address,
                    keep_alive=connection.keep_alive,
                    now_ms=self._now_ms(),
                )
        if refusal is not None:
            connection.begin_writing(
                encode_response(
                    refusal,
                    head_only=connection.head_only,
                    gzip=False,
                    keep_alive=connection.keep_alive,
                )
            )


def build_server(
    listen: str,
    routes: Mapping[str, Route],
    *,
    monotonic_ms: Callable[[], int],
    token: str | None = None,
    tls: Tls | None = None,
    limits: Limits | None = None,
) -> Server:
    """Open the port and make ready; nothing is answered before ``serve()``.

    ``monotonic_ms`` is the clock of the deadlines. Raises :class:`NetwatchError` with
    the remedy when the port or the certificate cannot be had.
    """
    listener = open_listener(listen)
    try:
        return Server(
            listener,
            routes,
            monotonic_ms=monotonic_ms,
            token=token,
            tls=tls,
            limits=limits or Limits(),
        )
    except BaseException:
        listener.close()
        raise
