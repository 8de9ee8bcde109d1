"""Times as people type them: in the site's zone, read to the instant or refused.

Rule of this file: pure. A local time that a clock change skips or repeats is no instant
and is refused with what to write instead; nothing is guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from netwatch.core.calendars import local_time
from netwatch.errors import UsageError

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_instant(text: str, zone: ZoneInfo, option: str) -> int:
    """UTC milliseconds of ``2026-10-24 03:00``, in the zone unless it brings an offset or Z.

    Raises UsageError that begins with ``option``.

    >>> parse_instant("2026-10-01 02:00", ZoneInfo("Europe/Paris"), "--from")
    1790812800000
    >>> parse_instant("2026-10-01T00:00:00Z", ZoneInfo("Europe/Paris"), "--from")
    1790812800000
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f'{option}: must be a date and time like "2026-10-24 03:00", got {text!r}'
        ) from None
    if moment.tzinfo is not None:
        return _milliseconds(moment)
    first, second = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return _milliseconds(first)
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise UsageError(
            f"{option}: {text} does not exist in {zone.key}: the clocks were put forward then"
        )
    early, late = (each.isoformat(sep=" ", timespec="minutes") for each in (first, second))
    raise UsageError(
        f"{option}: {text} comes twice in {zone.key}: the clocks were put back then: "
        f'write "{early}" or "{late}"'
    )


def parse_month(text: str) -> tuple[int, int]:
    """Year and month of ``2026-10``.

    >>> parse_month("2026-10")
    (2026, 10)

    Raises UsageError for anything else.
    """
    match = _MONTH.fullmatch(text)
    if match is None or not 1971 <= int(match[1]) <= 9000:
        raise UsageError(f"--month: must be a year and a month like 2026-10, got {text!r}")
    return int(match[1]), int(match[2])


def show_instant(instant_ms: int | None, zone: ZoneInfo) -> str:
    """An instant in the site's zone, with its offset; a dash for none.

    >>> show_instant(1_790_812_800_000, ZoneInfo("Europe/Paris"))
    '2026-10-01 02:00:00 +0200'
    """
    return "—" if instant_ms is None else f"{local_time(instant_ms, zone):%Y-%m-%d %H:%M:%S %z}"


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
