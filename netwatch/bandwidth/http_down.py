"""One stream of a download: counts what arrives, and asks for the next file before one ends.

Rule of this file: no byte of content is kept, and without TLS none is even copied: the
kernel counts and drops it (``MSG_TRUNC``, tcp(7)). It reads no clock; who drives it does.
"""

from __future__ import annotations

import mmap
import select
import socket
import ssl
from collections.abc import Callable

from netwatch.bandwidth.http_answer import Answer, judge_data, parse_head
from netwatch.bandwidth.http_connect import Opened
from netwatch.bandwidth.http_place import Place, build_request
from netwatch.bandwidth.reach import Trouble

#: The kernel wakes us when this much waits, and wakes us late on a slow line; the loop
#: looks five times a second besides. It is what makes a gigabit cheap.
WAKE_BYTES = 1_048_576
#: The next file is asked for when this much of one is left, so that there is no gap.
_AHEAD_BYTES = 8_388_608
_HEAD_PIECE_BYTES = 16_384
_AT_ONCE_BYTES = 16_777_216
_TLS_PIECE_BYTES = 262_144
_TLS_TURN_BYTES = 4_194_304
#: A file without a length that ended after less than this did not end by itself.
_LEAST_FILE_BYTES = 1_048_576
#: Files asked for, and connections made anew, by one stream; smaller files are no test.
_MOST_FILES = 2_000
_MOST_CONNECTIONS = 200

Open = Callable[[], Opened]
#: The place with something new in its query each time, against caches.
Fresh = Callable[[], Place]


class Area:
    """Where bytes would be put if they were copied; without TLS, never touched."""

    def __init__(self) -> None:
        kind = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
        self.whole = memoryview(mmap.mmap(-1, _AT_ONCE_BYTES, flags=kind))


class DownStream:
    """Fetches from one place over and over."""

    def __init__(
        self, open_one: Open, fresh: Fresh, *, asked_bytes: int | None, area: Area
    ) -> None:
        """``asked_bytes``: how much a file should have, where the request says so."""
        self._open, self._fresh, self._asked_bytes = open_one, fresh, asked_bytes
        self._host = fresh().host
        self._area = area
        self._last = False  # a connection for each file
        self._files = 0
        self.moved_bytes = 0
        self.answers = 0
        self.is_ready = False
        self.connections = 0
        self.changes = 0
        self.interest = select.EPOLLIN
        self.socket: socket.socket
        self._connect()

    def _connect(self) -> None:
        if self.connections >= _MOST_CONNECTIONS:
            raise Trouble("closed_early", f"{self._host} closes again and again")
        self.socket = self._open().stream
        self.connections += 1
        self.changes += 1
        self._is_tls = isinstance(self.socket, ssl.SSLSocket)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._head = b""
        self._asked = 0  # requests whose answers have not begun
        self._in_body = False
        self._left: int | None = 0  # of the present file; None: until the end
        self._file_bytes = 0
        self._closes = False
        self._ask()

    def _ask(self) -> None:
        self._files += 1
        if self._files > _MOST_FILES:
            raise Trouble("answer_invalid", f"{self._host} sends files too small to measure with")
        try:
            self.socket.send(build_request("GET", self._fresh(), last=self._last))
        except OSError as error:  # also a buffer that is full: nothing was ever sent but this
            raise Trouble("closed_early", f"the connection broke: {error}") from error
        self._asked += 1

    def advance(self, _events: int) -> None:
        """Count what is there. Trouble for what should not be."""
        turn_bytes = 0
        while turn_bytes < _TLS_TURN_BYTES:
            counted = self._read_body() if self._in_body else self._read_head()
            if counted is None:
                return
            turn_bytes += counted

    def _read_head(self) -> int | None:
        """None when there is nothing more to read for now."""
        found = parse_head(self._head) if self._head else None
        while found is None:
            try:
                piece = self.socket.recv(_HEAD_PIECE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return None
            except OSError as error:
                return self._end_between(str(error))
            if not piece:
                return self._end_between("no answer")
            self._head += piece
            found = parse_head(self._head)
        answer, head_bytes = found
        judge_data(answer, self._host)
        if answer.chunked and not self._last:
            # Its chunks would have to be read to be told apart: ask for it in one piece.
            self._last = True
            self._reconnect()
            return 0
        return self._begin_body(answer, self._head[head_bytes:])

    def _begin_body(self, answer: Answer, rest: bytes) -> int:
        self._asked -= 1
        self.answers += 1
        self._left, self._closes, self._file_bytes = answer.length, answer.closes, 0
        self.is_ready = True
        own = len(rest) if self._left is None else min(len(rest), self._left)
        self._head = rest[own:]
        if self._head and not self._asked:
            raise Trouble("answer_invalid", f"{self._host} sends more than it said it would")
        self._in_body = True
        self._set_wake(WAKE_BYTES)
        self._count(own)
        return own

    def _read_body(self) -> int | None:
        """What arrived; None when there is no more for now."""
        copied = self._is_tls
        most = _TLS_PIECE_BYTES if copied else _AT_ONCE_BYTES
        if self._left is not None:
            most = min(most, self._left)
        try:
            if copied:
                got = self.socket.recv_into(self._area.whole, most)
            else:
                got = self.socket.recv_into(self._area.whole, most, socket.MSG_TRUNC)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            raise Trouble("closed_early", self._say_early(str(error))) from error
        if not got:
            return self._end_file_by_closing()
        self._count(got)
        # Less than asked for: that was all there is, and asking again would say no more.
        return got if copied or got == most else None

    def _count(self, count: int) -> None:
        self.moved_bytes += count
        self._file_bytes += count
        if self._left is None:
            return
        self._left -= count
        if self._closes:
            if not self._left:
                self._reconnect()
            return
        if self._left <= _AHEAD_BYTES and not self._asked:
            self._ask()
        if not self._left:
            self._in_body = False
            self._set_wake(1)
        elif self._left < WAKE_BYTES:
            self._set_wake(1)

    def _set_wake(self, count: int) -> None:
        if self._left is not None:
            count = min(count, max(1, self._left))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def _end_file_by_closing(self) -> int:
        least = _LEAST_FILE_BYTES if self._asked_bytes is None else self._asked_bytes
        if self._left is not None or self._file_bytes < least:
            raise Trouble("closed_early", self._say_early("closed"))
        self._reconnect()
        return 0

    def _end_between(self, why: str) -> int:
        """Closed where an answer should begin: fair after a file that was whole."""
        if self._file_bytes == 0 or self._head:
            raise Trouble("closed_early", f"{self._host} closed without an answer: {why}")
        self._reconnect()
        return 0

    def _reconnect(self) -> None:
        self.socket.close()
        self._connect()

    def _say_early(self, why: str) -> str:
        promised = self._asked_bytes if self._left is None else self._file_bytes + self._left
        of = "" if promised is None else f" of {promised}"
        return f"{self._host} ended after {self._file_bytes} bytes{of}: {why}"

    def fileno(self) -> int:
        return self.socket.fileno()

    def count_unsent(self) -> int:
        """None: it has nothing to send."""
        return 0

    def count_under_way(self) -> int:
        """None that is ours to count: what arrived was counted."""
        return 0

    def read_moved(self) -> int:
        """Bytes of content that have arrived so far."""
        return self.moved_bytes

    def close(self) -> None:
        self.socket.close()
