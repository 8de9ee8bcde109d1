"""The centre's part of a configuration laid over the device's own.

Rule of this file: pure; documents in, documents or refusals out. What the centre's file says
holds; what it does not say is the device's. What is the device's own — its books' place, its
door, its clock, every file that it reads — the centre may not say at all. Lists and
``[circuit]`` are taken whole, so that no term of an older contract stays behind.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import msgspec

from netwatch.config.forms import check_text, check_url, parse_address
from netwatch.config.model import Central
from netwatch.config.notes import Notes, Path, Refused, show_path, show_quoted, show_value

#: The table of a centre's file that says which it is; no setting.
ENVELOPE = "published"
#: The centre's file of one site, and that of any agent, are far below this.
LARGEST_BYTES = 262_144
#: Versions are counted or taken from a clock in seconds; beyond this is neither.
LARGEST_VERSION = 10**12

_LOCAL_TABLES = frozenset({"central", "clock", "http"})
_LOCAL_NAMES = frozenset({"certificate", "certificate_authority", "key"})
_WHOLE = frozenset({"circuit"})
#: Tables of which the device may have the secret alone, and the centre the rest.
_SHARED: tuple[tuple[str, ...], ...] = (
    ("influx",),
    ("mail",),
    ("bandwidth", "librespeed"),
    ("bandwidth", "snmp"),
)
_KEY_BLOB_BYTES = 51  # RFC 8709, 4: two lengths, "ssh-ed25519" and 32 bytes


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """Whose configuration a centre's file is, and the how manieth."""

    site: str
    version: int


def is_local(at: Path) -> bool:
    """Whether a setting is the device's own.

    >>> is_local(("http", "listen")), is_local(("influx", "token_file")), is_local(("store", "path"))
    (True, True, True)
    >>> is_local(("influx", "url")), is_local(("store", "keep"))
    (False, False)
    """
    last = at[-1]
    return (
        at[0] in _LOCAL_TABLES
        or at == ("store", "path")
        or (isinstance(last, str) and (last.endswith("_file") or last in _LOCAL_NAMES))
    )


def read_published(document: Mapping[str, object]) -> Published:
    """Site and version of a centre's file.

    >>> read_published({"published": {"version": 7}, "site": {"id": "mairie"}})
    Published(site='mairie', version=7)

    Raises:
        Refused: it does not say them, or not as `netwatch fleet configurations` writes them.
    """
    envelope, site = document.get(ENVELOPE), document.get("site")
    version = envelope.get("version") if isinstance(envelope, dict) else None
    site_id = site.get("id") if isinstance(site, dict) else None
    if isinstance(version, bool) or not isinstance(version, int):
        raise Refused(
            f"{ENVELOPE}.version: must be a whole number, got {show_value(version)}: "
            "is this from `netwatch fleet configurations`?"
        )
    if not 0 < version <= LARGEST_VERSION:
        raise Refused(
            f"{ENVELOPE}.version: must be from 1 to {LARGEST_VERSION}, got {show_value(version)}"
        )
    if not isinstance(site_id, str):
        raise Refused(f"site.id: must be text, got {show_value(site_id)}")
    return Published(site=site_id, version=version)


def find_local_problems(document: Mapping[str, object], name: str) -> list[str]:
    """A line for each setting of a centre's file that is the device's own.

    >>> find_local_problems({"http": {"insecure": True}}, "a.toml")[0].partition(":")[2]
    " http.insecure: is the device's own: it belongs into its agent.toml"
    """
    return [
        f"{name}: {show_path(at)}: is the device's own: it belongs into its agent.toml"
        for at in _walk(document, ())
        if is_local(at)
    ]


def _walk(value: object, at: Path) -> Iterator[Path]:
    """The paths of all that is no table, and of empty tables."""
    if isinstance(value, dict) and (value or not at):
        for key, inner in value.items():
            yield from _walk(inner, (*at, key))
    elif isinstance(value, list) and any(isinstance(element, dict) for element in value):
        for index, element in enumerate(value):
            yield from _walk(element, (*at, index))
    else:
        yield at


def lay_over(base: Mapping[str, object], central: Mapping[str, object]) -> dict[str, object]:
    """The device's document with the centre's over it.

    >>> base = {"site": {"id": "a"}, "latency": {"interval": "5s", "timeout": "1s"}}
    >>> lay_over(base, {"published": {"version": 1}, "latency": {"interval": "2s"}})
    {'site': {'id': 'a'}, 'latency': {'interval': '2s', 'timeout': '1s'}}
    """
    return {key: value for key, value in _merge(base, central, _WHOLE).items() if key != ENVELOPE}


def _merge(
    base: Mapping[str, object], over: Mapping[str, object], whole: frozenset[str]
) -> dict[str, object]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if key not in whole and isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _merge(below, value, frozenset())
        else:
            merged[key] = value
    return merged


def drop_waiting(document: Mapping[str, object]) -> dict[str, object]:
    """Without the tables of which the device has its secret and the centre says nothing (yet).

    >>> drop_waiting({"site": {"id": "a"}, "influx": {"token_file": "influx.token"}})
    {'site': {'id': 'a'}}
    """
    kept = dict(document)
    for first, *rest in _SHARED:
        table = kept.get(first)
        if not isinstance(table, dict):
            continue
        if not rest:
            if table and all(is_local((first, key)) for key in table):
                del kept[first]
            continue
        inner = table.get(rest[0])
        if (
            isinstance(inner, dict)
            and inner
            and all(is_local((first, *rest, key)) for key in inner)
        ):
            kept[first] = {key: value for key, value in table.items() if key != rest[0]}
    return kept


def check_central_url(text: str) -> None:
    """A folder of the web to which ``/SITE.toml`` is added: https, unless it is this machine.

    >>> check_central_url("https://centre.example.fr/netwatch")

    Raises:
        Refused: another form, or plain http beyond this machine.
    """
    check_url(text)
    parts = urlsplit(text)
    if parts.query or parts.fragment:
        raise Refused(f"must end before ? and #, got {show_quoted(text)}")
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise Refused(
            f"must begin with https://, got {show_quoted(text)}: "
            "a configuration that anyone may read on the way tells him what is watched"
        )


def _is_loopback(host: str) -> bool:
    address = parse_address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return host == "localhost" if address is None else address.is_loopback


def check_public_key(text: str) -> None:
    """An Ed25519 public key as ssh-keygen writes it into the file .pub.

    Raises:
        Refused: another kind of key, a private one, or none.
    """
    parse_public_key(text)


def parse_public_key(text: str) -> bytes:
    """The 32 bytes of the key in an OpenSSH line (RFC 8709, 4).

    >>> line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    >>> parse_public_key(line + " netwatch-key") == bytes(32)
    True

    Raises:
        Refused: it is no such line.
    """
    check_text(text)
    kind, _, rest = text.strip().partition(" ")
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
    except binascii.Error:
        blob = b""
    if kind != "ssh-ed25519" or len(blob) != _KEY_BLOB_BYTES:
        raise Refused(
            f'must be an Ed25519 key like "ssh-ed25519 AAAA…" (the .pub of ssh-keygen), '
            f"got {show_quoted(text[:40])}"
        )
    return blob[-32:]


def show_public_key(raw: bytes) -> str:
    """The OpenSSH line of a key's 32 bytes.

    >>> parse_public_key(show_public_key(bytes(range(32)))) == bytes(range(32))
    True
    """
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4, "big") + kind + len(raw).to_bytes(4, "big") + raw
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


def check_central(central: Central | None, at: Path, notes: Notes) -> None:
    """A key to check signatures with, here or in a file. Of two, either will do: keys change."""
    if central is None or not notes.sound(at, "public_key", "public_key_file"):
        return
    if central.public_key is None and central.public_key_file is None:
        notes.refuse(
            (*at, "public_key"),
            'is missing: write public_key = "ssh-ed25519 AAAA…", the .pub of the key that the '
            "centre signs with",
        )
