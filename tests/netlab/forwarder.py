"""A port of this machine's loopback that leads into the lab: for a browser.

Rule of this file: bytes both ways, on 127.0.0.1 only. It knows nothing of what they say.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from typing import Self

from tests.netlab import namespaces


class Forwarder:
    """Listens on 127.0.0.1 while it is open; ``address`` is what to open in a browser.

    ``port`` is asked for; if it is taken (an agent of this machine's own), any free one.
    """

    def __init__(self, namespace: str, port: int) -> None:
        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    inner = namespaces.connect_in(namespace, ("127.0.0.1", port))
                except OSError:
                    return  # nobody listens in there (yet): the browser sees it closed
                with inner:
                    inner.settimeout(None)
                    carry(self.request, inner)

        try:
            self._server = _Server(("127.0.0.1", port), Connection)
        except OSError:
            self._server = _Server(("127.0.0.1", 0), Connection)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False


def carry(outer: socket.socket, inner: socket.socket) -> None:
    """Copies both ways until each side has said its last."""

    def pour(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while received := source.recv(65_536):
                sink.sendall(received)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=pour, args=(inner, outer), daemon=True)
    back.start()
    pour(outer, inner)
    back.join()
