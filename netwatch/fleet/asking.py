"""Asking one agent over HTTP, as a stranger would that must not be fooled or held up.

Rule of this file: one request, one answer, under a deadline and a limit of bytes; TLS is
verified, a token goes to no other host (redirects are not followed). Whatever goes wrong is
one sentence. It knows no inventory beyond the site that it is asked about.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from netwatch.config.notes import shorten, show_text
from netwatch.errors import AgentUnreachable
from netwatch.fleet.address import AgentAddress, parse_agent_address
from netwatch.fleet.model import FleetSite


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


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how much one agent may take."""

    timeout_s: float = 5.0  # for connecting, and again for the whole answer
    limit_bytes: int = 2_000_000


def read_json(site: FleetSite, path: str, patience: Patience) -> dict[str, Any]:
    """The JSON object that the site's agent gives for a path.

    Raises AgentUnreachable with the reason, in words, without the site's name.
    """
    body = read_answer(site, path, patience)
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise AgentUnreachable("answers, but not with JSON: is this netwatch?") from None
    if not isinstance(answer, dict):
        raise AgentUnreachable("answers with JSON that is no object: is this netwatch?")
    return answer


def read_answer(site: FleetSite, path: str, patience: Patience) -> bytes:
    """The body of a 200. Raises AgentUnreachable for everything else."""
    answer = fetch(
        parse_agent_address(site.address), path, patience, token_file=site.token_file, ca=site.ca
    )
    return check_answer(answer, has_token=site.token_file is not None)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, whole and within its limit."""

    status: int
    body: bytes
    retry_after_s: int | None = None
    content_type: str | None = None
    location: str | None = None  # where a redirection, which is not followed, leads


def check_answer(answer: Answer, *, has_token: bool) -> bytes:
    """The body of a 200. Raises AgentUnreachable for everything else."""
    if answer.status in (401, 403):
        what = "the token is refused" if has_token else "asks for a token: give token_file"
        raise AgentUnreachable(f"{what} (HTTP {answer.status})")
    if answer.status != 200:
        said = show_text(shorten(answer.body[:200].decode("utf-8", "replace").strip()))
        raise AgentUnreachable(f"HTTP {answer.status}" + (f": {said}" if said else ""))
    return answer.body


def fetch(
    address: AgentAddress,
    path: str,
    patience: Patience,
    *,
    token_file: str | None = None,
    ca: str | None = None,
    method: str = "GET",
    body: bytes | None = None,
    extra_headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request and its answer, whatever its status. Raises AgentUnreachable where there is none."""
    headers = {"Accept": "application/json", "User-Agent": "netwatch-fleet"}
    headers |= extra_headers or {}
    if token_file is not None:
        headers["Authorization"] = f"Bearer {read_token(Path(token_file))}"
    deadline_s = time.monotonic() + patience.timeout_s
    try:
        connection = _connect(address, ca, patience.timeout_s)
        try:
            connection.connect()
            with connection.sock as sock:
                connection.sock = cast("socket.socket", _TimedSocket(sock, deadline_s))
                connection.request(method, f"{address.prefix}{path}", body, headers)
                response = connection.getresponse()
                content = response.read(patience.limit_bytes + 1)
                missing = response.length  # of the length that its head gave
                response.close()
        finally:
            connection.close()
    except ssl.SSLCertVerificationError as error:
        raise AgentUnreachable(f"its certificate is not trusted: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise AgentUnreachable(f"TLS fails: {(error.reason or str(error)).lower()}") from None
    except TimeoutError:
        raise AgentUnreachable(f"no answer within {patience.timeout_s:g} s") from None
    except socket.gaierror:
        raise AgentUnreachable(f"the name {address.host} is not known") from None
    except OSError as error:
        raise AgentUnreachable((error.strerror or str(error)).lower()) from None
    except http.client.IncompleteRead:
        raise AgentUnreachable("broke off in mid-answer") from None
    except http.client.HTTPException as error:
        raise AgentUnreachable(f"does not speak HTTP ({type(error).__name__})") from None
    if len(content) > patience.limit_bytes:
        raise AgentUnreachable(f"answers with more than {patience.limit_bytes // 1_000} kB")
    if missing:
        raise AgentUnreachable("broke off in mid-answer")
    retry = response.headers.get("Retry-After", "")
    return Answer(
        status=response.status,
        body=content,
        retry_after_s=int(retry) if retry.isascii() and retry.isdigit() else None,
        content_type=response.headers.get("Content-Type"),
        location=response.headers.get("Location"),
    )


def read_token(path: Path) -> str:
    """The token in the file. Raises AgentUnreachable where it cannot be one."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not a token"
        raise AgentUnreachable(f"token_file {path}: {reason}") from None
    if not token or not token.isprintable():
        raise AgentUnreachable(f"token_file {path}: is empty, or more than one line")
    return token


def _connect(address: AgentAddress, ca: str | None, timeout_s: float) -> http.client.HTTPConnection:
    if address.scheme == "http":
        return http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise AgentUnreachable(f"ca {ca}: cannot be used: {error.strerror or error}") from None
    return http.client.HTTPSConnection(
        address.host, address.port, timeout=timeout_s, context=context
    )
