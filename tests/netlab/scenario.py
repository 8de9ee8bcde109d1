"""A fault is played, and the agent's ledger is laid beside the truth.

Rule of this file: the truth is what the lab says of its own faults; the ledger is what
the agent wrote. Comparing them (`find_problems`) is pure.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.netlab.agent import Agent, Entry
from tests.netlab.lab import Lab, now_ms

#: How much of the ledger before and after a fault is read with it.
_BEFORE_MS, _AFTER_MS = 3_000.0, 5_000.0


class Stretch(NamedTuple):
    """A time in which a fault was on (monotonic ms): the truth."""

    on_ms: float
    off_ms: float


class Story(NamedTuple):
    """A fault, how long it lasts and how often, and what the ledger must then say.

    ``verdict`` and ``cause`` are those of the time in which the fault is on; for
    ``up`` nothing but up may stand from before the first to after the last of it.
    ``within_ms`` holds for the beginning and the end of each entry; None leaves the
    instants free (a loss is seen when it is seen).
    """

    name: str
    fault: str
    seconds: float
    verdict: str
    cause: str | None = None
    reason: str | None = None
    within_ms: float | None = 1_000.0
    times: int = 1
    pause_s: float = 0.0
    ipv6: str | None = None  # what its own timeline says while the fault is on
    every: bool = True  # whether each stretch must be found, or may be too short to be confirmed

    @property
    def expected(self) -> str:
        """``down/access``, ``up``."""
        return f"{self.verdict}/{self.cause}" if self.cause else self.verdict


class Suite(NamedTuple):
    """One agent with its settings, and the stories that it lives through in turn."""

    name: str
    stories: tuple[Story, ...]
    settings: Mapping[str, Any] = {}


class Result(NamedTuple):
    """What happened: the truth, the ledger around it, and what is wrong with the latter."""

    story: Story
    truth: tuple[Stretch, ...]
    ledger: tuple[Entry, ...]
    ipv6: str | None
    problems: tuple[str, ...]

    @property
    def errors_ms(self) -> list[tuple[float, float]]:
        """(start, end) of each found entry less the truth's."""
        pairs = match_entries(self.story, self.truth, self.ledger)
        return [
            (entry.start_ms - stretch.on_ms, entry.end_ms - stretch.off_ms)
            for stretch, entry in pairs
            if entry is not None
        ]


def play_suite(suite: Suite, folder: Path) -> Iterator[Result]:
    """Each story's result as it ends, all in one new lab; the agent's files go to ``folder``."""
    with Lab() as lab, Agent(lab, lab.write_config(folder, **suite.settings)) as agent:
        for story in suite.stories:
            yield play(lab, agent, story)


def play(lab: Lab, agent: Agent, story: Story) -> Result:
    """Plays one story on an agent that is at rest, and waits until it is again."""
    agent.wait_until(agent.is_settled, 60, "is not up with all its targets answering")
    time.sleep(_BEFORE_MS / 1_000)
    truth, ipv6 = [], None
    for turn in range(story.times):
        if turn:
            time.sleep(story.pause_s)
        on_ms = lab.on(story.fault)
        time.sleep(story.seconds)
        ipv6 = agent.read_link()["ipv6"]
        truth.append(Stretch(on_ms, lab.off(story.fault)))
    agent.wait_until(agent.is_settled, 90, f"is not up again after {story.name}")
    ledger = read_settled(agent, truth[0].on_ms - _BEFORE_MS, truth[-1].off_ms + _AFTER_MS)
    problems = find_problems(story, truth, ledger, ipv6)
    return Result(story, tuple(truth), tuple(ledger), ipv6, tuple(problems))


def read_settled(agent: Agent, from_ms: float, to_ms: float) -> list[Entry]:
    """The ledger of a time once nothing more can be entered in it (LabError after 30 s)."""
    ledger: list[Entry] = []

    def is_entered() -> bool:
        if now_ms() < to_ms:
            return False
        ledger[:] = agent.read_ledger(from_ms, to_ms)
        return ledger[-1].reason != "unrecorded"

    agent.wait_until(is_entered, 30, "has not entered everything")
    return ledger


def match_entries(
    story: Story,
    truth: tuple[Stretch, ...] | list[Stretch],
    ledger: tuple[Entry, ...] | list[Entry],
) -> list[tuple[Stretch, Entry | None]]:
    """Each stretch with the entry of the expected verdict and cause that overlaps it most."""
    pairs: list[tuple[Stretch, Entry | None]] = []
    for stretch in truth:
        overlapping = [
            (min(entry.end_ms, stretch.off_ms) - max(entry.start_ms, stretch.on_ms), entry)
            for entry in ledger
            if entry.label == story.expected
        ]
        shared_ms, entry = max(overlapping, key=lambda pair: pair[0], default=(0.0, None))
        pairs.append((stretch, entry if shared_ms > 0 else None))
    return pairs


def find_problems(
    story: Story, truth: list[Stretch], ledger: list[Entry], ipv6: str | None = None
) -> list[str]:
    """What the ledger says that is not so, one line each; nothing when it is right.

    >>> story = Story("cut", "fibre_cut", 3, "down", "access")
    >>> cut = [Stretch(1_000.0, 4_000.0)]
    >>> find_problems(story, cut, [Entry("down", "access", None, 1_400, 4_100)])
    []
    >>> find_problems(story, cut, [Entry("down", "access", None, 1_400, 5_100)])
    ['ended +1100 ms from the truth']
    >>> find_problems(story, cut, [Entry("up", None, None, 0, 9_000)])
    ['down/access was not found']
    """
    problems = []
    if story.ipv6 is not None and ipv6 != story.ipv6:
        problems.append(f"ipv6 was {ipv6}, not {story.ipv6}")
    # What else the ledger says must be up: no other verdict, cause or additional outage.
    pairs = match_entries(story, truth, ledger)
    found = {entry for _, entry in pairs}
    for entry in ledger:
        if entry.label != "up" and entry not in found and not is_allowed(story, truth, entry):
            where = f"{entry.start_ms - truth[0].on_ms:+.0f} ms"
            length = f"{entry.end_ms - entry.start_ms:.0f} ms"
            problems.append(f"{entry.label} ({entry.reason}) for {length}, {where} from the start")
    if story.verdict == "up":
        return problems
    for stretch, match in pairs:
        if match is None:
            if story.every:
                problems.append(f"{story.expected} was not found")
            continue
        if story.reason is not None and match.reason != story.reason:
            problems.append(f"the reason was {match.reason}, not {story.reason}")
        if story.within_ms is None:
            continue
        start_ms, end_ms = match.start_ms - stretch.on_ms, match.end_ms - stretch.off_ms
        if abs(start_ms) > story.within_ms:
            problems.append(f"began {start_ms:+.0f} ms from the truth")
        if abs(end_ms) > story.within_ms:
            problems.append(f"ended {end_ms:+.0f} ms from the truth")
    return problems


def is_allowed(story: Story, truth: list[Stretch], entry: Entry) -> bool:
    """Whether an entry beside the expected one is no fault.

    A degradation may come in pieces (windows in which nothing was lost). A fault of our
    own leaves the verdict unknown, with the same reason, until a probe has spoken.
    """
    inside = any(
        entry.end_ms > stretch.on_ms and entry.start_ms < stretch.off_ms + 1_000
        for stretch in truth
    )
    return inside and story.verdict in ("degraded", "unknown") and entry.label == story.expected
