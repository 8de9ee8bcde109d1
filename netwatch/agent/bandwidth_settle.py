"""What tests that were cut off (killed, power cut) count with in the month's budget.

Rule of this file: before a test, what the machine's counters say is read; afterwards, whoever
holds the lock settles what has no end of its own, from what the machine can still tell.
The bounds are `core.data_budget`'s: never less than what may have been moved.

Called only under `bandwidth_lock.held_alone`: while a test runs it looks cut off.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from netwatch.agent.bandwidth_host import HostReader
from netwatch.clock import Clock
from netwatch.core.data_budget import settle_bytes
from netwatch.records import HostFacts
from netwatch.store.bandwidth_reserve import CutOff, Reserve, append_settled, read_unsettled

Enter = Callable[[Callable[[sqlite3.Connection], None]], None]


def read_reserve(facts: HostFacts, host: HostReader, boot_id: str) -> Reserve:
    """What the machine tells before the first byte.

    All its interfaces, for nobody says by which one the way to a test server leads.
    """
    found = host.read_interfaces()
    return Reserve(
        boot_id=boot_id,
        port_speed_mbit=facts.port_speed_mbit,
        interfaces=" ".join(f"{name}={index}" for name, (index, _) in found.items()) or None,
        interface_bytes=sum(moved for _, moved in found.values()) if found else None,
    )


def settle_cut_off(path: Path | str, *, clock: Clock, host: HostReader, enter: Enter) -> bool:
    """Settle what can be; False where one has to wait for the clock. Raises StoreError.

    One of another boot is told by the clock alone, for nothing ran before this boot began.
    """
    settled_all = True
    for cut_off in read_unsettled(path):
        same_boot = cut_off.reserve.boot_id == clock.boot_id
        if not same_boot and clock.anchor() is None:
            settled_all = False
            continue
        settled, by = settle_bytes(
            cut_off.reserved_bytes,
            interface_bytes=_find_moved(cut_off.reserve, host) if same_boot else None,
            longest_ms=_find_longest_ms(cut_off, clock, same_boot=same_boot),
            port_speed_mbit=cut_off.reserve.port_speed_mbit,
        )

        def work(
            connection: sqlite3.Connection,
            cut_off: CutOff = cut_off,
            settled: int = settled,
            by: str = by,
        ) -> None:
            append_settled(connection, cut_off, settled, by)

        enter(work)
    return settled_all


def _find_moved(reserve: Reserve, host: HostReader) -> int | None:
    """What all interfaces have carried since; None where one of them is gone: so are its counts."""
    if reserve.interfaces is None or reserve.interface_bytes is None:
        return None
    now = host.read_interfaces()
    still = {f"{name}={index}" for name, (index, _) in now.items()}
    moved = sum(count for _, count in now.values()) - reserve.interface_bytes
    return moved if moved >= 0 and still.issuperset(reserve.interfaces.split()) else None


def _find_longest_ms(cut_off: CutOff, clock: Clock, *, same_boot: bool) -> int | None:
    """How long it can have run: until now, or until this boot began."""
    if same_boot:
        return max(0, clock.monotonic_ms() - cut_off.started_mono_ms)
    anchor = clock.anchor()
    if anchor is None or cut_off.started_ms is None:
        return None
    # Monotonic time is 0 where the boot began; an earlier instant is a clock that was wrong.
    longest_ms = anchor.offset_ms - cut_off.started_ms
    return longest_ms if longest_ms >= 0 else None
