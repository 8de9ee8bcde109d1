"""Quantities come back as they went."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.config.notes import Refused
from netwatch.config.units import (
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_money,
    parse_rate,
    parse_size,
)


@settings(deadline=None)
@given(st.integers(0, 10**14))
def test_a_duration_is_read_back_as_it_was_written(milliseconds: int) -> None:
    """format_duration and parse_duration are inverse."""
    assert parse_duration(format_duration(milliseconds)) == milliseconds


@settings(deadline=None)
@given(st.integers(0, 10**14))
def test_a_rate_and_a_size_are_read_back_as_they_were_written(number: int) -> None:
    """The same for bytes per second and bytes."""
    assert parse_rate(format_rate(number)) == number
    assert parse_size(format_size(number)) == number


@pytest.mark.parametrize(
    ("text", "bytes_per_second"),
    [
        ("100 Mbit/s", 12_500_000),
        ("1 Gbit/s", 125_000_000),
        ("500 kbit/s", 62_500),
        ("12MB/s", 12_000_000),
    ],
)
def test_rates_are_decimal_and_eight_bits_make_a_byte(text: str, bytes_per_second: int) -> None:
    """As operators write them."""
    assert parse_rate(text) == bytes_per_second


@settings(deadline=None)
@given(st.one_of(st.text(), st.integers(), st.none(), st.floats(), st.lists(st.integers())))
def test_anything_else_is_refused_and_never_breaks(value: object) -> None:
    """Refused is the only exception of the four, and it shows what was given in one line."""
    for parse in (parse_duration, parse_rate, parse_size, parse_money):
        told = ""
        try:
            parse(value)
        except Refused as refused:
            told = str(refused)
        assert told.isprintable()
