"""The dashboards: current, of Grafana's schema, and every expression of them asked for real."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.build import build_files, build_pictures
from dashboards.form import LANGUAGES, SOURCES
from dashboards.promql import HELD
from netwatch.fleet.windows import WINDOWS
from tests.fleet.dashboard_queries import (
    FOLDER,
    Asked,
    fill_in,
    list_asked,
    list_panels,
    read_pages,
)
from tests.fleet.dashboard_world import SITES, watched_fleet
from tests.fleet.prometheus_server import PrometheusServer
from tests.test_docs_metrics import read_documented

ROOT = FOLDER.parent
COMMITTED = sorted(FOLDER.glob("*/*/*.json"))
PAGES = ("agents", "bandwidth", "fleet", "site", "sla")
_GUIDES = {
    "en": ROOT / "docs" / "dashboards.md",
    "fr": ROOT / "docs" / "fr" / "tableaux-de-bord.md",
}
#: What the data sources read of a mark, and the SDK's model has no field for.
_MARKS = {"step", "titleFormat", "textFormat", "tagKeys", "useValueForTime", "titleColumn",
          "textColumn", "tagsColumn", "timeEndColumn", "query"}  # fmt: skip


def _named(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def _load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def test_the_committed_files_are_what_the_program_builds() -> None:
    """`python -m dashboards` gives the same bytes again, and there is no file besides."""
    built = {FOLDER / name: text for name, text in build_files().items()}
    assert sorted(built) == COMMITTED
    for path, text in built.items():
        assert path.read_text(encoding="utf-8") == text, f"{_named(path)}: python -m dashboards"
    assert {path.stem for path in COMMITTED} == set(PAGES)


def test_the_pictures_of_the_documentation_are_of_these_pages() -> None:
    """Drawn again they are the same, and each is shown by the text of its language."""
    folder = ROOT / "docs" / "images"
    built = {folder / name: text for name, text in build_pictures().items()}
    assert sorted(built) == sorted(folder.glob("dashboard-*.svg"))
    for path, text in built.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: python -m dashboards"
        page = _GUIDES[path.name.split(".")[1]].read_text(encoding="utf-8")
        assert f"images/{path.name})" in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_guide_names_panels_that_there_are(language: str) -> None:
    """Whatever stands in quotation marks beside a question is the title, or begins it."""
    text = _GUIDES[language].read_text(encoding="utf-8")
    table = text.partition("|---|---|\n")[2].partition("\n\n")[0]
    named = re.findall(r'"([^"]+)"' if language == "en" else r"« ([^»]+) »", table)
    titles = [
        panel["title"]
        for source in SOURCES
        for page in read_pages(source, language).values()
        for panel in list_panels(page)
    ]
    assert len(named) >= 7
    for name in named:
        assert any(title.startswith(name) for title in titles), name


@pytest.mark.parametrize("path", COMMITTED, ids=_named)
def test_a_dashboard_is_of_grafanas_schema(path: Path) -> None:
    """Read into the SDK's models and written again, nothing is lost: no field is unknown to it."""
    register_default_plugins()
    document = _load(path)
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(document)))
    for mark in document["annotations"]["list"]:
        for key in _MARKS & mark.keys():
            del mark[key]
    assert again == document


@pytest.mark.parametrize("path", COMMITTED, ids=_named)
def test_every_panel_says_what_it_shows_in_which_unit(path: Path) -> None:
    """Title, description and unit; numbers, texts and places of panels are no accident."""
    document = _load(path)
    panels = list_panels(document)
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"], panel
        assert len(panel["description"]) > 20, panel["title"]
        if panel["type"] == "text":
            continue
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("path", COMMITTED, ids=_named)
def test_no_value_is_drawn_across_a_gap(path: Path) -> None:
    """Lines end where readings end; nothing makes 0 of what is absent."""
    for panel in list_panels(_load(path)):
        custom = panel.get("fieldConfig", {}).get("defaults", {}).get("custom", {})
        if panel["type"] == "timeseries":
            assert custom["spanNulls"] is False, panel["title"]
        assert custom.get("spanNulls") in (None, False), panel["title"]
        for target in panel.get("targets", []):
            assert "fill(0)" not in str(target)
            assert "fill(previous)" not in str(target)
            assert "fill(linear)" not in str(target)


def test_panels_do_not_overlap_and_fill_the_grid() -> None:
    """Each cell of Grafana's 24 columns holds one panel, and no line of them stays half empty."""
    for path in COMMITTED:
        taken: set[tuple[int, int]] = set()
        for panel in _load(path)["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24, (_named(path), panel["title"])
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
            assert not cells & taken, (_named(path), panel["title"])
            taken |= cells
        for y in {y for _, y in taken}:
            assert {x for x, line in taken if line == y} == set(range(24)), (_named(path), y)


def test_both_languages_have_the_same_panels_over_the_same_expressions() -> None:
    """Only words differ, and they do."""
    for source in SOURCES:
        english, french = read_pages(source, "en"), read_pages(source, "fr")
        for name, document in english.items():
            mine, other = list_panels(document), list_panels(french[name])
            assert [panel["type"] for panel in mine] == [panel["type"] for panel in other]
            for here, there in zip(mine, other, strict=True):
                assert here["description"] != there["description"], here["title"]
                for key in ("expr", "query"):
                    assert [target.get(key) for target in here.get("targets", [])] == [
                        target.get(key) for target in there.get("targets", [])
                    ]
            assert document["uid"] != french[name]["uid"]


def test_a_state_has_its_word_and_unknown_its_own_lane() -> None:
    """Five states, five words, five colours; what nobody watched is not in the line's lane."""
    for language, word in (("en", "unknown"), ("fr", "inconnue")):
        page = read_pages("prometheus", language)["site"]
        lanes = next(panel for panel in page["panels"] if panel["type"] == "state-timeline")
        (mapping,) = lanes["fieldConfig"]["defaults"]["mappings"]
        words = {code: each["text"] for code, each in mapping["options"].items()}
        assert words["3"] == word
        assert len(set(words.values())) == 5
        assert len({each["color"] for each in mapping["options"].values()}) == 5
        line, unwatched = (target["expr"] for target in lanes["targets"])
        assert 'verdict="unknown"' not in line
        assert "site_silent" not in line
        assert 'verdict="unknown"' in unwatched
        assert "site_silent" in unwatched


def test_links_lead_from_fleet_to_site_and_to_the_agents_page() -> None:
    """Every address within Grafana is a dashboard of the same language and source."""
    for source, language in itertools.product(SOURCES, LANGUAGES):
        pages = read_pages(source, language)
        uids = {page["uid"] for page in pages.values()}
        fleet = json.dumps(pages["fleet"])
        assert f"/d/{pages['site']['uid']}?var-site=" in fleet
        for page in pages.values():
            assert set(re.findall(r"/d/([a-z-]+)\?", json.dumps(page))) <= uids
            assert page["annotations"]["list"]
        # Points have no address of an agent's page.
        assert ('"url": "${__value.raw}"' in fleet) is (source == "prometheus")


#: Words that no text of the other language has.
_ONLY = {
    "en": {"the", "and", "their", "which", "with", "since", "down", "unknown", "newest"},
    "fr": {"le", "les", "des", "du", "une", "avec", "depuis", "coupée", "inconnue"},
}
#: What a query or a label is called is so in both.
_NAMES = {"bufferbloat", "gateway", "access", "upstream", "dns", "local"}


@pytest.mark.parametrize("path", COMMITTED, ids=_named)
def test_a_page_speaks_one_language(path: Path) -> None:
    """Titles, descriptions, legends, heads of columns and labels of variables."""
    document = _load(path)
    language = path.parent.name
    texts = [document["title"], document["description"]]
    texts += [each.get("label", "") for each in document["templating"]["list"]]
    for panel in document["panels"]:
        texts += [panel["title"], panel.get("description", "")]
        texts += [each.get("alias", "") for each in panel.get("targets", [])]
        texts += [
            head
            for each in panel.get("transformations", [])
            for head in each["options"].get("renameByName", {}).values()
        ]
    other = _ONLY["fr" if language == "en" else "en"]
    for text in texts:
        words = set(re.findall(r"[^\W\d_]+", text.lower())) - _NAMES
        assert not words & other, text


def test_every_series_that_is_asked_for_exists() -> None:
    """In docs/metrics.md, or recorded by the rules of docs/fleet.md."""
    recorded = set(
        re.findall(r"^\| `(netwatch:[a-z_:]+)` \|", (ROOT / "docs/fleet.md").read_text(encoding="utf-8"),
                   flags=re.MULTILINE)
    )  # fmt: skip
    known = set(read_documented()) | recorded | {"netwatch_rtt_seconds_bucket"}
    known |= {"process_resident_memory_bytes"}
    for asked in list_asked():
        named = set(re.findall(r"\b(?:netwatch|process)[_:][a-z0-9_:]+", asked.expression))
        assert named or 'up{job="netwatch"' in asked.expression, asked
        assert named <= known, (asked.page, asked.panel, named - known)
        assert "increase(" not in asked.expression
        for window in re.findall(r'window="([^"]+)"', asked.expression):
            assert window in WINDOWS


#: Grafana's words for units; its own list has more, among them "rpm", which is reads a minute.
_UNITS = {"bps", "bytes", "decbytes", "cps", "dateTimeAsIso", "dateTimeFromNow", "none",
          "percentunit", "rotrpm", "s", "short", "string", "bool_yes_no"}  # fmt: skip


def test_units_are_grafanas_words() -> None:
    """A unit that Grafana does not know, it appends to the figure as it is."""
    for path in COMMITTED:
        for panel in list_panels(_load(path)):
            settings = panel["fieldConfig"]
            units = {settings["defaults"]["unit"]} | {
                each["value"]
                for override in settings.get("overrides", [])
                for each in override["properties"]
                if each["id"] == "unit"
            }
            assert units <= _UNITS, (_named(path), panel["title"])


def test_rates_are_shown_in_bits_and_kept_in_bytes() -> None:
    """The unit bps stands only over an expression that multiplies bytes by 8."""
    for source in SOURCES:
        for page in read_pages(source).values():
            for panel in list_panels(page):
                if panel.get("fieldConfig", {}).get("defaults", {}).get("unit") == "bps":
                    for target in panel["targets"]:
                        assert "* 8" in (target.get("expr") or target["query"]), panel["title"]


# -- asked for real --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    with watched_fleet(tmp_path_factory.mktemp("fleet")) as running:
        yield running


def _ask(server: PrometheusServer, asked: Asked) -> int:
    """How many series any site of the fleet has for it."""
    count = 0
    sites = list(SITES) if 'site="$site"' in asked.expression else [".*"]
    for site in sites:
        expression = fill_in(asked.expression, site=site)
        now_s = time.time()
        if asked.step_s is None:
            count += len(server.get("query", query=expression, time=repr(now_s))["result"])
            continue
        # Fewer points than a screen has: the newest six hours, or all of a panel's own range.
        range_s = asked.range_s if asked.step_s >= 21_600 else 6 * 3_600
        range_s = range_s // asked.step_s * asked.step_s  # the last point is the end
        end_s = now_s // asked.step_s * asked.step_s if asked.step_s >= 21_600 else now_s
        count += len(
            server.get("query_range", query=expression, start=repr(end_s - range_s),
                       end=repr(end_s), step=str(asked.step_s))["result"]
        )  # fmt: skip
    return count


def test_no_expression_fails_and_none_is_empty(server: PrometheusServer) -> None:
    """Every one of every panel and mark, its variables filled in, over a fleet with each state."""
    asked = list(list_asked())
    assert len(asked) > 60
    empty = [(each.page, each.panel, each.expression) for each in asked if not _ask(server, each)]
    assert not empty, "\n".join(map(str, empty))


def test_every_variable_has_values(server: PrometheusServer) -> None:
    """Operators, communes and sites of the inventory, as Grafana asks for them."""
    for page in read_pages("prometheus").values():
        for variable in page["templating"]["list"]:
            if variable["type"] != "query":
                continue
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found is not None
            series = server.get("series", **{"match[]": fill_in(found[1])})
            assert all(each[found[2]] for each in series)
            assert {each["site"] for each in series} == set(SITES)


def test_the_months_of_the_sla_page_are_the_counters_differences(server: PrometheusServer) -> None:
    """At the first of a month, UTC: what the counter says there less what it said a month before."""
    page = read_pages("prometheus")["sla"]
    panel = next(
        each for each in page["panels"] if "operator" in each["title"] and "targets" in each
    )
    now_s = int(time.time())
    end_s = now_s // 86_400 * 86_400
    result = server.get(
        "query_range", query=fill_in(panel["targets"][0]["expr"]), start=str(end_s - 40 * 86_400),
        end=str(end_s), step="86400",
    )["result"]  # fmt: skip
    points = {(series["metric"]["operator"], int(at_s)): float(value)
              for series in result for at_s, value in series["values"]}  # fmt: skip
    assert points
    for (operator, at_s), value in points.items():
        assert time.gmtime(at_s).tm_mday == 1
        before = time.gmtime(at_s - 43_200)
        begun_s = at_s - before.tm_mday * 86_400
        chosen = (
            f'{HELD}{{site=~"{"|".join(s for s, each in SITES.items() if each[0] == operator)}"'
        )
        down = f'sum({chosen},verdict="down"}})'
        known = f'sum({chosen},verdict!="unknown"}})'
        grown = [
            next(iter(server.query(each, at_s).values()))
            - next(iter(server.query(each, begun_s).values()))
            for each in (down, known)
        ]
        assert value == pytest.approx(1 - grown[0] / grown[1], abs=1e-12)
