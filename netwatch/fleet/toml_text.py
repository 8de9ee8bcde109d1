"""A document as TOML text, as another program reads it back.

Rule of this file: pure; it knows no setting. Values are those that `tomllib` gives, numbers
with a point as Decimal, so that what was read is what is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def render_toml(document: Mapping[str, object]) -> str:
    """The text; tables after the values of the table that they are in.

    >>> print(render_toml({"site": {"id": "a", "hours": ["mon 08:00-09:00"]}, "n": Decimal("0.10")}))
    n = 0.10
    <BLANKLINE>
    [site]
    id = "a"
    hours = ["mon 08:00-09:00"]
    <BLANKLINE>
    >>> print(render_toml({"target": [{"name": "box"}, {"name": "isp"}]}))
    [[target]]
    name = "box"
    <BLANKLINE>
    [[target]]
    name = "isp"
    <BLANKLINE>
    """
    return "\n".join(_render_table(document, ""))


def _render_table(table: Mapping[str, object], path: str) -> list[str]:
    lines = [
        f"{_quote_key(key)} = {_render_value(value)}"
        for key, value in table.items()
        if not isinstance(value, dict) and not _is_list_of_tables(value)
    ]
    if lines:
        lines.append("")
    for key, value in table.items():
        inner = f"{path}.{_quote_key(key)}" if path else _quote_key(key)
        if isinstance(value, dict):
            lines += [f"[{inner}]", *(_render_table(value, inner) or [""])]
        elif isinstance(value, list) and _is_list_of_tables(value):
            for element in value:
                lines += [f"[[{inner}]]", *(_render_table(element, inner) or [""])]
    return lines


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(e, dict) for e in value)


def _quote_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _quote(key)


def _render_value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _quote(value)
        case Decimal():
            return _render_number(value)
        case int():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case list():
            return f"[{', '.join(_render_value(element) for element in value)}]"
        case dict():
            inner = ", ".join(f"{_quote_key(key)} = {_render_value(v)}" for key, v in value.items())
            return f"{{{inner}}}"
    raise TypeError(f"TOML has no {type(value).__name__}")


def _quote(text: str) -> str:
    """A basic string; what does not print is escaped."""
    signs = (
        f"\\{sign}" if sign in '"\\' else sign if sign.isprintable() else f"\\U{ord(sign):08x}"
        for sign in text
    )
    return f'"{"".join(signs)}"'


def _render_number(value: Decimal) -> str:
    """TOML wants a digit on both sides of the point, or an exponent."""
    if not value.is_finite():
        return "nan" if value.is_nan() else f"{'-' if value < 0 else ''}inf"
    text = str(value)
    return text if "." in text or "E" in text else f"{text}.0"
