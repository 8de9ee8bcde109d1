"""A server that speaks speedtest.net's legacy protocol, and stands in for its directory.

Rule of this file: what the library asks for is answered as the service did; what goes wrong
is a path that a test hands in.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Answer = Callable[[BaseHTTPRequestHandler], None]

CONFIG = """<?xml version="1.0"?><settings>
<client ip="192.0.2.1" lat="48.0" lon="7.0" isp="Lab" country="FR"/>
<server-config threadcount="4" ignoreids="" />
<download testlength="10" threadsperurl="4"/>
<upload testlength="10" ratio="5" threads="2" maxchunkcount="50"/>
</settings>"""


def say(request: BaseHTTPRequestHandler, body: bytes, kind: str = "text/plain") -> None:
    request.send_response(200)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def read_body(request: BaseHTTPRequestHandler) -> int:
    left = wanted = int(request.headers.get("Content-Length") or 0)
    while left and (piece := request.rfile.read(min(left, 65_536))):
        left -= len(piece)
    return wanted - left


class SpeedtestServer:
    """Mini server and directory in one. ``answers`` replaces what is said to a path's end."""

    def __init__(self, answers: dict[str, Answer] | None = None) -> None:
        outer = self
        self.asked: list[str] = []
        self.answers = answers or {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def do_POST(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, *_: object) -> None:
                """A client that goes away is what is tested."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        self.asked.append(path)
        for ending, replaced in self.answers.items():
            if path.endswith(ending):
                with contextlib.suppress(OSError):
                    replaced(request)
                return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._answer_well(request, path)

    def _answer_well(self, request: BaseHTTPRequestHandler, path: str) -> None:
        if path.endswith("speedtest-config.php"):
            say(request, CONFIG.encode("ascii"), "text/xml")
        elif path.endswith("speedtest-servers-static.php"):
            url = f"{self.url}/speedtest/upload.php"
            server = (
                f'<server url="{url}" lat="48" lon="7" name="Lab" id="1" host="lab:{self.port}"/>'
            )
            say(request, f"<settings><servers>{server}</servers></settings>".encode("ascii"))
        elif path.endswith("latency.txt"):
            say(request, b"test=test\n")
        elif path.endswith("upload.php"):
            say(request, b"size=%d" % read_body(request))
        elif found := re.search(r"random(\d+)x\d+\.jpg$", path):
            self._send_picture(request, int(found.group(1)) ** 2 * 2)
        else:
            say(request, b'<html><script>upload_extension: "php"</script></html>', "text/html")

    def _send_picture(self, request: BaseHTTPRequestHandler, size: int) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "image/jpeg")
        request.send_header("Content-Length", str(size))
        request.end_headers()
        piece = bytes(65_536)
        while size > 0:
            request.wfile.write(piece[:size])
            size -= len(piece)


def drop(request: BaseHTTPRequestHandler) -> None:
    """Ends a connection without a word."""
    request.connection.shutdown(socket.SHUT_RDWR)
