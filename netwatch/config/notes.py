"""The problems found in one configuration file, and how a value is shown in them.

Rule of this file: it gathers and words; what is a problem is decided elsewhere. It
knows neither the settings nor any file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal

Path = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHOWN_CHARACTERS = 80
# Searching near names costs time for each; a file of nothing but mistakes must end soon.
_MOST_SUGGESTIONS = 100
_MOST_PROBLEMS = 1_000


class Refused(ValueError):
    """A value that will not do; ``str()`` is the message without file and path."""


class Notes:
    """Problems by path, given back in the order of the document."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self._document = document
        self._problems: list[tuple[Path, str]] = []
        self._spoilt: set[Path] = set()
        self._suggestions = 0

    def refuse(self, at: Path, text: str) -> None:
        """Note that the value at this path will not do."""
        self._problems.append((at, text))
        self._spoilt.update(at[:length] for length in range(len(at) + 1))

    def sound(self, at: Path, *keys: str) -> bool:
        """Whether nothing at or below these keys of the table has been refused so far."""
        return not any((*at, key) in self._spoilt for key in keys)

    def given(self, at: Path) -> bool:
        """Whether the document has this path."""
        value: object = self._document
        for part in at:
            if isinstance(value, dict) and part in value:
                value = value[part]
                continue
            if not isinstance(value, list) or not isinstance(part, int) or part >= len(value):
                return False
            value = value[part]
        return True

    def suggest(self, word: str, known: Sequence[str]) -> str:
        """`` (did you mean "interval"?)``, or the empty text when nothing is near."""
        near = None
        if len(word) <= _SHOWN_CHARACTERS and self._suggestions < _MOST_SUGGESTIONS:
            self._suggestions += 1
            near = find_nearest(word, known)
        return "" if near is None else f" (did you mean {near}?)"

    def lines(self, file_name: str) -> list[str]:
        """One line for each problem, in the order of the document.

        What is missing comes after what its table has. A table that the file opens
        twice stands where it was opened first.
        """
        name = show_text(file_name)
        orders: dict[int, dict[str, int]] = {}
        ordered = sorted(self._problems, key=lambda problem: self._position(problem[0], orders))
        lines = [
            f"{name}: {show_path(at)}: {text}" if at else f"{name}: {text}"
            for at, text in ordered[:_MOST_PROBLEMS]
        ]
        if len(ordered) > _MOST_PROBLEMS:
            lines.append(f"{name}: and {len(ordered) - _MOST_PROBLEMS} further problems")
        return lines

    def _position(self, at: Path, orders: dict[int, dict[str, int]]) -> tuple[int, ...]:
        """Where the path stands, level by level; ``orders`` keeps each table's order of keys."""
        value: object = self._document
        position = []
        for part in at:
            if isinstance(part, int):
                position.append(part)
                value = value[part] if isinstance(value, list) and part < len(value) else None
            elif isinstance(value, dict):
                if id(value) not in orders:
                    orders[id(value)] = {key: number for number, key in enumerate(value)}
                position.append(orders[id(value)].get(part, len(value)))
                value = value.get(part)
            else:
                position.append(0)
        return tuple(position)


def find_nearest(word: str, known: Sequence[str]) -> str | None:
    """The known name that was probably meant, or None.

    >>> find_nearest("intervall", ["interval", "timeout"])
    'interval'
    >>> find_nearest("colour", ["interval", "timeout"])
    """
    import difflib  # noqa: PLC0415 - only a faulty file needs it

    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return near[0] if near else None


def show_path(at: Path) -> str:
    """The path as a person reads it; lists count from 0.

    >>> show_path(("target", 2, "timeout"))
    'target[2].timeout'
    >>> show_path(("site", "a b"))
    'site."a b"'
    """
    shown = ""
    for part in at:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            word = part if _BARE_KEY.fullmatch(part) else show_quoted(part)
            shown += f".{word}" if shown else word
    return shown


def show_value(value: object) -> str:
    r"""A TOML value in one short line.

    >>> show_value("a\nb"), show_value(True), show_value([1]), show_value({})
    ('"a\\nb"', 'true', 'a list', 'a table')
    """
    match value:
        case str():
            return show_quoted(value)
        case bool():
            return "true" if value else "false"
        case int():
            # Python refuses to write out integers of thousands of digits.
            return str(value) if abs(value) < 10**_SHOWN_CHARACTERS else "a huge number"
        case Decimal():
            return show_number(value)
        case list() | tuple():
            return "a list" if value else "an empty list"
        case dict():
            return "a table"
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return show_text(str(value))


def show_number(value: Decimal) -> str:
    """A number as it was written, as far as that is short.

    >>> show_number(Decimal("0.9985")), show_number(Decimal("1E+9"))
    ('0.9985', '1E+9')
    """
    if not value.is_finite():
        return "nan" if value.is_nan() else f"{'-' if value < 0 else ''}inf"
    return shorten(str(value))


def show_quoted(text: str) -> str:
    r"""Text in quotation marks, on one line.

    >>> show_quoted('say "no"')
    '"say \\"no\\""'
    """
    escaped = text[: _SHOWN_CHARACTERS + 1].replace("\\", "\\\\").replace('"', '\\"')
    return f'"{shorten(show_text(escaped))}"'


def show_text(text: str) -> str:
    r"""Text with everything escaped that a terminal would obey or could not encode.

    >>> show_text("a\tb")
    'a\\tb'
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )


def shorten(text: str) -> str:
    """Cut long text, and show that it was.

    >>> shorten("x" * 100).count("x")
    80
    """
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
