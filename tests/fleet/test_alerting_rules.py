"""The alerts over made-up lives: each fires when it should, says what it must, and not before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from netwatch.fleet.alert_facts import build_facts
from netwatch.fleet.alert_words import WORDS
from netwatch.fleet.alerting_rules import build_alerting_groups, build_annotations
from netwatch.fleet.inventory import build_inventory
from netwatch.fleet.model import Inventory
from tests.fleet.story import DAY_S, Stretch, build_counters, build_fleet, build_input, run_promtool

HOUR_S = 3_600
OLD = -100 * DAY_S
DOCS = Path(__file__).parents[2] / "docs" / "alerts.md"


def fleet() -> Inventory:
    return build_fleet(("a", "A", "gold"))


def series_of(
    life: Sequence[Stretch], until_s: int, *, unread: Sequence[tuple[int, int]] = ()
) -> list[dict[str, str]]:
    counters = build_counters(life, until_s, unread=unread, begun_s=OLD)
    return build_input(fleet(), "a", counters, life=life)


def gauge(name: str, values: str, **labels: str) -> dict[str, str]:
    said = {"site": "a", "operator": "A", "contract": "gold", "job": "netwatch", **labels}
    text = ",".join(f'{key}="{value}"' for key, value in said.items())
    return {"series": f"{name}{{{text}}}", "values": values}


def firing(name: str, **labels: str) -> dict[str, float]:
    """What `ALERTS{alertname=…, alertstate="firing"}` gives for one alert of site a."""
    said = {"alertname": name, "alertstate": "firing", "contract": "gold", "name": "Site a",
            "operator": "A", "site": "a", **labels}  # fmt: skip
    text = ", ".join(f'{key}="{said[key]}"' for key in sorted(said))
    return {f"ALERTS{{{text}}}": 1}


def alert(name: str) -> str:
    return f'ALERTS{{alertname="{name}",alertstate="firing"}}'


def test_a_line_down_for_three_minutes_is_told_with_its_cause(tmp_path: Path) -> None:
    """Neither before three minutes nor after the end; in both languages, with a page to read."""
    life: list[Stretch] = [("down", "access", 3_600, 4_500)]
    words = {
        "summary": "Site a: the line is down",
        "description": "A has carried no traffic for 3m 0s; cause: access.",
        "summary_fr": "Site a : la ligne est coupée",
        "description_fr": "A n’achemine plus de trafic depuis 3m 0s ; cause : access.",
        "runbook_url": "docs/alerts.md#netwatchlinkdown",
        "started": "1970-01-01T01:00:00Z",
        "restore_before": "1970-01-01T05:00:00Z",
        "restore_left": "3h 57m 0s",
        "cause": "access",
        "page": "http://a.example.fr:10779/",
    }
    labels = {
        "severity": "page",
        "contract": "gold",
        "name": "Site a",
        "operator": "A",
        "site": "a",
    }
    run_promtool(
        tmp_path, fleet(), series_of(life, 6_000),
        alerts=[
            (3_750, "NetwatchLinkDown", []),
            (3_780, "NetwatchLinkDown", [{"exp_labels": labels, "exp_annotations": words}]),
            (4_530, "NetwatchLinkDown", []),
        ],
    )  # fmt: skip


def test_a_scrape_that_fails_ends_no_alert(tmp_path: Path) -> None:
    """One in three scrapes fails while the line is down: the alert goes on."""
    life: list[Stretch] = [("down", "access", 3_600, 5_400)]
    unread = [(at, at + 30) for at in range(3_630, 5_400, 90)]
    run_promtool(
        tmp_path, fleet(), series_of(life, 5_400, unread=unread),
        expressions=[
            (at, alert("NetwatchLinkDown"), firing("NetwatchLinkDown", severity="page"))
            for at in range(3_810, 5_400, 30)
        ],
    )  # fmt: skip


def test_time_to_restore_is_told_at_half_at_four_fifths_and_at_its_end(tmp_path: Path) -> None:
    """GTR 4 h: the three alerts take turns, one at a time."""
    life: list[Stretch] = [("down", "upstream", 1_800, 20_000)]
    names = ("NetwatchRestoreHalfUsed", "NetwatchRestoreNearlyUsed", "NetwatchRestoreExceeded")
    severities = ("ticket", "page", "page")
    moments = {7_200: None, 9_060: 0, 13_260: 0, 13_380: 1, 16_140: 1, 16_260: 2, 19_980: 2}
    run_promtool(
        tmp_path, fleet(), series_of(life, 20_000),
        expressions=[
            (at, alert(name), firing(name, severity=severity) if present == number else {})
            for at, present in moments.items()
            for number, (name, severity) in enumerate(zip(names, severities, strict=True))
        ],
    )  # fmt: skip


def test_in_hours_that_rest_it_is_told_how_much_time_to_restore_is_left(tmp_path: Path) -> None:
    """Thursday from 17:00, GTR 2 h, covered till 18:00: half used, an hour left, no instant."""
    inventory = build_fleet(("a", "A", "bureau"))
    life: list[Stretch] = [("down", "access", 17 * HOUR_S, 20 * HOUR_S)]
    counters = build_counters(life, 19 * HOUR_S, begun_s=OLD)
    labels = {
        "severity": "ticket",
        "contract": "bureau",
        "name": "Site a",
        "operator": "A",
        "site": "a",
    }
    words = {
        **build_annotations("NetwatchRestoreHalfUsed", "docs/alerts.md"),
        "summary": "Site a: half of the time to restore is used",
        "description": "50% of the guaranteed restoration time of A is used, in covered hours. "
        "Is a ticket open?",
        "summary_fr": "Site a : la moitié de la GTR est consommée",
        "description_fr": "50% de la GTR de A est consommé, en heures couvertes. "
        "Un ticket est-il ouvert ?",
        "started": "1970-01-01T17:00:00Z",
        "restore_left": "1h 0m 0s",
        "cause": "access",
        "page": "http://a.example.fr:10779/",
    }
    # promtool tells an annotation that is empty from one that is not there; Alertmanager does not.
    words["restore_before"] = ""
    run_promtool(
        tmp_path, inventory, build_input(inventory, "a", counters, life=life),
        alerts=[(65_100, "NetwatchRestoreHalfUsed", [
            {"exp_labels": labels, "exp_annotations": words},
        ])],
    )  # fmt: skip


def test_an_outage_that_was_told_is_remembered_for_as_long_as_budgets_burn_by_it(
    tmp_path: Path,
) -> None:
    """Ten minutes down, told after three: the pages of the budget end within 35 minutes of it."""
    life: list[Stretch] = [("down", "access", 25_200, 25_800)]
    was = "NetwatchLineWasDown"
    burns = f"count by (site) ({alert('NetwatchBudgetBurn')} or {alert('NetwatchBudgetBurnFast')})"
    run_promtool(
        tmp_path, fleet(), series_of(life, 30_600),
        expressions=[
            (25_320, alert(was), {}),
            (26_100, alert(was), firing(was, severity="none")),
            (27_000, burns, {'{site="a"}': 1}),
            (27_000, alert(was), firing(was, severity="none")),
            (27_780, burns, {}),
            (27_780, alert(was), firing(was, severity="none")),
            (28_200, alert(was), {}),
        ],
    )  # fmt: skip


def test_how_an_operator_is_reached_comes_with_the_alert() -> None:
    """Of each operator what the inventory has, whatever signs its name has; else nothing."""
    inventory = build_inventory(
        {
            "operator": [
                {"name": 'A "Télécom" \\ {{x}}', "phone": "+33 1 99", "customer": "C-1 {{y}}"},
                {"name": "B"},
            ],
            "site": [{"id": "a", "address": "a", "circuit": {"operator": "B"}}],
        },
        "fleet.toml",
    )
    assert build_facts("NetwatchAgentSilent", inventory)["contact"] == (
        '{{ if eq $labels.operator "A \\"Télécom\\" \\\\ {{x}}" }}+33 1 99 · C-1 {{ "{{" }}y}}{{ end }}'
    )
    assert "contact" not in build_facts("NetwatchAgentSilent", fleet())


def test_budgets_burn_over_two_windows(tmp_path: Path) -> None:
    """70 s of a promised 43 min a month: fast for five minutes after, then no more."""
    life: list[Stretch] = [("down", "access", 5_000, 5_070)]
    fast = "NetwatchBudgetBurnFast"
    run_promtool(
        tmp_path, fleet(), series_of(life, 12_000),
        expressions=[
            (4_980, alert(fast), {}),
            (5_160, alert(fast), firing(fast, severity="page")),
            (5_460, alert(fast), {}),
        ],
    )  # fmt: skip


def test_six_times_the_pace_is_told_while_the_last_half_hour_had_some_of_it(tmp_path: Path) -> None:
    """99.9 %: 129.6 s of six hours. 130 s is a page until half an hour after, 129 s is none."""
    burn = "NetwatchBudgetBurn"
    for lasts_s, told in ((130, firing(burn, severity="page")), (129, {})):
        life: list[Stretch] = [("down", "access", 25_200, 25_200 + lasts_s)]
        run_promtool(
            tmp_path, fleet(), series_of(life, 28_800),
            expressions=[
                (25_200, alert(burn), {}),
                (25_380, alert(burn), told),
                (27_000, alert(burn), told),
                (27_180, alert(burn), {}),
            ],
        )  # fmt: skip


def test_more_than_the_promised_pace_over_three_days_is_told(tmp_path: Path) -> None:
    """99.9 %: 259.2 s of three days, until six hours after; what counts is not in one piece."""
    slow, step_s = "NetwatchBudgetBurnSlow", 300
    for lasts_s, told in ((60, firing(slow, severity="ticket")), (58, {})):
        life: list[Stretch] = [
            ("down", "access", 86_400, 86_600),
            ("down", "upstream", 273_600, 273_600 + lasts_s),
        ]
        counters = build_counters(life, 300_000, begun_s=OLD, step_s=step_s)
        run_promtool(
            tmp_path, fleet(),
            build_input(fleet(), "a", counters, life=life, step_s=step_s),
            expressions=[
                (273_600, alert(slow), {}),
                (273_900, alert(slow), told),
                (295_200, alert(slow), told),
                (295_800, alert(slow), {}),
            ],
            step_s=step_s,
        )  # fmt: skip


def test_rules_say_sixty_days_before_their_years_are_over(tmp_path: Path) -> None:
    """Written out for 1970 to 1972: told after 2 November 1972; never where no hours rest."""
    outdated = "NetwatchRulesOutdated"
    told = f'ALERTS{{alertname="{outdated}", alertstate="firing", severity="ticket"}}'
    for contract, expected in (("bureau", {told: 1}), ("gold", {})):
        run_promtool(
            tmp_path, build_fleet(("a", "A", contract)), [],
            expressions=[
                (1_036 * DAY_S, alert(outdated), {}),
                (1_037 * DAY_S, alert(outdated), expected),
            ],
            step_s=DAY_S,
        )  # fmt: skip


def test_a_silent_agent_is_told_and_a_site_that_was_never_there_too(tmp_path: Path) -> None:
    """The inventory says who should be there: an absent target is no absence of an alert."""
    inventory = build_fleet(("a", "A", "gold"), ("z", "B", None))
    counters = build_counters([], 7_200, unread=[(3_600, 5_400)], begun_s=OLD)
    silent = "NetwatchAgentSilent"
    names = f"count by (site) ({alert(silent)})"
    run_promtool(
        tmp_path, inventory, build_input(inventory, "a", counters),
        expressions=[
            (3_600, names, {'{site="z"}': 1}),
            (3_840, names, {'{site="z"}': 1}),
            (3_930, names, {'{site="a"}': 1, '{site="z"}': 1}),
            (5_460, names, {'{site="z"}': 1}),
        ],
    )  # fmt: skip


def test_several_sites_of_one_operator_are_one_outage(tmp_path: Path) -> None:
    """Three of four lines of A by access or upstream: A's outage; two of B by their boxes: none."""
    sites = [(name, "A", "gold") for name in "abcd"] + [(name, "B", "gold") for name in "efg"]
    inventory = build_fleet(*sites)
    series = []
    for name, _, _ in sites:
        cause = {"a": "access", "b": "upstream", "c": "access", "e": "gateway", "f": "gateway"}
        life: list[Stretch] = [("down", cause[name], 3_600, 5_400)] if name in cause else []
        series += build_input(inventory, name, build_counters(life, 5_700, begun_s=OLD), life=life)
    outage = "NetwatchOperatorOutage"
    facts = {
        **build_annotations(outage, "docs/alerts.md"),
        "summary": "A: several sites are down at once",
        "description": "3 sites of A are down by access or upstream: the operator’s network, "
        "not one building’s.",
        "summary_fr": "A : plusieurs sites coupés en même temps",
        "description_fr": "3 sites de A sont coupés (accès ou amont) : le réseau de l’opérateur, "
        "et non celui d’un bâtiment.",
        "sites": "Site a, Site b, Site c",
    }
    told = f'ALERTS{{alertname="{outage}", alertstate="firing", operator="A", severity="page"}}'
    run_promtool(
        tmp_path, inventory, series,
        expressions=[
            (3_630, alert(outage), {}),
            (3_780, alert(outage), {told: 1}),
            (5_640, alert(outage), {}),
        ],
        alerts=[(3_780, outage, [
            {"exp_labels": {"severity": "page", "operator": "A"}, "exp_annotations": facts},
        ])],
    )  # fmt: skip


def test_agents_of_one_operator_silent_at_once(tmp_path: Path) -> None:
    """All of A's while B's answers: A's lines, perhaps; all of both: the centre's own fault."""
    sites = [(name, "A", "gold") for name in "abc"] + [("e", "B", "gold")]
    inventory = build_fleet(*sites)
    series = []
    for name, operator, _ in sites:
        unread = [(5_400, 7_200)] if operator == "B" else [(1_800, 3_600), (5_400, 7_200)]
        counters = build_counters([], 7_200, unread=unread, begun_s=OLD)
        series += build_input(inventory, name, counters)
    silent = "NetwatchOperatorSilent"
    told = f'ALERTS{{alertname="{silent}", alertstate="firing", operator="A", severity="page"}}'
    run_promtool(
        tmp_path, inventory, series,
        expressions=[(2_400, alert(silent), {told: 1}), (6_900, alert(silent), {})],
    )  # fmt: skip


AGENTS: Mapping[str, tuple[list[dict[str, str]], int, int, dict[str, str]]] = {
    # alert: series, an instant without it, one with it, its own labels
    "NetwatchClockNotSynchronised": (
        [gauge("netwatch_clock_synchronised", "1x60 0x120")], 2_400, 2_790, {}),
    "NetwatchCertificateEnding": (
        [gauge("netwatch_certificate_expiry_timestamp_seconds", f"{20 * DAY_S}x60 {9 * DAY_S}x240",
               target="ent")], 5_000, 5_460, {"target": "ent"}),
    "NetwatchSpoolGrowing": (
        [gauge("netwatch_spool_rows", "0x100 1+10x200", outlet="influx"),
         gauge("netwatch_spool_oldest_timestamp_seconds", "_x100 3000x200", outlet="influx")],
        6_900, 7_560, {"outlet": "influx"}),
    "NetwatchOtherSite": (
        [gauge("netwatch_build_info", "1x40 _x200", exported_site="a", version="1"),
         gauge("netwatch_build_info", "_x40 1x200", exported_site="b", version="1")],
        1_200, 3_060, {"exported_site": "b"}),
    "NetwatchNotice": (
        [gauge("netwatch_notice", "_x40 1x200", notice="disk_full")],
        2_700, 3_060, {"notice": "disk_full"}),
}  # fmt: skip


@pytest.mark.parametrize("name", AGENTS)
def test_what_is_the_matter_with_an_agent_is_told(tmp_path: Path, name: str) -> None:
    """Each after its time, with the site's name."""
    extra, before_s, after_s, labels = AGENTS[name]
    series = [*series_of([], 8_400), *extra]
    run_promtool(
        tmp_path, fleet(), series,
        expressions=[
            (before_s, alert(name), {}),
            (after_s, alert(name), firing(name, severity="ticket", **labels)),
        ],
    )  # fmt: skip


def test_low_coverage_is_told(tmp_path: Path) -> None:
    """Two unwatched hours of a day that has only them unwatched."""
    life: list[Stretch] = [("unknown", "local", 3_600, 10_800)]
    low = "NetwatchCoverageLow"
    counters = build_counters(life, 14_400, begun_s=-19 * HOUR_S)
    run_promtool(
        tmp_path, fleet(), build_input(fleet(), "a", counters, life=life),
        expressions=[
            (5_400, alert(low), {}),
            (14_400, alert(low), firing(low, severity="ticket")),
        ],
    )  # fmt: skip


def test_every_alert_has_its_words_its_page_and_its_name_in_french() -> None:
    """docs/alerts.md has a section for each alert, and no other; texts are not left empty."""
    alerts = {
        str(rule["alert"])
        for group in build_alerting_groups(fleet(), range(2026, 2029), dated=True)
        for rule in group["rules"]  # type: ignore[attr-defined] # a list of rules
    }
    assert alerts == set(WORDS)
    text = DOCS.read_text(encoding="utf-8")
    sections = re.findall(r"^### (\w+)\n\n\*([^*\n]+)\*", text, flags=re.MULTILINE)
    assert {name for name, _ in sections} == alerts
    for name in alerts:
        assert all(build_annotations(name, "x").values())
