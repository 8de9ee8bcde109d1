"""A made-up HTTP server that answers from a thread of its own.

Rule of this file: it serves and ends; what is answered is the handler's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from threading import Thread


@contextlib.contextmanager
def serving(
    server: ThreadingHTTPServer, before_end: Callable[[], object] = lambda: None
) -> Iterator[int]:
    """Until left; the port. ``before_end`` releases answers that would never end."""
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        before_end()
        server.shutdown()
        thread.join()
        server.server_close()
