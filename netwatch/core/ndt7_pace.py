"""How long a device that nobody sits at waits between two ndt7 tests.

Rule of this file: the arithmetic of M-Lab's etiquette, from a random number that is handed
in. It knows no clock and no generator.
"""

from __future__ import annotations

import math

#: ndt7 v0.11, requirements for non-interactive clients.
MEAN_WAIT_MS = 6 * 3_600_000
MIN_WAIT_MS = 36 * 60_000
MAX_WAIT_MS = 15 * 3_600_000


def is_mlabs(engine: str, url: str | None) -> bool:
    """Whether M-Lab's servers are asked, and its pace holds: not for an ndt7 server of one's own.

    >>> is_mlabs("ndt7", None), is_mlabs("ndt7", "https://ndt.example"), is_mlabs("iperf3", None)
    (True, False, False)
    """
    return engine == "ndt7" and url is None


def draw_ndt7_wait_ms(random_unit: float) -> int:
    """Milliseconds until the next test: exponential of mean 6 h, within [36 min, 15 h].

    ``random_unit`` is uniform in [0, 1), from a seeded generator; its inverse distribution
    function is taken, so that one number gives one wait. Tests at times that others can
    foretell meet at one server and disturb each other, hence the exponential.

    Raises ValueError outside [0, 1).

    >>> draw_ndt7_wait_ms(0.5)
    14971979
    >>> draw_ndt7_wait_ms(0.0) == MIN_WAIT_MS, draw_ndt7_wait_ms(0.999) == MAX_WAIT_MS
    (True, True)
    """
    if not 0 <= random_unit < 1:
        raise ValueError(f"random_unit is {random_unit}, not in [0, 1)")
    wait_ms = round(-MEAN_WAIT_MS * math.log1p(-random_unit))
    return min(MAX_WAIT_MS, max(MIN_WAIT_MS, wait_ms))
