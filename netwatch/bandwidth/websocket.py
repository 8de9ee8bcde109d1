"""WebSocket (RFC 6455), as far as a client needs it that counts bytes rather than reads them.

Rule of this file: bytes in, frames out, and back; it touches no socket and knows no ndt7.
The payload of a binary message is counted and never kept, so that memory is the same
whatever is sent, and a caller may let the kernel drop it unread (`FrameReader.binary_left`).
Why there is no library here: docs/decisions/0009-bandwidth.md.
"""

from __future__ import annotations

import base64
import email.message
import hashlib
import http.client
import io

import msgspec

#: RFC 6455, 1.3: joined to the key, so that an answer cannot come from a cache.
_KEY_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_CONTROL_LIMIT_BYTES = 125  # RFC 6455, 5.5


class ProtocolBroken(Exception):
    """The far side sent what the protocol does not allow; the message says what."""


class UpgradeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The head of the answer to an upgrade request."""

    status: int
    headers: email.message.Message

    def header(self, name: str) -> str:
        """A header's value in lower case; empty where it is absent."""
        return (self.headers.get(name) or "").strip().lower()


def build_upgrade(
    *, host: str, resource: str, key: str, subprotocol: str, user_agent: str
) -> bytes:
    """The request that asks for a WebSocket (RFC 6455, 4.1).

    >>> build_upgrade(host="a", resource="/x", key="k", subprotocol="p", user_agent="u").split()[:3]
    [b'GET', b'/x', b'HTTP/1.1']
    """
    return (
        f"GET {resource} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {subprotocol}\r\nUser-Agent: {user_agent}\r\n\r\n"
    ).encode("ascii")


def parse_upgrade_answer(head: bytes) -> UpgradeAnswer:
    r"""The status line and headers of an answer, up to and with its empty line.

    Raises ProtocolBroken for what is not HTTP.

    >>> parse_upgrade_answer(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n").status
    101
    >>> parse_upgrade_answer(b"SSH-2.0-x\r\n\r\n")
    Traceback (most recent call last):
    netwatch.bandwidth.websocket.ProtocolBroken: the answer is not HTTP: 'SSH-2.0-x'
    """
    line, _, rest = head.partition(b"\r\n")
    words = line.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ProtocolBroken(f"the answer is not HTTP: {line[:60].decode('latin-1')!r}")
    try:
        headers = http.client.parse_headers(io.BytesIO(rest))
    except http.client.HTTPException as error:
        raise ProtocolBroken(f"the answer's header cannot be read: {error}") from error
    return UpgradeAnswer(status=int(words[1][:9]), headers=headers)


def check_upgrade(answer: UpgradeAnswer, key: str, subprotocol: str) -> None:
    """That an answer with status 101 is one to our request (RFC 6455, 4.1 and 4.2.2).

    Raises ProtocolBroken when a proxy or a cache answered, or another protocol was chosen.
    """
    digest = hashlib.sha1(key.encode("ascii") + _KEY_SUFFIX, usedforsecurity=False).digest()
    expected = base64.b64encode(digest).decode("ascii")
    if answer.header("Upgrade") != "websocket":
        raise ProtocolBroken("the connection was not upgraded to a WebSocket")
    if (answer.headers.get("Sec-WebSocket-Accept") or "").strip() != expected:
        raise ProtocolBroken("the upgrade is not an answer to our key")
    if answer.header("Sec-WebSocket-Protocol") != subprotocol:
        raise ProtocolBroken(f"the server did not choose the subprotocol {subprotocol}")


def build_header(opcode: int, payload_bytes: int, mask: bytes) -> bytes:
    """The header of an unfragmented frame from a client (RFC 6455, 5.2).

    ``mask`` is four bytes that nobody can foretell, fresh for each frame (5.3).

    >>> build_header(BINARY, 126, b"abcd").hex()
    '82fe007e61626364'
    """
    first = 0x80 | opcode
    if payload_bytes < 126:
        return bytes((first, 0x80 | payload_bytes)) + mask
    if payload_bytes < 65_536:
        return bytes((first, 0x80 | 126)) + payload_bytes.to_bytes(2, "big") + mask
    return bytes((first, 0x80 | 127)) + payload_bytes.to_bytes(8, "big") + mask


def build_control(opcode: int, payload: bytes, mask: bytes) -> bytes:
    r"""A whole control frame (5.5): at most 125 bytes of payload, masked.

    >>> build_control(PONG, b"hi", b"\0\0\0\1")
    b'\x8a\x82\x00\x00\x00\x01hi'
    """
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return build_header(opcode, len(payload), mask) + masked


class FrameReader:
    """Takes a server's stream apart, piece by piece as it comes.

    ``limit_bytes`` is what one message may have, ``text_limit_bytes`` one that is kept.
    Public counters: ``binary_bytes`` and ``text_bytes``, payload only.
    """

    def __init__(self, *, limit_bytes: int, text_limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._text_limit = text_limit_bytes
        self._head = bytearray()
        self._opcode = CONTINUATION
        self._final = True
        self._left = 0  # of the present frame's payload
        self._message: int | None = None  # the opcode of a message that is not over
        self._message_bytes = 0
        self._kept = bytearray()
        self._control = bytearray()
        self.binary_bytes = 0
        self.text_bytes = 0

    @property
    def binary_left(self) -> int:
        """How many of the next bytes are a binary message's payload, and need not be read."""
        return self._left if self._message == BINARY and self._opcode < CLOSE else 0

    def skip(self, count: int) -> None:
        """Counts payload that was dropped unread; ``count`` is at most ``binary_left``."""
        self._left -= count
        self.binary_bytes += count
        if not self._left:
            self._end_frame()

    def feed(self, data: memoryview) -> list[tuple[int, bytes]]:
        """The messages and control frames that end within ``data``, but for binary ones.

        Each is (opcode, payload). Raises ProtocolBroken.
        """
        events: list[tuple[int, bytes]] = []
        while data:
            if not self._left:
                data = self._take_head(data, events)
                continue
            piece = data[: self._left]
            data = data[len(piece) :]
            if self.binary_left:
                self.skip(len(piece))
                continue
            # A control frame may come between the fragments of a message (5.4).
            (self._control if self._opcode >= CLOSE else self._kept).extend(piece)
            self._left -= len(piece)
            if not self._left:
                self._end_kept(events)
        return events

    def _take_head(self, data: memoryview, events: list[tuple[int, bytes]]) -> memoryview:
        missing = self._head_bytes() - len(self._head)
        self._head += data[:missing]
        if len(self._head) == self._head_bytes():
            self._start_frame(events)
        return data[missing:]

    def _head_bytes(self) -> int:
        if len(self._head) < 2:
            return 2
        return 2 + {126: 2, 127: 8}.get(self._head[1] & 0x7F, 0)

    def _start_frame(self, events: list[tuple[int, bytes]]) -> None:
        first, second = self._head[0], self._head[1]
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(self._head[2:], "big")
        self._head.clear()
        self._opcode, self._final, self._left = first & 0x0F, bool(first & 0x80), length
        self._check_frame(first, second)
        if self._opcode < CLOSE:
            if self._opcode != CONTINUATION:
                self._message, self._message_bytes = self._opcode, 0
                self._kept.clear()
            self._check_message()
        if not self._left:
            if self._opcode < CLOSE and self._message == BINARY:
                self._end_frame()
            else:
                self._end_kept(events)

    def _check_frame(self, first: int, second: int) -> None:
        if first & 0x70:
            raise ProtocolBroken("a frame uses an extension that was not agreed on")
        if second & 0x80:
            raise ProtocolBroken("a frame from the server is masked")
        if self._opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise ProtocolBroken(f"a frame has the unknown opcode {self._opcode}")
        if self._opcode >= CLOSE:
            if self._left > _CONTROL_LIMIT_BYTES or not self._final:
                raise ProtocolBroken("a control frame is too long or fragmented")
        elif (self._opcode == CONTINUATION) is (self._message is None):
            raise ProtocolBroken("a message's fragments are out of order")

    def _check_message(self) -> None:
        self._message_bytes += self._left
        limit = self._limit if self._message == BINARY else self._text_limit
        if self._message_bytes > limit:
            raise ProtocolBroken(f"a message has {self._message_bytes} bytes; {limit} are allowed")

    def _end_kept(self, events: list[tuple[int, bytes]]) -> None:
        if self._opcode >= CLOSE:
            events.append((self._opcode, bytes(self._control)))
            self._control.clear()
        elif self._final:
            self.text_bytes += len(self._kept)
            events.append((TEXT, bytes(self._kept)))
            self._kept.clear()
            self._message = None

    def _end_frame(self) -> None:
        if self._final:
            self._message = None
