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
from netwatch.config.notes import Notes, shorten, show_text
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

    Raises:
        ConfigError: every problem found, in the file's order. A file that cannot be
            read, is no text or is over 1 MiB is one problem.
    """
    file_name = str(path)
    text = _read_text(Path(path), file_name)
    return resolve_paths(parse_settings(text, file_name), Path(path).absolute().parent)


def parse_settings(text: str, file_name: str) -> Settings:
    r"""The settings of a TOML text; ``file_name`` begins every message.

    >>> parse_settings('[site]\nid = "ecole-jaures"', "agent.toml").site.id
    'ecole-jaures'

    Raises:
        ConfigError: every problem found, in the text's order.
    """
    document = _parse_toml(text, file_name)
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
    bandwidth = settings.bandwidth
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
