"""The two hundred sites of the centre's bench: most of them well, some in each trouble.

Rule of this file: which site is in which state, at what number of minutes before the bench's
present. So that no alert and no panel is without somebody whom it is about.
"""

from __future__ import annotations

import msgspec

from bench.fleet_life import DAY_MS, State, build_fleet_inventory
from netwatch.fleet.model import Inventory
from netwatch.records import Cause, Verdict

SITES = 200
#: Two operators of six sites each, for what concerns a share of an operator's sites.
_SMALL = 6
#: The books of all of them are so old; their last past outage ended nine days before the hour.
BOOKS_MS = 95 * DAY_MS
_MINUTE_MS = 60_000


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of site: all of one kind have the same past."""

    state: State
    #: Minutes since its agent last answered; 0: it answers.
    silent_min: int = 0


def build_kinds(now_ms: int) -> dict[str, Site]:
    """Every kind, as it is at the bench's present; ``plain-`` ones are the many."""

    def ago(minutes: int) -> int:
        return now_ms - minutes * _MINUTE_MS

    def down(minutes: int, cause: Cause) -> Site:
        state = State(
            verdict=Verdict.DOWN, cause=cause, since_ms=ago(minutes), equipped=True
        )  # fmt: skip
        return Site(state=state)

    well = State(equipped=True)
    return {
        "plain-0": Site(state=well),
        "plain-1": Site(state=well),
        "spool": Site(state=State(equipped=True, waits_since_ms=ago(200))),
        "certificate": Site(state=State(equipped=True, certificate_ms=now_ms + 9 * DAY_MS)),
        "notice": Site(state=State(equipped=True, notices=("disk_full",))),
        "restarted": Site(state=State(equipped=True, books_since_ms=ago(30))),
        "degraded": Site(
            state=State(
                verdict=Verdict.DEGRADED, cause=Cause.LOSS, since_ms=ago(90), equipped=True
            )
        ),
        "unknown": Site(
            state=State(
                verdict=Verdict.UNKNOWN, cause=Cause.CLOCK, since_ms=ago(180), equipped=True,
                clock=False,
            )
        ),
        "down-new": down(20, Cause.ACCESS),
        "down-half": down(150, Cause.UPSTREAM),
        "down-nearly": down(210, Cause.DNS),
        "down-over": down(540, Cause.ACCESS),
        "silent": Site(state=well, silent_min=60),
    }  # fmt: skip


def list_kinds() -> list[str]:
    """The kind of each site, by its number."""
    kinds = [f"plain-{number % 2}" for number in range(SITES)]
    for number, kind in enumerate(("spool", "certificate", "notice", "restarted"), start=20):
        kinds[number] = kind
    kinds[-2 * _SMALL :] = [
        "down-new", "down-new", "down-new", "down-half", "degraded", "unknown",
        "silent", "silent", "silent", "silent", "down-nearly", "down-over",
    ]  # fmt: skip
    return kinds


def build_centre_inventory(port: int) -> Inventory:
    """Four operators for the many, and two for the last dozen."""
    return build_fleet_inventory(port, SITES, small=_SMALL)
