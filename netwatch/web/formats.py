"""Numbers, durations and times as each language writes them.

Rule of this file: rendering only, from exact integers; nothing computed further is
ever based on what it returns. Shares are rounded down, so that 100 % is said of
nothing less.
"""

from __future__ import annotations

from datetime import tzinfo
from fractions import Fraction
from itertools import pairwise

from netwatch.core.calendars import local_time
from netwatch.web.words import MONTHS

NARROW = "\u202f"  # narrow no-break space: inside French numbers and before units


def format_decimal(lang: str, thousandths: int, places: int) -> str:
    """``thousandths`` of a unit, rounded half up to ``places`` (0 to 3) decimals.

    >>> format_decimal("fr", 12_345, 1), format_decimal("en", 12_350, 1)
    ('12,3', '12.4')
    """
    step = 10 ** (3 - places)
    rounded = (thousandths + step // 2) // step
    whole, rest = divmod(rounded, 10**places)
    grouped = f"{whole:,}".replace(",", NARROW if lang == "fr" else ",")
    if not places:
        return grouped
    return f"{grouped}{',' if lang == 'fr' else '.'}{rest:0{places}d}"


def format_milliseconds(lang: str, microseconds: int | None) -> str:
    r"""A round-trip time; a dash when there is none.

    >>> format_milliseconds("en", 12_345)
    '12.3\u202fms'
    """
    if microseconds is None:
        return "–"
    places = 0 if microseconds >= 100_000 else 1 if microseconds >= 1_000 else 2
    return f"{format_decimal(lang, microseconds, places)}{NARROW}ms"


def format_share(lang: str, share: Fraction | None, places: int = 2) -> str:
    r"""A share of one as a percentage, rounded down; a dash when there is none.

    >>> format_share("fr", Fraction(99_999, 100_000)), format_share("en", Fraction(1))
    ('99,99\u202f%', '100\u202f%')
    """
    if share is None:
        return "–"
    if share in {0, 1}:
        return f"{100 * int(share)}{NARROW}%"
    units = share.numerator * 100 * 10**places // share.denominator
    return f"{format_decimal(lang, units * 10 ** (3 - places), places)}{NARROW}%"


def format_loss(lang: str, lost: int, sent: int) -> str:
    r"""Lost of sent as a percentage, rounded up: 0 % is said of no loss only.

    >>> format_loss("en", 1, 3_000), format_loss("en", 0, 60), format_loss("en", 0, 0)
    ('0.1\u202f%', '0\u202f%', '–')
    """
    if not sent:
        return "–"
    if lost in (0, sent):
        return f"{100 if lost else 0}{NARROW}%"
    return f"{format_decimal(lang, -(-lost * 1_000 // sent) * 100, 1)}{NARROW}%"


def format_duration(lang: str, duration_ms: int) -> str:
    r"""The two largest units that matter.

    >>> [format_duration("en", each) for each in (400, 43_000, 725_000, 11_520_000, 529_200_000)]
    ['0.4\u202fs', '43\u202fs', '12\u202fmin 5\u202fs', '3\u202fh 12\u202fmin', '6\u202fd 3\u202fh']
    """
    if duration_ms < 1_000:
        if duration_ms <= 0:
            return f"0{NARROW}s"
        return f"{format_decimal(lang, max(duration_ms, 100), 1)}{NARROW}s"
    seconds = duration_ms // 1_000
    units = (("j" if lang == "fr" else "d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for (name, size), (next_name, next_size) in pairwise(units):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            finer = rest // next_size
            tail = f" {finer}{NARROW}{next_name}" if finer else ""
            return f"{count}{NARROW}{name}{tail}"
    return f"{seconds}{NARROW}s"


def format_size(lang: str, count: int) -> str:
    r"""A count of bytes in decimal units.

    >>> format_size("fr", 14_680_000), format_size("en", 900)
    ('14,7\u202fMo', '900\u202fB')
    """
    unit = "o" if lang == "fr" else "B"
    for factor, prefix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= factor:
            return f"{format_decimal(lang, count * 1_000 // factor, 1)}{NARROW}{prefix}{unit}"
    return f"{count}{NARROW}{unit}"


def format_time(lang: str, at_ms: int, zone: tzinfo) -> str:
    r"""The time of day, to the minute.

    >>> from datetime import UTC
    >>> format_time("fr", 50_520_000, UTC), format_time("en", 50_520_000, UTC)
    ('14\u202fh\u202f02', '14:02')
    """
    local = local_time(at_ms, zone)
    if lang == "fr":
        return f"{local.hour:02d}{NARROW}h{NARROW}{local.minute:02d}"
    return f"{local:%H:%M}"


def format_date(lang: str, at_ms: int, zone: tzinfo, *, year: bool = False) -> str:
    r"""The day of the month, in words.

    >>> from datetime import UTC
    >>> format_date("fr", 0, UTC, year=True), format_date("en", 86_400_000, UTC)
    ('1er\xa0janvier 1970', '2\xa0January')
    """
    local = local_time(at_ms, zone)
    day = "1er" if lang == "fr" and local.day == 1 else str(local.day)
    tail = f" {local.year}" if year else ""
    return f"{day}\u00a0{MONTHS[lang][local.month - 1]}{tail}"


def format_instant(lang: str, at_ms: int, zone: tzinfo, now_ms: int) -> str:
    r"""A time today, a day and a time otherwise, with the year when it is another.

    >>> from datetime import UTC
    >>> format_instant("en", 50_520_000, UTC, 60_000_000)
    '14:02'
    >>> format_instant("fr", 50_520_000, UTC, 160_000_000)
    '1er\xa0janvier à 14\u202fh\u202f02'
    """
    then, now = local_time(at_ms, zone), local_time(now_ms, zone)
    time = format_time(lang, at_ms, zone)
    if then.date() == now.date():
        return time
    date = format_date(lang, at_ms, zone, year=then.year != now.year)
    return f"{date} à {time}" if lang == "fr" else f"{date}, {time}"


def format_since(lang: str, at_ms: int, zone: tzinfo, now_ms: int) -> str:
    r"""The instant as it follows "since"; French puts an article before a date.

    >>> from datetime import UTC
    >>> format_since("fr", 50_520_000, UTC, 160_000_000)
    'le 1er\xa0janvier à 14\u202fh\u202f02'
    """
    text = format_instant(lang, at_ms, zone, now_ms)
    same_day = local_time(at_ms, zone).date() == local_time(now_ms, zone).date()
    return f"le {text}" if lang == "fr" and not same_day else text
