"""Whether a test speaks of the line: the words of STANDARDS.md 2, decided from what was seen.

Rule of this file: figures in, a word or None out. A result that the device, other traffic,
another circuit or an unset clock has bent is kept and marked, never counted; a direction
without a rate is never a zero. It knows no engine and no file.
"""

from __future__ import annotations

import msgspec

#: Engine reasons (`bandwidth.base.REASONS`) that are a failing of ours, not of a server.
OWN_REASONS = frozenset({"cancelled", "crashed", "memory", "no_program"})
#: Of a port's rate, what TCP over IPv4 with time stamps carries in 1500-byte packets:
#: 1448 of the 1538 bytes that a full frame takes on the wire.
PAYLOAD, WIRE = 1448, 1538
#: So close to the port's own goodput, the port was the limit.
NEAR_PORT_PERCENT = 90
#: A thread that ran or waited for so much of the time, or a core this busy with the
#: network's interrupts, had nothing left.
SATURATED_PERMILLE = 950
FAST_ETHERNET_MBIT = 100


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What was going on around one direction of a test; None is "not known"."""

    port_speed_mbit: int | None = None
    pressure_permille: int | None = None  # how near the processor came to being the limit
    clock_synchronised: bool = True
    right_circuit: bool = True
    busy: bool = False  # other traffic above the limit before the test


def judge_direction(
    *,
    bytes_per_second: int | None,
    reason: str | None,
    guaranteed: int | None,
    around: Circumstances,
) -> str | None:
    """Why this direction does not count; None when it does.

    ``guaranteed`` is the contract's rate (bytes per second), None where it is silent.

    >>> judge_direction(bytes_per_second=None, reason="stalled", guaranteed=None,
    ...                 around=Circumstances())
    'test_server_failed'
    >>> judge_direction(bytes_per_second=11_700_000, reason=None, guaranteed=62_500_000,
    ...                 around=Circumstances(port_speed_mbit=100))
    'device_limited'
    >>> judge_direction(bytes_per_second=5_000_000, reason=None, guaranteed=62_500_000,
    ...                 around=Circumstances(port_speed_mbit=100))
    """
    if bytes_per_second is None:
        return explain_failure(reason)
    if not around.clock_synchronised:
        return "clock_unsynced"
    if not around.right_circuit:
        return "wrong_circuit"
    if around.busy:
        return "busy_link"
    pressure = around.pressure_permille
    if pressure is not None and pressure >= SATURATED_PERMILLE:
        return "device_limited"
    if is_port_limit(bytes_per_second, around.port_speed_mbit, guaranteed):
        return "device_limited"
    return None


def explain_failure(reason: str | None) -> str:
    """The word for a direction without a rate.

    >>> [explain_failure(each) for each in ("tls", "crashed", "budget")]
    ['test_server_failed', 'test_failed', 'data_budget']
    """
    if reason == "budget":
        return "data_budget"
    return "test_failed" if reason in OWN_REASONS else "test_server_failed"


def is_port_limit(
    bytes_per_second: int, port_speed_mbit: int | None, guaranteed: int | None
) -> bool:
    """Whether the agent's own port was what the rate ran into.

    A fast port that is reached shows a line that carries all its contract says and more;
    one that cannot carry the guarantee, or is of 100 Mbit/s, says nothing of the line.

    >>> is_port_limit(115_000_000, 1_000, 62_500_000), is_port_limit(115_000_000, 1_000, None)
    (False, True)
    """
    if port_speed_mbit is None:
        return False
    goodput = port_speed_mbit * 125_000 * PAYLOAD // WIRE
    if bytes_per_second * 100 < goodput * NEAR_PORT_PERCENT:
        return False
    return port_speed_mbit <= FAST_ETHERNET_MBIT or guaranteed is None or goodput < guaranteed


def is_busy(other: int, committed: int | None, above_permille: int) -> bool:
    """Whether others use more than their share of a direction (both in bytes per second).

    Nothing is said of a line whose rate nobody knows.

    >>> is_busy(1_300_000, 12_500_000, 100), is_busy(1_000_000, 12_500_000, 100), is_busy(9, None, 0)
    (True, False, False)
    """
    return committed is not None and other * 1000 > committed * above_permille
