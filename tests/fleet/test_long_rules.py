"""What is recorded so that a page of months reads hundreds of readings and not tens of thousands."""

from __future__ import annotations

from pathlib import Path

from tests.fleet.story import (
    DAY_S,
    Stretch,
    build_counters,
    build_fleet,
    build_input,
    run_promtool,
)

FLEET = build_fleet(("a", "A", "gold"))


def _gauge(name: str, values: str, **labels: str) -> dict[str, str]:
    said = {"site": "a", "operator": "A", "contract": "gold", "job": "netwatch", **labels}
    text = ",".join(f'{key}="{value}"' for key, value in said.items())
    return {"series": f"{name}{{{text}}}", "values": values}


def test_at_a_full_hour_the_newest_reading_is_the_hours(tmp_path: Path) -> None:
    """Once an hour, all causes of a verdict together, and gone with the next evaluation."""
    life: list[Stretch] = [("down", "access", 1_800, 2_000), ("down", "dns", 2_400, 2_431)]
    counters = build_counters(life, 11_000, begun_s=-100 * DAY_S)
    hourly = 'netwatch:link_seconds:hourly{verdict="down"}'
    run_promtool(
        tmp_path, FLEET, build_input(FLEET, "a", counters, life=life),
        expressions=[
            (3_540, hourly, {}),
            (3_570, f"sum by (site, verdict) ({hourly})", {'{site="a", verdict="down"}': 231}),
            (3_600, hourly, {}),
            (7_200, f"max by (site) (last_over_time({hourly}[3h]))", {'{site="a"}': 231}),
            (7_200, f"count_over_time({hourly}[3h])", {'{site="a", verdict="down"}': 2}),
            (10_800, 'count by (site) (last_over_time(netwatch:link_seconds:hourly[3h]))',
             {'{site="a"}': 4}),
        ],
    )  # fmt: skip


def test_each_throughput_test_is_there_once_for_a_page_that_asks_every_half_hour(
    tmp_path: Path,
) -> None:
    """From when it was seen for half an hour; one that stood since before the first reading never."""
    series = [
        _gauge("netwatch_bandwidth_test_timestamp_seconds", "-900x120 3601x120 7201x240"),
        _gauge("netwatch_throughput_bytes_per_second", "9000000x120 8000000x120 7000000x240",
               direction="down"),
        # Up did not count the second time.
        _gauge("netwatch_throughput_bytes_per_second", "4000000x120 stale _x119 3000000x240",
               direction="up"),
    ]  # fmt: skip
    tested = "netwatch:test_bytes_per_second"
    shown = f"sum by (site, operator, direction) ({tested})"
    down, up = (f'{{direction="{each}", operator="A", site="a"}}' for each in ("down", "up"))
    run_promtool(
        tmp_path, FLEET, [*build_input(FLEET, "a", build_counters([], 14_000)), *series],
        expressions=[
            (1_800, tested, {}),
            (3_600, tested, {}),
            (3_660, shown, {down: 8e6}),
            (5_400, shown, {down: 8e6}),
            (5_460, tested, {}),
            (7_290, shown, {down: 7e6, up: 3e6}),
            (9_060, tested, {}),
            (12_600, f"sum(count_over_time({tested}{{direction='down'}}[3h:30m]))", {"{}": 2}),
        ],
    )  # fmt: skip


def test_what_load_does_is_kept_once_an_hour(tmp_path: Path) -> None:
    """Added delay by direction, and round trips a minute, with the labels of the line."""
    series = [
        _gauge("netwatch_loaded_rtt_seconds", "0.050x300", direction="down"),
        _gauge("netwatch_idle_rtt_seconds", "0.010x300"),
        _gauge("netwatch_responsiveness_rpm", "700x300"),
    ]
    line = 'contract="gold", operator="A", site="a"'
    run_promtool(
        tmp_path, FLEET, [*build_input(FLEET, "a", build_counters([], 8_000)), *series],
        expressions=[
            (3_540, "netwatch:added_delay_seconds:hourly", {}),
            (3_570, "round(netwatch:added_delay_seconds:hourly * 1000)",
             {'{contract="gold", direction="down", operator="A", site="a"}': 40}),
            (3_570, "netwatch:responsiveness_rpm:hourly",
             {f"netwatch:responsiveness_rpm:hourly{{{line}}}": 700}),
            (3_600, "netwatch:responsiveness_rpm:hourly", {}),
        ],
    )  # fmt: skip
