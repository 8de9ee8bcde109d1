"""Whether a configuration asks for throughput tests at all.

Rule of this file: one question, answered without loading what the tests need: an agent
without them must not hold it.
"""

from __future__ import annotations

from netwatch.config.model import Bandwidth


def has_engine(bandwidth: Bandwidth) -> bool:
    """Whether an engine is named or has its table; ``auto`` alone is none.

    >>> from netwatch.config.model import Ndt7Settings
    >>> has_engine(Bandwidth()), has_engine(Bandwidth(engine="ndt7"))
    (False, True)
    >>> has_engine(Bandwidth(ndt7=Ndt7Settings()))
    True
    """
    if bandwidth.engine != "auto":
        return True
    tables = (bandwidth.librespeed, bandwidth.iperf3, bandwidth.ndt7, bandwidth.speedtest)
    return any(table is not None for table in tables)
