"""Bounds around speedtest-cli: of its time, its bytes, its memory, and whom it believes.

Rule of this file: all that the library reads and writes passes through the opener here,
which counts, cuts off and remembers the first thing that went wrong, since the library
itself swallows it. It measures nothing.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import resource
import socket
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netwatch.bandwidth.reach import Trouble, now_ms

#: The whole list of speedtest.net's servers is 1 to 2 MB; this is far from both.
_METADATA_LIMIT_BYTES = 8_388_608
_PIECE_BYTES = 65_536
_HOSTS = ("www.speedtest.net", "c.speedtest.net")
_NO_CAPACITY = (429, 502, 503, 504)
_STACK_BYTES = 524_288
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH)
Untyped = Any  # the library, and what it makes, has no types


class Guard:
    """What the library may still do, and what has become of it; shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.moved_bytes = 0  # of the present direction
        self.finished = 0  # requests that came to their end, or to ours
        self.failed = 0
        self.trouble: Trouble | None = None
        self._allowance: int | None = None
        self._end_ms: int | None = None
        self._stopped = False
        self.spent = False

    def begin(self, allowance: int | None, end_ms: int) -> None:
        """A direction begins: nothing moved yet, so much allowed, until then."""
        with self._lock:
            self.moved_bytes = self.finished = self.failed = 0
            self.trouble = None
            self._allowance, self._end_ms, self.spent = allowance, end_ms, False

    def stop(self) -> None:
        self._stopped = True

    def isSet(self) -> bool:  # noqa: N802 -- the library asks an event by this name
        """Whether to stop: asked by the library before each of its reads and writes."""
        return (
            self._stopped or self.spent or (self._end_ms is not None and now_ms() >= self._end_ms)
        )

    def count(self, count: int) -> None:
        with self._lock:
            self.moved_bytes += count
            if self._allowance is not None and self.moved_bytes >= self._allowance:
                self.spent = True

    def finish(self) -> None:
        with self._lock:
            self.finished += 1

    def note(self, trouble: Trouble) -> None:
        """Remembers the first of what went wrong."""
        with self._lock:
            self.failed += 1
            self.trouble = self.trouble or trouble


class Opener:
    """In place of the library's own: its requests, bounded, and no longer than ``timeout_s``.

    ``service_url`` is asked in place of speedtest.net, where one is given.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        user_agent: str,
        timeout_s: float,
        authority: str | None,
        service_url: str | None,
    ) -> None:
        self._guard = guard
        self._timeout_s = timeout_s
        self._service_url = service_url
        try:
            context = ssl.create_default_context(cafile=authority)
        except OSError as error:
            raise Trouble("tls", f"the authorities of {authority}: {error}") from error
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        self._opener.addheaders = [("User-Agent", user_agent)]
        self.loading = False  # a test runs; before that, what is asked is only read

    def open(self, request: urllib.request.Request) -> Response:
        """As ``OpenerDirector.open``; OSError for all that goes wrong, once it is noted."""
        asked = self._place(request)
        body = request.data
        if body is not None:
            # Its setter forgets the length, and the body would go out in chunks.
            length = request.get_header("Content-length")
            request.data = _Body(body, self._guard)
            request.add_header("Content-length", str(length))
        try:
            response = self._opener.open(request, timeout=self._timeout_s)
        except (MemoryError, OSError, http.client.HTTPException, RuntimeError) as error:
            if self._guard.isSet():
                self._guard.finish()
            else:
                self._guard.note(explain(error, asked))
            raise OSError(str(error)) from error
        finally:
            if body is not None:
                # The library would keep the bytes of every request until all are over.
                body._data = None  # type: ignore[union-attr]  # noqa: SLF001 -- its only hold on them
                request.data = body
        found = urllib.parse.urlsplit(response.geturl()).hostname or ""
        content_type = response.headers.get("Content-Type", "")
        if not _same_site(asked, found) or (self.loading and "html" in content_type and not body):
            response.close()
            trouble = Trouble("login_page", f"{asked} was asked, a page of {found} came")
            self._guard.note(trouble)
            raise OSError(trouble.detail)
        if body is not None:
            self._guard.finish()
        return Response(response, self._guard, counted=self.loading and body is None)

    def _place(self, request: urllib.request.Request) -> str:
        parts = urllib.parse.urlsplit(request.full_url)
        if self._service_url is not None and parts.hostname in _HOSTS:
            tail = urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))
            request.full_url = self._service_url.rstrip("/") + tail
        return urllib.parse.urlsplit(request.full_url).hostname or ""


class Response:
    """A response of which a part is read at a time, and of metadata not more than 8 MB."""

    def __init__(self, response: Untyped, guard: Guard, *, counted: bool) -> None:
        self._response = response
        self._guard = guard
        self._counted = counted
        self._read_bytes = 0
        self._short = False
        self.headers = response.headers
        self.getheader = response.headers.get
        self.code = response.status

    def geturl(self) -> str:
        return str(self._response.geturl())

    def read(self, count: int = -1) -> bytes:
        """As a file's; raises OSError beyond the limit, and at a connection that ends early."""
        if not self._counted:
            return self._read_metadata(count)
        try:
            data = bytes(self._response.read(count))
        except (OSError, http.client.HTTPException) as error:
            self._guard.note(explain(error, "the server"))
            raise OSError(str(error)) from error
        self._guard.count(len(data))
        if not data and self._response.length:
            trouble = Trouble(
                "closed_early", f"the server ended {self._response.length} bytes before the end"
            )
            self._guard.note(trouble)
            raise OSError(trouble.detail)
        if not data or self._guard.isSet():
            self._guard.finish()
        return data

    def _read_metadata(self, count: int) -> bytes:
        pieces: list[bytes] = []
        wanted = count
        while wanted and not self._guard.isSet():
            asked = _PIECE_BYTES if wanted < 0 else min(wanted, _PIECE_BYTES)
            piece = self._response.read1(asked)
            if not piece:
                break
            self._read_bytes += len(piece)
            if self._read_bytes > _METADATA_LIMIT_BYTES:
                trouble = Trouble("answer_invalid", "the server's answer does not end")
                self._guard.note(trouble)
                raise OSError(trouble.detail)
            pieces.append(piece)
            wanted = wanted if wanted < 0 else wanted - len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        self._response.close()


class _Body:
    """An upload's content, counted as it is handed over."""

    def __init__(self, body: Untyped, guard: Guard) -> None:
        self._body = body
        self._guard = guard

    def read(self, count: int = -1) -> bytes:
        try:
            data = bytes(self._body.read(count))
        except Exception as error:
            if type(error).__name__ == "SpeedtestUploadTimeout":
                self._guard.finish()
                raise
            self._guard.note(explain(error, "the server"))
            raise OSError(str(error)) from error
        self._guard.count(len(data))
        return data

    def __len__(self) -> int:
        return len(self._body)


def explain(error: BaseException, host: str) -> Trouble:
    """What an error of the library's requests is to a bandwidth test.

    >>> explain(ConnectionRefusedError(111, "Connection refused"), "a.example").reason
    'unreachable'
    """
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        reason = "no_capacity" if error.code in _NO_CAPACITY else "refused"
        return Trouble(reason, f"{host} answers with status {error.code}")
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        return explain(error.reason, host)
    if isinstance(error, MemoryError) or any(
        word in str(error).lower() for word in ("memory", "new thread")
    ):
        return Trouble("memory", "speedtest-cli asked for more memory than it may have")
    if isinstance(error, OSError):
        return _explain_os_error(error, host)
    if isinstance(error, http.client.RemoteDisconnected):
        return Trouble("closed_early", f"{host} closed the connection")
    return Trouble("answer_invalid", f"{host}: {type(error).__name__}: {error}")


def _explain_os_error(error: OSError, host: str) -> Trouble:
    why = error.strerror or str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Trouble("tls", f"{host}: certificate: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return Trouble("tls", f"{host}: TLS: {error.reason}")
    if isinstance(error, TimeoutError):
        return Trouble("stalled", f"{host}: nothing came for some seconds")
    if isinstance(error, socket.gaierror):
        return Trouble("name", f"the name {host} has no address: {why}")
    if isinstance(error, ConnectionRefusedError) or error.errno in _NO_WAY:
        return Trouble("unreachable", f"no connection to {host}: {why}")
    return Trouble("closed_early", f"{host} closed the connection")


def _same_site(asked: str, found: str) -> bool:
    suffix = ".speedtest.net"
    return asked == found or (asked.endswith(suffix) and found.endswith(suffix))


@contextlib.contextmanager
def limit_memory(more_bytes: int) -> Iterator[None]:
    """Lets this process have so much more private memory than now, then what it could before.

    Threads started within get small stacks, which count as well (setrlimit(2), RLIMIT_DATA).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _read_data_bytes() + more_bytes
    if soft != resource.RLIM_INFINITY:
        wanted = min(wanted, soft)
    before = threading.stack_size(_STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        threading.stack_size(before)


def _read_data_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmData:")[1].split()[0]) * 1_024
