"""Blocks of observations: exact round trip, refusal of everything else, small size."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.minute_block import VERSION
from netwatch.core.minute_columns import unpack_series
from netwatch.core.packing import LIMIT, pack_minute, unpack_minute
from netwatch.errors import StoreCorrupt
from netwatch.records import Observation, Outcome

NAMES = {1: "box", 2: "école", 7: "", 900: "x" * 63}
NUMBERS = {name: number for number, name in NAMES.items()}

_INTEGERS = st.integers(-LIMIT, LIMIT) | st.integers(0, 5_000_000)
_REASONS = st.none() | st.sampled_from(["", "timeout", "no_route"]) | st.text(max_size=20)
_MEASURES = st.dictionaries(
    st.sampled_from(["rtt_us", "response_code", "ttfb_us", "", "durée_µs"]), _INTEGERS, max_size=4
)
_OBSERVATIONS = st.builds(
    Observation,
    check_id=st.sampled_from(sorted(NUMBERS)),
    due_ms=_INTEGERS,
    started_ms=_INTEGERS,
    elapsed_ms=_INTEGERS,
    outcome=st.sampled_from(Outcome),
    reason=_REASONS,
    measures=_MEASURES,
)


def in_order(observations: list[Observation]) -> list[Observation]:
    """By due time, check and start as `unpack_minute` has it, then by all else."""
    return sorted(
        observations,
        key=lambda each: (
            each.due_ms,
            each.check_id,
            each.started_ms,
            each.elapsed_ms,
            each.outcome.value,
            repr(each.reason),
            sorted(each.measures.items()),
        ),
    )


def ordinary_minute() -> list[Observation]:
    """A minute at defaults: eight ICMP targets every 5 s and one resolver every second."""
    chance = random.Random(7)
    minute: list[Observation] = []
    for target in range(8):
        for due_ms in range(600_000 + 617 * target, 660_000, 5_000):
            rtt_us = int(4_000 * (target + 1) + chance.lognormvariate(0, 1) * 1_000)
            minute.append(_answered(f"target-{target}", due_ms, rtt_us))
    minute += [
        _answered("resolver", due_ms, int(1_500 + chance.lognormvariate(0, 1) * 900))
        for due_ms in range(600_333, 660_000, 1_000)
    ]
    return minute


def _answered(name: str, due_ms: int, rtt_us: int) -> Observation:
    return Observation(
        check_id=name,
        due_ms=due_ms,
        started_ms=due_ms,
        elapsed_ms=rtt_us // 1000,
        outcome=Outcome.ANSWERED,
        measures={"rtt_us": rtt_us},
    )


@given(st.lists(_OBSERVATIONS, max_size=30))
def test_what_is_packed_comes_back_exactly(observations: list[Observation]) -> None:
    """Whatever was observed is read back equal, ordered by due time, check and start."""
    unpacked = unpack_minute(pack_minute(observations, NUMBERS), NAMES)
    assert in_order(unpacked) == in_order(observations)
    keys = [(each.due_ms, each.check_id, each.started_ms) for each in unpacked]
    assert keys == sorted(keys)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_block_or_refused(garbage: bytes) -> None:
    """Bytes that nobody packed raise StoreCorrupt and nothing else."""
    with pytest.raises(StoreCorrupt):
        unpack_minute(garbage, NAMES)


@given(
    st.recursive(
        st.none() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=9) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=12),
        max_leaves=40,
    )
)
def test_a_sound_stream_of_something_else_is_refused(value: object) -> None:
    """A block whose stream is intact but says something else raises StoreCorrupt and nothing else."""
    import msgspec

    from netwatch.core import minute_block

    compressor = zlib.compressobj(zdict=minute_block._WORDS)
    stream = compressor.compress(msgspec.msgpack.encode([0, [value]])) + compressor.flush()
    with pytest.raises(StoreCorrupt):
        unpack_minute(bytes([VERSION]) + stream, NAMES)


def test_every_flipped_bit_is_found() -> None:
    """No single flipped bit changes what is read; only filling bits may flip unnoticed."""
    observation = _answered("box", 5_000, 2_950)
    block = pack_minute([observation], NUMBERS)
    unnoticed = 0
    for position in range(len(block) * 8):
        flipped = bytearray(block)
        flipped[position // 8] ^= 1 << position % 8
        try:
            assert unpack_minute(bytes(flipped), NAMES) == [observation]
        except StoreCorrupt:
            continue
        unnoticed += 1
    assert unnoticed < 8  # a deflate stream is filled up to a whole byte


def test_every_truncation_is_found() -> None:
    """A block cut short anywhere, or with a byte behind its end, is refused."""
    block = pack_minute([_answered("box", 5_000, 2_950)], NUMBERS)
    for cut in [block[:length] for length in range(len(block))] + [block + b"\0"]:
        with pytest.raises(StoreCorrupt):
            unpack_minute(cut, NAMES)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (b"", "observation block: empty"),
        (b"\x09abc", "observation block: version 9 is not known, 1 is"),
    ],
)
def test_refusals_say_what_is_wrong(block: bytes, message: str) -> None:
    """The message names the fault."""
    with pytest.raises(StoreCorrupt) as caught:
        unpack_minute(block, NAMES)
    assert str(caught.value) == message


def test_a_check_without_definition_is_refused() -> None:
    """A number that stands for nothing is a damaged database, not a missing row."""
    block = pack_minute([_answered("box", 5_000, 2_950)], NUMBERS)
    with pytest.raises(StoreCorrupt, match="check 1 is not defined"):
        unpack_minute(block, {})


def test_a_bomb_is_refused() -> None:
    """A block that says it holds millions of observations is refused before they are made."""
    import msgspec

    from netwatch.core import minute_block

    column = [[0], 0, b""]
    group = [0, None, [], [1], [50_000_000], [0], column, column, column, []]
    compressor = zlib.compressobj(zdict=minute_block._WORDS)
    stream = compressor.compress(msgspec.msgpack.encode([0, [group]])) + compressor.flush()
    with pytest.raises(StoreCorrupt, match="more than 200000 observations"):
        unpack_series(bytes([VERSION]) + stream)


def test_integers_beyond_the_limit_are_refused_by_name() -> None:
    """An integer that no block holds is a ValueError that names the check."""
    with pytest.raises(ValueError, match="box: an integer beyond"):
        pack_minute([_answered("box", 5_000, LIMIT + 1)], NUMBERS)


def test_an_ordinary_minute_is_small() -> None:
    """A minute at defaults takes at most 560 bytes: 320 MB in thirteen months."""
    minute = ordinary_minute()
    numbers = {name: number for number, name in enumerate({each.check_id for each in minute})}
    assert len(minute) == 156
    assert len(pack_minute(minute, numbers)) <= 560
