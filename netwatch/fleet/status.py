"""What every agent of the fleet says of its line, now, the worst first.

Rule of this file: it asks all sites side by side and orders what they answer; what it looks
like is the command's. A site that does not answer is a row with the reason, never missing;
one that answers with another site's id is believed in nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import msgspec

from netwatch.config.notes import shorten, show_quoted, show_text
from netwatch.errors import AgentUnreachable
from netwatch.fleet.asking import Patience, read_json
from netwatch.fleet.model import FleetSite, Inventory
from netwatch.records import Cause, Verdict

#: At most so many agents are asked at one time.
MOST_AT_ONCE = 32

_WORST_FIRST = ("down", "wrong_site", "unreachable", "unknown", "degraded", "up")


class SiteStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One row: the inventory's words on the site, and its agent's on the line.

    ``state`` is the verdict, or ``unreachable`` or ``wrong_site`` with its ``problem``.
    What the agent did not say is None.
    """

    site: str
    name: str
    commune: str | None
    operator: str
    circuit: str | None
    state: str
    problem: str | None = None
    cause: str | None = None
    reason: str | None = None
    since: str | None = None  # ISO 8601 UTC
    held_ms: int | None = None
    coverage_today: float | None = None
    availability_today: float | None = None
    down_today_ms: int | None = None
    down_month_ms: int | None = None
    coverage_month: float | None = None
    queued_minutes: int | None = None  # that wait to be pushed; None: pushed nowhere
    push_problem: str | None = None  # why they wait, in one word
    clock_synchronised: bool | None = None
    notices: tuple[str, ...] = ()
    version: str | None = None

    @property
    def fine(self) -> bool:
        """Whether the line carries traffic, as its own agent says."""
        return self.state in ("up", "degraded")


_T = TypeVar("_T")
Ask = Callable[[FleetSite], Mapping[str, Any]]


def read_fleet_status(
    inventory: Inventory, patience: Patience, *, at_once: int = MOST_AT_ONCE
) -> list[SiteStatus]:
    """One row a site, worst first. Never raises for what an agent does."""
    return collect_status(
        inventory.sites,
        lambda site: read_json(site, "/api/v1/status", patience),
        at_once=at_once,
    )


def collect_status(sites: Iterable[FleetSite], ask: Ask, *, at_once: int) -> list[SiteStatus]:
    """Ask for each site, ``at_once`` side by side; the rows in their order."""
    rows = list(sites)
    with ThreadPoolExecutor(max_workers=max(1, min(at_once, len(rows)))) as pool:
        return order_worst_first(pool.map(partial(_read_one, ask), rows))


def _read_one(ask: Ask, site: FleetSite) -> SiteStatus:
    try:
        return build_status(site, ask(site))
    except AgentUnreachable as error:
        return _row(site, state="unreachable", problem=str(error))


def build_status(site: FleetSite, answer: Mapping[str, Any]) -> SiteStatus:
    """One row from an agent's ``/api/v1/status``.

    Raises AgentUnreachable where the answer has not the form of one.
    """
    try:
        said = answer["site"]["id"]
        link = answer["link"]
        if said != site.id:
            return _row(
                site,
                state="wrong_site",
                problem=f"the agent there says that it is {show_quoted(str(said))}",
            )
        accounts: Mapping[str, Any] = answer.get("accounts") or {}
        today, month = accounts.get("today") or {}, accounts.get("month") or {}
        push: Mapping[str, Any] = answer.get("push") or {}
        since = link.get("since")
        return _row(
            site,
            state=Verdict(link["verdict"]).value,
            cause=None if link.get("cause") is None else Cause(link["cause"]).value,
            reason=_optional_text(link.get("reason")),
            since=None if since is None else datetime.fromisoformat(since).isoformat(),
            held_ms=_optional(int, link.get("held_ms")),
            coverage_today=_optional(float, today.get("coverage")),
            availability_today=_optional(float, today.get("availability")),
            down_today_ms=_optional(int, today.get("down_ms")),
            down_month_ms=_optional(int, month.get("down_ms")),
            coverage_month=_optional(float, month.get("coverage")),
            queued_minutes=_optional(int, push.get("waiting_minutes")),
            push_problem=_optional_text(push.get("reason")),
            clock_synchronised=_optional(bool, answer.get("clock_synchronised")),
            notices=tuple(str(_optional_text(each)) for each in answer.get("notices", ())),
            version=_optional_text(answer.get("version")),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise AgentUnreachable("answers, but not as netwatch does") from None


def order_worst_first(rows: Iterable[SiteStatus]) -> list[SiteStatus]:
    """Down first, up last; among equals the longest first, then by id."""
    return sorted(
        rows,
        key=lambda row: (
            _WORST_FIRST.index(row.state),
            -(row.held_ms or 0) if row.state != "up" else 0,
            row.site,
        ),
    )


def count_states(rows: Iterable[SiteStatus]) -> dict[str, int]:
    """How many sites are in each state, worst first; states of none are left out."""
    found = [row.state for row in rows]
    return {state: found.count(state) for state in _WORST_FIRST if state in found}


def _row(site: FleetSite, *, state: str, **more: Any) -> SiteStatus:  # noqa: ANN401 - the row's own fields
    return SiteStatus(
        site=site.id,
        name=site.name or site.id,
        commune=site.commune,
        operator=site.circuit.operator,
        circuit=site.circuit.reference,
        state=state,
        **more,
    )


def _optional(kind: Callable[[Any], _T], value: object) -> _T | None:
    return None if value is None else kind(value)


def _optional_text(value: object) -> str | None:
    """A stranger's word, fit for a terminal."""
    return None if value is None else show_text(shorten(str(value)))
