"""How many bytes a test may move, of those that a month allows.

Rule of this file: what was used comes in, what may still be used comes out. A month is the
civil month of the site's zone. A test is never given more than is left, so that a budget is
exceeded by no more than what is under way when the last of it is spent. It must not know
engines or the store.
"""

from __future__ import annotations

from datetime import tzinfo

import msgspec

from netwatch.core.calendars import civil_date, month_window

#: What the kernel may still send when a test's process has been killed: what waits in the
#: buffers of eight connections, 4 MiB in each (the usual end of tcp_wmem).
STILL_BYTES = 8 * 4 * 1_048_576
#: A test is ended with its process within this, and clocks are set that well.
STILL_MS = 2_000
#: Less than this gives no rate on any line: nothing is begun with it.
LEAST_BYTES = 1_000_000


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What is left, and what a test gets of it; ``test_bytes`` None: it is not to be begun."""

    limit_bytes: int
    used_bytes: int
    test_bytes: int | None

    @property
    def left_bytes(self) -> int:
        return max(0, self.limit_bytes - self.used_bytes)


def find_month(at_ms: int, zone: tzinfo) -> tuple[int, int]:
    """The month that a test begun then is counted in, as UTC ``[start_ms, end_ms)``.

    >>> from zoneinfo import ZoneInfo
    >>> start_ms, end_ms = find_month(1_793_487_600_000, ZoneInfo("Europe/Paris"))
    >>> start_ms, (end_ms - start_ms) // 3_600_000
    (1793487600000, 720)
    """
    day = civil_date(at_ms, zone)
    return month_window(day.year, day.month, zone)


def expect_bytes(bytes_per_second: int | None, duration_ms: int) -> int:
    """What a direction will move; nothing is expected of a rate that is not known.

    >>> expect_bytes(12_500_000, 12_000), expect_bytes(None, 12_000)
    (150000000, 0)
    """
    return 0 if bytes_per_second is None else bytes_per_second * duration_ms // 1000


def allow_test(*, limit_bytes: int, used_bytes: int, expected_bytes: int) -> Allowance:
    """Whether a test is to be begun, and its limit: all that is left.

    A test that would be cut short by the budget proves nothing and costs the rest of it: it
    is not begun. ``expected_bytes`` 0 is "not known": it is then begun with what is left.

    >>> allow_test(limit_bytes=1_000_000_000, used_bytes=0, expected_bytes=300_000_000).test_bytes
    1000000000
    >>> allow_test(limit_bytes=1_000_000_000, used_bytes=800_000_000, expected_bytes=300_000_000).test_bytes
    >>> allow_test(limit_bytes=1_000_000_000, used_bytes=800_000_000, expected_bytes=0).test_bytes
    200000000
    """
    left = max(0, limit_bytes - used_bytes)
    enough = left >= max(LEAST_BYTES, expected_bytes)
    return Allowance(
        limit_bytes=limit_bytes, used_bytes=used_bytes, test_bytes=left if enough else None
    )


def reserve_bytes(
    test_bytes: int, *, port_speed_mbit: int | None, expected_bytes: int, duration_ms: int
) -> int:
    """What a test gets of its allowance; entered as used before it begins, should nobody be
    there to enter its end.

    As much as the port can carry in that time: a line that has become faster must not run
    into it. Where the port does not tell its speed, ten times what is expected; all that is
    allowed where nothing is.

    >>> reserve_bytes(10**12, port_speed_mbit=100, expected_bytes=5, duration_ms=24_000)
    300000000
    >>> reserve_bytes(10**6, port_speed_mbit=100, expected_bytes=5, duration_ms=24_000)
    1000000
    >>> reserve_bytes(10**6, port_speed_mbit=None, expected_bytes=300, duration_ms=24_000)
    3000
    """
    if port_speed_mbit is not None:
        return min(test_bytes, port_speed_mbit * 125 * duration_ms)
    return min(test_bytes, 10 * expected_bytes) if expected_bytes else test_bytes


def settle_bytes(
    reserved_bytes: int,
    *,
    interface_bytes: int | None,
    longest_ms: int | None,
    port_speed_mbit: int | None,
) -> tuple[int, str]:
    """What a test that was cut off counts with: never less than it can have moved.

    The least of three bounds, with the word for it: what was set aside (``reserve``; no
    engine goes beyond); what went through the machine's interfaces since
    (``interfaces``: everybody's, in whole frames), and what the kernel may still send; what the port can carry in the time that
    it can have run (``time``).

    >>> settle_bytes(30 * 10**9, interface_bytes=750_000_000, longest_ms=9_000,
    ...              port_speed_mbit=10_000)
    (783554432, 'interfaces')
    >>> settle_bytes(30 * 10**9, interface_bytes=None, longest_ms=9_000, port_speed_mbit=1_000)
    (1375000000, 'time')
    >>> settle_bytes(10**9, interface_bytes=None, longest_ms=None, port_speed_mbit=1_000)
    (1000000000, 'reserve')
    """
    bounds = [(reserved_bytes, "reserve")]
    if interface_bytes is not None:
        bounds.append((interface_bytes + STILL_BYTES, "interfaces"))
    if longest_ms is not None and port_speed_mbit is not None:
        # Both ways at once: the directions are tested in turn, acknowledgements are not content.
        bounds.append(((longest_ms + STILL_MS) * port_speed_mbit * 125, "time"))
    return min(bounds)
