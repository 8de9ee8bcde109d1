"""An ndt7 server and a locate service, from the protocol's description (v0.11), for tests.

Rule of this file: what a server does right is here; what one does wrong is a few bytes that
a test writes itself, after `upgrade`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.adapters.hostile import GONE, StreamServer

_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEN_SECONDS = 10.0
_EVERY_S = 0.05  # M-Lab's are a quarter of a second apart; tests are short
TCP_INFO_RECEIVED = 128


def build_frame(
    opcode: int, payload: bytes, *, final: bool = True, length: int | None = None
) -> bytes:
    """A server's frame; ``length`` may lie about the payload."""
    size = len(payload) if length is None else length
    first = bytes([(0x80 if final else 0) | opcode])
    if size < 126:
        return first + bytes([size]) + payload
    if size < 65_536:
        return first + b"\x7e" + size.to_bytes(2, "big") + payload
    return first + b"\x7f" + size.to_bytes(8, "big") + payload


def read_request(stream: socket.socket) -> dict[str, str]:
    """The request's line and headers, by lower-case name; the line is ``request``."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = stream.recv(4_096)
        if not piece:
            raise ConnectionResetError
        data += piece
    line, *headers = data.split(b"\r\n\r\n")[0].decode("ascii").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (h.partition(":") for h in headers)}
    return {"request": line, **fields}


def upgrade(stream: socket.socket, *, status: str = "101 Switching Protocols") -> dict[str, str]:
    """Reads the upgrade request and answers it as RFC 6455 has it."""
    fields = read_request(stream)
    key = fields.get("sec-websocket-key", "").encode("ascii")
    accept = base64.b64encode(hashlib.sha1(key + _SUFFIX).digest()).decode("ascii")
    stream.sendall(
        f"HTTP/1.1 {status}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n"
        f"Sec-WebSocket-Protocol: {fields.get('sec-websocket-protocol')}\r\n\r\n".encode("ascii")
    )
    return fields


class MaskedReader:
    """Reads a client's frames: unmasks what is short, counts what is long."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self.payload_bytes = 0
        self.keys: list[bytes] = []
        self.sizes: list[int] = []

    def read(self) -> tuple[int, bytes]:
        """(opcode, payload); a binary message's payload is only counted, and b"" here."""
        first, second = self._exactly(2)
        assert first & 0xF0 == 0x80, "a client's message is one frame"
        assert second & 0x80, "a client's frame is masked"
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
        key = self._exactly(4)
        if first & 0x0F == 2:
            self.keys.append(key)
            self.sizes.append(size)
            self._count(size)
            return 2, b""
        masked = self._exactly(size)
        return first & 0x0F, bytes(byte ^ key[index % 4] for index, byte in enumerate(masked))

    def _count(self, size: int) -> None:
        while size:
            piece = self._stream.recv(min(size, 262_144))
            if not piece:
                raise ConnectionResetError
            size -= len(piece)
            self.payload_bytes += len(piece)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._stream.recv(count - len(data))
            if not piece:
                raise ConnectionResetError
            data += piece
        return data


def build_measurement(start: float, *, received: int | None, tcp_received: int) -> bytes:
    elapsed_us = int((time.monotonic() - start) * 1_000_000)
    said: dict[str, object] = {
        "ConnectionInfo": {"Client": "127.0.0.1:1", "Server": "127.0.0.1:2", "UUID": "lab"},
        "Origin": "server",
        "TCPInfo": {"ElapsedTime": elapsed_us, "BytesReceived": tcp_received, "RTT": 1},
    }
    if received is not None:
        said["AppInfo"] = {"ElapsedTime": elapsed_us, "NumBytes": received}
    return json.dumps(said).encode("ascii")


def count_tcp_received(stream: socket.socket) -> int:
    info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
    return int(struct.unpack_from("=Q", info, TCP_INFO_RECEIVED)[0])


def serve_download(stream: socket.socket) -> None:
    """Random messages that grow, measurements between them, ten seconds, Close."""
    start = time.monotonic()
    content = os.urandom(2**20)
    size, sent, told = 2**13, 0, start
    while (now := time.monotonic()) < start + _TEN_SECONDS:
        stream.sendall(build_frame(2, memoryview(content)[:size].tobytes()))
        sent += size
        if size < len(content) and size < sent // 16:
            size *= 2
        if now - told > _EVERY_S:
            stream.sendall(build_frame(9, b"are you there"))
            stream.sendall(build_frame(1, build_measurement(start, received=sent, tcp_received=0)))
            told = now
    stream.sendall(build_frame(8, b"\x03\xe8"))
    stream.recv(4_096)


class Upload:
    """Counts an upload and says what arrived, by AppInfo and TCPInfo or by TCPInfo alone."""

    def __init__(self, *, application: bool = True, factor: float = 1.0) -> None:
        self._application = application
        self._factor = factor
        self.reader: MaskedReader | None = None
        self.closed_with: bytes | None = None

    def __call__(self, stream: socket.socket) -> None:
        start = time.monotonic()
        self.reader = reader = MaskedReader(stream)
        over = threading.Event()

        def tell() -> None:
            with contextlib.suppress(*GONE, OSError):
                while not over.wait(_EVERY_S):
                    text = build_measurement(
                        start,
                        received=int(reader.payload_bytes * self._factor)
                        if self._application
                        else None,
                        tcp_received=int(count_tcp_received(stream) * self._factor),
                    )
                    stream.sendall(build_frame(1, text))

        teller = threading.Thread(target=tell)
        teller.start()
        try:
            while True:
                opcode, payload = reader.read()
                if opcode == 8:
                    self.closed_with = payload
                    break
        finally:
            over.set()
            teller.join()
        stream.sendall(build_frame(8, b"\x03\xe8"))


def answer_ndt7(
    download: Callable[[socket.socket], None] = serve_download,
    upload: Callable[[socket.socket], None] | None = None,
    *,
    context: ssl.SSLContext | None = None,
    requests: list[dict[str, str]] | None = None,
) -> Callable[[socket.socket], None]:
    """What a `StreamServer` does with a connection to be an ndt7 server."""
    upload = upload or Upload()

    def handle(stream: socket.socket) -> None:
        if context is not None:
            try:
                stream = context.wrap_socket(stream, server_side=True)
            except OSError:
                return
        with stream, contextlib.suppress(*GONE, ssl.SSLError):
            fields = upgrade(stream)
            if requests is not None:
                requests.append(fields)
            if "/ndt/v7/download" in fields["request"]:
                download(stream)
            else:
                upload(stream)

    return handle


def build_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def answer_locate(
    bases: list[str], requests: list[dict[str, str]]
) -> Callable[[socket.socket], None]:
    """A locate service (v2) that names servers by base URL, with a token each."""

    def handle(stream: socket.socket) -> None:
        requests.append(read_request(stream))
        results = []
        for index, base in enumerate(bases):
            scheme = base.partition(":")[0]
            urls = {
                f"{scheme}:///ndt/v7/{direction}": f"{base}/ndt/v7/{direction}?access_token=t{index}"
                for direction in ("download", "upload")
            }
            results.append({"machine": f"machine-{index}", "location": {}, "urls": urls})
        body = json.dumps({"results": results}).encode("ascii")
        stream.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )

    return handle


def serve(handle: Callable[[socket.socket], None]) -> StreamServer:
    """A server on loopback, for the length of a ``with`` block."""
    return StreamServer(handle)
