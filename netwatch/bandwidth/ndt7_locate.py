"""Which servers to ask: M-Lab's locate service, version 2, or the one that was configured.

Rule of this file: it names servers with their two URLs; it measures nothing. The URLs of the
locate service carry a token each and are used as they were given.
"""

from __future__ import annotations

import http.client
import io
import socket
import urllib.parse

import msgspec

from netwatch import __version__
from netwatch.bandwidth.reach import Trouble, connect, read_head, read_some, send_all, wrap_tls
from netwatch.bandwidth.websocket import ProtocolBroken, UpgradeAnswer, parse_upgrade_answer

MLAB_LOCATE_URL = "https://locate.measurementlab.net/v2/nearest/ndt/ndt7"
USER_AGENT = f"netwatch/{__version__}"
#: M-Lab counts what software tests how (ndt7 v0.11, query string).
METADATA = urllib.parse.urlencode({"client_name": "netwatch", "client_version": __version__})
_BODY_LIMIT_BYTES = 262_144
_SERVERS_LIMIT = 4
_REDIRECTS_LIMIT = 3
_NO_CAPACITY = (204, 429, 500, 502, 503, 504)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A URL, taken apart."""

    secure: bool
    host: str
    port: int
    resource: str  # path and query

    @property
    def authority(self) -> str:
        """host:port, as in a Host header.

        >>> Place(secure=True, host="::1", port=443, resource="/").authority
        '[::1]:443'
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """One server, by its own name, and where each direction is tested."""

    name: str
    download: Place
    upload: Place


class _Result(msgspec.Struct, frozen=True):
    machine: str = ""
    urls: dict[str, str] = msgspec.field(default_factory=dict)


class _Located(msgspec.Struct, frozen=True):
    results: tuple[_Result, ...] = ()


class _FixedSocket:
    """What `http.client` needs to parse an answer that has been read already."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def parse_place(url: str) -> Place:
    """Takes a ws, wss, http or https URL apart. Raises ValueError, with a sentence.

    >>> parse_place("wss://a.example/ndt/v7/upload?access_token=x")
    Place(secure=True, host='a.example', port=443, resource='/ndt/v7/upload?access_token=x')
    >>> parse_place("ftp://a.example/")
    Traceback (most recent call last):
    ValueError: 'ftp://a.example/' is not a ws, wss, http or https URL
    """
    parts = urllib.parse.urlsplit(url)
    bad = any(ord(letter) <= 32 or ord(letter) > 126 for letter in url)
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname or bad:
        raise ValueError(f"{url[:100]!r} is not a ws, wss, http or https URL")
    secure = parts.scheme in ("wss", "https")
    resource = parts.path or "/"
    if parts.query:
        resource += f"?{parts.query}"
    return Place(
        secure=secure,
        host=parts.hostname,
        port=parts.port or (443 if secure else 80),
        resource=resource,
    )


def build_server(base_url: str) -> Server:
    """A server that was configured by its base URL, such as ``wss://ndt.example``.

    >>> build_server("ws://h:8080").upload.resource.split("?")[0]
    '/ndt/v7/upload'
    """
    base = parse_place(base_url)
    path = base.resource.partition("?")[0].rstrip("/")

    def build(direction: str) -> Place:
        return msgspec.structs.replace(base, resource=f"{path}/ndt/v7/{direction}?{METADATA}")

    return Server(name=base.authority, download=build("download"), upload=build("upload"))


def parse_located(body: bytes) -> tuple[Server, ...]:
    """Up to four servers of a locate answer, in its order, which is the order to try.

    Empty where the service has none. Raises ValueError for what is not such an answer.

    >>> parse_located(b'{"error":{"title":"No available machines","status":500}}')
    ()
    >>> [server.name for server in parse_located(b'{"results":[{"machine":"m1","urls":'
    ...     b'{"wss:///ndt/v7/download":"wss://m1/d?t=1","wss:///ndt/v7/upload":"wss://m1/u"}}]}')]
    ['m1']
    """
    try:
        located = msgspec.json.decode(body, type=_Located)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the locate service's answer is not as it documents: {error}") from error
    servers = []
    for result in located.results[:_SERVERS_LIMIT]:
        for scheme in ("wss", "ws"):
            download = result.urls.get(f"{scheme}:///ndt/v7/download")
            upload = result.urls.get(f"{scheme}:///ndt/v7/upload")
            if download and upload:
                server = Server(
                    name=result.machine[:100] or parse_place(download).authority,
                    download=_mark(parse_place(download)),
                    upload=_mark(parse_place(upload)),
                )
                servers.append(server)
                break
    if located.results and not servers:
        raise ValueError("the locate service names no URL for ndt7")
    return tuple(servers)


def _mark(place: Place) -> Place:
    """Says who we are, and leaves what is there: the token above all."""
    if "client_name=" in place.resource:
        return place
    joint = "&" if "?" in place.resource else "?"
    return msgspec.structs.replace(place, resource=f"{place.resource}{joint}{METADATA}")


def open_stream(place: Place, authority: str | None, deadline_ms: int) -> socket.socket:
    """A connection, with TLS where the URL asks for it; Trouble otherwise."""
    stream = connect(place.host, place.port, deadline_ms)
    if not place.secure:
        return stream
    return wrap_tls(stream, place.host, authority, deadline_ms)


def read_servers(locate_url: str, authority: str | None, deadline_ms: int) -> tuple[Server, ...]:
    """Asks a locate service for the nearest servers; never empty.

    A redirect is followed where both ends are TLS, which no portal can feign (twice at most).
    Raises Trouble: "no_capacity" for 204, 429, an error or no server, and what else networks do.
    """
    place = _mark(parse_place(locate_url))
    for _ in range(_REDIRECTS_LIMIT):
        body = _ask(place, authority, deadline_ms)
        if isinstance(body, bytes):
            break
        place = body
    else:
        raise Trouble("answer_invalid", "the locate service redirects without end")
    try:
        servers = parse_located(body)
    except ValueError as error:
        raise Trouble("answer_invalid", str(error)) from error
    if not servers:
        raise Trouble("no_capacity", "the locate service has no server for us now")
    return servers


def _ask(place: Place, authority: str | None, deadline_ms: int) -> bytes | Place:
    """One request: the body of an answer, or where a redirect leads."""
    with open_stream(place, authority, deadline_ms) as stream:
        request = (
            f"GET {place.resource} HTTP/1.1\r\nHost: {place.authority}\r\n"
            f"User-Agent: {USER_AGENT}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        )
        send_all(stream, request.encode("ascii"), deadline_ms)
        head, rest = read_head(stream, deadline_ms)
        answer = parse_answer(head)
        _check_status(place, answer)
        if answer.status != 200:
            return parse_place(answer.headers.get("Location") or "")
        return _read_body(stream, head, rest, deadline_ms)


def _check_status(place: Place, answer: UpgradeAnswer) -> None:
    """Nothing for 200 with data and for a redirect to follow; else Trouble."""
    status = answer.status
    if status in _NO_CAPACITY:
        raise Trouble("no_capacity", f"the locate service answers with status {status}")
    if 300 <= status < 400 or status == 511:
        where = answer.headers.get("Location") or "a page"
        if status < 400 and place.secure and where.startswith("https://"):
            return
        raise Trouble("login_page", f"the locate service's answer leads to {where[:100]}")
    if status != 200:
        raise Trouble("refused", f"the locate service answers with status {status}")
    if "html" in answer.header("Content-Type"):
        raise Trouble("login_page", "a page came where the locate service was asked")


def parse_answer(head: bytes) -> UpgradeAnswer:
    """An answer's head; Trouble ("answer_invalid") for what is not HTTP."""
    try:
        return parse_upgrade_answer(head)
    except ProtocolBroken as error:
        raise Trouble("answer_invalid", str(error)) from error


def _read_body(stream: socket.socket, head: bytes, rest: bytes, deadline_ms: int) -> bytes:
    """A body, whichever way it ends, of 256 KiB at most."""
    data = bytearray(rest)
    length = parse_answer(head).header("Content-Length")
    wanted = int(length) if length.isdecimal() and len(length) < 10 else None
    while wanted is None or len(data) < wanted:
        if len(data) > _BODY_LIMIT_BYTES:
            raise Trouble("answer_invalid", "the locate service's answer does not end")
        piece = read_some(stream, deadline_ms)
        if not piece:
            break
        data += piece
        if data.endswith(b"\r\n0\r\n\r\n"):
            break
    response = http.client.HTTPResponse(_FixedSocket(head + data))  # type: ignore[arg-type]  # makefile is all it uses
    try:
        response.begin()
        return response.read(_BODY_LIMIT_BYTES)
    except (http.client.HTTPException, ValueError) as error:
        raise Trouble("answer_invalid", f"the locate service's answer: {error}") from error
