"""A town's spreadsheet of sites, as CSV, to the text of a ``fleet.toml``.

Rule of this file: text in, text out, every mistake told at once with its line and its
column. Spreadsheets are written by people: the separator is a semicolon, a comma or a tab,
columns have French or English names, coordinates a decimal comma. Columns that mean nothing
here are left out, and named.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import msgspec

from netwatch.config.forms import slugify
from netwatch.config.notes import Refused, find_nearest, show_quoted, show_text
from netwatch.config.write import quote
from netwatch.errors import ConfigError
from netwatch.fleet.cells import READERS
from netwatch.fleet.inventory import MOST_SITES

#: Key of the inventory -> the names that its column may have, plain and in lower case.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "identifiant", "code", "code site", "site id"),
    "name": ("name", "nom", "site", "nom du site", "etablissement", "batiment"),
    "commune": ("commune", "ville", "town", "city"),
    "address": ("address", "adresse agent", "adresse ip", "agent", "ip", "hote", "host", "url"),
    "token_file": ("token file", "fichier jeton", "jeton"),
    "ca": ("ca", "autorite"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng", "long"),
    "timezone": ("timezone", "fuseau", "fuseau horaire", "time zone"),
    "operator": ("operator", "operateur", "fournisseur", "fai", "isp"),
    "reference": ("reference", "ref", "reference ligne", "circuit", "ligne"),
    "technology": ("technology", "technologie", "techno", "acces"),
    "monthly_fee": ("monthly fee", "abonnement", "abonnement mensuel", "cout mensuel", "fee"),
    "contract": ("contract", "contrat", "offre"),
}
_NEEDED = ("address", "operator")
_OF_CIRCUIT = ("operator", "reference", "technology", "monthly_fee", "contract")
_LARGEST_CHARACTERS = 4_194_304
_MOST_PROBLEMS = 200


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a spreadsheet."""

    text: str  # of fleet.toml
    sites: int
    operators: tuple[str, ...]
    contracts: tuple[str, ...]
    unused: tuple[str, ...]  # columns that were left out


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    line: int
    values: Mapping[str, str]  # key of the inventory -> its TOML value


def read_spreadsheet(path: Path) -> str:
    """The text of a CSV file. Raises ConfigError where it cannot be read or is not UTF-8."""
    name = show_text(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_CHARACTERS + 1)
    except OSError as error:
        raise ConfigError([f"{name}: cannot be read: {error.strerror}"]) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            [
                f"{name}: line {line}: is not UTF-8, got byte 0x{content[error.start]:02x}: "
                'save it as "CSV UTF-8"'
            ]
        ) from None


def parse_spreadsheet(text: str, file_name: str) -> Imported:
    r"""The inventory that a CSV text describes, as TOML.

    >>> found = parse_spreadsheet("nom;opérateur;ip;lat;lon\nMairie;A;10.0.0.2;48,9;2,9\n", "s.csv")
    >>> found.sites, found.operators, "latitude = 48.9" in found.text
    (1, ('A',), True)

    Raises:
        ConfigError: every problem found, in the order of the lines.
    """
    name = show_text(file_name)
    if len(text) > _LARGEST_CHARACTERS:
        raise ConfigError([f"{name}: is larger than 4 MiB: this is no list of sites"])
    records = _read_records(text.removeprefix("\ufeff"), name)
    if not records:
        raise ConfigError([f"{name}: is empty: write a line of column names, then a line a site"])
    head_line, head = records[0]
    columns, unused = _read_head(head, head_line, name)
    if len(records) - 1 > MOST_SITES:
        raise ConfigError(
            [f"{name}: has {len(records) - 1} sites: at most {MOST_SITES} in one file, split it"]
        )
    problems: list[tuple[int, str]] = []
    rows = [
        _read_row(cells, line, columns=columns, head=head, name=name, problems=problems)
        for line, cells in records[1:]
    ]
    _check_ids(rows, head, columns, name, problems)
    if not rows:
        problems.append((0, f"{name}: has no site: write a line for each below the column names"))
    if problems:
        problems.sort(key=lambda problem: problem[0])
        shown = [text for _, text in problems[:_MOST_PROBLEMS]]
        if len(problems) > len(shown):
            shown.append(f"{name}: and {len(problems) - len(shown)} further problems")
        raise ConfigError(shown)
    operators = _distinct(rows, "operator")
    contracts = _distinct(rows, "contract")
    return Imported(
        text=_render(rows, operators, contracts),
        sites=len(rows),
        operators=operators,
        contracts=contracts,
        unused=unused,
    )


def _read_records(text: str, name: str) -> list[tuple[int, list[str]]]:
    """Each record that is not empty, with the line on which it begins."""
    records, line = [], 1
    said = re.match(r'"?sep=([;,\t])"?[;,\t]*(\r\n|\n|\r)', text, re.IGNORECASE)
    if said:  # Excel's own way to name the separator: no row
        text, line = text[said.end() :], 2
    first = next((each for each in text.splitlines() if each.strip()), "")
    separator = said[1] if said else max(";,\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    before = line - 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((line, [cell.strip() for cell in cells]))
            line = before + reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(
            [f"{name}: line {before + reader.line_num}: is not CSV: {error}"]
        ) from None
    return records


def _read_head(head: list[str], line: int, name: str) -> tuple[dict[int, str], tuple[str, ...]]:
    """Position -> key of the columns that mean something; the names of the others."""
    known = {word: key for key, words in COLUMNS.items() for word in words}
    columns: dict[int, str] = {}
    unused, problems = [], []
    for position, title in enumerate(head):
        key = known.get(simplify(title))
        if key is None:
            if title:
                unused.append(title)
        elif key in columns.values():
            other = head[next(at for at, each in columns.items() if each == key)]
            problems.append(
                f"{name}: line {line}, column {show_quoted(title)}: means the same as column "
                f"{show_quoted(other)}: remove or rename one"
            )
        else:
            columns[position] = key
    for key in _NEEDED:
        if key not in columns.values() and not problems:
            near = find_nearest(key, [simplify(title) for title in unused])
            hint = f" (did you mean it by {show_quoted(near)}?)" if near else ""
            words = ", ".join(f'"{word}"' for word in COLUMNS[key])
            problems.append(f"{name}: line {line}: has no column {words}{hint}")
    if not {"id", "name"} & set(columns.values()) and not problems:
        problems.append(f'{name}: line {line}: has neither a column "id" nor a column "name"')
    if problems:
        raise ConfigError(problems)
    return columns, tuple(unused)


def simplify(title: str) -> str:
    """A column's name without accents, capitals and punctuation.

    >>> simplify(" Opérateur "), simplify("Monthly_fee (EUR)")
    ('operateur', 'monthly fee eur')
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", " ", plain.lower()).strip()


def _read_row(
    cells: list[str],
    line: int,
    *,
    columns: Mapping[int, str],
    head: list[str],
    name: str,
    problems: list[tuple[int, str]],
) -> _Row:
    values: dict[str, str] = {}
    if len(cells) > len(head) and any(cells[len(head) :]):
        problems.append(
            (line, f"{name}: line {line}: has {len(cells)} cells, the head {len(head)}")
        )
    for position, key in columns.items():
        cell = cells[position] if position < len(cells) else ""
        where = f"{name}: line {line}, column {show_quoted(head[position])}"
        if not cell:
            if key in _NEEDED:
                problems.append((line, f"{where}: must not be empty"))
            continue
        try:
            values[key] = READERS[key](cell)
        except Refused as refused:
            problems.append((line, f"{where}: {refused}"))
            if key == "id":  # told already: not that it is missing, too
                values[key] = quote(f"line {line}")
    if "id" not in values and "name" in values:
        values["id"] = quote(slugify(values["name"]))
    given = {key for at, key in columns.items() if at < len(cells) and cells[at]}
    if ("latitude" in given) != ("longitude" in given):
        problems.append(
            (line, f"{name}: line {line}: a place on the map has latitude and longitude")
        )
    return _Row(line=line, values=values)


def _check_ids(
    rows: list[_Row],
    head: list[str],
    columns: Mapping[int, str],
    name: str,
    problems: list[tuple[int, str]],
) -> None:
    seen: dict[str, int] = {}
    by_id = next((head[at] for at, key in columns.items() if key == "id"), None)
    column = by_id or next((head[at] for at, key in columns.items() if key == "name"), "")
    for row in rows:
        site_id = row.values.get("id")
        where = f"{name}: line {row.line}, column {show_quoted(column)}"
        if site_id in (None, '""'):
            problems.append(
                (row.line, f"{where}: is empty: a site has an id, or a name from which it follows")
            )
        elif site_id in seen:
            remedy = "" if by_id else ': add a column "id"'
            text = f"{where}: gives the id {site_id}, which line {seen[site_id]} has{remedy}"
            problems.append((row.line, text))
        else:
            seen[site_id] = row.line


def _distinct(rows: list[_Row], key: str) -> tuple[str, ...]:
    """The values of a text column, each once, unquoted, in the order of the rows."""
    import tomllib  # noqa: PLC0415 - only here is TOML read back

    found = {row.values[key]: None for row in rows if key in row.values}
    return tuple(tomllib.loads(f"v = {value}")["v"] for value in found)


def _render(rows: list[_Row], operators: tuple[str, ...], contracts: tuple[str, ...]) -> str:
    blocks = [
        "# Written from a spreadsheet by `netwatch fleet import`; docs/fleet.md has every key."
    ]
    blocks += [f"[[operator]]\nname = {quote(operator)}" for operator in operators]
    blocks += [
        f"[[contract]]\nname = {quote(contract)}\n"
        "# What it promises; what it is silent about stays out.\n"
        '#availability = 0.9985\n#calendar = "S2"\n#restore_within = "4h"'
        for contract in contracts
    ]
    for row in rows:
        lines = ["[[site]]"]
        lines += [
            f"{key} = {row.values[key]}"
            for key in COLUMNS
            if key in row.values and key not in _OF_CIRCUIT
        ]
        lines.append("[site.circuit]")
        lines += [f"{key} = {row.values[key]}" for key in _OF_CIRCUIT if key in row.values]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"
