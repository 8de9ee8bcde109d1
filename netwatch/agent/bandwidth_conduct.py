"""The conduct of a test: may it be made, with what, and what is tried when it fails.

Rule of this file: first everything that speaks against it, in the order of what it costs
to find out; then one engine after the other until one tells a rate. Whatever is begun is
entered, before and after. It knows no schedule: whoever asks is told no with its reason,
and whether asking again may help.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import tzinfo

import msgspec

from netwatch.agent.bandwidth_asking import (
    Asking,
    Done,
    Lease,
    Refused,
    World,
    refuse_budget,
    refuse_busy,
    refuse_place,
)
from netwatch.agent.bandwidth_guard import choose_counters, is_line_busy, watch_traffic
from netwatch.agent.bandwidth_host import HostReader
from netwatch.agent.bandwidth_lock import NoLock, held_alone
from netwatch.agent.bandwidth_rtt import RttWatch
from netwatch.agent.bandwidth_run import Before, MadeTest, Order, run_test
from netwatch.agent.bandwidth_settle import read_reserve, settle_cut_off
from netwatch.bandwidth.base import Counterpart, Plan
from netwatch.clock import Clock
from netwatch.config.model import Settings
from netwatch.core.data_budget import Allowance, allow_test, expect_bytes, find_month, reserve_bytes
from netwatch.core.ndt7_pace import is_mlabs
from netwatch.core.throughput import Direction
from netwatch.store.bandwidth_books import BandwidthBooks, Begun, append_begun, append_result
from netwatch.store.bandwidth_reserve import append_reserve

#: Never more often than this against M-Lab's servers, as a fallback either (ndt7's etiquette).
NDT7_LEAST_MS = 36 * 60_000


class Conduct:
    """Makes tests for one configuration and one store.

    ``enter`` does a piece of work in one transaction of the books and waits for it;
    ``tell_load`` hears when the line begins and ceases to be loaded (monotonic ms).
    """

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        zone: tzinfo,
        run_id: Callable[[], int],
        counterparts: Sequence[Counterpart],
        world: World,
        enter: Callable[[Callable[[sqlite3.Connection], None]], None],
        tell_load: Callable[[bool, int], None] = lambda _loaded, _at_ms: None,
        host: HostReader | None = None,
        lease: Lease | None = None,
        plan: Plan | None = None,
        command: Sequence[str] | None = None,
        look_ms: int | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._zone = zone
        self._run_id = run_id
        self._counterparts = tuple(counterparts)
        self._world = world
        self._enter = enter
        self._tell_load = tell_load
        self._host = HostReader() if host is None else host
        self._lease = lease
        self._plan = Plan() if plan is None else plan
        self._command = command
        self._look_ms = look_ms
        self._pause = pause
        self._books = BandwidthBooks(settings.store.path)

    def make_test(self, asking: Asking) -> Done | Refused:
        """One test, with as many engines as it takes. Raises StoreError where the books fail."""
        try:
            return self._make_test(asking)
        except NoLock as none:
            return Refused(reason="no_lock", sentence=str(none), again=True)

    def _make_test(self, asking: Asking) -> Done | Refused:
        plan = msgspec.structs.replace(self._plan, directions=asking.directions)
        with held_alone(self._settings.store.path) as alone:
            if not alone:
                return Refused(
                    reason="overlap",
                    sentence="another test runs on this device: two at once would measure each other",
                    again=True,
                )
            self._settle()
            right_circuit = self._world.is_right_circuit()
            refused = refuse_place(
                asking, dated=self._clock.anchor() is not None, right_circuit=right_circuit
            ) or refuse_budget(self._allow(plan))
            if refused is not None:
                return refused
            asking.say("looking at the line without load")
            with RttWatch(
                self._world.find_ping_target(),
                clock=self._clock,
                open_sockets=self._world.open_sockets,
            ) as rtt:
                asking.watch(rtt)
                before = self._look(rtt, right_circuit=right_circuit)
                if asking.cancelled():
                    return Refused(reason="interrupted", sentence="the test was called off")
                if before.busy and not asking.although_busy:
                    return refuse_busy(before, float(self._settings.bandwidth.busy_above))
                with nullcontext(True) if self._lease is None else self._lease.held() as ours:
                    if ours:
                        return self._try_engines(asking, plan, before, rtt)
        return Refused(
            reason="overlap",
            sentence="another site tests against the town's server at this moment",
            again=True,
        )

    def settle(self) -> bool:
        """Settle tests that were cut off, so that the budget shown is near the truth.

        False: to be asked again, as another test runs or the clock is not set. Raises
        StoreError.
        """
        try:
            with held_alone(self._settings.store.path) as alone:
                return alone and self._settle()
        except NoLock:  # who asks for a test is told
            return False

    def _settle(self) -> bool:
        return settle_cut_off(
            self._settings.store.path, clock=self._clock, host=self._host, enter=self._enter
        )

    # -- before --------------------------------------------------------------------------

    def _look(self, rtt: RttWatch, *, right_circuit: bool) -> Before:
        """Some seconds without load: others' traffic and the idle round trip at once."""
        facts = self._world.read_facts()
        counters = choose_counters(self._settings.bandwidth, facts.interface, self._host)
        from_ms = self._clock.monotonic_ms()
        traffic = watch_traffic(counters, self._clock, look_ms=self._look_ms, pause=self._pause)
        idle_us, _ = rtt.find_high(from_ms, self._clock.monotonic_ms())
        committed = self._find_committed()
        return Before(
            facts=facts,
            traffic=traffic,
            busy=is_line_busy(
                traffic,
                committed_down=committed["down"],
                committed_up=committed["up"],
                bandwidth=self._settings.bandwidth,
            ),
            right_circuit=right_circuit,
            idle_rtt_us=idle_us,
        )

    def _find_guaranteed(self) -> dict[Direction, int | None]:
        contract = self._settings.circuit.contract
        down, up = contract.guaranteed_down, contract.guaranteed_up
        return {
            "down": None if down is None else int(down),
            "up": None if up is None else int(up),
        }

    def _find_measured(self) -> dict[Direction, int | None]:
        last = self._books.read_last(with_rate=True)
        if last is None:
            return {"down": None, "up": None}
        return {"down": last.row.down_bytes_per_second, "up": last.row.up_bytes_per_second}

    def _find_committed(self) -> dict[Direction, int | None]:
        """What others' traffic is weighed against: the contract's rate, else the last measured."""
        guaranteed, measured = self._find_guaranteed(), self._find_measured()
        return {
            "down": guaranteed["down"] if guaranteed["down"] is not None else measured["down"],
            "up": guaranteed["up"] if guaranteed["up"] is not None else measured["up"],
        }

    def _expect(self, plan: Plan) -> int:
        """Bytes that this test will take, by the last one's rates; 0 before the first."""
        measured = self._find_measured()
        duration_ms = plan.warm_up_ms + plan.measure_ms
        return sum(expect_bytes(measured[each], duration_ms) for each in plan.directions)

    def _tell_utc_ms(self) -> int:
        """Now, as far as it is known: the month of a clock that is not set is a guess."""
        anchor = self._clock.anchor()
        if anchor is None:
            return self._clock.wall_ms()
        return anchor.to_utc_ms(self._clock.monotonic_ms())

    def _allow(self, plan: Plan) -> Allowance:
        from_ms, to_ms = find_month(self._tell_utc_ms(), self._zone)
        return allow_test(
            limit_bytes=int(self._settings.bandwidth.monthly_budget),
            used_bytes=self._books.sum_used(from_ms, to_ms),
            expected_bytes=self._expect(plan),
        )

    # -- the test ------------------------------------------------------------------------

    def _try_engines(
        self, asking: Asking, plan: Plan, before: Before, rtt: RttWatch
    ) -> Done | Refused:
        made: list[MadeTest] = []
        for counterpart in self._counterparts:
            allowance = self._allow(plan)
            refused = refuse_budget(allowance)
            if refused is not None:
                return Done(tests=tuple(made)) if made else refused
            if made and is_mlabs(counterpart.engine, counterpart.url) and not self._may_ask_mlab():
                continue
            asking.begin()
            asking.say(f"testing with {counterpart.engine}")
            given = self._limit(plan, allowance, before)
            tested = self._run(asking, counterpart, given, before, rtt)
            made.append(tested)
            if tested.has_rate or tested.cancelled:
                break
            reason = tested.around.down_reason or tested.around.up_reason
            detail = tested.around.down_detail or tested.around.up_detail
            asking.say(f"{counterpart.engine}: {reason}{f' ({detail})' if detail else ''}")
        return Done(tests=tuple(made))

    def _limit(self, plan: Plan, allowance: Allowance, before: Before) -> Plan:
        """The plan with what this test may move: what its port can, of what is left."""
        assert allowance.test_bytes is not None
        duration_ms = len(plan.directions) * (plan.warm_up_ms + plan.measure_ms)
        most = reserve_bytes(
            allowance.test_bytes,
            port_speed_mbit=before.facts.port_speed_mbit,
            expected_bytes=self._expect(plan),
            duration_ms=duration_ms,
        )
        return msgspec.structs.replace(plan, budget_bytes=most)

    def _run(
        self, asking: Asking, counterpart: Counterpart, plan: Plan, before: Before, rtt: RttWatch
    ) -> MadeTest:
        assert plan.budget_bytes is not None
        anchor = self._clock.anchor()
        started_mono_ms = self._clock.monotonic_ms()
        order = Order(
            run_id=self._run_id(),
            asked_by=asking.asked_by,
            due_ms=asking.due_ms,
            started_mono_ms=started_mono_ms,
            started_ms=None if anchor is None else anchor.to_utc_ms(started_mono_ms),
            guaranteed=self._find_guaranteed(),
        )
        begun = Begun(
            run_id=order.run_id,
            started_mono_ms=started_mono_ms,
            started_ms=order.started_ms,
            due_ms=order.due_ms,
            reserved_bytes=plan.budget_bytes,
        )
        reserve = read_reserve(before.facts, self._host, self._clock.boot_id)

        def enter_begun(connection: sqlite3.Connection) -> None:
            append_begun(connection, begun)
            append_reserve(connection, begun.run_id, begun.started_mono_ms, reserve)

        self._enter(enter_begun)
        self._tell_load(True, started_mono_ms)
        try:
            tested = run_test(
                counterpart,
                plan,
                order,
                before,
                clock=self._clock,
                rtt=rtt,
                host=self._host,
                read_facts=self._world.read_facts,
                tell=asking.tell,
                cancelled=asking.cancelled,
                pause=self._pause,
                command=self._command,
            )
        finally:
            self._tell_load(False, self._clock.monotonic_ms())
        self._enter(lambda connection: append_result(connection, tested.row, tested.around))
        return tested

    def _may_ask_mlab(self) -> bool:
        """Whether the last ndt7 test is long enough ago for one more, as a fallback."""
        last_ms = self._books.read_last_of("ndt7")
        return last_ms is None or self._tell_utc_ms() - last_ms >= NDT7_LEAST_MS
