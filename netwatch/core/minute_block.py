"""How a minute's block lies on the disk: its version, its words, its parts.

Rule of this file: bytes that are not a sound block are refused, never half believed;
nothing of version 1 is ever edited. It knows the parts and not what observations are made
of them (`packing`, `minute_columns`).

A block is one version byte and a zlib stream (whose checksum finds flipped bits) of
a MessagePack array. Observations that share outcome, reason and kinds of measures
form a group; a group is stored by columns, each less the smallest value of its check,
and split into byte planes: round-trip times of one target differ in their low bytes
alone, so the high ones compress to nothing (docs/decisions/0004-store.md).
"""

from __future__ import annotations

import zlib

import msgspec

from netwatch.core.columns import Column
from netwatch.errors import StoreCorrupt
from netwatch.records import Outcome

VERSION = 1
_MAX_BYTES = 8_000_000
_MAX_OBSERVATIONS = 200_000
#: Words that a block is likely to have, known to both sides. Part of version 1: never edited.
_WORDS = (
    b"skippedunknownfailedoverlapquiet_hoursdata_budgetbusy_linkmissedstallednot_permitted"
    b"certificate_expires_msresponse_codestatusbytesttfb_usconnect_ustls_usdns_ussend_late_us"
    b"send_failedrefusedno_routeunreachabletimeoutansweredrtt_us"
)
OUTCOMES = (Outcome.ANSWERED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.SKIPPED)
CODES = {outcome: code for code, outcome in enumerate(OUTCOMES)}


class Group(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Observations that share outcome, reason and kinds of measures, by columns."""

    outcome: int
    reason: str | None
    keys: list[str]
    numbers: list[int]  # of the checks, each with so many observations:
    counts: list[int]
    first_due: list[int]  # of each check, from the block's base
    due_steps: Column
    lags: Column  # started less due
    elapsed: Column  # less the whole milliseconds of rtt_us, where there is one
    measures: list[Column]


class Block(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that one commit brought in; instants are counted from ``base_ms`` (monotonic)."""

    base_ms: int
    groups: list[Group]


_DECODER = msgspec.msgpack.Decoder(Block)
_ENCODER = msgspec.msgpack.Encoder()


def encode_block(block: Block) -> bytes:
    """A block as the bytes that `decode_block` reads.

    >>> decode_block(encode_block(Block(5_000, []))) == Block(5_000, [])
    True
    """
    compressor = zlib.compressobj(9, zdict=_WORDS)
    packed = compressor.compress(_ENCODER.encode(block)) + compressor.flush()
    return bytes([VERSION]) + packed


def decode_block(block: bytes) -> Block:
    """The parts of a block, not looked into; raises StoreCorrupt for bytes that are no sound block."""
    if not block:
        raise StoreCorrupt("observation block: empty")
    if block[0] != VERSION:
        raise StoreCorrupt(f"observation block: version {block[0]} is not known, {VERSION} is")
    decompressor = zlib.decompressobj(zdict=_WORDS)
    try:
        plain = decompressor.decompress(block[1:], _MAX_BYTES)
    except zlib.error as error:
        raise StoreCorrupt(f"observation block: {error}") from error
    if not decompressor.eof or decompressor.unused_data:
        raise StoreCorrupt("observation block: cut short, or with something behind its end")
    try:
        decoded = _DECODER.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"observation block: {error}") from error
    total = 0
    for group in decoded.groups:
        if group.counts and min(group.counts) < 1:
            raise StoreCorrupt("observation block: a check without observation")
        total += sum(group.counts)
    if total > _MAX_OBSERVATIONS:
        raise StoreCorrupt(f"observation block: more than {_MAX_OBSERVATIONS} observations")
    return decoded


def refuse_misfit(error: Exception) -> StoreCorrupt:
    """What is raised for parts that are sound each and do not fit together."""
    return StoreCorrupt(f"observation block: its parts do not fit together ({error})")
