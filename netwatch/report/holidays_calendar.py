"""Public holidays, from the `holidays` library.

Rule of this file: it is the one place that asks the library; all else takes a set of
dates. The library loads here and only when it is called.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from netwatch.errors import ConfigError

#: Names that people write, and the library's code for the same days.
_SUBDIVISIONS = {("FR", "Alsace-Moselle"): "57", ("FR", "Réunion"): "974"}


def read_holidays(
    region: str | None, years: Iterable[int], extra: Iterable[str] = ()
) -> frozenset[date]:
    """Every public holiday of a region in the given years, and the site's own closed days.

    ``region`` is a country code, with a subdivision after a hyphen where there is one:
    ``"FR"``, ``"FR-Alsace-Moselle"``, ``"FR-974"``, ``"DE-BY"``; None is no public
    holiday at all. ``extra`` are ISO dates, of any year. Raises ConfigError with what is
    not known and what would do.

    >>> days = read_holidays("FR-Alsace-Moselle", [2026], ["2026-05-15"])
    >>> len(days), date(2026, 12, 26) in days
    (14, True)
    """
    closed = set(_read_extra(extra))
    if region is not None:
        closed |= _read_region(region, years)
    return frozenset(closed)


def _read_extra(extra: Iterable[str]) -> Iterable[date]:
    for text in extra:
        try:
            yield date.fromisoformat(text)
        except ValueError:
            raise ConfigError(
                [f'site.extra_holidays: expected a date like "2026-05-15", got {text!r}']
            ) from None


def _read_region(region: str, years: Iterable[int]) -> set[date]:
    import holidays  # noqa: PLC0415 - a heavy library that only reports use
    from holidays.registry import COUNTRIES  # noqa: PLC0415 - of that heavy library

    country, _, subdivision = region.partition("-")
    # By the list of names: to ask the library would load every country of the world.
    if country not in {names[1] for names in COUNTRIES.values()}:
        raise ConfigError(
            [
                f"site.holidays: no public holidays are known for the country {country!r}, "
                f'got {region!r}: use a code like "FR" or "DE-BY", or leave it out'
            ]
        )
    code = _SUBDIVISIONS.get((country, subdivision), subdivision) or None
    known = holidays.list_supported_countries
    try:
        found = holidays.country_holidays(country, subdiv=code, years=sorted(set(years)))
    except NotImplementedError:
        raise ConfigError(
            [
                f"site.holidays: {country} has no subdivision {subdivision!r}, got {region!r}: "
                f"use {country} alone, or {country}- and one of {', '.join(known()[country])}"
            ]
        ) from None
    return set(found)
