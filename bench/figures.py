"""The README's table of figures, written from the results and never by hand.

Rule of this file: pure. `python -m bench --publish` puts it in place; a test holds that
README.md says what docs/figures.json does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def replace_figures(readme: str, results: Mapping[str, Any]) -> str:
    """The README with the table between its marks written anew."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render_figures(results)}{END}{after}"


def render_figures(results: Mapping[str, Any]) -> str:
    """Markdown: what was asked, what was reached."""
    lines = [f"On {results['machine']}.", ""]
    if "rtt" in results:
        lines += _render_rtt(results["rtt"])
    if "agent" in results:
        lines += _render_agent(results["agent"])
    lines += ["| | goal | measured |", "|---|---|---|"]
    for name, words in _ROWS.items():
        if name in results:
            lines.append(words(results[name]))
    return "\n".join([*lines, ""])


def _render_rtt(rtt: Mapping[str, Any]) -> list[str]:
    conditions = rtt["conditions"]
    programs = list(next(iter(conditions.values())))
    lines = [
        "Round-trip time, error against the wire's truth behind a 20 ms relay, median / 99th "
        "percentile in ms (`python -m bench rtt`):",
        "",
        "| | " + " | ".join(conditions) + " |",
        "|---" * (len(conditions) + 1) + "|",
    ]
    for program in programs:
        cells = []
        for condition in conditions.values():
            figure = condition[program]
            cells.append(f"{figure['median_ms']:.3f} / {figure['p99_ms']:.3f}")
        name = f"**{program}**" if program == "netwatch" else program
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _render_agent(agent: Mapping[str, Any]) -> list[str]:
    lines = [
        "Twenty targets, one probe a second each; netwatch with store, metrics and page "
        "(`python -m bench agent`):",
        "",
        "| | CPU, % of a core | resident, MiB |",
        "|---|---|---|",
    ]
    for program, figure in agent["programs"].items():
        name = f"**{program}**" if program == "netwatch" else program
        lines.append(f"| {name} | {figure['cpu_percent']:.2f} | {figure['resident_mib']:.1f} |")
    return [*lines, ""]


def _lab_row(lab: Mapping[str, Any]) -> str:
    stories = lab["stories"].values()
    right = sum(1 for story in stories if story["problems"] == "none")
    errors = [
        abs(error)
        for story in stories
        if story["expected"].startswith(("down", "unknown"))
        for error in (*story["start_error_ms"], *story["end_error_ms"])
    ]
    worst = f", worst error of an outage's ends {max(errors)} ms" if errors else ""
    return (
        f"| every scripted fault (`python -m bench lab`) | {lab['goal']} | "
        f"{right} of {len(lab['stories'])} right{worst} |"
    )


def _soak_row(soak: Mapping[str, Any]) -> str:
    parts = [
        f"{name.replace('_', ' ')}: {figure['false_downs']} false"
        for name, figure in soak.items()
        if isinstance(figure, dict)
    ]
    return (
        f"| {soak['minutes']:g} minutes at 5 % loss, and with one host dead "
        f"(`python -m bench soak`) | no false down | {', '.join(parts)} |"
    )


def _scrape_row(scrape: Mapping[str, Any]) -> str:
    return (
        f"| CPU of a scrape at {scrape['targets']} targets, {scrape['series']} series "
        f"(`python -m bench scrape`) | at most {scrape['promised_ms']} ms | "
        f"{scrape['text_cpu_median_ms']} ms, 99th percentile {scrape['text_cpu_p99_ms']} ms |"
    )


def _disk_row(disk: Mapping[str, Any]) -> str:
    return (
        "| written to the card at defaults, file system journal included "
        "(`python -m bench disk`) | at most 60 MB a day | "
        f"{disk['device_bytes_per_day'] / 1e6:.0f} MB a day |"
    )


def _disk_hour_row(hour: Mapping[str, Any]) -> str:
    per_day = hour["device_bytes_per_day"]
    others = ", ".join(
        f"{words} {per_day[name] / 1e6:.0f} MB"
        for name, words in (("prometheus", "Prometheus"), ("victoria_metrics", "VictoriaMetrics"))
    )
    return (
        f"| written over {hour['minutes']:.0f} real minutes, extrapolated to a day; beside it what "
        f"scrapes it every {hour['scraped_every_s']} s, each on a device of its own "
        "(`python -m bench disk-hour`) | at most 60 MB a day | "
        f"{per_day['netwatch'] / 1e6:.0f} MB; {others} |"
    )


def _memory_row(memory: Mapping[str, Any]) -> str:
    def describe(figure: Mapping[str, Any]) -> str:
        low, high = figure["low_kib_per_day"], figure["high_kib_per_day"]
        return (
            f"{figure['slope_kib_per_day']} KiB a day (95 %: {low} to {high}), "
            f"{figure['held_kib_per_day'][0]} KiB and {figure['held_objects_per_day'][0]:.0f} "
            "objects more held a day"
        )

    return (
        f"| growth of resident memory over {memory['hours']} simulated hours, after "
        f"{memory['warm_up_hours']} (`python -m bench memory`) | {memory['goal']} | "
        f"{describe(memory)}; with a look at the page every half hour "
        f"{describe(memory['with_page'])} |"
    )


def _report_row(report: Mapping[str, Any]) -> str:
    cases = {
        "html_json_csv": "HTML, JSON, CSV of one target",
        "html_json_csv_five_targets": "of five",
        "html_json_csv_pdf_five_targets": "with PDF",
        "html_json_csv_pdf_five_targets_quarter_of_a_core": "with PDF at a quarter of a core",
    }
    parts = ", ".join(
        f"{words} {report[name]['median_s']} s ({report[name]['peak_mib']:.0f} MiB)"
        for name, words in cases.items()
    )
    return f"| a site's month as a report (`python -m bench report`) | {report['goal']} | {parts} |"


def _push_row(push: Mapping[str, Any]) -> str:
    quarter, agent = push["drain_quarter_of_a_core"], push["agent"]
    return (
        f"| {push['what']} (`python -m bench push`) | {push['goal']} | "
        f"{push['drain']['points_per_second']} points a second; at a quarter of a core "
        f"{quarter['points']} points in {quarter['took_s']:.0f} s by the pump alone, "
        f"{agent['points']} in {agent['backlog_quarter_of_a_core_s']:.0f} s by the agent that "
        f"measures meanwhile; {agent['peak_mib']:.0f} MiB, grown by {agent['growth_mib']} MiB; "
        f"{push['delay']['soon']['median_s']:.0f} to {push['delay']['late']['worst_s']:.0f} s by the "
        "second in which the agent was begun |"
    )


def _bandwidth_row(bandwidth: Mapping[str, Any]) -> str:
    ways = ("down", "up")
    ratios = [row[f"{way}_ratio"] for row in bandwidth["accuracy"].values() for way in ways]
    costs = bandwidth["cpu_s_per_gigabit"]
    parts = [
        f"{way} {min(those):.2f} to {max(those):.2f} of iperf3's"
        for way in ways
        for those in [[row["ratio"] for name, row in costs.items() if name.startswith(way)]]
    ]
    gigabit = bandwidth.get("gigabit_at_20_ms")  # results of before have none
    far = (
        ""
        if gigabit is None
        else f" (a gigabit at 20 ms: {gigabit['down_ratio']:.3f}, {gigabit['up_ratio']:.3f})"
    )
    tenth = ", ".join(f"{way} {bandwidth['tenth_of_a_core'][way]['mbit_s']}" for way in ways)
    return (
        f"| bandwidth over HTTP at {', '.join(bandwidth['accuracy'])} (`python -m bench bandwidth`) "
        f"| {bandwidth['goal']} | measured/true {min(ratios):.3f} to {max(ratios):.3f}{far}; CPU for a "
        f"gigabit {', '.join(parts)} (1, 4, 8 streams); at a tenth of a core {tenth} Mbit/s; "
        f"{bandwidth['peak_mib']:.0f} MiB |"
    )


def _bandwidth_delay_row(delay: Mapping[str, Any]) -> str:
    rounds = "the line's rounds"
    errors = [
        f"{name} {row[rounds]['median_ms']:.3f} / {row[rounds]['p99_ms']:.3f}"
        for name, row in delay["error"].items()
    ]
    ratios = [row[f"{way}_ratio"] for row in delay["queue"].values() for way in ("down", "up")]
    return (
        "| round trips while a test runs: the agent's error against the wire's truth, median / 99th "
        "percentile in ms, while the test fills another port; and of a queue of "
        f"{next(iter(delay['queue'].values()))['queue_ms']} ms at {', '.join(delay['queue'])}, what "
        f"is read (`python -m bench bandwidth-delay`) | {delay['goal']} | {', '.join(errors)}; "
        f"{min(ratios):.2f} to {max(ratios):.2f} of the queue |"
    )


def _bandwidth_budget_row(budget: Mapping[str, Any]) -> str:
    engines = list(dict.fromkeys(name.split()[0] for name in budget["tests"]))
    worst = ", ".join(
        f"{engine} "
        f"{max(row['overshoot_s'] for name, row in budget['tests'].items() if name.startswith(engine)):.2f}"
        for engine in engines
    )
    return (
        f"| {budget['what']} (`python -m bench bandwidth-budget`) | {budget['goal']} | "
        f"at worst, in seconds: {worst} |"
    )


def _fuzz_row(fuzz: Mapping[str, Any]) -> str:
    return (
        f"| {fuzz['what']} (`python -m bench fuzz`) | {fuzz['goal']} | "
        f"{'no crash' if fuzz['alive'] else 'it did not survive'}; grown by {fuzz['grown_mib']} MiB; "
        f"{fuzz['late']} of {fuzz['pings']} probes late |"
    )


def _install_row(install: Mapping[str, Any]) -> str:
    return (
        "| the package on a clean Debian 12 that is booted (`python -m bench install`) | "
        f"{install['goal']} | {install['first_scrape_s']:.0f} s, {install['after_kill_s']:.1f} s, "
        f"{install['after_hang_s']:.0f} s |"
    )


def _centre_row(centre: Mapping[str, Any]) -> str:
    filled = centre["filled"]
    return (
        f"| every question of dashboards and rules at {centre['sites']} sites, "
        f"{filled['series']} series, {filled['samples_million']} million samples "
        f"(`python -m bench centre`) | {centre['goal']} | {centre['expressions']} asked, "
        f"{len(centre['failed'])} failed, {len(centre['empty'])} empty; the slowest "
        f"{centre['slowest_cpu_ms']} ms of CPU |"
    )


def _scrape_fleet_row(fleet: Mapping[str, Any]) -> str:
    return (
        f"| a fleet scraped for {fleet['watched_s']} s, its {fleet['rules']} rules evaluated "
        f"(`python -m bench scrape-fleet`) | {fleet['goal']} | {fleet['scrapes_failed']} of "
        f"{fleet['scrapes']} scrapes failed, 99th percentile {fleet['scrape_p99_ms']} ms; "
        f"{fleet['series_per_agent']} series, {fleet['scrape_bytes'] / 1e3:.1f} kB; Prometheus "
        f"{fleet['prometheus_cpu_percent']} % of a core, {fleet['prometheus_peak_mb']} MB |"
    )


def _fleet_row(fleet: Mapping[str, Any]) -> str:
    parts = []
    for source in ("agents", "prometheus"):
        row = fleet[source].get("200_sites") or fleet[source]["200_sites_extrapolated"]
        memory = f"{row['peak_mb']:.0f} MB"
        if "store_mb" in row:
            memory += f" and the store's {row['store_mb']:.0f}"
        parts.append(f"{source}: {row['took_s']:.0f} s, {row['cpu_s']:.0f} CPU seconds, {memory}")
    return (
        f"| the fleet's report (`python -m bench fleet`) | {fleet['goal']} | {'; '.join(parts)} |"
    )


_ROWS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "lab": _lab_row,
    "soak": _soak_row,
    "scrape": _scrape_row,
    "disk": _disk_row,
    "disk-hour": _disk_hour_row,
    "memory": _memory_row,
    "report": _report_row,
    "push": _push_row,
    "bandwidth": _bandwidth_row,
    "centre": _centre_row,
    "scrape-fleet": _scrape_fleet_row,
    "fleet": _fleet_row,
    "bandwidth-delay": _bandwidth_delay_row,
    "bandwidth-budget": _bandwidth_budget_row,
    "install": _install_row,
    "fuzz": _fuzz_row,
}
