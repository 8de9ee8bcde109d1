"""A configuration file to settings, or every mistake in it at once.

Rule of this file: the only one that reads the configuration file. It does not look
at the machine: whether addresses answer and folders can be written is `check`'s.
"""

from __future__ import annotations

import re
import stat
import tomllib
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from netwatch.config.central import (
    check_central,
    drop_waiting,
    find_local_problems,
    lay_over,
    read_published,
)
from netwatch.config.central_state import find_folder, read_held, read_state
from netwatch.config.circuits import check_circuit
from netwatch.config.consistency import (
    check_bandwidth,
    check_http,
    check_latency,
    check_mail,
    complete_latency,
)
from netwatch.config.convert import Converter
from netwatch.config.model import Settings
from netwatch.config.notes import Notes, Refused, shorten, show_quoted, show_text
from netwatch.config.rules import RULES, SPELLINGS
from netwatch.config.targets import check_targets, complete_targets
from netwatch.errors import ConfigError

__all__ = ["complete_targets", "load_settings", "parse_settings"]

_DEPTH = "settings are at most 4 levels deep"
_LARGEST_BYTES = 1_048_576
_LONGEST_LINE = 2_000
# A dotted key takes the parser's time and memory by the square of its parts, of which
# no setting has more than four.
_ENDLESS_KEY = re.compile(
    r"""(?<![\w"'.-])(?:(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){20}""",
    re.ASCII,
)


def load_settings(path: str | Path) -> Settings:
    """The settings of a file; paths in it count from the folder that it lies in.

    Where it has ``[central]``, what the centre's configuration in force says lies over it.

    Raises:
        ConfigError: every problem found, in the file's order. A file that cannot be
            read, is no text or is over 1 MiB is one problem.
    """
    settings = load_own_settings(path)
    if settings.central is None:
        return settings
    folder = find_folder(settings)
    held = read_state(folder).in_force
    content = None if held is None else read_held(folder, held)
    if held is None or content is None:
        return settings
    return load_under(path, content, f"version {held.version} of the centre's configuration")


def load_own_settings(path: str | Path) -> Settings:
    """The same of the device's file alone, whatever the centre says.

    Raises:
        ConfigError: as `load_settings`.
    """
    document = read_document(path)
    if "central" in document:
        document = drop_waiting(document)
    return resolve_paths(build_settings(document, str(path)), Path(path).absolute().parent)


def load_under(path: str | Path, content: bytes, name: str) -> Settings:
    """The settings of a file under those of a centre's file; ``name`` stands for the latter.

    Raises:
        ConfigError: the file; or what the centre's says, alone or together with the file.
    """
    base = read_document(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError([f"{name}: is not UTF-8"]) from None
    over = _parse_toml(text, name)
    try:
        published = read_published(over)
    except Refused as refused:
        raise ConfigError([f"{name}: {refused}"]) from None
    site = base.get("site")
    own = site.get("id") if isinstance(site, dict) else None
    problems = find_local_problems(over, name)
    if published.site != own:
        problems.append(
            f"{name}: site.id: is of another site, got {show_quoted(published.site)}, "
            f"and this is {show_quoted(str(own))}"
        )
    if problems:
        raise ConfigError(problems)
    composed = drop_waiting(lay_over(base, over))
    settings = build_settings(composed, f"{name} over {path}")
    return resolve_paths(settings, Path(path).absolute().parent)


def parse_settings(text: str, file_name: str) -> Settings:
    r"""The settings of a TOML text; ``file_name`` begins every message.

    >>> parse_settings('[site]\nid = "ecole-jaures"', "agent.toml").site.id
    'ecole-jaures'

    Raises:
        ConfigError: every problem found, in the text's order.
    """
    return build_settings(_parse_toml(text, file_name), file_name)


def build_settings(document: dict[str, object], file_name: str) -> Settings:
    """The settings of a TOML document, of which `read_document` and this file make one.

    >>> build_settings({"site": {"id": "ecole-jaures"}}, "agent.toml").site.timezone
    'Europe/Paris'

    Raises:
        ConfigError: every problem found, in the document's order.
    """
    notes = Notes(document)
    converter = Converter(notes, rules=RULES, spellings=SPELLINGS)
    settings = converter.convert_table(document, Settings, ())
    assert settings is not None  # a document is always a table
    check_circuit(settings.circuit, ("circuit",), notes)
    check_latency(settings.latency, ("latency",), notes)
    check_targets(settings, notes)
    check_bandwidth(settings.bandwidth, ("bandwidth",), notes)
    check_http(settings.http, ("http",), notes)
    check_mail(settings.mail, ("mail",), notes)
    check_central(settings.central, ("central",), notes)
    problems = notes.lines(file_name)
    if problems:
        raise ConfigError(problems)
    settings = msgspec.structs.replace(settings, latency=complete_latency(settings.latency))
    if settings.site.holidays == "none":
        site = msgspec.structs.replace(settings.site, holidays=None)
        settings = msgspec.structs.replace(settings, site=site)
    return settings


def read_document(path: str | Path) -> dict[str, object]:
    """Another TOML file of netwatch, read with the same care; numbers come as Decimal.

    Raises:
        ConfigError: it cannot be read, is no text, is over 1 MiB or is not TOML.
    """
    return _parse_toml(_read_text(Path(path), str(path)), str(path))


def parse_document(text: str, file_name: str) -> dict[str, object]:
    r"""A TOML text, read with the same care.

    >>> parse_document('[site]\nid = "a"', "agent.toml")
    {'site': {'id': 'a'}}

    Raises:
        ConfigError: it is not TOML; ``file_name`` begins the message.
    """
    return _parse_toml(text, file_name)


def resolve_paths(settings: Settings, folder: Path) -> Settings:
    """The same settings, every relative path joined to the folder.

    >>> from netwatch.config.model import Site, StoreSettings
    >>> settings = Settings(site=Site(id="a"), store=StoreSettings(path="n.db"))
    >>> resolve_paths(settings, Path("/etc/netwatch")).store.path
    '/etc/netwatch/n.db'
    """

    def resolve(text: str | None) -> str | None:
        return None if text is None else str(folder / text)

    replace = msgspec.structs.replace
    http, influx, mail = settings.http, settings.influx, settings.mail
    bandwidth, central = settings.bandwidth, settings.central
    if bandwidth.snmp is not None:
        snmp = replace(bandwidth.snmp, community_file=resolve(bandwidth.snmp.community_file))
        bandwidth = replace(bandwidth, snmp=snmp)
    return replace(
        settings,
        store=replace(settings.store, path=resolve(settings.store.path)),
        http=replace(
            http,
            token_file=resolve(http.token_file),
            certificate=resolve(http.certificate),
            key=resolve(http.key),
        ),
        bandwidth=bandwidth,
        influx=influx
        and replace(
            influx,
            token_file=resolve(influx.token_file),
            certificate_authority=resolve(influx.certificate_authority),
        ),
        mail=mail
        and replace(
            mail,
            password_file=resolve(mail.password_file),
            certificate_authority=resolve(mail.certificate_authority),
        ),
        central=central
        and replace(
            central,
            public_key_file=resolve(central.public_key_file),
            token_file=resolve(central.token_file),
            certificate_authority=resolve(central.certificate_authority),
        ),
    )


def _read_text(path: Path, file_name: str) -> str:
    name = show_text(file_name)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ConfigError([f"{name}: is a folder: give the path of the file in it"])
        if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer
            raise ConfigError([f"{name}: is not a file: give the path of a TOML file"])
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            [f"{name}: does not exist: `netwatch init --output {name}` writes one"]
        ) from None
    except PermissionError:
        raise ConfigError(
            [f"{name}: may not be read by this user: run as its owner, or change its mode"]
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise ConfigError([f"{name}: cannot be read: {error}"]) from None
    if len(content) > _LARGEST_BYTES:
        raise ConfigError([f"{name}: is larger than 1 MiB: this is no configuration of netwatch"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            [
                f"{name}: line {line}: is not UTF-8, got byte 0x{content[error.start]:02x}: save it as UTF-8"
            ]
        ) from None


def _parse_toml(text: str, file_name: str) -> dict[str, object]:
    name = show_text(file_name)
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > _LONGEST_LINE:
            raise ConfigError(
                [
                    f"{name}: line {number}: is longer than {_LONGEST_LINE} characters: break the list"
                ]
            )
        if _ENDLESS_KEY.search(line):
            raise ConfigError([f"{name}: line {number}: has a key of more than 20 parts: {_DEPTH}"])
    try:
        return tomllib.loads(text, parse_float=_parse_number)
    except ValueError as error:  # TOMLDecodeError, and integers beyond Python's limit
        raise ConfigError([f"{name}: is not TOML: {show_text(_word_syntax(str(error)))}"]) from None
    except RecursionError:
        raise ConfigError([f"{name}: is nested too deeply: {_DEPTH}"]) from None


def _parse_number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"number beyond all use: {shorten(text)}") from None


def _word_syntax(message: str) -> str:
    """The parser's message with the place in front.

    >>> _word_syntax("Invalid value (at line 3, column 8)")
    'line 3, column 8: Invalid value'
    """
    text, bracket, place = message.rpartition(" (at ")
    return f"{place.rstrip(')')}: {text}" if bracket else message
