"""One stream of an upload: random bytes out, and counted when the far side has them.

Rule of this file: what counts is what was acknowledged (``TCP_INFO``), never what was
handed to the kernel. Without TLS the bytes go from a file in memory and are never copied,
by a thread that waits in the kernel (`http_sender`); with TLS, and on kernels that do not
count what was acknowledged, they go as there is room. It reads no clock; who drives it does.
"""

from __future__ import annotations

import fcntl
import select
import socket
import ssl
import struct
from collections.abc import Callable

from netwatch.bandwidth.http_answer import Answer, cut_date, judge_small, parse_whole
from netwatch.bandwidth.http_connect import RECORD_BYTES, Opened
from netwatch.bandwidth.http_place import Place, build_request
from netwatch.bandwidth.http_sender import RANDOM_BYTES, Noise, Sender
from netwatch.bandwidth.reach import Trouble

_PIECE_BYTES = 262_144
_MOST_PIECES = 8
#: The first body is small, so that a server that does not want it says so early; then
#: four times as much each time, up to nearly what LibreSpeed's own client sends.
_FIRST_BODY_BYTES = 65_536
_MOST_BODY_BYTES = 16_777_216
#: What a server allows that was left as nginx comes: what is sent where more was refused.
_SMALL_BODY_BYTES = 1_048_576
_ANSWER_PIECE_BYTES = 16_384
_MOST_CONNECTIONS = 200
_MOST_ABRUPT_ENDS = 3
_MOST_REQUESTS = 20_000
#: linux/tcp.h, struct tcp_info: tcpi_bytes_acked; kernels before 4.1 end before it.
_INFO_BYTES = 128
_ACKED = struct.Struct("=Q")
_ACKED_AT = 120
#: linux/sockios.h: bytes not acknowledged; bytes not sent.
_SIOCOUTQ, _SIOCOUTQNSD = 0x5411, 0x894B
_INT = struct.Struct("i")

Open = Callable[[], Opened]
#: The place with something new in its query each time, against caches.
Fresh = Callable[[], Place]


class UpStream:
    """Posts to one place over and over; a body goes out while the one before is answered."""

    def __init__(self, open_one: Open, fresh: Fresh, *, noise: Noise) -> None:
        self._open, self._fresh, self._noise = open_one, fresh, noise
        self._host = fresh().host
        self._most_body = _MOST_BODY_BYTES
        self._next_body = _FIRST_BODY_BYTES
        self._pipelines = True
        self._moved_before = 0  # over connections that are gone
        self._requests = 0
        self._abrupt_ends = 0
        self._known: tuple[bytes, Answer] | None = None
        self.connections = 0
        self.changes = 0
        self.answers = 0
        self.is_ready = True
        self.interest = select.EPOLLIN | select.EPOLLOUT
        self.socket: socket.socket
        self._sender: Sender | None = None
        self._connect()

    def _connect(self) -> None:
        if self.connections >= _MOST_CONNECTIONS:
            raise Trouble("closed_early", f"{self._host} closes again and again")
        opened = self._open()
        self.socket = opened.stream
        self.connections += 1
        self.changes += 1
        self._record_overhead = opened.record_overhead_bytes
        self._handed = 0  # to the kernel, heads and all
        self._heads = 0
        acknowledged = self._read_acknowledged()
        self._base = acknowledged or 0
        self._said = b""
        self._leaving = False  # the far side ends after this answer, and takes the body first
        self._begun = self._answered = 0  # requests of this connection
        self._head = b""
        self._left = 0
        self._offset = 0
        self._retry = 0  # OpenSSL wants to be offered again what it could not take
        if isinstance(self.socket, ssl.SSLSocket) or acknowledged is None:
            self.socket.setblocking(False)
            self._begin_body()
        else:
            self.socket.setblocking(True)
            self._given = 0
            self._sender = Sender(self.socket, self._noise)
            self._wait_for(select.EPOLLIN)
            self._give_bodies(self._sender)

    def _build_body(self) -> tuple[bytes, int]:
        """Head and length of the next request."""
        self._requests += 1
        if self._requests > _MOST_REQUESTS:
            raise Trouble("answer_invalid", f"{self._host} takes only bodies that are too small")
        length = self._next_body
        self._next_body = min(4 * length, self._most_body)
        return build_request("POST", self._fresh(), length=length), length

    def _begin_body(self) -> None:
        self._head, self._left = self._build_body()
        self._begun += 1
        self._wait_for(select.EPOLLIN | select.EPOLLOUT)

    def _give_bodies(self, sender: Sender) -> None:
        """As many as may be sent before the next answer."""
        while self._given - self._answered <= (1 if self._pipelines else 0):
            sender.give(*self._build_body())
            self._given += 1

    def _wait_for(self, interest: int) -> None:
        if self.interest != interest:
            self.interest = interest
            self.changes += 1

    def advance(self, events: int) -> None:
        """Read what was answered, send what there is room for. Trouble for a refusal."""
        if self._leaving and self._is_sent():
            self._reconnect()
            return
        if events & ~select.EPOLLOUT:
            self._read_answers()
        if self._sender is not None:
            return
        try:
            for _ in range(_MOST_PIECES):  # a near server might take them for ever
                if not self._send_some():
                    return
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return
        except OSError as error:
            connection = self.connections
            self._read_answers()  # who refuses and closes has said why before
            if connection == self.connections:
                self._end(str(error))

    def _send_some(self) -> bool:
        """Send one piece; False when an answer must be awaited first, or there is no room."""
        if self._head:
            sent = self.socket.send(self._head)
            self._handed += sent
            self._heads += sent
            self._head = self._head[sent:]
            return True
        if not self._left:
            if self._leaving:
                return False
            allowed = 1 if self._pipelines else 0
            if self._begun - self._answered > allowed:
                self._wait_for(select.EPOLLIN)
                return False
            self._begin_body()
            return True
        want = self._retry or min(self._left, RANDOM_BYTES - self._offset, _PIECE_BYTES)
        self._retry = want  # kept when this raises
        sent = self.socket.send(self._noise.read_mapped()[self._offset : self._offset + want])
        self._retry = 0
        self._handed += sent
        self._left -= sent
        self._offset = (self._offset + sent) % RANDOM_BYTES
        return sent == want

    def _read_answers(self) -> None:
        ended = False
        # Asked for before: what the far side said before it ended is there to be read by then.
        failure = None if self._sender is None else self._sender.failure
        while True:
            flags = 0 if self._sender is None else socket.MSG_DONTWAIT
            try:
                piece = self.socket.recv(_ANSWER_PIECE_BYTES, flags)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if failure is not None:
                    self._end(str(failure))
                    return
                break
            except OSError as error:
                self._end(str(error))
                return
            if not piece:
                ended = True
                break
            if self._leaving:
                return  # whatever it says now, it has answered
            self._said += piece
            connection = self.connections
            self._take_answers(ended=False)
            if self.connections != connection:
                return  # the failure was that of the connection before
        if ended:
            connection = self.connections
            self._take_answers(ended=True)
            if connection == self.connections:
                self._end("closed")

    def _is_sent(self) -> bool:
        """Whether the body of the newest answer is out, or never will be."""
        if self._sender is None:
            return self._begun > self._answered or not self._left
        return self._sender.done >= self._answered or self._sender.failure is not None

    def _take_answers(self, *, ended: bool) -> None:
        while self._said and not self._leaving:
            found = self._parse_answer(ended=ended)
            if found is None:
                return
            answer, content_bytes, whole = found
            self._said = self._said[whole:]
            if answer.status == 413 and self._most_body > _SMALL_BODY_BYTES:
                self._most_body = _SMALL_BODY_BYTES
                self._next_body = min(self._next_body, _SMALL_BODY_BYTES)
                self._reconnect()
                return
            judge_small(answer, content_bytes, self._host)
            self._answered += 1
            self.answers += 1
            begun = self._begun if self._sender is None else self._sender.begun
            if self._answered > begun:
                raise Trouble("answer_invalid", f"{self._host} answers what was not asked")
            if answer.closes:
                self._pipelines = False
                self._leaving = True
                if self._is_sent():
                    self._reconnect()
                else:  # answered before the body was there: it is still taken
                    self._wait_for(select.EPOLLIN | select.EPOLLOUT)
                return
            if self._sender is None:
                self._wait_for(select.EPOLLIN | select.EPOLLOUT)
            else:
                self._give_bodies(self._sender)

    def _parse_answer(self, *, ended: bool) -> tuple[Answer, int, int] | None:
        """As `parse_whole`; an empty answer that is as the one before is not parsed anew."""
        head_bytes = self._said.find(b"\r\n\r\n") + 4
        head = cut_date(self._said[:head_bytes])
        if self._known is not None and self._known[0] == head:
            return self._known[1], 0, head_bytes
        found = parse_whole(self._said, ended=ended)
        if found is not None and found[1:] == (0, head_bytes) and found[0].length == 0:
            self._known = head, found[0]
        return found

    def _end(self, why: str) -> None:
        """The connection is gone: fair now and then where an answer had come on it."""
        if self._leaving:
            self._reconnect()
            return
        self._abrupt_ends += 1
        if not self._answered or self._abrupt_ends > _MOST_ABRUPT_ENDS:
            raise Trouble(
                "closed_early",
                f"{self._host} ended in the middle of an upload, without an answer: {why}",
            )
        # Who closes at a body that is too large often does it before that can be read.
        self._most_body = self._next_body = _SMALL_BODY_BYTES
        self._pipelines = False
        self._reconnect()

    def _reconnect(self) -> None:
        self._moved_before = self.read_moved()
        self._leave()
        self._connect()

    def read_moved(self) -> int:
        """Bytes of content that the far side has acknowledged so far, over all connections."""
        if self.socket.fileno() < 0:
            return self._moved_before
        acknowledged = self._read_acknowledged()
        if acknowledged is None:  # an old kernel: what was handed over less what is on its way
            content = self._handed - self._ask_queue(_SIOCOUTQ)
        else:
            wire = acknowledged - self._base
            content = wire * RECORD_BYTES // (RECORD_BYTES + self._record_overhead)
        heads = self._heads if self._sender is None else self._sender.heads_bytes
        return self._moved_before + max(0, content - heads)

    def _read_acknowledged(self) -> int | None:
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        return int(_ACKED.unpack_from(info, _ACKED_AT)[0]) if len(info) >= _INFO_BYTES else None

    def fileno(self) -> int:
        return self.socket.fileno()

    def count_unsent(self) -> int:
        """Bytes that the kernel has and has not sent; plenty while there is nothing to give."""
        return self._ask_queue(_SIOCOUTQNSD) if self._left else RANDOM_BYTES

    def count_under_way(self) -> int:
        """Bytes sent and not acknowledged: they are on the line whatever happens now."""
        if self.socket.fileno() < 0:
            return 0
        return max(0, self._ask_queue(_SIOCOUTQ) - self._ask_queue(_SIOCOUTQNSD))

    def _ask_queue(self, request: int) -> int:
        return int(_INT.unpack(fcntl.ioctl(self.socket, request, b"\0\0\0\0"))[0])

    def close(self) -> None:
        """At once: what waits in the kernel's buffer is not to be sent after the test."""
        if self.socket.fileno() >= 0:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._leave()

    def _leave(self) -> None:
        """Close the socket; not under a thread that may still send on its number."""
        sender, self._sender = self._sender, None
        if sender is None or sender.stop():
            self.socket.close()
        else:
            self.socket.detach()  # ends with the process
