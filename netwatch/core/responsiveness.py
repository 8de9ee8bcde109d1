"""Responsiveness under load, in round trips a minute.

Rule of this file: the formula of draft-ietf-ippm-responsiveness over delays that it is
handed, and nothing about how they were taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from netwatch.core.stats import trimmed_mean


class LoadedDelays(msgspec.Struct, frozen=True, kw_only=True):
    """Delays in microseconds taken under load; ``tls_us`` is empty without TLS."""

    tcp_us: Sequence[int]  # to connect, on new connections
    tls_us: Sequence[int]  # to shake hands, on new connections
    http_us: Sequence[int]  # from request to answer, on new connections
    http_loaded_us: Sequence[int]  # from request to answer, on one that was already there


#: Fewer answers than this are no basis for a percentile.
FEWEST = 4


def tell_responsiveness(delays: LoadedDelays) -> int | None:
    """Round trips a minute, rounded down; None with too few delays.

    ``Foreign = 60000/((tcp + tls + http)/3)``, ``Loaded = 60000/http_loaded``, ``RPM =
    (Foreign + Loaded)/2``, each delay a trimmed mean at the 95th percentile
    (draft-ietf-ippm-responsiveness). Without TLS, Foreign is of the two delays there are.

    >>> tell_responsiveness(LoadedDelays(tcp_us=[20_000] * 9, tls_us=[40_000] * 9,
    ...     http_us=[30_000] * 9, http_loaded_us=[60_000] * 9))
    1500
    >>> tell_responsiveness(LoadedDelays(tcp_us=[20_000] * 9, tls_us=[], http_us=[20_000] * 9,
    ...     http_loaded_us=[20_000] * 9))
    3000
    >>> tell_responsiveness(LoadedDelays(tcp_us=[9], tls_us=[], http_us=[], http_loaded_us=[]))
    """
    kinds = [delays.tcp_us, delays.http_us, *([delays.tls_us] if delays.tls_us else [])]
    if any(len(kind) < FEWEST for kind in (*kinds, delays.http_loaded_us)):
        return None
    means = [trimmed_mean(kind) or Fraction(0) for kind in kinds]
    foreign_us = sum(means, Fraction(0)) / len(means)
    loaded_us = trimmed_mean(delays.http_loaded_us) or Fraction(0)
    if not foreign_us or not loaded_us:
        return None
    minute_us = 60_000_000
    return int((minute_us / foreign_us + minute_us / loaded_us) / 2)
