"""Round trips counted by stretch: the same as if each probe were looked at."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.core.round_trips import RoundTripCount, StretchCount
from netwatch.errors import StoreCorrupt
from netwatch.records import Observation, Outcome
from netwatch.store.probes import read_probes
from netwatch.store.queries import Reader
from netwatch.store.rtt_counts import count_round_trips
from tests.adapters.store_samples import OFFSET_MS, answered, lost
from tests.adapters.test_store_probes import MINUTE, make_reader

LAST = 40 * MINUTE
Found = dict[tuple[int, str], tuple[dict[int, int], int]]


def list_found(counted: list[StretchCount]) -> Found:
    """Each stretch's counts by value, and what was lost."""
    found: Found = {}
    for each in counted:
        assert list(each.values) == sorted(set(each.values))
        found[each.start_ms, each.target] = (
            dict(zip(each.values, each.counts, strict=True)),
            each.lost,
        )
    assert len(found) == len(counted)
    return found


def count_singly(reader: Reader, stretches: list[tuple[int, int]], checks: set[str]) -> Found:
    """The slow reference: every probe of each stretch by itself."""
    found: Found = {}
    for start_ms, end_ms in stretches:
        values: dict[str, Counter[int]] = {}
        missing: Counter[str] = Counter()
        for _, name, rtt_us in read_probes(reader, start_ms, end_ms, checks):
            values.setdefault(name, Counter())
            if rtt_us is None:
                missing[name] += 1
            else:
                values[name][rtt_us] += 1
        for name, counts in values.items():
            found[start_ms, name] = (dict(counts), missing[name])
    return found


def make_minutes(dice: random.Random) -> list[list[Observation]]:
    """What each of forty minutes brought: answers of every width, losses, and what is neither."""
    made = []
    for number in range(40):
        own = []
        for name in ("box", "far", "other"):
            for second in range(0, 60, dice.choice([7, 20, 61])):
                at_ms = number * MINUTE + second * 1_000 + dice.randrange(4)
                kind = dice.choice(["near", "near", "near", "same", "wide", "lost", "unsure"])
                if kind == "lost":
                    own.append(lost(name, at_ms))
                elif kind == "unsure":
                    unsure = lost(name, at_ms)
                    own.append(msgspec.structs.replace(unsure, outcome=Outcome.UNKNOWN))
                else:
                    top = {"near": 250, "same": 1, "wide": 5_000_000}[kind]
                    own.append(answered(name, at_ms, 900 + dice.randrange(top)))
        made.append(own)
    return made


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, LAST), min_size=2, max_size=6, unique=True))
def test_stretches_count_what_single_probes_are(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: list[int]
) -> None:
    """Whether a row lies within a stretch or over its edge, nothing is missed or twice there."""
    observed = make_minutes(random.Random(seed))
    reader = make_reader(
        tmp_path_factory.mktemp("books"),
        *(((number + 1) * MINUTE, own, OFFSET_MS) for number, own in enumerate(observed)),
    )
    edges = [OFFSET_MS + cut for cut in sorted(cuts)]
    stretches = [
        (start, end) for index, (start, end) in enumerate(pairwise(edges))
        if index != 1  # a hole between two
    ]  # fmt: skip
    checks = {"box", "far"}
    found = list_found(list(count_round_trips(reader, stretches, checks)))
    assert found == count_singly(reader, stretches, checks)


def test_an_hour_lived_twice_counts_once(tmp_path: Path) -> None:
    """After the clock was put back by two hours, the first reading of them stands."""
    back = OFFSET_MS - 120 * MINUTE
    reader = make_reader(
        tmp_path,
        *(
            (
                (number + 1) * MINUTE,
                [answered("box", number * MINUTE, 1_000 + number)],
                OFFSET_MS if number < 180 else back,
            )
            for number in range(360)
        ),
    )
    [counted] = count_round_trips(reader, [(OFFSET_MS, OFFSET_MS + 400 * MINUTE)], {"box"})
    values = list(counted.values)
    assert values[:180] == list(range(1_000, 1_180))
    assert 238 <= len(values) <= 243  # of the minutes around the step, two or three twice
    assert set(counted.counts) == {1}


def test_a_check_that_was_defined_again_is_one_target(tmp_path: Path) -> None:
    """Its rows carry two numbers and one name."""
    reader = make_reader(
        tmp_path,
        (MINUTE, [answered("box", 1_000, 700)], OFFSET_MS),
        (2 * MINUTE, [answered("box", 61_000, 800)], OFFSET_MS),
    )
    [counted] = count_round_trips(reader, [(OFFSET_MS, OFFSET_MS + 2 * MINUTE)], {"box"})
    assert list(counted.values) == [700, 800]


def test_stretches_that_overlap_and_books_without_probes(tmp_path: Path) -> None:
    """The first are refused; of the others nothing is told."""
    reader = make_reader(tmp_path, (MINUTE, [], OFFSET_MS))
    with pytest.raises(ValueError, match="must ascend and not overlap"):
        list(count_round_trips(reader, [(0, 10), (9, 20)], {"box"}))
    assert list(count_round_trips(reader, [(0, 10)], {"box"})) == []
    assert list(count_round_trips(reader, [], {"box"})) == []


def test_a_damaged_block_is_refused() -> None:
    """Bytes that are no block are never half believed."""
    with pytest.raises(StoreCorrupt):
        RoundTripCount({1: "box"}).add_block(b"\x01no block")
