"""The written forms of text settings: weekly windows, addresses, URLs, names, dates.

Rule of this file: is a text of the form that is asked for? Pure, but for the zone
database that `check_timezone` reads. It knows neither sections nor defaults.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
import zoneinfo
from datetime import date

import msgspec

from netwatch.config.countries import is_country
from netwatch.config.notes import Refused, find_nearest, show_quoted
from netwatch.core.calendars import parse_rule

SITE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)

_HOLIDAYS = re.compile(r"[A-Z]{2}(?:-\w[\w '-]{0,39})?")
_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_LONGEST_TEXT = 200
_LONGEST_PATH = 1_000


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """Where the agent's page is served."""

    host: str  # an address without brackets
    port: int  # 0: the kernel chooses

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it.

        >>> Listen(host="127.0.0.1", port=80).loopback, Listen(host="::", port=80).loopback
        (True, False)
        """
        address = ipaddress.ip_address(self.host)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback


def parse_listen(text: str) -> Listen:
    """The address and port of ``address:port``; an IPv6 address stands in brackets.

    >>> parse_listen("[::1]:10779")
    Listen(host='::1', port=10779)

    Raises:
        Refused: not ``address:port``. Names are refused: the page must come up
            without DNS.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
        raise Refused(
            "must be an address and a port from 0 to 65535 "
            f'like "127.0.0.1:10779" or "[::1]:10779", got {show_quoted(text)}'
        )
    if not host:
        raise Refused(
            f"must name an address, got {show_quoted(text)}: "
            f'write "0.0.0.0:{port}" for all, "127.0.0.1:{port}" for this machine'
        )
    address = parse_address(host)
    if address is None:
        hint = f': write "127.0.0.1:{port}"' if host == "localhost" else ""
        raise Refused(f"must be an address, not a name, got {show_quoted(text)}{hint}")
    if (address.version == 6) != bracketed:
        wanted = f"[{host}]:{port}" if address.version == 6 else f"{host}:{port}"
        raise Refused(
            f"only an IPv6 address stands in brackets, got {show_quoted(text)}: "
            f"write {show_quoted(wanted)}"
        )
    return Listen(host=host, port=int(port))


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that the text is, or None; IPv6 may have its zone (``fe80::1%eth0``).

    >>> parse_address("192.0.2.1"), parse_address("example.org")
    (IPv4Address('192.0.2.1'), None)
    """
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_host_name(text: str) -> bool:
    """Whether the text can be a name in the DNS (RFC 1123, 2.1; underscores let through).

    >>> is_host_name("ent.example.fr"), is_host_name("300.1.1.1"), is_host_name("a b")
    (True, False, False)
    """
    try:
        name = text.removesuffix(".").encode("idna").decode("ascii")
    except UnicodeError:
        return False
    labels = name.split(".")
    return (
        len(name) <= 253
        and all(_HOST_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )


def check_url(text: str) -> None:
    """An absolute URL of the web.

    >>> check_url("https://ent.example.fr/health")

    Raises:
        Refused: not an absolute http or https URL with a host; or one with a
            password, which the page would show to everyone.
    """
    from urllib.parse import urlsplit  # noqa: PLC0415 - most files have no URL

    wanted = f'must be a URL like "https://ent.example.fr/health", got {show_quoted(text)}'
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(wanted) from error
    if parts.scheme not in {"http", "https"}:
        raise Refused(f"{wanted}: begin with https:// or http://")
    if port == 0 or not host or not (parse_address(host) or is_host_name(host)):
        raise Refused(wanted)
    if re.search(r"\s", text):
        raise Refused(f"{wanted}: write a blank as %20")
    if parts.username is not None or parts.password is not None:
        raise Refused("must not hold a user or password: this URL is shown on the page")


def check_plain_url(text: str) -> None:
    """The same without TLS: what boxes serve to their own network.

    >>> check_plain_url("http://192.168.1.1:49152/upnp/control/WANCommonIFC1")

    Raises:
        Refused: not an absolute http URL with a host.
    """
    check_url(text)
    if not text.startswith("http://"):
        raise Refused(f"must begin with http://, got {show_quoted(text)}: a box serves no TLS here")


def check_address(text: str) -> None:
    """A literal IP address.

    >>> check_address("192.168.1.1")

    Raises:
        Refused: a name, or nothing that an address could be.
    """
    if parse_address(text) is None:
        raise Refused(f'must be an IP address like "192.168.1.1", got {show_quoted(text)}')


def is_window(text: str) -> bool:
    """Whether ``check_window`` lets it through.

    >>> is_window("sun 00:00-24:00"), is_window("S2")
    (True, False)
    """
    try:
        check_window(text)
    except Refused:
        return False
    return True


def check_window(text: str) -> None:
    """A line of a weekly list, in the grammar of `core.calendars`.

    >>> check_window("mon-fri 08:00-18:00")
    >>> check_window("fri 22:00-02:00")

    Raises:
        Refused: another form, no such day or time, or nothing between start and end.
    """
    if len(text) > _LONGEST_TEXT:
        raise Refused(f"must have at most {_LONGEST_TEXT} characters, got {len(text)}")
    try:
        parse_rule(text)
    except ValueError as error:
        raise Refused(str(error)) from None


def check_site_id(text: str) -> None:
    """The id under which the fleet knows a site.

    Raises:
        Refused: not ``[a-z0-9][a-z0-9-]{0,62}``.
    """
    if not SITE_ID.fullmatch(text):
        meant = slugify(text)
        hint = f': write "{meant}"' if meant else ""
        raise Refused(
            "must be 1 to 63 of a-z, 0-9 and -, not beginning with -, "
            f"got {show_quoted(text)}{hint}"
        )


def slugify(text: str) -> str:
    """The site id nearest to a name; empty when nothing of it is left.

    >>> slugify("École Jean-Jaurès"), slugify("…!")
    ('ecole-jean-jaures', '')
    """
    text = text.replace("…", "")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].rstrip("-")


def check_timezone(text: str) -> None:
    """A zone of the tz database.

    Raises:
        Refused: not in this machine's zone database.
    """
    if is_timezone(text):
        return
    if not is_timezone("UTC"):
        raise Refused(
            f"cannot be looked up, got {show_quoted(text)}: "
            "this machine has no zone database, install the package tzdata"
        )
    zones = {zone.lower(): zone for zone in sorted(zoneinfo.available_timezones())}
    near = find_nearest(text[:40], list(zones))
    hint = f" (did you mean {zones[near]}?)" if near else ""
    raise Refused(f'must be a time zone like "Europe/Paris", got {show_quoted(text)}{hint}')


def is_timezone(text: str) -> bool:
    """Whether the machine's zone database has it.

    >>> is_timezone("Nowhere/Atlantis"), is_timezone("../etc/passwd")
    (False, False)
    """
    try:
        zoneinfo.ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        return False
    return True


def check_holidays(text: str) -> None:
    """A country and the form of a region: which regions there are, the report's library knows.

    >>> check_holidays("FR-Alsace-Moselle")

    Raises:
        Refused: neither ``FR`` nor ``FR-Region`` nor ``none``, or of no country.
    """
    if text != "none" and not _HOLIDAYS.fullmatch(text):
        raise Refused(
            'must be a country like "FR", a region of it like "FR-Alsace-Moselle", or "none", '
            f"got {show_quoted(text)}"
        )
    country = text.partition("-")[0]
    if text != "none" and not is_country(country):
        raise Refused(
            f"must begin with the ISO 3166 code of a country, which {country} is not, "
            f"got {show_quoted(text)}"
        )


def check_date(text: str) -> None:
    """A day as ISO 8601 writes it.

    >>> check_date("2026-12-24")

    Raises:
        Refused: not a day written ``YYYY-MM-DD``.
    """
    try:
        sound = date.fromisoformat(text).isoformat() == text
    except ValueError:
        sound = False
    if not sound:
        raise Refused(f'must be a date like "2026-12-24", got {show_quoted(text)}')


def check_text(text: str) -> None:
    """One line of text.

    Raises:
        Refused: empty, very long, or with signs that do not print.
    """
    if not text.strip():
        raise Refused("must not be empty: fill it in, or leave the line out")
    if len(text) > _LONGEST_TEXT:
        raise Refused(f"must have at most {_LONGEST_TEXT} characters, got {len(text)}")
    if not text.isprintable():
        raise Refused(f"must be one line of plain text, got {show_quoted(text)}")


def check_mail_address(text: str) -> None:
    """An address that mail can be sent to, alone or behind a name.

    >>> check_mail_address("Mairie <reseau@ville.example.fr>")

    Raises:
        Refused: not ``name@domain``.
    """
    check_text(text)
    address = text.rpartition("<")[2].rstrip("> ") if text.endswith(">") else text
    if not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+", address):
        raise Refused(f'must be a mail address like "reseau@example.fr", got {show_quoted(text)}')


def check_path(text: str) -> None:
    """A file's path, which need not exist.

    Raises:
        Refused: not the path of a file.
    """
    if not text.strip():
        raise Refused("must not be empty: leave the line out, or give a path")
    if len(text) > _LONGEST_PATH or not text.isprintable():
        raise Refused(f"must be a path, got {show_quoted(text)}")
    if text.endswith("/") or text.rsplit("/", 1)[-1] in {".", ".."}:
        raise Refused(f"must be a file, not a folder, got {show_quoted(text)}")
