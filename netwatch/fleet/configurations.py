"""One agent's configuration for each site, out of the inventory and the settings of all.

Rule of this file: site, circuit and contract are the inventory's, as they are written there;
the rest comes from a file of settings for all and for single sites. Each configuration is read
as an agent will before any is written, and none holds what is a device's own: no secret, no
path, no port. A configuration that says the same as before keeps its version and its bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from netwatch.config.central import (
    ENVELOPE,
    drop_waiting,
    find_local_problems,
    lay_over,
    read_published,
)
from netwatch.config.load import build_settings, parse_document, read_document
from netwatch.config.model import Site
from netwatch.config.notes import Refused, find_nearest, show_quoted, show_text
from netwatch.errors import ConfigError, UsageError
from netwatch.fleet.files import write_atomically
from netwatch.fleet.model import Inventory
from netwatch.fleet.toml_text import render_toml

_SITE_KEYS = tuple(info.encode_name for info in msgspec.structs.fields(Site))
_FROM_INVENTORY = ("site", "circuit")
_HEAD = (
    "# {site}: written by `netwatch fleet configurations` and signed: a change here is refused.\n"
)
#: What a device has of its own where the centre's part needs it beside.
_STAND_IN: Mapping[str, object] = {
    "influx": {"token_file": "token"},
    "mail": {"password_file": "password"},
    "bandwidth": {},
}


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one site's configuration."""

    site: str
    version: int
    changed: bool


def read_agent_settings(path: Path | None, inventory: Inventory) -> dict[str, dict[str, object]]:
    """By site id: the settings of a file with ``[all]`` and ``[only.SITE]`` tables.

    Raises:
        ConfigError: it cannot be read, or has other tables or sites than there are.
    """
    sites = [site.id for site in inventory.sites]
    if path is None:
        return {site: {} for site in sites}
    name = show_text(str(path))
    if not path.exists():  # not by `netwatch init`, as a device's own file would be
        raise ConfigError([f"{name}: does not exist: --settings names a file with [all] in it"])
    document = read_document(path)
    problems = [
        f"{name}: {key}: unknown key: known are all, only"
        for key in document
        if key not in ("all", "only")
    ]
    shared, single = (_take_table(document, key, name, problems) for key in ("all", "only"))
    for site in single:
        if site not in sites:
            near = find_nearest(site, sites)
            hint = f" (did you mean {near}?)" if near else ""
            problems.append(f"{name}: only.{show_text(site)}: no site has this id{hint}")
    tables = {site: _take_table(single, site, f"{name}: only", problems) for site in single}
    for where, table in (("all", shared), *((f"only.{site}", t) for site, t in tables.items())):
        problems += [
            f"{name}: {where}.{key}: is the inventory's: write it into fleet.toml"
            for key in _FROM_INVENTORY
            if key in table
        ]
        problems += find_local_problems(table, f"{name}: {where}")
    if problems:
        raise ConfigError(problems)
    _check_alone(shared, f"{name} [all]")
    return {site: lay_over(shared, tables.get(site, {})) for site in sites}


def _take_table(
    document: Mapping[str, object], key: str, name: str, problems: list[str]
) -> dict[str, object]:
    value = document.get(key, {})
    if isinstance(value, dict):
        return value
    problems.append(f"{name}: {show_text(key)}: must be a table")
    return {}


def build_configurations(
    document: Mapping[str, object],
    inventory: Inventory,
    settings: Mapping[str, Mapping[str, object]],
) -> dict[str, dict[str, object]]:
    """By site id: the agent's configuration, without its version.

    ``document`` is that of the inventory, sound: its words are taken over as they are.

    Raises:
        ConfigError: a site's configuration that its agent would refuse.
    """
    contracts = {each["name"]: each for each in _list_tables(document, "contract")}
    written = {each["id"]: each for each in _list_tables(document, "site")}
    found: dict[str, dict[str, object]] = {}
    problems: list[str] = []
    for site in inventory.sites:
        raw = written[site.id]
        built: dict[str, object] = {
            "site": {key: raw[key] for key in _SITE_KEYS if key in raw},
            "circuit": _build_circuit(raw["circuit"], contracts),
            **settings.get(site.id, {}),
        }
        try:
            _check_alone(built, f"site {site.id}")
        except ConfigError as error:
            problems += error.problems
        found[site.id] = built
    if problems:
        raise ConfigError(problems)
    return found


def _list_tables(document: Mapping[str, object], key: str) -> list[dict[str, object]]:
    tables = document.get(key, [])
    assert isinstance(tables, list)  # the inventory was found sound
    return tables


def _build_circuit(
    raw: object, contracts: Mapping[object, Mapping[str, object]]
) -> dict[str, object]:
    assert isinstance(raw, dict)  # as above
    circuit = {key: value for key, value in raw.items() if key != "contract"}
    if "contract" in raw:
        terms = dict(contracts[raw["contract"]])
        del terms["name"]
        earlier = terms.pop("earlier", None)
        circuit["contract"] = terms
        if earlier:
            circuit["earlier"] = earlier
    return circuit


def _check_alone(settings: Mapping[str, object], name: str) -> None:
    """Read it as an agent with nothing of its own but its secrets. Raises ConfigError."""
    base = {"site": {"id": "site"}, **_STAND_IN}
    composed = drop_waiting(lay_over(base, settings))
    mail = composed.get("mail")
    if isinstance(mail, dict) and "user" not in mail:
        composed["mail"] = {key: value for key, value in mail.items() if key != "password_file"}
    build_settings(composed, name)


def write_configurations(
    output: Path,
    configurations: Mapping[str, Mapping[str, object]],
    *,
    sign: Callable[[bytes], bytes],
    now_s: int,
) -> list[Written]:
    """``SITE.toml`` and ``SITE.toml.sig`` for each; the signature first, then what it is of.

    A version is one more than the last, and no less than the seconds since 1970: a folder
    that was lost does not begin below what agents have had. Raises UsageError where the disk
    refuses.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{output}: cannot be made: {error.strerror}") from None
    written = []
    for site, configuration in configurations.items():
        path = output / f"{site}.toml"
        last, last_text = _read_last(path)
        text = _render(site, configuration, last or 0)
        version = last or 0
        if last is None or text != last_text:
            version = max(version + 1, now_s)
            text = _render(site, configuration, version)
        content = text.encode()
        write_atomically(path.with_name(f"{path.name}.sig"), sign(content).decode("ascii"))
        changed = write_atomically(path, text)
        # Web servers make the ETag of a file's time and length: none is ever that of another.
        _date_by_version(path, version)
        written.append(Written(site=site, version=version, changed=changed))
    return written


def _date_by_version(path: Path, version: int) -> None:
    try:
        os.utime(path, (version, version))
    except OSError as error:
        raise UsageError(f"{path}: cannot be dated: {error.strerror}") from None


def _render(site: str, configuration: Mapping[str, object], version: int) -> str:
    return _HEAD.format(site=site) + render_toml({ENVELOPE: {"version": version}, **configuration})


def _read_last(path: Path) -> tuple[int | None, str | None]:
    """Version and text of what was published last; None of what is not there."""
    if not path.exists():
        return None, None
    name = show_text(str(path))
    try:
        text = path.read_text(encoding="utf-8")
        return read_published(parse_document(text, name)).version, text
    except (OSError, UnicodeDecodeError, Refused, ConfigError):
        raise UsageError(
            f"{name}: is not from `netwatch fleet configurations`: give --output a folder of "
            f"its own, or remove it"
        ) from None


def find_strangers(output: Path, sites: Mapping[str, object]) -> list[str]:
    """Configurations in the folder that are of no site any more, by name."""
    return sorted(
        show_quoted(path.name)
        for path in output.glob("*.toml")
        if path.stem not in sites and path.with_name(f"{path.name}.sig").exists()
    )
