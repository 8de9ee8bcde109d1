"""The pages over InfluxDB: every query asked for real, and their figures the ledger's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest

from netwatch.core.ledger import sum_spans
from netwatch.records import Verdict
from tests.fleet.dashboard_queries import list_panels, read_pages
from tests.fleet.influx_queries import AskedInflux, fill_in, find_instant, list_asked
from tests.fleet.influx_world import BEGIN_MS, END_MS, SITES, WHOLE, FilledInflux, pushed_fleet
from tests.fleet.influxdb_server import Series

#: "Now" of pages about whole months: the month is the last one then.
_LATER_MS = int(datetime.fromisoformat("2024-11-03T00:00:00Z").timestamp() * 1000)
_DAY_MS = 86_400_000
_ASKED = tuple(list_asked())


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledInflux]:
    with pushed_fleet(tmp_path_factory.mktemp("pushed")) as filled:
        yield filled


def _fill(
    asked: AskedInflux,
    *,
    site: Sequence[str] | str | None = None,
    operator: Sequence[str] | str = ".*",
) -> str:
    now_ms = _LATER_MS if "M/M" in asked.begin else END_MS
    return fill_in(
        asked.query,
        from_ms=find_instant(asked.begin, now_ms),
        to_ms=find_instant(asked.end, now_ms, end=True),
        step_s=asked.step_s,
        site=site or ((WHOLE,) if asked.page == "site" else ".*"),
        operator=operator,
    )


def _find(page: str, title: str, part: str = "") -> AskedInflux:
    """The one query of a panel that has this part."""
    (found,) = [
        each for each in _ASKED if each.page == page and each.panel == title and part in each.query
    ]
    return found


def _rows(answer: list[Series]) -> list[dict[str, Any]]:
    return [row for series in answer for row in series.rows()]


def test_no_query_fails_and_none_is_empty(fleet: FilledInflux) -> None:
    """Every one of every panel and mark has a value in a fleet with each state."""
    assert len(_ASKED) > 60
    empty = []
    for asked in _ASKED:
        rows = _rows(fleet.server.ask(_fill(asked)))
        names = {name for row in rows for name, value in row.items() if value is not None}
        if not names - {"time", "site", "operator", "circuit", "target"}:
            empty.append((asked.page, asked.panel, asked.query))
    assert not empty, "\n".join(map(str, empty))


def test_one_operator_or_two_sites_narrow_every_query(fleet: FilledInflux) -> None:
    """Variables with one value, with several and with none to escape: the rest is not there."""
    for asked in _ASKED:
        if asked.page == "site":
            continue
        assert "/^$site$/" in asked.query, asked
        assert "/^$operator$/" in asked.query, asked
        rows = _rows(fleet.server.ask(_fill(asked, operator=("Opérateur A", "none.of/these"))))
        named = {row["site"] for row in rows if row.get("site")}
        named |= {row["operator"] for row in rows if row.get("operator")}
        assert named <= {WHOLE, "mairie", "Opérateur A"}, asked
        rows = _rows(fleet.server.ask(_fill(asked, site=("gymnase", "musee"))))
        assert {row["site"] for row in rows if row.get("site")} <= {"gymnase", "musee"}, asked


def test_every_column_of_a_table_is_in_its_answers(fleet: FilledInflux) -> None:
    """What is arranged was asked for, and what was asked for is arranged."""
    tables: dict[tuple[str, str], set[str]] = {}
    for asked in _ASKED:
        if asked.kind == "table":
            rows = _rows(fleet.server.ask(_fill(asked)))
            names = {name for row in rows for name, value in row.items() if value is not None}
            tables.setdefault((asked.page, asked.panel), set()).update(names - {"time"})
    arranged = {
        (each.page, each.panel): {name.removesuffix(" (sum)") for name in each.columns}
        for each in _ASKED if each.kind == "table"
    }  # fmt: skip
    computed = {"availability", "coverage"}
    for key, names in tables.items():
        wanted = arranged[key] - {"Time"}
        assert names <= wanted, key
        assert wanted - names <= (computed if key[1].startswith("Months") else set()), key


def test_the_downtime_of_the_month_is_the_ledgers(fleet: FilledInflux) -> None:
    """To the millisecond, and so are the unknown time, the availability and the outages."""
    spans = fleet.read_ledger()
    totals = dict.fromkeys(Verdict, 0)
    for (verdict, _), length_ms in sum_spans(spans).items():
        totals[verdict] += length_ms
    assert totals[Verdict.DOWN] == 18_720_000 + 1_350_000 + 200_000 + 2_880_000 + 1_017_000
    known_ms = END_MS - BEGIN_MS - totals[Verdict.UNKNOWN]

    def ask(title: str, part: str) -> dict[str, Any]:
        asked = _find("sla", title, part)
        whole = fill_in(asked.query, from_ms=BEGIN_MS, to_ms=END_MS - 1, site=(WHOLE,))
        (row,) = _rows(fleet.server.ask(whole))
        return row

    figures = ask("Sites over the chosen time", '"received"')
    assert figures["down"] * 1000 == totals[Verdict.DOWN]
    assert figures["received"] == pytest.approx(1, abs=1e-9)
    assert figures["coverage"] == pytest.approx(known_ms / (END_MS - BEGIN_MS), abs=1e-12)
    availability = ask("Sites over the chosen time", '"availability"')["availability"]
    assert availability == pytest.approx(1 - totals[Verdict.DOWN] / known_ms, abs=1e-12)
    outages = ask("Sites over the chosen time", '"outages"')
    assert (outages["outages"], outages["longest"]) == (5, 18_720)
    causes = ask("Whose fault: time down by cause", "down_access_ms")
    assert {each: causes[each] for each in ("gateway", "access", "upstream", "dns")} == {
        "gateway": 200, "access": 21_087, "upstream": 2_880, "dns": 0,
    }  # fmt: skip


def test_the_days_of_a_month_add_up_to_it(fleet: FilledInflux) -> None:
    """What Grafana puts together to months is, day by day, all that was booked."""
    asked = _find("sla", "Months by site")
    rows = _rows(fleet.server.ask(_fill(asked, site=(WHOLE,))))
    assert sum(row["booked"] for row in rows) * 1000 == END_MS - BEGIN_MS
    for row in rows:
        assert row["known"] + row["unknown"] == row["booked"]
        assert row["in_service"] + row["down"] == row["known"]


def test_each_site_has_its_state_and_silence_is_not_an_outage(fleet: FilledInflux) -> None:
    """The five states, told from the newest minutes alone; and each is counted once."""
    codes = {"up": 1, "degraded": 2, "unknown": 3, "silent": 4, "down": 5}
    rows = _rows(fleet.server.ask(_fill(_find("fleet", "Sites, worst first", '"state"'))))
    assert {row["site"]: row["state"] for row in rows} == {
        site: codes[state] for site, (_, _, state, _) in SITES.items()
    }
    counts = [each for each in _ASKED if each.panel == "Sites by state"]
    assert [_rows(fleet.server.ask(_fill(each)))[0]["count"] for each in counts] == [1] * 5
    present = _find("site", "Now")
    for row in rows:
        (alone,) = _rows(fleet.server.ask(_fill(present, site=(row["site"],))))
        assert alone["state"] == row["state"]


def test_a_site_of_which_nothing_is_known_has_no_availability(fleet: FilledInflux) -> None:
    """InfluxQL makes 0 of 0 / 0: neither "all up" nor "all down" is shown for it."""
    rows = _rows(fleet.server.ask(_fill(_find("fleet", "Sites, worst first", '"availability"'))))
    assert "musee" not in {row["site"] for row in rows}
    assert (
        fleet.server.ask(_fill(_find("site", "Availability", '"known" >'), site=("musee",))) == []
    )
    (worst,) = _rows(
        fleet.server.ask(_fill(_find("site", "Availability", '"at_worst"'), site=("musee",)))
    )
    assert worst["at_worst"] == 0


def test_time_without_a_point_has_no_value_and_unknown_time_its_own_lane(
    fleet: FilledInflux,
) -> None:
    """An agent that was off: its minutes came later, as unknown. A silent one: nothing at all."""
    lanes = [each for each in _ASKED if each.panel == "What the points say"]
    cases: tuple[tuple[str, str, str, tuple[set[int | None], set[int | None]]], ...] = (
        (WHOLE, "2024-10-31T08:32:00Z", "2024-10-31T09:38:00Z", ({None}, {3})),
        (WHOLE, "2024-10-31T17:01:00Z", "2024-10-31T17:15:00Z", ({5}, {None})),
        ("stade", "2024-10-31T18:50:00Z", "2024-10-31T18:58:00Z", ({1}, {None})),
        # Nothing came: there is no row, or a row without a value.
        ("stade", "2024-10-31T19:10:00Z", "2024-10-31T21:00:00Z", (set(), set())),
    )
    for site, from_ms, to_ms, wanted in cases:
        instants = [
            int(datetime.fromisoformat(each).timestamp() * 1000) for each in (from_ms, to_ms)
        ]
        for lane, states in zip(lanes, wanted, strict=True):
            query = fill_in(lane.query, from_ms=END_MS - _DAY_MS, to_ms=END_MS, step_s=60,
                            site=(site,))  # fmt: skip
            rows = [row for row in _rows(fleet.server.ask(query))
                    if instants[0] <= row["time"] <= instants[1]]  # fmt: skip
            seen = {row["state"] for row in rows}
            assert seen - {None} == states - {None}, (site, from_ms)
            assert None in seen or None not in states or not rows, (site, from_ms)
    loss = _find("site", "Loss by target")
    off = [
        row["loss"] for row in _rows(fleet.server.ask(_fill(loss)))
        if 1_730_363_520_000 <= row["time"] <= 1_730_367_480_000
    ]  # fmt: skip
    assert off
    assert set(off) == {None}


def test_every_variable_has_values(fleet: FilledInflux) -> None:
    """Operators and sites, as Grafana asks for them; no variable is of what points do not have."""
    for page in read_pages("influx").values():
        found = {}
        for variable in page["templating"]["list"]:
            if variable["type"] == "query":
                rows = _rows(fleet.server.ask(fill_in(variable["query"], from_ms=0, to_ms=1)))
                found[variable["name"]] = {row["value"] for row in rows}
        assert found == {"operator": {"Opérateur A", "Opérateur B"}, "site": set(SITES)}


def test_marks_have_the_columns_that_they_name(fleet: FilledInflux) -> None:
    """Beginning, end in milliseconds, site, cause, operator: of each outage that is over."""
    for page in read_pages("influx").values():
        for mark in page["annotations"]["list"]:
            if "query" in mark:
                query = fill_in(mark["query"], from_ms=BEGIN_MS, to_ms=END_MS, site=(WHOLE,))
                rows = _rows(fleet.server.ask(query))
                assert len(rows) == 5
                columns = ("titleColumn", "textColumn", "tagsColumn", "timeEndColumn")
                for row in rows:
                    assert {mark[each] for each in columns} <= row.keys()
                    assert 0 < row[mark["timeEndColumn"]] - row["time"] <= 18_720_000


def test_queries_keep_to_what_influxdb_1_2_and_3_know() -> None:
    """No time zone, no limit by series, no call that one of them has not; no gap is filled."""
    known = {"sum", "count", "max", "last", "median", "percentile", "time", "fill", "OVER"}
    for asked in _ASKED:
        assert asked.query.startswith("SELECT "), asked
        assert not re.search(r"\b(SLIMIT|SOFFSET|INTO|tz)\b", asked.query), asked
        assert set(re.findall(r"\b([a-zA-Z_]+)\(", asked.query)) <= known, asked
        assert set(re.findall(r"fill\((\w+)\)", asked.query)) <= {"null", "none"}, asked
        assert "now()" not in asked.query  # the page's end, which may be long ago
    for page in read_pages("influx").values():
        for panel in list_panels(page):
            for target in panel["targets"]:
                for tag in re.findall(r"\$tag_(\w+)", target.get("alias", "")):
                    assert f'"{tag}"' in target["query"].rpartition("GROUP BY")[2]
                if "$__interval" in target["query"]:
                    assert panel["interval"] in ("1m", "5m"), panel["title"]
