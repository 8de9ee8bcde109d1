"""The benches' blocks: what a real Prometheus reads from a copy is what the model says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.blocks import Labels, copy_block, read_series
from tests.fleet.prometheus_server import fill, prometheus

BEGIN_S, STEP_S, COUNT = 1_793_000_000, 30, 500


def test_a_copied_block_has_the_models_readings_under_other_labels(tmp_path: Path) -> None:
    """Every reading of every copy; names in the order of their labels, whatever came before."""
    instants = [BEGIN_S + STEP_S * number for number in range(COUNT)]
    (tmp_path / "model").mkdir()
    fill(tmp_path / "model", [
        ("netwatch_x", {"site": "MODEL", "verdict": verdict}, at_s % 977 + 0.5, at_s)
        for verdict in ("down", "up") for at_s in instants
    ])  # fmt: skip
    sites = ("zoo", "école", "mairie")

    def list_copies(labels: Labels) -> Iterator[Labels]:
        for site in sites:
            yield (*(pair for pair in labels if pair[0] != "site"), ("site", site), ("job", "n"))

    for block in (tmp_path / "model" / "data").iterdir():
        assert copy_block(block, tmp_path / "data", list_copies) == 2 * len(sites)
    for block in (tmp_path / "data").iterdir():
        found = [each.labels for each in read_series((block / "index").read_bytes())]
        assert found == sorted(found)
    with prometheus(tmp_path) as server:
        begin, end = str(instants[0]), str(instants[-1])
        result = server.get("query_range", query="netwatch_x_total", start=begin, end=end,
                            step=str(STEP_S))["result"]  # fmt: skip
        assert {(each["metric"]["site"], each["metric"]["verdict"]) for each in result} == {
            (site, verdict) for site in sites for verdict in ("down", "up")
        }
        for each in result:
            assert each["metric"]["job"] == "n"
            assert [(int(at_s), float(value)) for at_s, value in each["values"]] == [
                (at_s, at_s % 977 + 0.5) for at_s in instants
            ]
        chosen = server.query('count(netwatch_x_total{site=~"z.*|m.*",verdict="up"})', instants[-1])
        assert list(chosen.values()) == [2]
