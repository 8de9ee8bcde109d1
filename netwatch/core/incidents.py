"""Incidents: outages held against the contract, with their deadlines and consequences.

Rule of this file: an outage's times are never changed by what people entered; entries
only start, stop and explain the contract's clock. It knows no wall clock, zone or store:
all is UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from netwatch.core.calendars import CoveredHours
from netwatch.core.contract import Contract, contract_at
from netwatch.core.intervals import (
    EMPTY,
    Intervals,
    difference,
    intersection,
    normalise,
    overlap,
    total,
    union,
)
from netwatch.core.outages import Outage
from netwatch.core.restoration import find_deadline
from netwatch.records import Cause


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Time in which the operator could not work: site access refused, waiting for the customer."""

    start_ms: int
    end_ms: int
    reason: str | None = None


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the append-only incident ledger; None leaves what earlier ones said."""

    incident_id: str
    author: str
    entered_ms: int
    ticket: str | None = None
    reported_ms: int | None = None
    closed_ms: int | None = None  # as the operator says; the measured end is the line's
    pauses: tuple[Pause, ...] = ()
    answer: str | None = None
    note: str | None = None
    parent: str | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An outage held against the contract that was in force when it began.

    ``covered_ms``: all of it in covered hours. ``counted``: what is left of that by the
    contract's causes, less exclusions and pauses; ``elapsed``: the same in all hours.
    """

    outage: Outage
    annotations: tuple[Annotation, ...]  # as entered
    merged: Annotation | None  # what they say together
    covered_ms: int
    counted: Intervals
    elapsed: Intervals
    paused: Intervals  # of the whole chain of recurrences up to here
    clock_start_ms: int
    clock_from: str  # detected, reported, recurrence
    deadline_ms: int | None
    restore_met: bool | None
    recurrence_of: str | None

    @property
    def counted_ms(self) -> int:
        return total(self.counted)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is charged as one: an incident, or a chain of recurrences from its first outage.

    ``end_ms`` None: not restored, so nothing can be charged for it yet.
    """

    incident_ids: tuple[str, ...]
    start_ms: int
    end_ms: int | None
    deadline_ms: int | None  # of the restoration
    counted: Intervals
    elapsed: Intervals


def merge_annotations(annotations: Iterable[Annotation]) -> Annotation | None:
    """What the entries of one incident say together: the last word on each, all pauses.

    >>> first = Annotation(incident_id="i", author="a", entered_ms=1, ticket="T1")
    >>> later = Annotation(incident_id="i", author="b", entered_ms=2, answer="works")
    >>> merge_annotations([later, first]).ticket
    'T1'
    """
    merged: Annotation | None = None
    for entry in sorted(annotations, key=lambda each: each.entered_ms):
        if merged is None:
            merged = entry
            continue
        said = {
            name: getattr(entry, name)
            for name in Annotation.__struct_fields__
            if getattr(entry, name) is not None
        }
        said["pauses"] = merged.pauses + entry.pauses
        merged = msgspec.structs.replace(merged, **said)
    return merged


def settle_incidents(
    outages: Sequence[Outage],
    annotations: Iterable[Annotation],
    versions: Sequence[Contract],
    hours_of: Callable[[Contract], CoveredHours],
    excluded: Intervals = EMPTY,
) -> tuple[Account, ...]:
    """Each outage with its counted time, its deadline, its verdict and its recurrence.

    The restoration time starts at the report, or at the detection where no report is on
    record or the contract says so, and runs in covered hours less exclusions and pauses.
    ``restore_met`` is None while nobody can tell: no such term, a cause that is not the
    operator's, or an outage whose end was not seen before its deadline.

    An outage of the same cause that begins within the contract's recurrence window of
    covered hours after the one before it ended is its recurrence, and is counted from the
    first outage of that chain (CCAG-TIC 2009, 14.2).
    """
    by_incident: dict[str, list[Annotation]] = {}
    for entry in annotations:
        by_incident.setdefault(entry.incident_id, []).append(entry)
    accounts: list[Account] = []
    latest: dict[Cause, Account] = {}
    for outage in sorted(outages, key=lambda each: each.start_ms):
        contract = contract_at(versions, outage.start_ms) or Contract(counted_causes=())
        account = _settle(
            outage,
            tuple(by_incident.get(outage.id, ())),
            contract,
            hours=hours_of(contract),
            excluded=excluded,
            before=latest.get(outage.cause),
        )
        accounts.append(account)
        if outage.cause in contract.counted_causes:
            latest[outage.cause] = account
    return tuple(accounts)


def build_cases(
    accounts: Sequence[Account],
    versions: Sequence[Contract],
    hours_of: Callable[[Contract], CoveredHours],
    excluded: Intervals = EMPTY,
) -> tuple[Case, ...]:
    """The incidents as they are charged: each chain of recurrences once.

    A chain counts from the first outage to the last restoration, the time between
    included, less exclusions and pauses. An incident with nothing counted is no case.
    """
    chains: dict[str, list[Account]] = {}
    for account in accounts:
        chains.setdefault(account.recurrence_of or account.outage.id, []).append(account)
    cases = []
    for chain in chains.values():
        first, last = chain[0].outage, chain[-1].outage
        counted, elapsed = chain[0].counted, chain[0].elapsed
        if len(chain) > 1:
            contract = contract_at(versions, first.start_ms) or Contract()
            stopped = union(excluded, chain[-1].paused)
            elapsed = difference(((first.start_ms, last.last_ms),), stopped)
            covered = hours_of(contract).within(first.start_ms, last.last_ms)
            counted = intersection(elapsed, covered)
        if elapsed:
            cases.append(
                Case(
                    incident_ids=tuple(each.outage.id for each in chain),
                    start_ms=first.start_ms,
                    end_ms=last.end_ms,
                    deadline_ms=chain[-1].deadline_ms,
                    counted=counted,
                    elapsed=elapsed,
                )
            )
    return tuple(cases)


def _settle(
    outage: Outage,
    entries: tuple[Annotation, ...],
    contract: Contract,
    *,
    hours: CoveredHours,
    excluded: Intervals,
    before: Account | None,
) -> Account:
    merged = merge_annotations(entries)
    covered = hours.within(outage.start_ms, outage.last_ms)
    blamed = normalise(
        (part.start_ms, part.end_ms)
        for part in outage.parts
        if part.cause in contract.counted_causes
    )
    recurs = (
        before is not None
        and contract.recurrence_window_ms is not None
        and outage.cause in contract.counted_causes
        and overlap(
            hours.within(before.outage.last_ms, outage.start_ms),
            before.outage.last_ms,
            outage.start_ms,
        )
        <= contract.recurrence_window_ms
    )
    own = [(pause.start_ms, pause.end_ms) for pause in (merged.pauses if merged else ())]
    paused = normalise([*own, *(before.paused if recurs and before else ())])
    stopped = union(excluded, paused)
    elapsed = difference(blamed, stopped)
    clock_start, clock_from = outage.start_ms, "detected"
    if recurs and before is not None:
        clock_start, clock_from = before.clock_start_ms, "recurrence"
    elif merged and merged.reported_ms is not None and contract.restore_from == "reported":
        clock_start, clock_from = merged.reported_ms, "reported"
    deadline = None
    if contract.restore_within_ms is not None and blamed:
        deadline = find_deadline(hours, clock_start, contract.restore_within_ms, stopped)
    return Account(
        outage=outage,
        annotations=entries,
        merged=merged,
        covered_ms=total(covered),
        counted=intersection(elapsed, covered),
        elapsed=elapsed,
        paused=paused,
        clock_start_ms=clock_start,
        clock_from=clock_from,
        deadline_ms=deadline,
        restore_met=_restore_met(outage, deadline),
        recurrence_of=(before.recurrence_of or before.outage.id) if recurs and before else None,
    )


def _restore_met(outage: Outage, deadline_ms: int | None) -> bool | None:
    if deadline_ms is None:
        return None
    if outage.last_ms > deadline_ms:
        return False
    return True if outage.end_seen else None
