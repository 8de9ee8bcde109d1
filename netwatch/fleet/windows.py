"""Over which windows the fleet is judged, and when somebody is called.

Rule of this file: policy as data, with its source. Nothing is computed here but seconds.
"""

from __future__ import annotations

import msgspec

#: The windows of the recorded figures, and their seconds.
WINDOWS: dict[str, int] = {
    "5m": 300,
    "30m": 1_800,
    "1h": 3_600,
    "6h": 21_600,
    "1d": 86_400,
    "3d": 259_200,
    "30d": 2_592_000,
}


class BurnPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is called when the error budget burns this fast over both windows."""

    alert: str
    severity: str
    factor: float
    long: str
    short: str


#: SRE workbook, chapter 5, table 5-8, for a budget of 30 days (STANDARDS.md, 4).
BURN_POLICIES = (
    BurnPolicy(alert="NetwatchBudgetBurnFast", severity="page", factor=14.4, long="1h", short="5m"),
    BurnPolicy(alert="NetwatchBudgetBurn", severity="page", factor=6, long="6h", short="30m"),
    BurnPolicy(alert="NetwatchBudgetBurnSlow", severity="ticket", factor=1, long="3d", short="6h"),
)

DOWN_AFTER_S = 180
#: How long the last word of a scrape is believed when the next one fails.
BELIEVED = "2m"
COVERAGE_LEAST = 0.95
SPOOL_OLDEST_S = 3_600
CERTIFICATE_DAYS = 14
#: An outage is the operator's own when so many of its sites, and such a share, are in it.
SHARED_SITES = 3
SHARED_SHARE = 0.3
SILENT_SHARE = 0.5
