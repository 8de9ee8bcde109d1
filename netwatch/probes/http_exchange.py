"""One HTTP request over one connection, bounded in time, bytes and memory.

Rule of this file: whatever the far side sends, an exchange ends at its deadline, after
64 KiB of header and 64 KiB of body, and follows no redirect. It must not know which
answers are good: it reports what came, or why nothing did.

http.client parses the answer, and ssl speaks TLS; both are loaded at the first use.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from netwatch import __version__
from netwatch.probes.connect import answering_reason, open_first, parse_endpoint
from netwatch.probes.deadline import Deadline, elapsed_us
from netwatch.probes.resolve import ResolveFailed, resolve
from netwatch.probes.tls import TlsContexts, TlsFailed, open_tls, read_certificate_expiry
from netwatch.probes.url import Url

if TYPE_CHECKING:
    import http.client

HEADER_BYTES = 65_536
BODY_BYTES = 65_536
# What chunked transfer may add to the body: a server that sends single bytes in
# chunks is not answering.
_FRAMING_BYTES = 65_536
_DETAIL_CHARACTERS = 120


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back."""

    status: int
    location: str | None
    body: bytes  # the first 64 KiB at most
    measures: dict[str, int]


class ExchangeFailed(Exception):
    """No answer; ``measures`` holds what was measured before it failed."""

    def __init__(self, reason: str, detail: str | None, measures: dict[str, int]) -> None:
        self.reason = reason
        self.detail = detail
        self.measures = measures
        super().__init__(reason)


class _TooLarge(Exception):
    """More came than was to be read."""


class _BoundedReader(io.RawIOBase):
    """What http.client reads from: the socket, a deadline, and an allowance of bytes."""

    def __init__(self, stream: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._stream = stream
        self._deadline = deadline
        self.allowance = HEADER_BYTES
        self.first_byte_ns: int | None = None

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The one thing that http.client asks of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # BufferedReader hands a memoryview
        if self.allowance <= 0:
            raise _TooLarge
        self._stream.settimeout(self._deadline.remaining_s())
        count = self._stream.recv_into(buffer, min(len(buffer), self.allowance))
        if self.first_byte_ns is None:
            self.first_byte_ns = self._deadline.monotonic_ns()
        self.allowance -= count
        return count


class Exchange:
    """Fetches URLs, one connection each. Holds the TLS contexts, which are costly to make."""

    def __init__(self, resolvers: Callable[[], Sequence[str]]) -> None:
        self._resolvers = resolvers
        self._contexts = TlsContexts()

    def fetch(self, url: Url, deadline: Deadline, ca_file: str | None = None) -> Answer:
        """GET the URL.

        Raises ExchangeFailed, and nothing else for what the far side does.
        """
        measures: dict[str, int] = {}
        try:
            stream = self._connect(url, deadline, measures)
        except ResolveFailed as failure:
            raise ExchangeFailed(failure.reason, failure.detail, measures) from failure
        try:
            if url.scheme == "https":
                stream = self._secure(stream, url, deadline, ca_file, measures)
            return _request(stream, url, deadline, measures)
        finally:
            stream.close()

    def _connect(self, url: Url, deadline: Deadline, measures: dict[str, int]) -> socket.socket:
        started_ns = deadline.monotonic_ns()
        addresses = resolve(url.host, deadline, self._resolvers)
        if addresses != (url.host,):
            measures["resolve_us"] = elapsed_us(started_ns, deadline.monotonic_ns())
        try:
            endpoints = [parse_endpoint(address, url.port) for address in addresses]
        except ValueError as error:
            raise ExchangeFailed("bad_target", str(error), measures) from error
        attempt = open_first(endpoints, deadline)
        if attempt.connect_us is not None:
            measures["connect_us"] = attempt.connect_us
        if attempt.socket is None:
            raise ExchangeFailed(attempt.reason or "timeout", None, measures)
        return attempt.socket

    def _secure(
        self,
        stream: socket.socket,
        url: Url,
        deadline: Deadline,
        ca_file: str | None,
        measures: dict[str, int],
    ) -> socket.socket:
        started_ns = deadline.monotonic_ns()
        try:
            secured, expires_ms = open_tls(stream, url.host, self._contexts.get(ca_file), deadline)
        except TlsFailed as failure:
            if failure.certificate_refused:
                expires_ms = self._expiry_of_refused(url, deadline)
                if expires_ms is not None:
                    measures["certificate_expires_ms"] = expires_ms
            raise ExchangeFailed(failure.reason, failure.detail, measures) from failure
        except OSError as error:
            raise ExchangeFailed(
                "ca_unreadable", f"{ca_file}: {error.strerror}", measures
            ) from error
        measures["tls_us"] = elapsed_us(started_ns, deadline.monotonic_ns())
        if expires_ms is not None:
            measures["certificate_expires_ms"] = expires_ms
        return secured

    def _expiry_of_refused(self, url: Url, deadline: Deadline) -> int | None:
        """A second connection, which trusts anyone and says nothing, to read the certificate."""
        try:
            stream = self._connect(url, deadline, {})
        except (ResolveFailed, ExchangeFailed):
            return None
        return read_certificate_expiry(stream, url.host, deadline)


def _request(
    stream: socket.socket, url: Url, deadline: Deadline, measures: dict[str, int]
) -> Answer:
    import http.client  # noqa: PLC0415 -- 1.5 MB that an agent without an HTTP check does without

    reader = _BoundedReader(stream, deadline)
    response = http.client.HTTPResponse(reader, method="GET")  # type: ignore[arg-type] # only makefile is used
    started_ns = deadline.monotonic_ns()
    try:
        stream.settimeout(deadline.remaining_s())
        stream.sendall(build_request(url))
        response.begin()
        if reader.first_byte_ns is not None:
            measures["ttfb_us"] = elapsed_us(started_ns, reader.first_byte_ns)
        measures["status_code"] = response.status
        reader.allowance = BODY_BYTES + _FRAMING_BYTES
        body = _read_body(response)
    except (_TooLarge, http.client.LineTooLong) as error:
        raise ExchangeFailed("too_large", "more header than is read", measures) from error
    except http.client.RemoteDisconnected as error:
        raise ExchangeFailed("closed", "closed before it answered", measures) from error
    except http.client.IncompleteRead as error:
        raise ExchangeFailed("closed", "closed in mid-answer", measures) from error
    except http.client.HTTPException as error:
        # The bare class is only raised for more than 100 fields.
        reason = "too_large" if type(error) is http.client.HTTPException else "malformed"
        raise ExchangeFailed(reason, _shorten(repr(error)), measures) from error
    except ValueError as error:
        raise ExchangeFailed("malformed", _shorten(str(error)), measures) from error
    except TimeoutError as error:
        raise ExchangeFailed("timeout", None, measures) from error
    except OSError as error:
        raise ExchangeFailed(_reading_reason(error), _shorten(str(error)), measures) from error
    finally:
        response.close()
        reader.close()
    measures["body_bytes"] = len(body)
    location = response.getheader("Location")
    return Answer(status=response.status, location=location, body=body, measures=measures)


def _read_body(response: http.client.HTTPResponse) -> bytes:
    import http.client  # noqa: PLC0415 -- 1.5 MB that an agent without an HTTP check does without

    body = response.read(BODY_BYTES)
    if len(body) < BODY_BYTES and response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return body


def build_request(url: Url) -> bytes:
    """The bytes of a GET that asks for one uncompressed answer and the end of the connection.

    >>> from netwatch.probes.url import parse_url
    >>> build_request(parse_url("http://ent.example:8080/health?x=1")).splitlines()[:2]
    [b'GET /health?x=1 HTTP/1.1', b'Host: ent.example:8080']
    """
    lines = (
        f"GET {url.path} HTTP/1.1",
        f"Host: {url.authority}",
        f"User-Agent: netwatch/{__version__}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Cache-Control: no-cache",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii")


def _reading_reason(error: OSError) -> str:
    """TLS errors are OSErrors without an errno of the system."""
    import ssl  # noqa: PLC0415 -- 4 MB that only a failed exchange asks for

    return "tls_failed" if isinstance(error, ssl.SSLError) else answering_reason(error.errno)


def _shorten(text: str) -> str:
    return text[:_DETAIL_CHARACTERS]
