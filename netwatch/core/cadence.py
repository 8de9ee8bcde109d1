"""When each probe of a round is sent, and when one round a second is called for.

The law of this file:

* Steady: a round every ``interval_ms``, its probes spread over the interval, the
  internet targets evenly. So the internet is tried every ``interval / n`` and an
  outage is seen that soon, and no probe waits behind another of ours.
* An internet probe that is overdue (its target answers in a fraction of that
  time as a rule) is not waited for: the round is cut there, the probe becomes the
  first of a *burst* round, and every other target is tried at once.
* Any answer to that round ends the alarm. Without one, rounds go on every
  ``burst_interval_ms`` until ``up_after`` of them in a row were answered.

Pure: it knows no clock and no socket. All instants are monotonic milliseconds
that the caller hands in. It decides nothing about the line: that is `linkstate`.
"""

from __future__ import annotations

from collections.abc import Sequence

from netwatch.core.round_plan import BURST_SPACING_MS, CadenceTarget, plan_burst, plan_steady
from netwatch.records import Role, Round, RoundProbe, Slot

#: So many rounds of a burst are sent close together, to be sure of a short cut.
COMPACT_ROUNDS = 4
#: No answer is called overdue sooner than this, however fast its target.
MINIMUM_PATIENCE_MS = 100
#: A target that missed this many in a row raises no alarm: it is known to be dead.
DEAD_AFTER = 2


class _Round:
    """A round in the making."""

    __slots__ = ("asked", "burst", "due", "number", "open", "probes")

    def __init__(self, number: int, *, burst: bool) -> None:
        self.number = number
        self.burst = burst
        self.due: list[Slot] = []  # still to be sent, soonest last
        self.open: dict[Slot, int] = {}  # sent, not settled -> sent_ms
        self.probes: list[tuple[RoundProbe, int]] = []  # settled, and when
        self.asked = 0


class _Habit:
    """What is known of one target's answers."""

    __slots__ = ("missed_in_row", "slowest_us")

    def __init__(self) -> None:
        self.missed_in_row = 0
        self.slowest_us: int | None = None

    def note(self, rtt_us: int | None) -> None:
        if rtt_us is None:
            self.missed_in_row += 1
            return
        self.missed_in_row = 0
        # The slowest answer is forgotten by a sixteenth at each faster one.
        slowest = self.slowest_us
        self.slowest_us = (
            rtt_us if slowest is None or rtt_us >= slowest else slowest - (slowest - rtt_us) // 16
        )

    @property
    def raises_alarm(self) -> bool:
        return self.missed_in_row < DEAD_AFTER and self.slowest_us is not None

    def patience_ms(self, timeout_ms: int) -> int:
        if self.slowest_us is None:
            return timeout_ms
        return min(timeout_ms, max(MINIMUM_PATIENCE_MS, 2 * self.slowest_us // 1000 + 50))


class Cadence:
    """The plan of one agent's rounds.

    ``start_ms`` is the first instant, ``offset_ms`` this device's own shift (RFC
    3432: a random start, so that a thousand agents never fire on one second).
    ``burst_allowed`` may be set False from outside where silence means a filter
    and not an outage; then rounds stay steady.
    """

    def __init__(
        self,
        targets: Sequence[CadenceTarget],
        *,
        interval_ms: int,
        burst_interval_ms: int,
        timeout_ms: int,
        start_ms: int,
        offset_ms: int = 0,
        up_after: int = 2,
    ) -> None:
        self._interval_ms = interval_ms
        self._burst_interval_ms = burst_interval_ms
        self._timeout_ms = timeout_ms
        self._up_after = up_after
        self._roles = {target.id: target.role for target in targets}
        self._steady_plan = plan_steady(targets, interval_ms)
        self._burst_plan = plan_burst(targets, burst_interval_ms)
        # Once an outage is certain its end is sought, evenly.
        self._spread_plan = plan_steady(targets, burst_interval_ms)
        self._habits = {target.id: _Habit() for target in targets}
        self._rounds: dict[int, _Round] = {}
        self._round_of: dict[Slot, _Round] = {}
        self._next_number = 0
        self._next_round_ms = start_ms + offset_ms % interval_ms
        self._current: _Round | None = None
        self._done: list[Round] = []
        self._next_done = 0
        self._missed_slots: list[Slot] = []
        self._burst_missed = False  # a whole round of this burst was missed
        self._answered_in_row = 0
        self.missed = 0
        self.bursting = False
        self.burst_allowed = True
        #: Burst rounds begun since the alarm; the second is when others should be asked too.
        self.burst_rounds = 0

    # -- what to send, and when ------------------------------------------------

    def wake_ms(self) -> int:
        """The next instant at which `take_due` has something to do."""
        wake = self._next_round_ms
        if self._current is not None and self._current.due:
            wake = min(wake, self._current.due[-1].due_ms)
        if not self.bursting and self.burst_allowed:
            alarm = self._first_alarm()
            if alarm is not None:
                wake = min(wake, alarm[0])
        return wake

    def take_due(self, now_ms: int) -> tuple[Slot, ...]:
        """The slots whose time has come. Those over a whole interval late are dropped.

        A dropped slot is counted in ``missed`` and kept for `take_missed`.
        """
        if self.bursting and not self.burst_allowed:
            self._resume_steady(now_ms)
        if not self.bursting and self.burst_allowed:
            alarm = self._first_alarm()
            if alarm is not None and alarm[0] <= now_ms:
                self._begin_burst(alarm[1], now_ms)
        due: list[Slot] = []
        while True:
            current = self._current
            while current is not None and current.due and current.due[-1].due_ms <= now_ms:
                slot = current.due.pop()
                if now_ms - slot.due_ms > self._interval_ms:
                    self._drop(slot, current)
                else:
                    due.append(slot)
            if self._next_round_ms > now_ms:
                break
            if current is not None and current.due:
                # The next round's time has come before this one was sent through.
                for slot in reversed(current.due):
                    self._drop(slot, current)
                current.due.clear()
            self._begin_round(now_ms)
        return tuple(due)

    def sent(self, slot: Slot, sent_ms: int) -> None:
        """The slot's probe left at ``sent_ms``."""
        round_ = self._round_of.get(slot)
        if round_ is not None:
            round_.open[slot] = sent_ms

    def settle(
        self, slot: Slot, *, sent_ms: int, rtt_us: int | None, reason: str | None, now_ms: int
    ) -> None:
        """The slot's probe was answered (``rtt_us``) or given up (``reason``).

        A slot that is not open any more is ignored, so that settling twice is harmless.
        """
        round_ = self._round_of.pop(slot, None)
        if round_ is None:
            return
        round_.open.pop(slot, None)
        role = self._roles[slot.target_id]
        alarming = role is Role.INTERNET and self._habits[slot.target_id].raises_alarm
        self._habits[slot.target_id].note(rtt_us)
        probe = RoundProbe(
            target_id=slot.target_id,
            role=role,
            sent_ms=sent_ms,
            rtt_us=rtt_us,
            reason=None if rtt_us is not None else reason,
        )
        round_.probes.append((probe, now_ms))
        quiet = not self.bursting and self.burst_allowed and not round_.burst
        if rtt_us is None and alarming and quiet:
            self._begin_burst(slot, now_ms, settled=probe, settled_in=round_)
        elif rtt_us is not None and role is Role.INTERNET and round_.burst:
            self._calm_if_unfounded(now_ms)
        self._close_rounds(now_ms)

    def take_rounds(self) -> tuple[Round, ...]:
        """The rounds completed since the last call, in the order in which they began."""
        done, self._done = tuple(self._done), []
        return done

    def take_missed(self) -> tuple[Slot, ...]:
        """The slots dropped since the last call because their time had passed."""
        missed, self._missed_slots = tuple(self._missed_slots), []
        return missed

    # -- within ------------------------------------------------------------------

    def _first_alarm(self) -> tuple[int, Slot] | None:
        """When the first open internet probe of a live target becomes overdue."""
        first: tuple[int, Slot] | None = None
        for round_ in self._rounds.values():
            if round_.burst:
                continue  # these have raised theirs
            for slot, sent_ms in round_.open.items():
                if self._roles[slot.target_id] is not Role.INTERNET:
                    continue
                habit = self._habits[slot.target_id]
                if not habit.raises_alarm:
                    continue
                at = sent_ms + habit.patience_ms(self._timeout_ms)
                if first is None or at < first[0]:
                    first = (at, slot)
        return first

    def _new_round(self, *, burst: bool) -> _Round:
        round_ = _Round(self._next_number, burst=burst)
        self._rounds[round_.number] = round_
        self._next_number += 1
        self._current = round_
        return round_

    def _fill(self, round_: _Round, plan: Sequence[tuple[str, int]], start_ms: int) -> None:
        slots = [
            Slot(round=round_.number, target_id=target_id, due_ms=start_ms + offset_ms)
            for target_id, offset_ms in plan
        ]
        slots.sort(key=lambda slot: slot.due_ms, reverse=True)
        round_.due = slots
        for slot in slots:
            self._round_of[slot] = round_

    def _begin_round(self, now_ms: int) -> None:
        interval_ms = self._burst_interval_ms if self.bursting else self._interval_ms
        start_ms = self._next_round_ms
        if now_ms - start_ms > interval_ms:
            # We slept over whole rounds: they are missed, not made up for.
            skipped = (now_ms - start_ms) // interval_ms
            plan = self._present_plan()
            self.missed += skipped * len(plan)
            for index in range(min(skipped, 60)):
                self._missed_slots.extend(
                    Slot(round=-1, target_id=name, due_ms=start_ms + index * interval_ms + offset)
                    for name, offset in plan
                )
            start_ms += skipped * interval_ms
        round_ = self._new_round(burst=self.bursting)
        if self.bursting:
            self.burst_rounds += 1
        self._fill(round_, self._present_plan(), start_ms)
        self._next_round_ms = start_ms + interval_ms

    def _present_plan(self) -> list[tuple[str, int]]:
        if not self.bursting:
            return self._steady_plan
        return self._burst_plan if self.burst_rounds <= COMPACT_ROUNDS else self._spread_plan

    def _begin_burst(
        self,
        overdue: Slot,
        now_ms: int,
        *,
        settled: RoundProbe | None = None,
        settled_in: _Round | None = None,
    ) -> None:
        """Cut the present round at the overdue probe, and try all others at once."""
        self.bursting = True
        self.burst_rounds = 1
        self._burst_missed = False
        self._answered_in_row = 0
        if self._current is not None:
            for slot in self._current.due:
                self._round_of.pop(slot, None)
            self._current.due.clear()
        burst = self._new_round(burst=True)
        origin = settled_in if settled_in is not None else self._round_of.get(overdue)
        if settled is not None:
            first_ms = settled.sent_ms
        else:
            first_ms = origin.open[overdue] if origin is not None else now_ms
        moved: set[str] = set()
        for round_ in self._rounds.values():
            if round_ is burst:
                continue
            for slot, sent_ms in list(round_.open.items()):
                if sent_ms >= first_ms:  # the overdue one and all sent since
                    burst.open[slot] = round_.open.pop(slot)
                    self._round_of[slot] = burst
                    moved.add(slot.target_id)
            if settled is not None and round_ is origin:
                kept = [item for item in round_.probes if item[0] is not settled]
                burst.probes.extend(item for item in round_.probes if item[0] is settled)
                round_.probes = kept
                moved.add(settled.target_id)
        rest = [target_id for target_id, _ in self._burst_plan if target_id not in moved]
        self._fill(
            burst,
            [(target_id, index * BURST_SPACING_MS) for index, target_id in enumerate(rest)],
            now_ms,
        )
        spread_ms = len(rest) * BURST_SPACING_MS
        self._next_round_ms = max(first_ms + self._burst_interval_ms, now_ms + spread_ms)

    def _calm_if_unfounded(self, now_ms: int) -> None:
        if self.bursting and not self._burst_missed:
            self._resume_steady(now_ms)

    def _resume_steady(self, now_ms: int) -> None:
        self.bursting = False
        self.burst_rounds = 0
        # The plan's first probe is to the internet: resume one step after the last ones.
        self._next_round_ms = now_ms + self._interval_ms // max(1, len(self._steady_plan))

    def _drop(self, slot: Slot, round_: _Round) -> None:
        self.missed += 1
        self._missed_slots.append(slot)
        self._round_of.pop(slot, None)
        round_.asked += 1

    def _close_rounds(self, now_ms: int) -> None:
        while self._next_done in self._rounds:
            round_ = self._rounds[self._next_done]
            is_current = round_ is self._current
            if round_.due or round_.open or (is_current and not round_.probes):
                return
            del self._rounds[self._next_done]
            self._next_done += 1
            if is_current:
                self._current = None
            if not round_.probes:
                continue
            probes = tuple(
                sorted((probe for probe, _ in round_.probes), key=lambda probe: probe.sent_ms)
            )
            self._done.append(
                Round(
                    number=round_.number,
                    burst=round_.burst,
                    probes=probes,
                    settled_ms=max(at for _, at in round_.probes),
                )
            )
            if round_.burst:
                self._judge_burst_round(probes, now_ms)

    def _judge_burst_round(self, probes: Sequence[RoundProbe], now_ms: int) -> None:
        internet = [probe for probe in probes if probe.role is Role.INTERNET]
        if not internet:
            return
        if any(probe.rtt_us is not None for probe in internet):
            self._answered_in_row += 1
            if self.bursting and self._answered_in_row >= self._up_after:
                self._resume_steady(now_ms)
        else:
            self._answered_in_row = 0
            if self.bursting:
                self._burst_missed = True
