"""Fills a store from a story, as an agent that lived through it would have.

The law of this file: it writes through the store's own functions, run by run and minute
by minute, so that a simulated month is read, reported and verified like a real one; and
it says in the database that it is simulated before the first record is in it.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path

import msgspec

from netwatch import __version__
from netwatch.agent.recorder import SEEN, format_key
from netwatch.agent.sampling import Sampler, UsualRtt
from netwatch.agent.scenario_model import RttScenario, ScenarioFile
from netwatch.agent.simulated_tests import SimulatedTests
from netwatch.config.model import Settings
from netwatch.config.targets import complete_targets
from netwatch.core.ledger import find_incidents, sum_spans
from netwatch.core.scenario import AgentLife, Story, expect_ledger, paint_layers, plan_lives
from netwatch.errors import StoreError, UsageError
from netwatch.records import MINUTE_MS, Anchor, Check, Role, Span, Verdict
from netwatch.store.batch import Batch, LayerSpan
from netwatch.store.chain import close_days
from netwatch.store.counted import INCIDENTS, LINK_MS
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.store.marks import mark_simulated, read_simulated

#: The monotonic clock's reading when the first run of a boot begins.
_BOOTED_MS = 30_000
_HOUR_MS = 3_600_000
_SUFFIXES = ("", "-wal", "-shm")
#: Addresses for what the configuration leaves to be found (RFC 5737 documentation ranges).
_FOUND = {Role.GATEWAY: "192.0.2.1", Role.FIRST_HOP: "198.51.100.1", Role.RESOLVER: "192.0.2.1"}


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    start_ms: int
    end_ms: int
    ledger: tuple[Span, ...]  # what the store must give back, without reasons
    runs: int
    observations: int
    tests: int
    closed_days: int


def simulate(
    settings: Settings,
    scenario: ScenarioFile,
    story: Story,
    path: Path,
    *,
    zone: tzinfo,
    name: str,
    on_hour: Callable[[int], None] = lambda _: None,
) -> Simulated:
    """Write the story into a new database at ``path``, whole or not at all.

    A simulation that is there already is replaced. ``name`` is what the scenario is
    called in the database; ``on_hour`` hears how far it has come (UTC).
    Raises UsageError where something else is at ``path``, StoreError where it cannot be written.
    """
    refuse_real_books(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        opened = open_database(beside, set_aside=lambda: "simulation")
        with contextlib.closing(opened.connection) as connection:
            # The file takes its place when it is whole: until then nothing in it matters.
            connection.execute("PRAGMA synchronous = OFF")
            mark_simulated(
                connection,
                msgspec.json.encode(
                    {"scenario": name, "seed": scenario.seed, "version": __version__}
                ).decode(),
            )
            written = _Telling(settings, scenario, story, connection, zone).tell(on_hour)
        for suffix in _SUFFIXES[1:]:
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        beside.replace(path)
    except (OSError, sqlite3.Error, StoreError) as error:
        said = str(error).replace(str(beside), str(path)).removeprefix(f"{path}: ")
        raise StoreError(f"{path}: the simulation cannot be written there: {said}") from error
    finally:
        for suffix in _SUFFIXES:
            with contextlib.suppress(OSError):
                Path(f"{beside}{suffix}").unlink()
    return written


def refuse_real_books(path: Path) -> None:
    """Raises UsageError where there is anything at ``path`` but a simulation or an empty file."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return
    try:
        simulated = read_simulated(path) is not None
    except StoreError:
        simulated = False
    if not simulated:
        raise UsageError(
            f"{path}: is there already and is no simulation, so it is left as it is: "
            "give another --db"
        )


def build_checks(settings: Settings, interval_ms: int | None) -> tuple[Check, ...]:
    """The agent's checks, none more often than ``interval_ms``."""
    return tuple(
        Check(
            id=target.name,
            kind=target.kind or "icmp",
            target=_FOUND.get(target.role, target.address)
            if target.address == "auto"
            else target.address,
            role=target.role,
            every_ms=max(target.interval_ms or 0, interval_ms or 0) or 5_000,
            timeout_ms=target.timeout_ms or 2_000,
        )
        for target in complete_targets(settings)
    )


def list_usual_rtts(checks: Sequence[Check], given: Sequence[RttScenario]) -> dict[str, UsualRtt]:
    """Each check's usual round trip: its own, else that of ``*``, else a default by its role."""
    by_target = {each.target: each for each in given}
    usual: dict[str, UsualRtt] = {}
    for check in checks:
        found = by_target.get(check.id) or by_target.get("*") or RttScenario(target="*")
        near = check.id not in by_target and check.role is Role.GATEWAY
        usual[check.id] = UsualRtt(
            base_us=600 if near else found.base_ms * 1000,
            jitter_us=200 if near else found.jitter_ms * 1000,
            loss=0.0 if near else float(found.loss),
        )
    return usual


class _Telling:
    """One story on its way into one database."""

    def __init__(
        self,
        settings: Settings,
        scenario: ScenarioFile,
        story: Story,
        connection: sqlite3.Connection,
        zone: tzinfo,
    ) -> None:
        self._story = story
        self._settings = settings
        self._scenario = scenario
        self._connection = connection
        self._zone = zone
        self._journal = Journal(connection)
        self._rng = random.Random(scenario.seed)  # noqa: S311 - samples, no secrets
        self._checks = build_checks(settings, scenario.interval_ms)
        self._ledger = tuple(expect_ledger(story))
        self._sampler = Sampler(
            story=story,
            checks=self._checks,
            usual=list_usual_rtts(self._checks, scenario.rtt),
            zone=zone,
            seed=scenario.seed,
        )
        self._observations = 0
        self._seen = False

    def tell(self, on_hour: Callable[[int], None]) -> Simulated:
        boot, boot_id, offset_ms = -1, "", 0
        lives = plan_lives(self._story)
        placed: list[tuple[AgentLife, int, int]] = []
        for life in lives:
            if life.boot != boot:
                boot, boot_id = life.boot, str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
                offset_ms = life.start_ms - _BOOTED_MS
            anchor = Anchor(
                boot_id=boot_id, monotonic_ms=life.start_ms - offset_ms, offset_ms=offset_ms
            )
            placed.append((life, self._live(life, anchor, on_hour), offset_ms))
        tests = 0
        if self._scenario.bandwidth is not None:
            tests = SimulatedTests(
                told=self._scenario.bandwidth,
                settings=self._settings.bandwidth,
                story=self._story,
                ledger=self._ledger,
                connection=self._connection,
                zone=self._zone,
                rng=self._rng,
                campaigns=self._scenario.campaign,
            ).enter(placed)
        closed = 0
        while now := close_days(self._connection, self._story.end_ms, full_days=31):
            closed += len(now)
        return Simulated(
            start_ms=self._story.start_ms,
            end_ms=self._story.end_ms,
            ledger=self._ledger,
            runs=len(lives),
            observations=self._observations,
            tests=tests,
            closed_days=closed,
        )

    def _live(self, life: AgentLife, anchor: Anchor, on_hour: Callable[[int], None]) -> int:
        """One run of the agent; returns its number."""

        def known(at_ms: int) -> Anchor | None:
            told = life.clock_from_ms is not None and at_ms >= life.clock_from_ms
            return anchor if told else None

        offset_ms = anchor.offset_ms
        run_id, _ = self._journal.begin_run(
            anchor.boot_id,
            400 + self._rng.randrange(600),
            __version__,
            life.start_ms - offset_ms,
            known(life.start_ms),
        )
        layers = self._paint(life)
        pending: list[Batch] = []
        at_ms = life.start_ms
        while at_ms < life.end_ms:
            until_ms = min(at_ms + MINUTE_MS, life.end_ms)
            observations = self._sampler.draw(at_ms, until_ms, offset_ms)
            self._observations += len(observations)
            pending.append(
                Batch(
                    run_id=run_id,
                    anchor=known(until_ms),
                    watched_to_mono_ms=until_ms - offset_ms,
                    spans=_take_spans(layers, at_ms, until_ms, offset_ms),
                    observations=tuple(observations),
                    checks=self._checks if at_ms == life.start_ms else (),
                    counters=self._count(life) if until_ms == life.end_ms else {},
                )
            )
            if len(pending) == 60 or until_ms == life.end_ms:
                self._journal.append_all(pending)
                pending = []
                on_hour(until_ms)
            at_ms = until_ms
        if life.clean:
            self._journal.end_run(run_id, life.end_ms - offset_ms, known(life.end_ms))
        return run_id

    def _paint(self, life: AgentLife) -> dict[str, list[Span]]:
        layers = paint_layers(self._story, life)
        service = [
            msgspec.structs.replace(span, cause=None) if span.verdict is Verdict.DOWN else span
            for span in layers["link"]
        ]
        for check in self._checks:
            if check.role is Role.SERVICE:
                layers[f"service:{check.id}"] = service
        return layers

    def _count(self, life: AgentLife) -> Mapping[tuple[str, str], int]:
        """The totals of a life, in its last batch."""
        within = [
            span
            for span in self._ledger
            if span.start_ms < life.end_ms and span.end_ms > life.start_ms
        ]
        within = [
            msgspec.structs.replace(
                span,
                start_ms=max(span.start_ms, life.start_ms),
                end_ms=min(span.end_ms, life.end_ms),
            )
            for span in within
        ]
        counters = {(LINK_MS, format_key(key)): ms for key, ms in sum_spans(within).items()}
        for incident in find_incidents(within):
            key = (INCIDENTS, incident.cause.value)
            counters[key] = counters.get(key, 0) + 1
        if not self._seen:
            self._seen = True
            counters |= {(SEEN, role.value): 1 for role in (Role.GATEWAY, Role.FIRST_HOP)}
        return counters


def _take_spans(
    layers: Mapping[str, list[Span]], from_ms: int, to_ms: int, offset_ms: int
) -> tuple[LayerSpan, ...]:
    """What the agent would hand over at ``to_ms``: new spans, and the open ones so far.

    A span that only goes on is handed over at its end and at every full hour.
    """
    taken: list[LayerSpan] = []
    for layer, spans in layers.items():
        while spans and spans[0].end_ms <= from_ms:
            del spans[0]
        for span in spans:
            if span.start_ms >= to_ms:
                break
            goes_on = span.start_ms < from_ms and span.end_ms > to_ms
            if goes_on and to_ms // _HOUR_MS == from_ms // _HOUR_MS:
                continue
            so_far = msgspec.structs.replace(
                span,
                start_ms=span.start_ms - offset_ms,
                end_ms=min(span.end_ms, to_ms) - offset_ms,
            )
            taken.append(LayerSpan(layer=layer, span=so_far))
    return tuple(taken)
