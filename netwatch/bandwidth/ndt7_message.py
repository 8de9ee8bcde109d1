"""What an ndt7 server says of an upload, and whether it can be true.

Rule of this file: pure arithmetic over the server's measurement messages and what our own
kernel saw acknowledged. It knows no socket and no clock.
"""

from __future__ import annotations

import msgspec

#: JSON numbers beyond this are no counters (RFC 8259, 6).
_COUNT_LIMIT = 2**53


class _AppInfo(msgspec.Struct, frozen=True):
    ElapsedTime: int | None = None  # us
    NumBytes: int | None = None


class _TcpInfo(msgspec.Struct, frozen=True):
    ElapsedTime: int | None = None  # us
    BytesReceived: int | None = None


class _Measurement(msgspec.Struct, frozen=True):
    AppInfo: _AppInfo | None = None
    TCPInfo: _TcpInfo | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the server, and what we knew when it came."""

    at_ms: int  # of our clock, when it came
    elapsed_us: int  # of the server's
    received_bytes: int  # as the server says
    acknowledged_bytes: int  # as our kernel says
    by_application: bool  # True: payload (AppInfo); False: with TLS and framing (TCPInfo)


class UploadRate(msgspec.Struct, frozen=True, kw_only=True):
    bytes_per_second: int
    from_ms: int
    to_ms: int


def parse_claim(text: bytes, *, at_ms: int, acknowledged_bytes: int) -> Claim | None:
    """What a text message says arrived; None where it says nothing of that.

    The application's count is taken where there is one, else TCP's. Raises ValueError, with
    a sentence, for what is not a measurement of ndt7 v0.11.

    >>> claim = parse_claim(b'{"TCPInfo":{"ElapsedTime":250000,"BytesReceived":9000}}',
    ...     at_ms=1, acknowledged_bytes=9000)
    >>> claim.elapsed_us, claim.received_bytes, claim.by_application
    (250000, 9000, False)
    >>> parse_claim(b"[]", at_ms=1, acknowledged_bytes=0)
    Traceback (most recent call last):
    ValueError: a measurement of the server is not as the protocol has it: Expected `object`, got `array`
    """
    try:
        said = msgspec.json.decode(text, type=_Measurement)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(
            f"a measurement of the server is not as the protocol has it: {error}"
        ) from error
    application = said.AppInfo is not None and bool(said.AppInfo.NumBytes)
    if application and said.AppInfo is not None:
        elapsed_us, received = said.AppInfo.ElapsedTime, said.AppInfo.NumBytes
    elif said.TCPInfo is not None:
        elapsed_us, received = said.TCPInfo.ElapsedTime, said.TCPInfo.BytesReceived
    else:
        return None
    if elapsed_us is None or received is None:
        return None
    if not (0 <= elapsed_us < _COUNT_LIMIT and 0 <= received < _COUNT_LIMIT):
        raise ValueError("a measurement of the server has a count that is none")
    return Claim(
        at_ms=at_ms,
        elapsed_us=elapsed_us,
        received_bytes=received,
        acknowledged_bytes=acknowledged_bytes,
        by_application=application,
    )


def compute_upload_rate(first: Claim, last: Claim) -> UploadRate:
    """The goodput between two claims of one kind, by the server's own count and clock.

    Raises ValueError, with a sentence, when the claims go backwards, or when the rate is not
    what our own kernel saw acknowledged meanwhile, give or take a tenth, what goes over in a
    quarter of a second (a message may be that late) and a mebibyte: the count is the server's,
    but no server makes a line faster than it is.

    >>> def claim(at_ms, received):
    ...     return Claim(at_ms=at_ms, elapsed_us=at_ms * 1000, received_bytes=received,
    ...         acknowledged_bytes=5_000_000 * at_ms // 1000, by_application=True)
    >>> compute_upload_rate(claim(2000, 10_000_000), claim(10_000, 50_000_000)).bytes_per_second
    5000000
    >>> compute_upload_rate(claim(2000, 10_000_000), claim(10_000, 90_000_000))
    Traceback (most recent call last):
    ValueError: the server counts 10000000 bytes/s, our own kernel 5000000: they cannot both be right
    """
    elapsed_us = last.elapsed_us - first.elapsed_us
    received = last.received_bytes - first.received_bytes
    if elapsed_us <= 0 or received < 0:
        raise ValueError("the measurements of the server go backwards")
    seen_ms = last.at_ms - first.at_ms
    rate = received * 1_000_000 // elapsed_us
    if seen_ms > 0:
        seen_rate = (last.acknowledged_bytes - first.acknowledged_bytes) * 1_000 // seen_ms
        slack = seen_rate // 10 + (seen_rate // 4 + 2**20) * 1_000 // seen_ms
        if abs(rate - seen_rate) > slack:
            raise ValueError(
                f"the server counts {rate} bytes/s, our own kernel {seen_rate}: "
                "they cannot both be right"
            )
    return UploadRate(bytes_per_second=rate, from_ms=first.at_ms, to_ms=last.at_ms)


def choose_message_bytes(present: int, sent_bytes: int, limit: int) -> int:
    """The size of the next binary message: doubled while under 1/16 of what was sent (v0.11).

    >>> choose_message_bytes(8192, 131_072, 2**20), choose_message_bytes(8192, 262_145, 2**20)
    (8192, 16384)
    >>> choose_message_bytes(2**20, 2**40, 2**20)
    1048576
    """
    if present * 2 <= limit and present * 16 < sent_bytes:
        return present * 2
    return present
