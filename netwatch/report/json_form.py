"""The report's JSON: the form that every other is checked against.

Rule of this file: bytes from a `Report` and back, nothing else.
"""

from __future__ import annotations

from fractions import Fraction

import msgspec

from netwatch.report.model import Report


def encode_report(report: Report) -> bytes:
    """The report as indented UTF-8 JSON, equal reports to equal bytes."""
    return encode_part(report)


def encode_part(part: msgspec.Struct) -> bytes:
    """The same of one struct of the model."""
    encoder = msgspec.json.Encoder(enc_hook=_encode, order="deterministic")
    return msgspec.json.format(encoder.encode(part), indent=2) + b"\n"


def decode_report(data: bytes) -> Report:
    """The report of a JSON text; shares come back as the fractions of its numbers.

    Raises `msgspec.ValidationError` when it is not a report of this schema.
    """
    return msgspec.json.Decoder(Report, dec_hook=_decode).decode(data)


def _encode(value: object) -> float:
    if isinstance(value, Fraction):
        return float(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in report.json")


def _decode(kind: type, value: object) -> Fraction:
    if kind is Fraction and isinstance(value, int | float):
        return Fraction(value)
    raise NotImplementedError(f"{kind.__name__} has no form in report.json")
