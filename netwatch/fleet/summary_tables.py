"""The tables beside an operator's page: their columns, and the Table Schema of each.

Rule of this file: columns alone. What stands in a row is `summary_files`'; the form of a
schema is `report.tables`', as in each site's evidence.
"""

from __future__ import annotations

from netwatch.report.tables import Column, ColumnType, Table


def _column(
    name: str,
    kind: ColumnType,
    description: str,
    *,
    required: bool = False,
    enum: tuple[str, ...] = (),
) -> Column:
    return Column(name=name, type=kind, description=description, required=required, enum=enum)


#: Shares are 0 to 1, durations milliseconds; a site without a report has an id, a name, its
#: status and the problem.
SITES = Table(
    name="sites",
    title="Every site of the operator in the month, one a row",
    columns=(
        _column("site", "string", "the site's id", required=True),
        _column("name", "string", "its name", required=True),
        _column("commune", "string", "its commune"),
        _column("circuit", "string", "the operator's reference of the line"),
        _column("contract", "string", "name of the contract in the town's inventory"),
        _column("status", "string", "inconclusive: too little of the covered time was watched; "
                "failed: no report", required=True, enum=("reported", "inconclusive", "failed")),
        _column("availability_contractual", "number", "in the contract's hours, after exclusions"),
        _column("availability_contractual_low", "number",
                "the same, had all time that was not watched counted as down"),
        _column("availability_measured", "number", "of the watched time, before exclusions"),
        _column("availability_low", "number",
                "before exclusions, had all time that was not watched been down"),
        _column("availability_high", "number",
                "before exclusions, had all time that was not watched been up"),
        _column("coverage", "number", "share of the covered time that was watched"),
        _column("target", "number", "availability that the contract promises"),
        _column("target_met", "boolean", "whether it was kept"),
        _column("up_ms", "integer", "up in the month, around the clock"),
        _column("degraded_ms", "integer", "degraded, around the clock"),
        _column("down_ms", "integer", "down, around the clock, whatever the cause"),
        _column("unknown_ms", "integer", "not watched, around the clock"),
        _column("counted_ms", "integer",
                "down by causes that count, in the contract's hours, after exclusions"),
        _column("incidents", "integer", "how many failures of the line"),
        _column("restore_missed", "integer", "of which restored too late (GTR)"),
        _column("ims_used_ms", "integer", "interruption in the contract's year so far (IMS)"),
        _column("ims_allowed_ms", "integer", "of which the contract allows so much"),
        _column("ims_coverage", "number", "share of the contract's year that was watched"),
        _column("throughput_down_met", "number",
                "share of the tests that reached the guarantee towards the site"),
        _column("throughput_up_met", "number", "the same from the site"),
        _column("penalties", "number", "proposed, of the month"),
        _column("currency", "string", "of the penalties (ISO 4217)"),
        _column("source", "string", "where the figures come from",
                enum=("agents", "prometheus", "influx")),
        _column("edge_ms", "integer", "by how much begin and end of an incident may be off"),
        _column("bundle", "string", "the evidence, in the folder of the fleet report"),
        _column("bundle_sha256", "string", "its SHA-256"),
        _column("problem", "string", "why there is no report; of a reported site its remarks"),
    ),
    primary_key=("site",),
)  # fmt: skip
SHARED = Table(
    name="shared",
    title="Each site's part of each incident that several sites had together",
    columns=(
        _column("shared", "integer", "number of the shared incident", required=True),
        _column("cause", "string", "its cause", required=True),
        _column("started_at", "datetime", "first instant at the first site", required=True),
        _column("ended_at", "datetime", "first instant after, at the last; empty while it lasts"),
        _column("site", "string", "the site's id", required=True),
        _column("incident", "string", "reference in that site's report", required=True),
        _column("site_started_at", "datetime", "first instant at the site", required=True),
        _column("site_ended_at", "datetime", "first instant after; empty while it lasts"),
    ),
    primary_key=("shared", "site", "incident"),
)
TABLES: tuple[Table, ...] = (SITES, SHARED)
