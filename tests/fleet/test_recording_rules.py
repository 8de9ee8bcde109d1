"""The recorded figures, evaluated by promtool over made-up lives with gaps, restarts and swaps."""

from __future__ import annotations

import subprocess
from pathlib import Path

from netwatch.fleet.model import Inventory
from tests.fleet.story import DAY_S, Stretch, build_counters, build_fleet, build_input, run_promtool

HOUR_S = 3_600
OLD = -100 * DAY_S


def fleet() -> Inventory:
    return build_fleet(("a", "A", "gold"))


def seconds(window: str, verdict: str) -> str:
    return f'round(netwatch:link_seconds:window{{window="{window}",verdict="{verdict}"}}, 0.001)'


def named(site: str, window: str, verdict: str, cause: str) -> str:
    return f'{{cause="{cause}", site="{site}", verdict="{verdict}", window="{window}"}}'


def test_an_outage_in_which_nothing_could_be_scraped_is_read_to_the_second(tmp_path: Path) -> None:
    """40 min 7 s down, no scrape got through: every window that holds it has all of it."""
    life: list[Stretch] = [("down", "access", 7_203, 9_610)]
    counters = build_counters(life, 4 * HOUR_S, unread=[(7_210, 9_640)], begun_s=OLD)
    down = 9_610 - 7_203
    run_promtool(
        tmp_path, fleet(), build_input(fleet(), "a", counters, life=life),
        expressions=[
            # ten minutes after: the window of 5 min began in the gap no more
            (10_200, seconds("5m", "down"), {}),
            (10_200, seconds("30m", "down"), {named("a", "30m", "down", "access"): down}),
            (10_200, seconds("1h", "down"), {named("a", "1h", "down", "access"): down}),
            # the time between the two readings, of which the share is made, is stretched too
            (10_200, 'netwatch:booked_seconds:window{window="30m"}',
             {'netwatch:booked_seconds:window{site="a", window="30m"}': 10_200 - 7_200}),
            (10_200, 'round(netwatch:availability_ratio{window="1h"} * 3600, 0.001)',
             {'{contract="gold", operator="A", site="a", window="1h"}': 3_600 - down}),
            (10_200, 'netwatch:coverage_ratio{window="1h"}',
             {'netwatch:coverage_ratio{contract="gold", operator="A", site="a", window="1h"}': 1}),
            (10_200, 'round(netwatch:burn_rate{window="1h"} * 3.6, 0.001)',
             {'{contract="gold", operator="A", site="a", window="1h"}': down}),
        ],
    )  # fmt: skip


def test_a_window_that_begins_in_a_long_gap_reaches_back_to_the_last_reading(
    tmp_path: Path,
) -> None:
    """Four hours unread: ten minutes after them the hour's figures are of all that was between."""
    life: list[Stretch] = [("down", "access", 3_600, 18_000)]
    counters = build_counters(life, 19_200, unread=[(3_610, 18_010)], begun_s=OLD)
    run_promtool(
        tmp_path, fleet(), build_input(fleet(), "a", counters, life=life),
        expressions=[
            (18_600, seconds("1h", "down"), {named("a", "1h", "down", "access"): 14_400}),
            (18_600, 'netwatch:booked_seconds:window{window="1h"}',
             {'netwatch:booked_seconds:window{site="a", window="1h"}': 15_000}),
            (18_600, 'round(netwatch:availability_ratio{window="1h"} * 15000, 0.001)',
             {'{contract="gold", operator="A", site="a", window="1h"}': 600}),
            (18_600, alert_of("NetwatchBudgetBurnFast"), {}),  # five good minutes: it is over
            (18_060, alert_of("NetwatchBudgetBurnFast"), {
                'ALERTS{alertname="NetwatchBudgetBurnFast", alertstate="firing", contract="gold", '
                'name="Site a", operator="A", severity="page", site="a"}': 1}),
        ],
    )  # fmt: skip


def alert_of(name: str) -> str:
    return f'ALERTS{{alertname="{name}"}}'


def test_seconds_lost_in_a_power_cut_do_not_count_as_a_new_counter(tmp_path: Path) -> None:
    """The counters fall by what was not committed: `increase()` would add a life, ours adds none."""
    life: list[Stretch] = [("down", "access", 3_000, 3_600), ("unknown", "agent", 5_045, 5_400)]
    counters = build_counters(
        life, 2 * HOUR_S, unread=[(5_045, 5_430)], lost=[(5_000, 5_400)], begun_s=OLD
    )
    before, after = counters["up", "none"][5_040 // 30], counters["up", "none"][5_430 // 30]
    assert before is not None
    assert after is not None
    assert after < before  # the story does what its name says
    run_promtool(
        tmp_path, fleet(), build_input(fleet(), "a", counters, life=life),
        expressions=[
            (6_600, seconds("1h", "down"), {named("a", "1h", "down", "access"): 600}),
            (6_600, seconds("1h", "unknown"), {named("a", "1h", "unknown", "agent"): 400}),
            (6_600, 'round(netwatch:coverage_ratio{window="1h"} * 3600, 0.001)',
             {'{contract="gold", operator="A", site="a", window="1h"}': 3_200}),
            (6_600, 'increase(netwatch_link_seconds_total{verdict="up"}[1h]) > bool 8e6',
             {'{cause="none", contract="gold", instance="a", job="netwatch", operator="A", '
              'site="a", verdict="up"}': 1}),
        ],
    )  # fmt: skip


def test_books_that_begin_anew_are_read_from_their_beginning(tmp_path: Path) -> None:
    """After a new card the windows hold the new books' time alone; somebody is told."""
    life: list[Stretch] = [("down", "access", 1_000, 1_300), ("down", "dns", 6_000, 6_120)]
    old = build_counters(life, 8 * HOUR_S, begun_s=OLD)
    new = build_counters(life, 8 * HOUR_S, begun_s=4_500)
    swapped = {
        pair: [*values[:140], *([None] * 10), *new[pair][150:]] for pair, values in old.items()
    }
    run_promtool(
        tmp_path, fleet(), build_input(fleet(), "a", swapped, life=life),
        expressions=[
            (7_200, seconds("6h", "down"), {named("a", "6h", "down", "dns"): 120}),
            (7_200, 'netwatch:booked_seconds:window{window="6h"}',
             {'netwatch:booked_seconds:window{site="a", window="6h"}': 2_700}),
            (7_200, 'ALERTS{alertname="NetwatchBooksRestarted"}',
             {'ALERTS{alertname="NetwatchBooksRestarted", alertstate="firing", contract="gold", '
              'name="Site a", operator="A", severity="ticket", site="a"}': 1}),
            (8 * HOUR_S, 'ALERTS{alertname="NetwatchBooksRestarted"}', {}),
        ],
    )  # fmt: skip


def test_each_contract_counts_its_own_causes(tmp_path: Path) -> None:
    """Resolvers that fail count under one contract and not under another, nor does our own time."""
    inventory = build_fleet(("a", "A", "gold"), ("b", "A", "bureau"), ("c", "A", None))
    life: list[Stretch] = [
        ("down", "dns", 2_000, 2_600), ("down", "access", 3_000, 3_060),
        ("unknown", "agent", 4_000, 4_900), ("degraded", "loss", 5_000, 5_300),
    ]  # fmt: skip
    counters = build_counters(life, 2 * HOUR_S, begun_s=OLD)
    series = [line for site in "abc" for line in build_input(inventory, site, counters, life=life)]
    counted = 'netwatch:counted_seconds:window{window="1h"}'
    run_promtool(
        tmp_path, inventory, series,
        expressions=[
            (5_430, counted, {
                f'netwatch:counted_seconds:window{{site="{site}", window="1h"}}': value
                for site, value in {"a": 660, "b": 60, "c": 660}.items()
            }),
            (5_430, 'round(netwatch:availability_ratio{window="1h"} * 2700, 0.001)', {
                '{contract="gold", operator="A", site="a", window="1h"}': 2_040,
                '{contract="bureau", operator="A", site="b", window="1h"}': 2_640,
                '{operator="A", site="c", window="1h"}': 2_040,
            }),
            (5_430, 'count(netwatch:burn_rate{window="1h"})', {"{}": 2}),
        ],
    )  # fmt: skip


def test_figures_stop_with_the_scrapes(tmp_path: Path) -> None:
    """No figure is drawn across a gap: without a newest reading there is none."""
    counters = build_counters([], 2 * HOUR_S, unread=[(3_600, 5_400)], begun_s=OLD)
    run_promtool(
        tmp_path, fleet(), build_input(fleet(), "a", counters),
        expressions=[
            (3_570, 'count(netwatch:availability_ratio)', {"{}": 2}),  # nothing was read an hour before
            (4_500, 'netwatch:availability_ratio', {}),
            (4_500, 'netwatch:site_verdict', {}),
            (4_500, 'count(netwatch:site_silent)', {"{}": 1}),
            (5_430, 'netwatch:availability_ratio{window="5m"}',
             {'netwatch:availability_ratio{contract="gold", operator="A", site="a", window="5m"}': 1}),
        ],
    )  # fmt: skip


def test_counters_scraped_twice_count_once(tmp_path: Path) -> None:
    """While labels change, or two Prometheus are one's source, a site's seconds are not doubled."""
    life: list[Stretch] = [("down", "access", 2_000, 2_060)]
    counters = build_counters(life, 2 * HOUR_S, begun_s=OLD)
    series = build_input(fleet(), "a", counters, life=life)
    twice = [
        *series,
        *({**line, "series": line["series"].replace('operator="A"', 'operator="Old A"')}
          for line in series),
    ]  # fmt: skip
    run_promtool(
        tmp_path, fleet(), twice,
        expressions=[
            (3_900, seconds("1h", "down"), {named("a", "1h", "down", "access"): 60}),
            (3_900, "netwatch:booked_seconds:window{window='1h'}",
             {'netwatch:booked_seconds:window{site="a", window="1h"}': 3_600}),
        ],
    )  # fmt: skip


def test_time_to_restore_is_counted_in_the_contracts_hours(tmp_path: Path) -> None:
    """Down from 06:00 on: at 07:00 the contract's clock stands, at 09:00 half of 2 h is used."""
    inventory = build_fleet(("b", "A", "bureau"))
    life: list[Stretch] = [("down", "access", 6 * HOUR_S, 10 * HOUR_S)]
    counters = build_counters(life, 9 * HOUR_S, begun_s=OLD, step_s=120)
    used = "round(sum(netwatch:restore_used_ratio), 0.001)"
    run_promtool(
        tmp_path, inventory, build_input(inventory, "b", counters, life=life, step_s=120),
        expressions=[
            (7 * HOUR_S, used, {"{}": 0}),
            (9 * HOUR_S, "round(sum(netwatch:incident_covered_seconds), 0.001)", {"{}": HOUR_S}),
            (9 * HOUR_S, used, {"{}": 0.5}),
        ],
        step_s=120,
    )  # fmt: skip


def test_an_incident_whose_cause_changes_is_one_incident(tmp_path: Path) -> None:
    """Gateway, then access: the time to restore runs from the first."""
    life: list[Stretch] = [("down", "gateway", 1_800, 3_600), ("down", "access", 3_600, 9_000)]
    counters = build_counters(life, 2 * HOUR_S, begun_s=OLD)
    run_promtool(
        tmp_path, fleet(), build_input(fleet(), "a", counters, life=life),
        expressions=[
            (5_400, "sum(netwatch:incident_start_timestamp_seconds)", {"{}": 1_800}),
            (5_400, "round(sum(netwatch:restore_used_ratio), 0.001)", {"{}": 0.25}),
            (5_400, "netwatch:site_cause", {
                'netwatch:site_cause{cause="access", contract="gold", operator="A", site="a", '
                'verdict="down"}': 1}),
            (3_000, "count(netwatch:site_cause{cause='gateway'})", {"{}": 1}),
        ],
    )  # fmt: skip


def test_the_rule_files_are_sound(tmp_path: Path) -> None:
    """Promtool finds no fault in the rules of the example's fleet."""
    from netwatch.fleet.inventory import read_inventory
    from netwatch.fleet.rules import build_rules, write_rules

    example = Path(__file__).parents[2] / "docs" / "examples" / "fleet.toml"
    files = build_rules(read_inventory(example), {}, range(2026, 2029))
    written = [str(path) for path in write_rules(tmp_path / "rules", files)]
    done = subprocess.run(["promtool", "check", "rules", *written], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert write_rules(tmp_path / "rules", files) == []  # nothing changed, nothing written
