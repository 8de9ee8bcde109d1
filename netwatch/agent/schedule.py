"""The slower probes and jobs, each at its own pace with this device's own offset.

Rule of this file: APScheduler keeps the plan, and nothing is decided here. A slot that
could not be run is reported as skipped, with its reason; none is made up for.

APScheduler plans by the wall clock. When that steps, every plan is wrong by the step, so
`realign` must be called then; due times are reported on the monotonic clock.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Callable
from typing import Any

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from netwatch.agent.events import Measured, Skipped
from netwatch.clock import Clock
from netwatch.probes.base import Probe
from netwatch.records import Check, Finding, Outcome, Skip

_LOG = logging.getLogger(__name__)
WORKERS = 6  # two resolvers that let three questions each run into their timeout


class Schedule:
    """Runs checks and jobs in a small pool; news goes to ``emit``."""

    def __init__(
        self, *, clock: Clock, device: str, emit: Callable[[Measured | Skipped], None]
    ) -> None:
        self._clock = clock
        self._device = device
        self._emit = emit
        self._checks: dict[str, Check] = {}
        # Its own log lines speak of jobs, ours of probes.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(WORKERS)},
            timezone=dt.UTC,
            daemon=True,
        )
        self._scheduler.add_listener(self._on_missed, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:  # not when the start was stopped half-way
            self._scheduler.shutdown(wait=False)

    def add_check(self, check: Check, probe: Probe) -> None:
        """Measure again and again; replaces the check of that id."""
        self._checks[check.id] = check
        self._add(check.id, check.every_ms, lambda: self._measure(check, probe))

    def remove_check(self, check_id: str) -> None:
        """Measure it no more; one that is not there is no error."""
        if self._checks.pop(check_id, None) is not None:
            self._scheduler.remove_job(check_id)

    def add_job(self, name: str, every_ms: int, work: Callable[[], None]) -> None:
        """Run ``work`` again and again, the first time after this device's offset."""
        self._add(name, every_ms, work)

    def realign(self) -> None:
        """The wall clock has stepped: plan every job anew from now."""
        now = self._now()
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=now + job.trigger.interval)

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock.wall_ms() / 1000, dt.UTC)

    def _add(self, name: str, every_ms: int, work: Callable[[], None]) -> None:
        offset_ms = draw_offset_ms(f"{self._device}/{name}", every_ms)
        self._scheduler.add_job(
            work,
            "interval",
            seconds=every_ms / 1000,
            id=name,
            next_run_time=self._now() + dt.timedelta(milliseconds=offset_ms),
            max_instances=max(1, min(4, 3_000 // every_ms)),  # a DNS question may outlast its slot
            misfire_grace_time=max(1, every_ms // 1000),
            coalesce=True,
            replace_existing=True,
        )

    def _measure(self, check: Check, probe: Probe) -> None:
        started_ms = self._clock.monotonic_ms()
        try:
            finding = probe.measure(check)
        except Exception as error:  # noqa: BLE001 -- a fault of ours: unknown, and in the log
            _LOG.exception("probe %s of %s failed", check.kind, check.id)
            finding = Finding(
                outcome=Outcome.UNKNOWN, reason="probe_error", detail=f"{type(error).__name__}"
            )
        self._emit(
            Measured(
                check=check,
                due_ms=started_ms,
                started_ms=started_ms,
                elapsed_ms=self._clock.monotonic_ms() - started_ms,
                finding=finding,
            )
        )

    def _on_missed(self, event: Any) -> None:  # noqa: ANN401 -- APScheduler has no types
        check = self._checks.get(event.job_id)
        if check is not None:
            reason = "late" if event.code == EVENT_JOB_MISSED else "overlap"
            self._emit(
                Skipped(
                    skip=Skip(check_id=check.id, due_ms=self._clock.monotonic_ms(), reason=reason)
                )
            )


def draw_offset_ms(name: str, every_ms: int) -> int:
    """A device's own shift within an interval: the same each time, spread over devices.

    >>> draw_offset_ms("ecole/dns", 1_000) == draw_offset_ms("ecole/dns", 1_000)
    True
    >>> 0 <= draw_offset_ms("mairie/dns", 5_000) < 5_000
    True
    """
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % every_ms
