"""When an X.509 certificate ends, read from its bytes (RFC 5280, 4.1).

Rule of this file: bytes in, an instant out; every length is checked before it is
followed. It knows no TLS. It exists because the standard library tells the end of a
certificate only when it trusts it, and one that has expired is the one to speak of.
"""

from __future__ import annotations

from datetime import UTC, datetime

_SEQUENCE = 0x30
_INTEGER = 0x02
_VERSION = 0xA0  # [0] EXPLICIT, absent in version 1
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18


def parse_not_after(der: bytes) -> int:
    """The end of the certificate's validity, in milliseconds since 1970 (UTC).

    Raises ValueError for anything that is not a certificate up to that field.

    >>> parse_not_after(bytes([0x02, 0x01, 0x00]))
    Traceback (most recent call last):
    ValueError: not a certificate: a field of type 0x02 where 0x30 belongs
    """
    # Certificate ::= SEQUENCE { TBSCertificate ::= SEQUENCE { [0] version, serialNumber,
    #   signature, issuer, validity SEQUENCE { notBefore, notAfter }, … } … }
    start, end = _enter(der, 0, len(der), _SEQUENCE)
    start, end = _enter(der, start, end, _SEQUENCE)
    if start < end and der[start] == _VERSION:
        start = _enter(der, start, end, _VERSION)[1]
    for tag in (_INTEGER, _SEQUENCE, _SEQUENCE):  # serialNumber, signature, issuer
        start = _enter(der, start, end, tag)[1]
    start, end = _enter(der, start, end, _SEQUENCE)
    tag, _, start = _element(der, start, end)  # notBefore
    tag, first, last = _element(der, start, end)
    return parse_time(tag, der[first:last])


def parse_time(tag: int, text: bytes) -> int:
    """UTCTime (two digits of year, 1950 to 2049) or GeneralizedTime (RFC 5280, 4.1.2.5).

    >>> parse_time(0x17, b"261123120000Z"), parse_time(0x18, b"20501123120000Z")
    (1795435200000, 2552817600000)
    >>> parse_time(0x17, b"soon")
    Traceback (most recent call last):
    ValueError: not a certificate's time: b'soon'
    """
    digits = text[:-1].decode("ascii", errors="replace")
    length = {_UTC_TIME: 12, _GENERALIZED_TIME: 14}.get(tag)
    if len(digits) != length or text[-1:] != b"Z" or not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"not a certificate's time: {text[:20]!r}")
    if tag == _UTC_TIME:
        digits = ("19" if int(digits[:2]) >= 50 else "20") + digits
    fields = (int(digits[at : at + 2]) for at in range(4, 14, 2))
    month, day, hour, minute, second = fields
    instant = datetime(int(digits[:4]), month, day, hour, minute, second, tzinfo=UTC)
    return int(instant.timestamp()) * 1_000


def _enter(der: bytes, start: int, end: int, tag: int) -> tuple[int, int]:
    """Where the content of the element at ``start``, which must be of this type, begins and ends."""
    found, first, last = _element(der, start, end)
    if found != tag:
        raise ValueError(
            f"not a certificate: a field of type {found:#04x} where {tag:#04x} belongs"
        )
    return first, last


def _element(der: bytes, start: int, end: int) -> tuple[int, int, int]:
    """Type, and where the content begins and ends (X.690, 8.1)."""
    if start + 2 > end:
        raise ValueError("not a certificate: it ends too early")
    tag, length, first = der[start], der[start + 1], start + 2
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or first + size > end:
            raise ValueError("not a certificate: a length that cannot be")
        length = int.from_bytes(der[first : first + size], "big")
        first += size
    if first + length > end:
        raise ValueError("not a certificate: it ends too early")
    return tag, first, first + length
