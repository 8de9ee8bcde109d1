"""The agent's ledger against the truth, for every fault that the lab can play."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.netlab.agent import Entry
from tests.netlab.faults import FAULTS
from tests.netlab.scenario import Result, Story, Stretch, Suite, find_problems, play_suite
from tests.netlab.stories import SUITES

_STORIES = [story for suite in SUITES for story in suite.stories]


def fulfil(suite: Suite, folder: Path, futures: dict[str, Future[Result]]) -> None:
    """Plays the stories of one suite, each result into its future."""
    try:
        for result in play_suite(suite, folder):
            futures[result.story.name].set_result(result)
    except BaseException as error:  # noqa: BLE001 -- every test of the suite tells it
        for story in suite.stories:
            if not futures[story.name].done():
                futures[story.name].set_exception(error)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Result]]]:
    """All stories, played side by side: two processors serve three labs."""
    futures: dict[str, Future[Result]] = {story.name: Future() for story in _STORIES}
    with ThreadPoolExecutor(3) as pool:
        for suite in SUITES:
            pool.submit(fulfil, suite, tmp_path_factory.mktemp(suite.name), futures)
        yield futures


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("story", _STORIES, ids=lambda story: story.name)
def test_the_ledger_tells_the_truth_of(story: Story, results: dict[str, Future[Result]]) -> None:
    result = results[story.name].result()
    assert not result.problems, (result.problems, result.truth, result.ledger)


def test_every_fault_of_the_lab_is_played() -> None:
    assert {story.fault for story in _STORIES} == set(FAULTS)


_CUT = Story("cut", "fibre_cut", 10, "down", "access")
_TRUTH = [Stretch(10_000.0, 20_000.0)]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (Entry("down", "gateway", None, 10_000, 20_000), "down/access was not found"),
        (Entry("down", "access", None, 11_200, 20_000), "began +1200 ms from the truth"),
        (Entry("down", "access", None, 8_900, 20_000), "began -1100 ms from the truth"),
        (Entry("down", "access", None, 10_000, 18_500), "ended -1500 ms from the truth"),
    ],
)
def test_a_wrong_entry_is_told(entry: Entry, problem: str) -> None:
    assert problem in find_problems(_CUT, _TRUTH, [entry])


def test_an_outage_beside_the_true_one_is_told() -> None:
    right = Entry("down", "access", None, 10_100, 20_100)
    more = Entry("down", "dns", None, 20_100, 22_100)
    assert find_problems(_CUT, _TRUTH, [right]) == []
    assert find_problems(_CUT, _TRUTH, [right, more]) == [
        "down/dns (None) for 2000 ms, +10100 ms from the start"
    ]


def test_nothing_but_up_is_taken_for_up() -> None:
    story = Story("host", "one_host_down", 10, "up")
    assert find_problems(story, _TRUTH, [Entry("up", None, None, 0, 30_000)]) == []
    for entry in (
        Entry("degraded", "loss", None, 10_000, 12_000),
        Entry("unknown", "agent", "stalled", 10_000, 12_000),
    ):
        assert find_problems(story, _TRUTH, [entry])


def test_a_degradation_may_come_in_pieces_but_not_outside_the_fault() -> None:
    story = Story("loss", "loss", 10, "degraded", "loss", within_ms=None)
    pieces = [
        Entry("degraded", "loss", None, 10_000, 13_000),
        Entry("degraded", "loss", None, 15_000, 20_000),
    ]
    assert find_problems(story, _TRUTH, pieces) == []
    late = Entry("degraded", "loss", None, 25_000, 28_000)
    assert find_problems(story, _TRUTH, [*pieces, late]) == [
        "degraded/loss (None) for 3000 ms, +15000 ms from the start"
    ]


def test_what_ipv6s_own_timeline_says_counts() -> None:
    story = Story("v6", "ipv6_dead", 10, "up", ipv6="down")
    up = [Entry("up", None, None, 0, 30_000)]
    assert find_problems(story, _TRUTH, up, "down") == []
    assert find_problems(story, _TRUTH, up, "up") == ["ipv6 was up, not down"]
