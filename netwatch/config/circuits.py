"""The circuit and the versions of its contract: terms, dates, penalties.

Rule of this file: what one version must say, and how versions follow one another. The
form of penalty rules is `penalties`; what happened on the line is nobody's here.
"""

from __future__ import annotations

from netwatch.config.model import Circuit, ContractSettings
from netwatch.config.notes import Notes, Path, show_quoted
from netwatch.config.penalties import check_penalties


def check_circuit(circuit: Circuit, at: Path, notes: Notes) -> None:
    """Note what is wrong with each version of the contract, and with their order."""
    versions: list[tuple[ContractSettings, Path]] = [(circuit.contract, (*at, "contract"))]
    versions += [
        (version, (*at, "earlier", index))
        for index, version in enumerate(circuit.earlier)
        if version is not None
    ]
    for version, here in versions:
        check_contract(version, here, notes)
        check_penalties(version, circuit.monthly_fee, here, notes)
    if not circuit.earlier or not notes.sound(at, "earlier"):
        return
    if circuit.contract.since is None and notes.sound((*at, "contract"), "since"):
        notes.refuse(
            (*at, "contract", "since"),
            'is missing: with earlier versions write from when it holds, since = "2026-10-15"',
        )
    seen: dict[str | None, Path] = {}
    for version, here in versions:
        if not notes.sound(here, "since"):
            continue
        if version.since in seen:
            which = "no date" if version.since is None else show_quoted(version.since)
            notes.refuse(
                (*here, "since"),
                f"must differ between the versions of a contract, got {which} twice",
            )
        elif None not in (version.since, circuit.contract.since) and (
            str(version.since) > str(circuit.contract.since)
        ):
            notes.refuse(
                (*here, "since"),
                f"must be before that of circuit.contract ({circuit.contract.since}), "
                f"got {show_quoted(str(version.since))}",
            )
        seen[version.since] = here


def check_contract(contract: ContractSettings, at: Path, notes: Notes) -> None:
    """The hours and causes that count must exist, each once."""
    if notes.sound(at, "calendar") and contract.calendar == ():
        notes.refuse(
            (*at, "calendar"), 'must have a window, got an empty list: write "S2" for 24/7'
        )
    causes = contract.counted_causes
    for index, cause in enumerate(causes):
        if cause is not None and cause in causes[:index]:
            notes.refuse(
                (*at, "counted_causes", index),
                f'must name each cause once, got "{cause}" again: remove it',
            )
