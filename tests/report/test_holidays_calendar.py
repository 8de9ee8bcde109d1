"""The shell around the `holidays` library, with the library itself."""

from __future__ import annotations

from datetime import date

import pytest

from netwatch.errors import ConfigError
from netwatch.report.holidays_calendar import read_holidays


@pytest.mark.parametrize(
    ("region", "count"),
    [
        ("FR", 11),
        ("FR-Alsace-Moselle", 13),
        ("FR-57", 13),
        ("FR-974", 12),
        ("FR-Réunion", 12),
        ("DE-BY", 12),
        ("PT", 13),
        (None, 0),
    ],
)
def test_each_region_has_its_public_holidays(region: str | None, count: int) -> None:
    assert len(read_holidays(region, [2026])) == count


def test_alsace_and_moselle_add_good_friday_and_saint_stephens_day() -> None:
    added = read_holidays("FR-Alsace-Moselle", [2026]) - read_holidays("FR", [2026])
    assert added == {date(2026, 4, 3), date(2026, 12, 26)}


def test_overseas_days_are_those_of_the_territory() -> None:
    """The abolition of slavery is remembered on 27 May in Guadeloupe."""
    assert date(2026, 5, 27) in read_holidays("FR-Guadeloupe", [2026])
    assert date(2026, 5, 27) not in read_holidays("FR-Martinique", [2026])


def test_only_the_years_asked_for_are_given_and_the_sites_own_days_always() -> None:
    days = read_holidays("FR", [2026, 2027], ["2025-12-24"])
    assert {day.year for day in days} == {2025, 2026, 2027}
    assert date(2027, 1, 1) in days


@pytest.mark.parametrize(
    ("region", "extra", "message"),
    [
        (
            "XX-1",
            [],
            "site.holidays: no public holidays are known for the country 'XX', got 'XX-1': "
            'use a code like "FR" or "DE-BY", or leave it out',
        ),
        (
            "IT-Atlantis",
            [],
            "site.holidays: IT has no subdivision 'Atlantis', got 'IT-Atlantis': "
            "use IT alone, or IT- and one of ",
        ),
        (None, ["25/12"], "site.extra_holidays: expected a date like \"2026-05-15\", got '25/12'"),
    ],
)
def test_what_is_not_known_is_refused_with_what_would_do(
    region: str | None, extra: list[str], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        read_holidays(region, [2026], extra)
    assert str(refused.value).startswith(message)
