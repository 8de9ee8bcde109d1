"""One language: its words, and the form it gives numbers, instants and money.

Rule of this file: the only rounding of the report happens here. It reads the .po
catalogues themselves, so that a compiled copy can never be stale, and must not know
which sentences are said.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from importlib.resources import files
from io import BytesIO
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal
from babel.support import Translations

from netwatch.core.contract import Money

LanguageCode = Literal["fr", "en"]
LANGUAGES: tuple[LanguageCode, ...] = ("fr", "en")
_HARD = "\u00a0"
_NARROW = "\u202f"  # what French grouping asks for, and many fonts have not


def read_translations(code: str) -> Translations:
    """The catalogue of a language, straight from its .po file."""
    text = files("netwatch.report").joinpath(f"locale/{code}/LC_MESSAGES/messages.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(text), locale=code))
    compiled.seek(0)
    return Translations(compiled, domain="messages")


class Language:
    """What a renderer needs of a language, for a site's time zone.

    ``say_offset`` adds the offset to every time of day: in a month with a clock change
    one hour comes twice.
    """

    def __init__(
        self,
        code: LanguageCode,
        *,
        timezone: str,
        say_offset: bool = False,
        translations: Translations | None = None,
    ) -> None:
        self.code = code
        self.locale = Locale.parse({"fr": "fr_FR", "en": "en_GB"}[code])
        self.zone = ZoneInfo(timezone)
        self.say_offset = say_offset
        self.translations = translations if translations is not None else read_translations(code)
        self.gettext: Callable[[str], str] = self.translations.gettext
        self.ngettext: Callable[[str, str, int], str] = self.translations.ngettext

    def number(self, value: Fraction | int, digits: int = 0) -> str:
        r"""With at most so many decimals.

        >>> Language("fr", timezone="Europe/Paris").number(Fraction(12345, 10), 1)
        '1\xa0234,5'
        """
        pattern = "#,##0" + ("." + "#" * digits if digits else "")
        text = format_decimal(_rounded(value, digits), format=pattern, locale=self.locale)
        return text.replace(_NARROW, _HARD)

    def share(self, value: Fraction | None, beside: Fraction | None = None, digits: int = 2) -> str:
        r"""A share as a percentage; a dash for None.

        As many decimals as keep it honest: what is not all never reads 100 %, and a figure
        never reads equal to, or beyond, the commitment ``beside`` it that it misses.

        >>> french = Language("fr", timezone="Europe/Paris")
        >>> french.share(Fraction(999999, 1000000)), french.share(Fraction(1))
        ('99,9999\xa0%', '100\xa0%')
        >>> french.share(Fraction("0.998496"), beside=Fraction("0.9985"))
        '99,8496\xa0%'
        """
        if value is None:
            return "—"
        wanted = digits
        percent = value * 100
        for wanted in range(digits, 7):
            shown = Fraction(_rounded(percent, wanted))
            ends_hold = (shown == 100) <= (value == 1) and (shown == 0) <= (value == 0)
            limit_holds = beside is None or (shown >= beside * 100) == (value >= beside)
            if ends_hold and limit_holds:
                break
        else:
            wanted = 6
        rounding = ROUND_HALF_EVEN if wanted < 6 else ROUND_DOWN
        pattern = "#,##0." + "#" * wanted if wanted else "#,##0"
        text = format_decimal(
            _rounded(percent, wanted, rounding), format=pattern, locale=self.locale
        )
        return f"{text}{_HARD}%" if self.code == "fr" else f"{text}%"

    def duration(self, duration_ms: int | None) -> str:
        r"""Days, hours, minutes and seconds; tenths only below a minute; a dash for None.

        >>> english = Language("en", timezone="UTC")
        >>> english.duration(3_600_000 * 26 + 65_000), english.duration(4_200)
        ('26\xa0h 01\xa0min 05\xa0s', '4.2\xa0s')
        """
        if duration_ms is None:
            return "—"
        if duration_ms < 60_000:
            return f"{self.number(Fraction(duration_ms, 1000), 1)}{_HARD}s"
        seconds = (duration_ms + 500) // 1000
        hours, seconds = divmod(seconds, 3600)
        minutes, seconds = divmod(seconds, 60)
        parts = []
        if hours:
            parts.append(f"{self.number(hours)}{_HARD}h")
        if minutes or (hours and seconds):
            parts.append(f"{minutes:02d}{_HARD}min" if hours else f"{minutes}{_HARD}min")
        if seconds:
            parts.append(f"{seconds:02d}{_HARD}s")
        return " ".join(parts)

    def local(self, iso: str) -> datetime:
        """An ISO instant in the site's zone."""
        return datetime.fromisoformat(iso).astimezone(self.zone)

    def instant(self, iso: str | None, *, seconds: bool = True) -> str:
        """Day and civil time of the site; a dash for None.

        >>> Language("fr", timezone="Europe/Paris", say_offset=True).instant("2026-10-25T00:30:00Z")
        '25 oct. 2026 02:30:00 (UTC+2)'
        """
        if iso is None:
            return "—"
        local = self.local(iso)
        pattern = "d MMM y HH:mm:ss" if seconds else "d MMM y HH:mm"
        text = str(format_datetime(local, pattern, locale=self.locale))
        return f"{text} ({_offset(local)})" if self.say_offset else text

    def day(self, iso: str | None) -> str:
        """The civil day of an instant, in full."""
        return "—" if iso is None else self._long_date(self.local(iso))

    def last_day(self, iso_end: str) -> str:
        """The civil day before the exclusive end of a period."""
        before = self.local(iso_end) - timedelta(milliseconds=1)
        return self._long_date(before)

    def _long_date(self, moment: datetime) -> str:
        text = str(format_date(moment, "long", locale=self.locale))
        # French says the first of a month as an ordinal, which the pattern does not know.
        return text.replace("1 ", "1er ", 1) if self.code == "fr" and moment.day == 1 else text

    def month(self, month: str) -> str:
        """The month's name and year.

        >>> Language("fr", timezone="Europe/Paris").month("2026-10")
        'octobre 2026'
        """
        first = datetime.fromisoformat(f"{month}-01T12:00:00+00:00")
        return str(format_skeleton("yMMMM", first, locale=self.locale))

    def weekday(self, moment: datetime) -> str:
        """Short name and number of a day, for a chart's axis."""
        return str(format_date(moment, "EEE d", locale=self.locale))

    def short_day(self, moment: datetime) -> str:
        """Day and month without the year: ``13 oct.``"""
        return str(format_date(moment, "d MMM", locale=self.locale))

    def short_day_of(self, iso_date: str) -> str:
        """Like :meth:`short_day`, of a civil date."""
        return self.short_day(datetime.fromisoformat(f"{iso_date}T12:00:00+00:00"))

    def rate(self, bytes_per_second: Fraction | int | None) -> str:
        """Megabits per second, the unit that contracts are written in; a dash for None."""
        if bytes_per_second is None:
            return "—"
        megabits = Fraction(bytes_per_second) * 8 / 1_000_000
        digits = 1 if megabits >= 10 else 2
        return f"{self.number(megabits, digits)}{_HARD}Mbit/s"

    def milliseconds(self, microseconds: int | None) -> str:
        """A delay in milliseconds, to a tenth; a dash for None."""
        if microseconds is None:
            return "—"
        return f"{self.number(Fraction(microseconds, 1000), 1)}{_HARD}ms"

    def money(self, money: Money | None) -> str:
        r"""An amount in its currency's form; a dash for None.

        >>> Language("fr", timezone="UTC").money(Money(amount=Decimal("1234.50"), currency="EUR"))
        '1\xa0234,50\xa0€'
        """
        if money is None:
            return "—"
        text = format_currency(money.amount, money.currency, locale=self.locale)
        return text.replace(_NARROW, _HARD)


def _rounded(value: Fraction | int, digits: int, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    exact = Fraction(value)
    unit = Decimal(1).scaleb(-digits)
    scaled = exact * 10**digits
    whole = scaled.numerator // scaled.denominator
    rest = scaled - whole
    if rounding == ROUND_HALF_EVEN and (
        rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2)
    ):
        whole += 1
    return Decimal(whole) * unit


def _offset(moment: datetime) -> str:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{rest:02d}" if rest else "")
