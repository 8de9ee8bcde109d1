"""One file of the centre's over HTTP, from a server that need not be believed.

Rule of this file: one request, one answer, under a deadline and a limit of bytes. TLS is
verified, redirections are not followed, so a token goes to no other host. What is in the
answer, and whether it is to be believed, is decided elsewhere.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from netwatch import __version__
from netwatch.config.notes import show_quoted, show_text
from netwatch.errors import CentralError

#: For connecting and TLS, and again for the whole answer.
TIMEOUT_S = 20.0
_LONGEST_ETAG = 200
_REDIRECTIONS = frozenset({301, 302, 303, 307, 308})


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, whole; ``body`` is empty where the file has not changed."""

    body: bytes
    etag: str | None
    unchanged: bool


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """How the centre is spoken to."""

    token_file: str | None = None
    certificate_authority: str | None = None
    timeout_s: float = TIMEOUT_S


def fetch_file(url: str, door: Door, *, limit_bytes: int, etag: str | None = None) -> Answer:
    """The file at a URL; with ``etag`` only if it is another than that.

    Raises CentralError (unreachable) with the reason in words for everything else.
    """
    headers = {"User-Agent": f"netwatch/{__version__}", "Accept-Encoding": "identity"}
    if etag is not None:
        headers["If-None-Match"] = etag
    if door.token_file is not None:
        headers["Authorization"] = f"Bearer {_read_token(Path(door.token_file))}"
    try:
        response, body = _exchange(url, door, headers, limit_bytes)
    except ssl.SSLCertVerificationError as error:
        raise _fail(url, f"its certificate is not trusted: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise _fail(url, f"TLS fails: {(error.reason or str(error)).lower()}") from None
    except TimeoutError:
        raise _fail(url, f"no answer within {door.timeout_s:g} s") from None
    except socket.gaierror:
        raise _fail(url, "the name is not known: is DNS at work?") from None
    except OSError as error:
        raise _fail(url, (error.strerror or str(error)).lower()) from None
    except http.client.IncompleteRead:
        raise _fail(url, "broke off in mid-answer") from None
    except http.client.HTTPException as error:
        raise _fail(url, f"does not speak HTTP ({type(error).__name__})") from None
    if response.status == 304 and etag is not None:
        return Answer(body=b"", etag=etag, unchanged=True)
    if response.status != 200:
        raise _fail(url, _word_status(response, has_token=door.token_file is not None))
    if len(body) > limit_bytes:
        raise _fail(url, f"answers with more than {limit_bytes} bytes")
    if response.length:
        raise _fail(url, "broke off in mid-answer")
    given = response.headers.get("ETag")
    kept = given if given and len(given) <= _LONGEST_ETAG and given.isprintable() else None
    return Answer(body=body, etag=kept, unchanged=False)


def _exchange(
    url: str, door: Door, headers: dict[str, str], limit_bytes: int
) -> tuple[http.client.HTTPResponse, bytes]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        try:
            context = ssl.create_default_context(cafile=door.certificate_authority)
        except (OSError, ssl.SSLError) as error:
            raise CentralError(
                f"central.certificate_authority {door.certificate_authority}: cannot be used: "
                f"{error.strerror or error}",
                "unreachable",
            ) from None
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, parts.port, timeout=door.timeout_s, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=door.timeout_s)
    try:
        connection.connect()
        deadline_s = time.monotonic() + door.timeout_s
        with connection.sock as sock:
            connection.sock = cast("socket.socket", _TimedSocket(sock, deadline_s))
            connection.request("GET", parts.path, headers=headers)
            response = connection.getresponse()
            body = response.read(limit_bytes + 1)
            response.close()
    finally:
        connection.close()
    return response, body


def _word_status(response: http.client.HTTPResponse, *, has_token: bool) -> str:
    status = response.status
    if status in (401, 403):
        what = "the token is refused" if has_token else "asks for a token: give central.token_file"
        return f"{what} (HTTP {status})"
    if status in (404, 410):
        return f"is not there (HTTP {status}): has this site been published?"
    if status in _REDIRECTIONS:
        where = show_quoted(response.headers.get("Location", ""))
        return f"sends elsewhere, to {where} (HTTP {status}), which is not followed"
    return f"HTTP {status}"


def _fail(url: str, why: str) -> CentralError:
    return CentralError(f"{show_text(url)}: {why}", "unreachable")


def _read_token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not a token"
        raise CentralError(f"central.token_file {path}: {reason}", "unreachable") from None
    if not token or not token.isprintable():
        raise CentralError(
            f"central.token_file {path}: is empty, or more than one line", "unreachable"
        )
    return token


class _Timed(io.RawIOBase):
    """What comes from a socket until a deadline, however slowly it drips."""

    def __init__(self, sock: socket.socket, deadline_s: float) -> None:
        self._sock = sock
        self._deadline_s = deadline_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._sock.settimeout(left_s)
        return self._sock.recv_into(buffer)


class _TimedSocket:
    """As much of a socket as `http.client` uses, the answer under a deadline."""

    def __init__(self, sock: socket.socket, deadline_s: float) -> None:
        self._sock = sock
        self._deadline_s = deadline_s
        self.sendall = sock.sendall

    def close(self) -> None:
        """Not yet: a server that says "close" is hung up on by the client before its body is read."""

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Timed(self._sock, self._deadline_s))
