"""Where the HTTP engine sends its requests, and what it writes in them.

Rule of this file: text in, text and bytes out. It knows no socket and no answer.
"""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

import msgspec

from netwatch import __version__
from netwatch.bandwidth.reach import Trouble

_PORTS = {"http": 80, "https": 443}
_PATH_CHARACTERS = "%/:=&?~#+!$,;'@()*[]|"
#: Download and upload below a base: LibreSpeed's own names, those without an extension
#: that other backends have, and either a folder further down.
NAMES: tuple[tuple[str, str], ...] = (
    ("garbage.php", "empty.php"),
    ("garbage", "empty"),
    ("backend/garbage.php", "backend/empty.php"),
    ("backend/garbage", "backend/empty"),
)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A resource on a server."""

    scheme: str
    host: str
    port: int
    authority: str  # as the Host field has it
    path: str  # with its query

    @property
    def server(self) -> str:
        """Host and port, as a finding names the server."""
        bracketed = f"[{self.host}]" if ":" in self.host else self.host
        return f"{bracketed}:{self.port}"

    def beneath(self, name: str) -> Place:
        """The resource of that name in this folder.

        >>> parse_place("http://a.example/backend").beneath("empty.php").path
        '/backend/empty.php'
        """
        folder = self.path.partition("?")[0].rstrip("/")
        return msgspec.structs.replace(self, path=f"{folder}/{name}")

    def asking(self, query: str) -> Place:
        """The same resource with more in its query.

        >>> parse_place("http://a.example/x?y=1").asking("r=2").path
        '/x?y=1&r=2'
        """
        joint = "&" if "?" in self.path else "?"
        return msgspec.structs.replace(self, path=f"{self.path}{joint}{query}")


def parse_place(url: str | None) -> Place:
    """An http or https URL taken apart; Trouble ("name") for what is none.

    >>> parse_place("https://[2001:db8::1]:8443/backend/").server
    '[2001:db8::1]:8443'
    """
    try:
        parts = urlsplit(url or "")
        host, port = parts.hostname or "", parts.port
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError as error:
        raise Trouble("name", f"{url!r} is not a URL: {error}") from None
    if parts.scheme not in _PORTS or not name or any(sign <= " " for sign in url or ""):
        raise Trouble("name", f"{url!r} is not an http or https URL")
    path = quote(parts.path or "/", safe=_PATH_CHARACTERS)
    if parts.query:
        path += "?" + quote(parts.query, safe=_PATH_CHARACTERS)
    authority = f"[{name}]" if ":" in name else name
    if port is not None and port != _PORTS[parts.scheme]:
        authority += f":{port}"
    return Place(
        scheme=parts.scheme,
        host=name,
        port=_PORTS[parts.scheme] if port is None else port,
        authority=authority,
        path=path,
    )


def follow_redirect(place: Place, location: str | None) -> Place:
    """Where a redirect of this place leads, on the same host; Trouble ("login_page") elsewhere.

    >>> there = follow_redirect(parse_place("http://a.example/x"), "https://a.example/y")
    >>> there.scheme, there.path
    ('https', '/y')
    >>> follow_redirect(parse_place("http://a.example/x"), "http://192.168.1.1/login")
    Traceback (most recent call last):
    netwatch.bandwidth.reach.Trouble: a.example sends elsewhere: http://192.168.1.1/login
    """
    try:
        whole = urljoin(f"{place.scheme}://{place.authority}{place.path}", location or "")
        there = parse_place(whole)
    except (Trouble, ValueError):
        there = None
    if location is None or there is None or there.host != place.host:
        raise Trouble(
            "login_page", f"{place.host} sends elsewhere: {(location or 'nowhere')[:120]}"
        )
    return there


def build_request(
    method: str, place: Place, *, length: int | None = None, last: bool = False
) -> bytes:
    """The head of a request for an answer neither compressed nor out of a cache.

    ``length`` is of the body that follows. ``last``: in HTTP/1.0, whose answer is not cut
    into chunks and ends with the connection.

    >>> build_request("POST", parse_place("http://a.example/up"), length=5).splitlines()[0]
    b'POST /up HTTP/1.1'
    """
    lines = [
        f"{method} {place.path} HTTP/1.{0 if last else 1}",
        f"Host: {place.authority}",
        f"User-Agent: netwatch/{__version__}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Cache-Control: no-cache, no-store",
        "Pragma: no-cache",
    ]
    if length is not None:
        lines += ["Content-Type: application/octet-stream", f"Content-Length: {length}"]
    if last:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("ascii")
