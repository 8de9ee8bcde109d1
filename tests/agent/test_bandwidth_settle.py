"""Tests that were cut off: what the month's budget counts them with, from real books."""

from __future__ import annotations

from pathlib import Path

import pytest

from netwatch.agent.bandwidth_asking import Done
from netwatch.agent.bandwidth_lock import held_alone
from netwatch.core.data_budget import STILL_BYTES, STILL_MS
from netwatch.store.bandwidth_books import BandwidthBooks, Begun, append_begun
from netwatch.store.bandwidth_reserve import Reserve, append_reserve
from tests.agent.bandwidth_world import Stage

FINE = {"iperf3": (13_000_000, 6_500_000, 20_000_000)}
BUDGET = 30_000_000_000
EVER = (0, 2**53)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, budget=BUDGET)


def begin(
    stage: Stage, *, began_ago_ms: int, boot_id: str | None = None, **reserve: object
) -> None:
    """A test that was begun and never came to its end; the port had carried 1 000 bytes."""
    begun = Begun(
        run_id=stage.run_id,
        started_mono_ms=stage.clock.monotonic_ms() - began_ago_ms,
        started_ms=stage.clock.wall_ms() - began_ago_ms,
        due_ms=None,
        reserved_bytes=BUDGET,
    )
    given = {
        "boot_id": boot_id or stage.clock.boot_id,
        "port_speed_mbit": 10_000,
        "interfaces": "eth0=2",
        "interface_bytes": 1_000,
        **reserve,
    }
    stage.enter(lambda connection: append_begun(connection, begun))
    stage.enter(
        lambda connection: append_reserve(
            connection,
            begun.run_id,
            begun.started_mono_ms,
            Reserve(**given),  # type: ignore[arg-type]  # its own fields
        )
    )


def used(stage: Stage) -> int:
    return BandwidthBooks(stage.path).sum_used(*EVER)


def settled_by(stage: Stage) -> list[tuple[object, ...]]:
    return stage.read("SELECT settled_by FROM bandwidth_reserve")


def test_a_killed_test_counts_with_what_the_interfaces_carried(stage: Stage) -> None:
    """In the same boot the counters go on; and what the kernel may still send is allowed for."""
    begin(stage, began_ago_ms=9_000)
    assert used(stage) == BUDGET
    stage.set_port(400_000_000, 5_000_000)
    assert stage.make_conduct(FINE).settle()
    assert used(stage) == 405_000_000 - 1_000 + STILL_BYTES
    assert settled_by(stage) == [("interfaces",)]


def test_it_is_settled_once(stage: Stage) -> None:
    """What others move later is not held against it."""
    begin(stage, began_ago_ms=9_000)
    stage.set_port(1_000, 0)
    conduct = stage.make_conduct(FINE)
    conduct.settle()
    stage.set_port(10**12, 0)
    conduct.settle()
    assert used(stage) == STILL_BYTES


@pytest.mark.parametrize("index", [3, 2])
def test_counters_that_are_others_tell_nothing(stage: Stage, index: int) -> None:
    """An adapter that was taken out, or began anew: then the time bounds it, at the port's speed."""
    begin(stage, began_ago_ms=1_000)
    stage.set_port(2_000 if index == 3 else 10, 0, index=index)
    stage.make_conduct(FINE).settle()
    least = (1_000 + STILL_MS) * 1_250_000
    assert least <= used(stage) <= least + 60_000 * 1_250_000
    assert settled_by(stage)[0][0] in ("time", "reserve")


def test_after_a_power_cut_it_ended_when_the_next_boot_began_at_the_latest(stage: Stage) -> None:
    """The clock's own tie says when that was; the counters of that boot are gone."""
    since_boot_ms = stage.clock.monotonic_ms()
    begin(stage, began_ago_ms=since_boot_ms + 4_000, boot_id="boot-before", port_speed_mbit=1_000)
    stage.make_conduct(FINE).settle()
    expected = (4_000 + STILL_MS) * 125_000
    assert (
        abs(used(stage) - expected) <= 5 * 125_000
    )  # the two ties of the clock differ by a ms or so
    assert settled_by(stage) == [("time",)]


def test_what_cannot_be_told_keeps_its_reserve(stage: Stage) -> None:
    """Months later, no counters, no speed: all that was set aside."""
    begin(stage, began_ago_ms=10**9, boot_id="boot-before", port_speed_mbit=None)
    stage.make_conduct(FINE).settle()
    assert used(stage) == BUDGET
    assert settled_by(stage) == [("reserve",)]


def test_never_more_than_was_set_aside(stage: Stage) -> None:
    """However much others moved since: no engine goes beyond what it was given."""
    begin(stage, began_ago_ms=10**7)
    stage.set_port(10**13, 0)
    stage.make_conduct(FINE).settle()
    assert used(stage) == BUDGET


def test_a_test_in_course_is_not_settled(stage: Stage) -> None:
    """While the lock is held what looks cut off may be running: asked again later."""
    begin(stage, began_ago_ms=1_000)
    with held_alone(stage.path):
        assert not stage.make_conduct(FINE).settle()
    assert settled_by(stage) == [(None,)]


def test_without_a_clock_another_boots_waits(stage: Stage) -> None:
    begin(stage, began_ago_ms=4_000, boot_id="boot-before")
    known, stage.clock.anchor = stage.clock.anchor, lambda: None  # type: ignore[method-assign]  # of this test's own clock
    assert not stage.make_conduct(FINE).settle()
    stage.clock.anchor = known  # type: ignore[method-assign]  # of this test's own clock
    assert stage.make_conduct(FINE).settle()


def test_the_next_test_settles_before_it_asks_for_its_bytes(stage: Stage) -> None:
    """The whole month was set aside for one that was killed: the next is made all the same."""
    begin(stage, began_ago_ms=5_000)
    assert isinstance(stage.make_test(FINE), Done)


def test_each_test_enters_by_what_it_could_be_settled(stage: Stage) -> None:
    """The boot, the port's speed, the counters as they were; one that ended is not settled."""
    stage.set_port(70, 7)
    stage.make_test(FINE)
    assert stage.read(
        "SELECT boot_id, port_speed_mbit, interfaces, interface_bytes, settled_bytes"
        " FROM bandwidth_reserve"
    ) == [(stage.clock.boot_id, 1_000, "eth0=2", 77, None)]
    stage.make_conduct(FINE).settle()
    assert settled_by(stage) == [(None,)]
    assert used(stage) == 40_000_000
