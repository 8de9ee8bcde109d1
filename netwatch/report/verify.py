"""What is wrong with a bundle: hashes, signature, and every figure recomputed.

Rule of this file: it compares and says what it found. How a report is made from the
tables comes in as a callable; it must not know that arithmetic, nor print anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from netwatch.errors import EvidenceError
from netwatch.report.evidence import MANIFEST, SIGNATURE, Bundle, Manifest, open_bundle
from netwatch.report.sign import (
    Signature,
    build_fingerprint,
    build_raw_public,
    is_signed_by,
    parse_signature,
)

#: Makes report.json anew, as plain JSON values, from the files of a bundle.
#: Raises ``EvidenceError`` where a table cannot be read (file, line, what is wrong).
Recompute = Callable[[Bundle], object]
_SHOWN_DIFFERENCES = 50
_ABSENT = object()


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    ``kind``: container, manifest, hash, signature, recompute or figure. For a figure,
    ``where`` is its path in report.json and both values are given as JSON text.
    """

    kind: str
    where: str
    sentence: str
    reported: str | None = None
    recomputed: str | None = None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked and what was found. ``sound`` when nothing is wrong."""

    path: str
    problems: tuple[Problem, ...]
    files: int
    site: str | None = None
    month: str | None = None
    fingerprint: str | None = None  # of the key that signed; None: not signed, or not validly
    trusted: bool = False  # the signature is by the key that the caller gave

    @property
    def sound(self) -> bool:
        return not self.problems


def verify_bundle(
    path: Path, recompute: Recompute, *, key: Ed25519PublicKey | None = None
) -> Verification:
    """Check a bundle from its container to its last figure.

    All is checked even when something is wrong, so that one run tells everything.
    With ``key``, a bundle that is not signed by it is a problem; without, a valid
    signature is reported with its fingerprint and not trusted. Raises ``EvidenceError``
    for a bundle that is refused unread.
    """
    with open_bundle(path) as bundle:
        problems: list[Problem] = []
        if (repacked := bundle.find_repacking()) is not None:
            problems.append(
                Problem(
                    kind="container",
                    where=path.name,
                    sentence=f"the archive is not as netwatch writes it ({repacked}): "
                    "it was repacked or changed",
                )
            )
        text = bundle.read(MANIFEST)
        manifest = None
        try:
            manifest = msgspec.json.decode(text, type=Manifest)
        except msgspec.DecodeError as error:
            problems.append(
                Problem(
                    kind="manifest", where=MANIFEST, sentence=f"{MANIFEST} cannot be read: {error}"
                )
            )
        else:
            problems.extend(_check_hashes(bundle, manifest))
        signature, signature_problems = _check_signature(bundle, text, key)
        problems.extend(signature_problems)
        problems.extend(_check_figures(bundle, recompute))
        return Verification(
            path=str(path),
            problems=tuple(problems),
            files=len(bundle.names),
            site=manifest.site if manifest else None,
            month=manifest.month if manifest else None,
            fingerprint=signature.fingerprint if signature else None,
            trusted=signature is not None and key is not None and not signature_problems,
        )


def _check_hashes(bundle: Bundle, manifest: Manifest) -> Iterator[Problem]:
    listed = {entry.name: entry for entry in manifest.files}
    if len(listed) != len(manifest.files):
        yield Problem(kind="manifest", where=MANIFEST, sentence=f"{MANIFEST} lists a file twice")
    present = set(bundle.names) - {MANIFEST, SIGNATURE}
    for name in sorted(present - listed.keys()):
        yield Problem(kind="manifest", where=name, sentence=f"{name} is not in {MANIFEST}")
    for name, entry in sorted(listed.items()):
        if name not in present:
            yield Problem(
                kind="manifest", where=name, sentence=f"{name} is missing from the bundle"
            )
            continue
        try:
            digest, size = bundle.hash(name)
        except EvidenceError as error:
            yield Problem(kind="hash", where=name, sentence=str(error))
            continue
        if (digest, size) != (entry.sha256, entry.bytes):
            yield Problem(
                kind="hash",
                where=name,
                sentence=f"{name} was changed: {MANIFEST} has SHA-256 {entry.sha256}, "
                f"the file {digest}",
            )


def _check_signature(
    bundle: Bundle, text: bytes, key: Ed25519PublicKey | None
) -> tuple[Signature | None, list[Problem]]:
    def problem(sentence: str) -> list[Problem]:
        return [Problem(kind="signature", where=SIGNATURE, sentence=sentence)]

    if SIGNATURE not in bundle.names:
        if key is None:
            return None, []
        return None, problem("the bundle is not signed, and a key was given to check it with")
    try:
        signature = parse_signature(bundle.read(SIGNATURE))
    except (EvidenceError, ValueError) as error:
        return None, problem(f"{SIGNATURE} cannot be used: {error}")
    if not is_signed_by(text, signature, signature.public_key):
        return None, problem(f"the signature does not belong to this {MANIFEST}: one was changed")
    if key is not None and signature.public_key != (wanted := build_raw_public(key)):
        return signature, problem(
            f"signed by {signature.fingerprint}, not by the key given ({build_fingerprint(wanted)})"
        )
    return signature, []


def _check_figures(bundle: Bundle, recompute: Recompute) -> Iterator[Problem]:
    try:
        reported = msgspec.json.decode(bundle.read("report.json"))
    except (EvidenceError, msgspec.DecodeError) as error:
        yield Problem(
            kind="recompute", where="report.json", sentence=f"report.json cannot be read: {error}"
        )
        return
    try:
        recomputed = recompute(bundle)
    except EvidenceError as error:
        yield Problem(
            kind="recompute",
            where="report.json",
            sentence=f"the report cannot be recomputed from its tables: {error}",
        )
        return
    for count, (where, was, now) in enumerate(build_differences(reported, recomputed)):
        if count == _SHOWN_DIFFERENCES:
            yield Problem(
                kind="figure",
                where="report.json",
                sentence=f"more than {_SHOWN_DIFFERENCES} figures differ; the rest is not listed",
            )
            return
        yield Problem(
            kind="figure",
            where=where,
            sentence=f"{where}: the report says {was}, the evidence gives {now}",
            reported=was,
            recomputed=now,
        )


def build_differences(
    reported: object, recomputed: object, where: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Every leaf in which two JSON values differ: path, reported, recomputed (as JSON text).

    A whole number and a float of its value are the same figure; true and 1 are not.

    >>> list(build_differences({"a": [1, 2.0]}, {"a": [1, 2], "b": None}))
    [('b', 'absent', 'null')]
    >>> list(build_differences({"incidents": [{"ms": 5}]}, {"incidents": [{"ms": 6}]}))
    [('incidents[0].ms', '5', '6')]
    """
    if isinstance(reported, Mapping) and isinstance(recomputed, Mapping):
        for key in dict.fromkeys([*reported, *recomputed]):
            path = f"{where}.{key}" if where else str(key)
            yield from build_differences(
                reported.get(key, _ABSENT), recomputed.get(key, _ABSENT), path
            )
    elif _is_list(reported) and _is_list(recomputed):
        for index in range(max(len(reported), len(recomputed))):  # type: ignore[arg-type]  # _is_list has seen that both have a length
            yield from build_differences(
                _at(reported, index), _at(recomputed, index), f"{where}[{index}]"
            )
    elif not _same(reported, recomputed):
        yield where or "report", _show(reported), _show(recomputed)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _at(values: object, index: int) -> object:
    assert isinstance(values, Sequence)
    return values[index] if index < len(values) else _ABSENT


def _same(one: object, other: object) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        # JSON has one kind of number; the last bit of a double is not a figure.
        return one == other or math.isclose(one, other, rel_tol=1e-12)
    return type(one) is type(other) and one == other


def _show(value: object) -> str:
    if value is _ABSENT:
        return "absent"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 120 else text[:117] + "…"
