"""Whether a month's bytes carry the tests that are planned: arithmetic ahead of time.

Rule of this file: rates in, counts out; pure. It knows no setting, store or clock.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from netwatch.core.data_budget import expect_bytes

#: The longest month.
MONTH_DAYS = 31
#: What a test moves bytes for in each direction: warm-up and measured stretch.
TEST_MS = 12_000


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What a month of the plan takes."""

    test_bytes: int
    by: str  # which rates that is by
    carried: int  # tests that the budget carries
    planned: int  # tests of 31 days


def choose_rates(
    candidates: Sequence[tuple[str, int | None, int | None]],
) -> tuple[str, int, int] | None:
    """The first pair of rates (by what, down, up; bytes per second) that is whole.

    >>> choose_rates([("the last test", None, 5), ("the contract", 12_500_000, 6_250_000)])
    ('the contract', 12500000, 6250000)
    """
    for by, down, up in candidates:
        if down is not None and up is not None:
            return by, down, up
    return None


def look_ahead(*, by: str, down: int, up: int, per_day: int, budget_bytes: int) -> Outlook:
    """How many tests a month's budget carries, and how many are planned.

    >>> look_ahead(by="the contract", down=62_500_000, up=12_500_000, per_day=4,
    ...            budget_bytes=60_000_000_000).carried
    66
    """
    test_bytes = expect_bytes(down, TEST_MS) + expect_bytes(up, TEST_MS)
    return Outlook(
        test_bytes=test_bytes,
        by=by,
        carried=budget_bytes // max(1, test_bytes),
        planned=per_day * MONTH_DAYS,
    )
