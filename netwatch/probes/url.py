"""The URLs that the HTTP probe can ask for.

Rule of this file: text in, parts out. It knows no socket and resolves nothing.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, urljoin, urlsplit

import msgspec

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}", re.ASCII | re.IGNORECASE)
_MAX_NAME_CHARACTERS = 253  # RFC 1035, 2.3.4, as it is written
_PORTS = {"http": 80, "https": 443}
_PATH_CHARACTERS = "%/:=&?~#+!$,;'@()*[]|"


class Url(msgspec.Struct, frozen=True, kw_only=True):
    scheme: str  # http or https
    host: str  # a name in ASCII, or an address without brackets
    port: int
    path: str  # with its query, ready to be sent
    authority: str  # as the Host field has it


def parse_url(text: str) -> Url:
    """Take an http or https URL apart; user names and fragments are left out.

    Raises ValueError with what is wrong.

    >>> url = parse_url("https://école.example/santé?x=1#top")
    >>> url.host, url.port, url.path
    ('xn--cole-9oa.example', 443, '/sant%C3%A9?x=1')
    >>> parse_url("http://[2001:db8::1]:8080").authority
    '[2001:db8::1]:8080'
    >>> parse_url("ftp://ent.example")
    Traceback (most recent call last):
    ValueError: 'ftp://ent.example' is not an http or https URL
    """
    try:
        parts = urlsplit(text)
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise ValueError(f"{text[:80]!r} is not a URL: {error}") from None
    if parts.scheme not in _PORTS or not host:
        raise ValueError(f"{text[:80]!r} is not an http or https URL")
    host = parse_host(host)
    path = quote(parts.path or "/", safe=_PATH_CHARACTERS)
    if parts.query:
        path += "?" + quote(parts.query, safe=_PATH_CHARACTERS)
    authority = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS[parts.scheme]:
        authority += f":{port}"
    return Url(
        scheme=parts.scheme,
        host=host,
        port=_PORTS[parts.scheme] if port is None else port,
        path=path,
        authority=authority,
    )


def parse_host(text: str) -> str:
    """An address as it is, or a host name in ASCII.

    Raises ValueError for anything that no resolver should be bothered with.

    >>> parse_host("192.0.2.1"), parse_host("école.example.")
    ('192.0.2.1', 'xn--cole-9oa.example')
    >>> parse_host("192.0.2.256")
    Traceback (most recent call last):
    ValueError: '192.0.2.256' is neither an address nor a host name
    """
    try:
        ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        return text
    try:
        name = text.rstrip(".")
        name = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    labels = name.split(".")
    sound = len(name) <= _MAX_NAME_CHARACTERS and not labels[-1].isdigit()
    if not sound or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{text[:80]!r} is neither an address nor a host name")
    return name


def redirects_elsewhere(url: Url, location: str) -> bool:
    """Whether a redirect leaves the site that was asked.

    The same name, with or without a leading part (``example``, ``www.example``), is the
    same site. A redirect that cannot be read leads elsewhere.

    >>> url = parse_url("http://ent.example/")
    >>> redirects_elsewhere(url, "/login"), redirects_elsewhere(url, "https://www.ent.example/")
    (False, False)
    >>> redirects_elsewhere(url, "http://192.168.1.1/welcome")
    True
    """
    try:
        there = parse_url(urljoin(f"{url.scheme}://{url.authority}{url.path}", location)).host
    except ValueError:
        return True
    here = url.host
    return not (there == here or there.endswith("." + here) or here.endswith("." + there))
