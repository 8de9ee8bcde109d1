"""Quantities as the file writes them: durations, rates, sizes, money.

Rule of this file: text to exact integers (or Decimal) and back; pure. It knows no
setting and no limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

from netwatch.config.model import ByteCount, BytesPerSecond, Milliseconds, Money
from netwatch.config.notes import Refused, show_value

_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([A-Za-zµ/]{1,8})", re.ASCII)
_MONEY = re.compile(r"(\d{1,12}(?:\.\d{1,4})?) ([A-Z]{3})", re.ASCII)

_DURATION_MS: Mapping[str, int] = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_RATE_BITS: Mapping[str, int] = {
    "bit/s": 1,
    "kbit/s": 10**3,
    "Mbit/s": 10**6,
    "Gbit/s": 10**9,
    "B/s": 8,
    "kB/s": 8 * 10**3,
    "MB/s": 8 * 10**6,
    "GB/s": 8 * 10**9,
}
_SIZE_BYTES: Mapping[str, int] = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}


def parse_duration(value: object) -> Milliseconds:
    """Milliseconds of ``"250ms"``, ``"5s"``, ``"10m"``, ``"4h"``, ``"400d"``, ``"2w"``.

    A decimal point is allowed as long as whole milliseconds come out. A number
    without a unit is refused: nobody can tell seconds from milliseconds.

    >>> parse_duration("4h")
    14400000
    >>> parse_duration("1.5s")
    1500

    Raises:
        Refused: not a text of this form.
    """
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        raise Refused(f'needs a unit, got {show_value(value)}: write "{_with_seconds(value)}"')
    number, factor = _split(value, _DURATION_MS, 'a duration like "250ms", "5s", "4h" or "400d"')
    milliseconds = number * factor
    if milliseconds != milliseconds.to_integral_value():
        raise Refused(f"must be a whole number of milliseconds, got {show_value(value)}")
    return Milliseconds(int(milliseconds))


def parse_rate(value: object) -> BytesPerSecond:
    """Bytes per second of ``"100 Mbit/s"`` or ``"12 MB/s"``; decimal multiples.

    A fraction of a byte per second is rounded to the nearest.

    >>> parse_rate("100 Mbit/s")
    12500000
    >>> parse_rate("12 MB/s")
    12000000

    Raises:
        Refused: not a text of this form.
    """
    number, factor = _split(value, _RATE_BITS, 'a rate like "100 Mbit/s", "1 Gbit/s" or "12 MB/s"')
    return BytesPerSecond(int((number * factor / 8).to_integral_value(ROUND_HALF_EVEN)))


def parse_size(value: object) -> ByteCount:
    """Bytes of ``"20 GB"`` (decimal) or ``"500 MiB"`` (binary).

    >>> parse_size("20 GB"), parse_size("500 MiB")
    (20000000000, 524288000)

    Raises:
        Refused: not a text of this form.
    """
    number, factor = _split(value, _SIZE_BYTES, 'a size like "20 GB" or "500 MiB"')
    return ByteCount(int((number * factor).to_integral_value(ROUND_HALF_EVEN)))


def parse_money(value: object) -> Money:
    """An exact amount of ``"49.00 EUR"``; the currency as its three letters (ISO 4217).

    >>> parse_money("49.00 EUR")
    Money(amount=Decimal('49.00'), currency='EUR')

    Raises:
        Refused: not a text of this form.
    """
    match = _MONEY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Refused(f'must be an amount like "49.00 EUR", got {show_value(value)}')
    return Money(amount=Decimal(match[1]), currency=match[2])


def format_duration(milliseconds: int) -> str:
    """The shortest form that ``parse_duration`` reads back to the same.

    >>> format_duration(5_000), format_duration(34_560_000_000), format_duration(1_500)
    ('5s', '400d', '1500ms')
    """
    for unit in ("d", "h", "m", "s"):
        if milliseconds and milliseconds % _DURATION_MS[unit] == 0:
            return f"{milliseconds // _DURATION_MS[unit]}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def format_rate(bytes_per_second: int) -> str:
    """The shortest form that ``parse_rate`` reads back to the same.

    >>> format_rate(12_500_000), format_rate(125)
    ('100 Mbit/s', '1 kbit/s')
    """
    bits = bytes_per_second * 8
    for unit in ("Gbit/s", "Mbit/s", "kbit/s"):
        if bits and bits % _RATE_BITS[unit] == 0:
            return f"{bits // _RATE_BITS[unit]} {unit}"
    return f"{bits} bit/s"


def format_size(byte_count: int) -> str:
    """The shortest form that ``parse_size`` reads back to the same.

    >>> format_size(60_000_000_000), format_size(1)
    ('60 GB', '1 B')
    """
    for unit in ("TB", "GB", "MB", "kB"):
        if byte_count and byte_count % _SIZE_BYTES[unit] == 0:
            return f"{byte_count // _SIZE_BYTES[unit]} {unit}"
    return f"{byte_count} B"


def format_money(money: Money) -> str:
    """An amount as ``parse_money`` reads it.

    >>> format_money(Money(amount=Decimal("49.00"), currency="EUR"))
    '49.00 EUR'
    """
    return f"{money.amount} {money.currency}"


def _split(value: object, units: Mapping[str, int], wanted: str) -> tuple[Decimal, int]:
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Refused(f"must be {wanted}, got {show_value(value)}")
    unit = match[2]
    if unit not in units:
        meant = _guess_unit(unit, units)
        hint = f': write "{match[1]} {meant}"' if meant else f": units are {', '.join(units)}"
        raise Refused(f"must be {wanted}, got {show_value(value)}{hint}")
    return Decimal(match[1]), units[unit]


def _guess_unit(unit: str, units: Mapping[str, int]) -> str | None:
    # "Mb/s" is left alone: half of its writers mean bits.
    plain = unit.replace("bps", "bit/s").replace("bits/s", "bit/s").lower()
    found = [known for known in units if known.lower() == plain]
    return found[0] if len(found) == 1 and unit.lower() != "mb/s" else None


def _with_seconds(value: int | Decimal) -> str:
    if not isinstance(value, int) and not value.is_finite():
        return "5s"
    return f"{value}s" if 0 < value < 10**6 and value == round(value, 3) else "5s"
