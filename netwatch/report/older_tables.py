"""Tables as earlier bundles have them, so that they can be checked for ever.

Rule of this file: forms that netwatch wrote once and writes no more. Nothing here changes.
"""

from __future__ import annotations

from netwatch.report.tables import BANDWIDTH, EXCLUSIONS, Column, Table

#: rtt.csv of bundle version 1: a row a probe.
RTT_PROBES = Table(
    name="rtt",
    title="Every latency probe; a lost one has no round-trip time",
    columns=(
        Column(name="at", type="datetime", description="when it was sent", required=True),
        Column(name="target", type="string", description="name of the target", required=True),
        Column(
            name="rtt_us",
            type="integer",
            description="round-trip time in microseconds; empty when lost",
        ),
    ),
)
#: exclusions.csv of bundle version 1: the kind stood in the reason.
EXCLUSIONS_WITHOUT_KIND = Table(
    name=EXCLUSIONS.name,
    title=EXCLUSIONS.title,
    columns=tuple(column for column in EXCLUSIONS.columns if column.name != "kind"),
    primary_key=EXCLUSIONS.primary_key,
)
#: bandwidth.csv of bundle version 1: nobody kept when a test ended.
BANDWIDTH_WITHOUT_END = Table(
    name=BANDWIDTH.name,
    title=BANDWIDTH.title,
    columns=tuple(column for column in BANDWIDTH.columns if column.name != "ended_at"),
    primary_key=BANDWIDTH.primary_key,
)
OLDER_TABLES = (RTT_PROBES, EXCLUSIONS_WITHOUT_KIND, BANDWIDTH_WITHOUT_END)
