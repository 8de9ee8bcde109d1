"""One ndt7 connection: upgraded, then read without keeping and written without copying.

Rule of this file: it moves frames over a socket that does not block, and counts. It knows
no plan, no rate and no verdict; whoever drives it looks at the clock.
"""

from __future__ import annotations

import base64
import contextlib
import mmap
import os
import secrets
import select
import socket
import ssl
import struct
import time
from types import TracebackType
from typing import Self

from netwatch.bandwidth.ndt7_locate import USER_AGENT, Place, open_stream, parse_answer
from netwatch.bandwidth.reach import Trouble, read_head, send_all
from netwatch.bandwidth.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    FrameReader,
    ProtocolBroken,
    build_control,
    build_header,
    build_upgrade,
    check_upgrade,
)

SUBPROTOCOL = "net.measurementlab.ndt.v7"
#: v0.11: at most 2^24. We send 2^20 at most, which is what the memory goal has room for.
MESSAGE_LIMIT_BYTES = 2**24
SENT_MESSAGE_LIMIT_BYTES = 2**20
TEXT_LIMIT_BYTES = 65_536
_BUFFER_BYTES = 65_536
#: From here on the kernel is told to drop payload rather than to copy it.
_SKIP_FROM_BYTES = 65_536
_SKIP_AREA_BYTES = 2**20
#: linux/tcp.h: tcpi_bytes_acked, tcpi_bytes_received.
_TCP_INFO_BYTES, _TCP_INFO_COUNTERS = 136, 120
_TCP_NOTSENT_LOWAT = 25
#: What waits in the socket: enough for a moment in which we are not scheduled, no more than
#: a second of a slow line, for the last message has to end.
_NOT_SENT_BYTES = 524_288
#: However much the kernel takes, the clock is looked at after so many calls.
_SENDS_AT_ONCE = 64
_READS_AT_ONCE = 4
_GATHER_MS = 2
_LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Ndt7Stream:
    """A WebSocket to an ndt7 server; close it, or use it in a ``with`` statement.

    Public: ``frames`` (what was received), ``sent_bytes`` (payload that the kernel took),
    ``closed`` (the server said so, or closed the connection).
    """

    def __init__(self, stream: socket.socket, rest: bytes) -> None:
        self._stream = stream
        self._secure = isinstance(stream, ssl.SSLSocket)
        stream.setblocking(False)
        self._rest = rest
        self.frames = FrameReader(
            limit_bytes=MESSAGE_LIMIT_BYTES, text_limit_bytes=TEXT_LIMIT_BYTES
        )
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        # Never touched, so never resident: the kernel needs an address to not write to.
        self._nowhere = mmap.mmap(-1, _SKIP_AREA_BYTES)
        self._poll = select.poll()
        self._content = _Content()
        self._queue = b""  # of a header or a control frame
        self._left = 0  # of the present message's payload
        self._pong: bytes | None = None
        self._drained = False  # the last look read all there was
        self.sent_bytes = 0
        self.closed = False

    @classmethod
    def open(cls, place: Place, authority: str | None, deadline_ms: int) -> Self:
        """Connects and upgrades; Trouble otherwise."""
        stream = open_stream(place, authority, deadline_ms)
        try:
            stream.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _NOT_SENT_BYTES)
            key = base64.b64encode(secrets.token_bytes(16)).decode("ascii")
            request = build_upgrade(
                host=place.authority,
                resource=place.resource,
                key=key,
                subprotocol=SUBPROTOCOL,
                user_agent=USER_AGENT,
            )
            send_all(stream, request, deadline_ms)
            head, rest = read_head(stream, deadline_ms)
            _check_answer(head, key)
            return cls(stream, rest)
        except BaseException:
            stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drops the connection with all that is still under way, so that the line is free."""
        with contextlib.suppress(OSError):
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._stream.close()
        self._nowhere.close()
        self._content.close()

    def count_tcp_bytes(self) -> tuple[int, int] | None:
        """(acknowledged, received) bytes of the connection; None where the kernel has no count."""
        info = self._stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        if len(info) < _TCP_INFO_BYTES:
            return None
        acknowledged, received = struct.unpack_from("=QQ", info, _TCP_INFO_COUNTERS)
        return acknowledged, received

    def wait(self, timeout_ms: int, *, to_send: bool) -> None:
        """Until something can be read (or sent), or the time is over."""
        if self._rest or (self._secure and self._stream.pending()):  # type: ignore[attr-defined]  # secure: an SSLSocket
            return
        if self._drained and not to_send:
            # A wake-up for each frame would cost more than the reading: let some gather.
            time.sleep(_GATHER_MS / 1_000)
        wanted = select.POLLIN | (select.POLLOUT if to_send or self._queue else 0)
        self._poll.register(self._stream, wanted)
        self._poll.poll(max(0, timeout_ms))

    def receive(self) -> list[bytes]:
        """Reads what is there, a mebibyte at most; the text messages that ended in it.

        Pings are noted for an answer (the last of several, RFC 6455, 5.5.3). Raises Trouble.
        """
        texts: list[bytes] = []
        self._drained = False
        try:
            for _ in range(_READS_AT_ONCE):
                if not self._receive_some(texts):
                    break
        except _LATER:
            self._drained = True
        except ProtocolBroken as error:
            raise Trouble("answer_invalid", str(error)) from error
        except OSError as error:
            raise Trouble(
                "closed_early", f"the connection broke: {error.strerror or error}"
            ) from error
        return texts

    def _receive_some(self, texts: list[bytes]) -> bool:
        skippable = min(self.frames.binary_left, _SKIP_AREA_BYTES)
        if self._rest:
            data, self._rest = memoryview(self._rest), b""
        elif skippable >= _SKIP_FROM_BYTES and not self._secure:
            count = self._stream.recv_into(self._nowhere, skippable, socket.MSG_TRUNC)
            self.frames.skip(count)
            self._drained = count < skippable
            self.closed = self.closed or not count
            return False
        else:
            count = self._stream.recv_into(self._buffer)
            self.closed = self.closed or not count
            data = self._buffer[:count]
        for opcode, payload in self.frames.feed(data):
            if opcode == CLOSE:
                self.closed = True
            elif opcode == PING:
                self._pong = payload
            elif opcode != PONG:
                texts.append(payload)
        return bool(data) and not self.closed

    def send(self, message_bytes: int) -> None:
        """Hands the kernel what it takes: control frames first, then binary messages.

        ``message_bytes`` is the size of the next message to begin; 0 begins none. Raises
        Trouble ("closed_early").
        """
        try:
            for _ in range(_SENDS_AT_ONCE):
                if not self._send_some(message_bytes):
                    break
        except _LATER:
            pass
        except OSError as error:
            self.closed = True
            if message_bytes:
                raise Trouble(
                    "closed_early", f"the connection broke: {error.strerror or error}"
                ) from error

    @property
    def between_messages(self) -> bool:
        """Whether nothing of a message is left to send."""
        return not self._queue and not self._left

    def _send_some(self, message_bytes: int) -> bool:
        if self._queue:
            self._queue = self._queue[self._stream.send(self._queue) :]
            return True
        if self._left:
            count = self._content.send(self._stream, self._left)
            self._left -= count
            self.sent_bytes += count
            return True
        if self._pong is not None:
            self._queue = build_control(PONG, self._pong, secrets.token_bytes(4))
            self._pong = None
            return True
        if not message_bytes:
            return False
        # The key is fresh for each message, the masked bytes are not: whatever key unmasks
        # random bytes, they are random still (docs/decisions/0009-bandwidth.md).
        self._queue = build_header(BINARY, message_bytes, secrets.token_bytes(4))
        self._left = message_bytes
        self._content.rewind()
        return message_bytes > 0

    def send_close(self) -> None:
        """Queues a Close frame (1000, normal) and hands over what the kernel takes now."""
        if self.between_messages:
            self._queue = build_control(CLOSE, b"\x03\xe8", secrets.token_bytes(4))
        self.send(0)


class _Content:
    """Random bytes to send, from a memory file: once in memory, however much is sent."""

    def __init__(self) -> None:
        self._file = os.memfd_create("ndt7", os.MFD_CLOEXEC)
        self._view: memoryview | None = None
        self._map: mmap.mmap | None = None
        self._offset = 0
        self._filled = False

    def _fill(self) -> None:
        for _ in range(SENT_MESSAGE_LIMIT_BYTES // _BUFFER_BYTES):
            os.write(self._file, os.urandom(_BUFFER_BYTES))
        self._map = mmap.mmap(self._file, SENT_MESSAGE_LIMIT_BYTES, prot=mmap.PROT_READ)
        self._view = memoryview(self._map)
        self._filled = True

    def rewind(self) -> None:
        if not self._filled:
            self._fill()
        self._offset = 0

    def send(self, stream: socket.socket, count: int) -> int:
        """Sends up to ``count`` bytes from where the last call ended; how many were taken."""
        assert self._view is not None
        if isinstance(stream, ssl.SSLSocket):
            # One TLS record at a time: a write that has to wait is repeated as it was.
            taken = stream.send(self._view[self._offset : self._offset + min(count, 16_384)])
        else:
            taken = os.sendfile(stream.fileno(), self._file, self._offset, min(count, 262_144))
        self._offset += taken
        return taken

    def close(self) -> None:
        if self._view is not None and self._map is not None:
            self._view.release()
            self._map.close()
        os.close(self._file)


def _check_answer(head: bytes, key: str) -> None:
    """That the server upgraded; else Trouble with the reason that its status stands for."""
    answer = parse_answer(head)
    status = answer.status
    if status == 101:
        try:
            check_upgrade(answer, key, SUBPROTOCOL)
        except ProtocolBroken as error:
            raise Trouble("answer_invalid", str(error)) from error
        return
    if status in (429, 503):
        raise Trouble("no_capacity", f"the server has no room for a test now (status {status})")
    if 300 <= status < 400 or status == 511:
        where = (answer.headers.get("Location") or "a page")[:100]
        raise Trouble("login_page", f"the server's answer leads to {where}")
    if 200 <= status < 300:
        if "html" in answer.header("Content-Type"):
            raise Trouble("login_page", "a page came where a test was asked for")
        raise Trouble("answer_invalid", f"the server answers with status {status}, not 101")
    raise Trouble("refused", f"the server refuses the test with status {status}")
