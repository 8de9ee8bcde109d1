"""How far a loaded line's answers fall behind: the delay that load adds, and its grade.

Rule of this file: two round trips in, one letter out (STANDARDS.md, 2). It knows neither
who measured them nor what was loading the line.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Added delay in microseconds below which the grade holds; nothing is below the last.
GRADES: tuple[tuple[str, int | None], ...] = (
    ("A+", 5_000),
    ("A", 30_000),
    ("B", 60_000),
    ("C", 200_000),
    ("D", 400_000),
    ("F", None),
)


def add_delay(idle_us: int | None, loaded_us: int | None) -> int | None:
    """Microseconds that load adds; never below nothing, None where one is not known.

    >>> add_delay(20_000, 95_000), add_delay(20_000, 19_500), add_delay(None, 1)
    (75000, 0, None)
    """
    if idle_us is None or loaded_us is None:
        return None
    return max(0, loaded_us - idle_us)


def grade_delay(added_us: int | None) -> str | None:
    """The letter for an added delay; None for one that is not known.

    >>> [grade_delay(ms * 1000) for ms in (0, 5, 59, 60, 399, 400)]
    ['A+', 'A', 'B', 'C', 'D', 'F']
    >>> grade_delay(None)
    """
    if added_us is None:
        return None
    return next(letter for letter, below in GRADES if below is None or added_us < below)


def grade_test(idle_us: int | None, loaded_us: Mapping[str, int | None]) -> str | None:
    """The grade of a whole test: that of its worse direction.

    >>> grade_test(10_000, {"down": 12_000, "up": 250_000})
    'D'
    >>> grade_test(10_000, {"down": None})
    """
    added = [add_delay(idle_us, each) for each in loaded_us.values()]
    known = [each for each in added if each is not None]
    return grade_delay(max(known)) if known else None
