"""One cell of a spreadsheet to the TOML value that it means.

Rule of this file: pure; text as people type it in, or Refused with what would do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from netwatch.config.forms import check_path, check_site_id, check_text, check_timezone
from netwatch.config.notes import Refused, show_quoted
from netwatch.config.units import format_money, parse_money
from netwatch.config.write import quote
from netwatch.fleet.address import parse_agent_address


def _text(check: Callable[[str], object] = check_text) -> Callable[[str], str]:
    def read(cell: str) -> str:
        check_text(cell)
        check(cell)
        return quote(cell)

    return read


def _read_degrees(most: int) -> Callable[[str], str]:
    def read(cell: str) -> str:
        number = cell.replace(",", ".", 1).removesuffix("°").strip()
        if not re.fullmatch(r"-?\d{1,3}(?:\.\d{1,12})?", number, re.ASCII):
            raise Refused(f'must be degrees like "48.957" or "48,957", got {show_quoted(cell)}')
        if abs(float(number)) > most:
            raise Refused(f"must be from {-most} to {most}, got {show_quoted(cell)}")
        return number if "." in number else f"{number}.0"

    return read


def _read_fee(cell: str) -> str:
    plain = re.sub(r"[\s\u00a0\u202f]+", "", cell).replace(",", ".")
    amount = re.fullmatch(r"(\d+(?:\.\d+)?)(€|[A-Z]{3})", plain)
    if amount is None:
        raise Refused(f'must be an amount like "49,00 €" or "49.00 EUR", got {show_quoted(cell)}')
    currency = "EUR" if amount[2] == "€" else amount[2]
    return quote(format_money(parse_money(f"{amount[1]} {currency}")))


#: Key of the inventory -> what reads its cell.
READERS: Mapping[str, Callable[[str], str]] = {
    **{key: _text() for key in ("name", "commune", "operator", "reference", "technology")},
    "contract": _text(),
    "id": _text(check_site_id),
    "address": _text(parse_agent_address),
    "token_file": _text(check_path),
    "ca": _text(check_path),
    "timezone": _text(check_timezone),
    "latitude": _read_degrees(90),
    "longitude": _read_degrees(180),
    "monthly_fee": _read_fee,
}
