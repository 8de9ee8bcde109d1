"""A told month in a real store: what is read back is what was told, to the millisecond."""

from __future__ import annotations

import sqlite3
import tempfile
import tomllib
from contextlib import closing
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.agent.scenario_file import parse_scenario
from netwatch.agent.scenario_model import ScenarioFile
from netwatch.agent.simulate import Simulated, simulate
from netwatch.config.load import load_settings, parse_settings
from netwatch.config.model import Milliseconds, Settings
from netwatch.core.intervals import normalise
from netwatch.core.ledger import build_ledger, join_equal, sum_spans
from netwatch.core.scenario import (
    BOOT_MS,
    Absence,
    Degradation,
    LostClock,
    Outage,
    Story,
    expect_ledger,
    plan_lives,
    shorten_story,
)
from netwatch.errors import ConfigError, StoreError, UsageError
from netwatch.records import Cause, Outcome, Role, Span, Verdict
from netwatch.store.chain_verify import verify_chain
from netwatch.store.marks import read_simulated
from netwatch.store.queries import Reader
from netwatch.store.throughput import ThroughputBooks

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
START_MS = 1_790_812_800_000  # 2026-10-01T00:00:00Z
HOUR_MS = 3_600_000
PARIS = ZoneInfo("Europe/Paris")
SITE = parse_settings('[site]\nid = "a"\n[dns]\ninterval = "60s"\n[latency]\ninterval = "60s"', "a")


def tell(path: Path, story: Story) -> Simulated:
    """A probe a minute."""
    slow = ScenarioFile(interval_ms=Milliseconds(60_000))
    return simulate(SITE, slow, story, path, zone=UTC, name="test.toml")


def read_ledger(path: Path, story: Story) -> list[Span]:
    """The ledger as reports read it, with the reasons left out."""
    reader = Reader(path)
    layers = {
        layer: reader.read_spans(story.start_ms, story.end_ms, layer)
        for layer in ("link", "dns", "quality")
    }
    runs = reader.read_lives(story.start_ms, story.end_ms)
    ledger = build_ledger(layers, runs, story.start_ms, story.end_ms)
    return join_equal([msgspec.structs.replace(span, reason=None) for span in ledger])


def _stretches(gap_ms: int = 1) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Disjoint stretches in the first hours after the start."""

    def place(lengths: list[tuple[int, int]]) -> list[tuple[int, int]]:
        found, at_ms = [], START_MS
        for pause_ms, length_ms in lengths:
            at_ms += pause_ms
            found.append((at_ms, at_ms + length_ms))
            at_ms += length_ms + gap_ms
        return found

    pair = st.tuples(st.integers(0, 40 * 60_000), st.integers(1, 30 * 60_000))
    short = st.tuples(st.integers(0, 4_000), st.integers(1, 4_000))
    return st.lists(pair | short, max_size=3).map(place)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    link_causes = st.sampled_from([Cause.GATEWAY, Cause.ACCESS, Cause.UPSTREAM])
    pauses = draw(_stretches(gap_ms=2 * BOOT_MS + 1))
    kinds = draw(st.lists(st.sampled_from(["off", "clock", "never"]), min_size=3, max_size=3))
    reasons = st.sampled_from(["stopped", "crashed", "power_loss"])
    split = list(zip(kinds, pauses, strict=False))
    return Story(
        start_ms=START_MS,
        end_ms=START_MS + draw(st.integers(1, 4 * HOUR_MS)),
        outages=tuple(
            Outage(cause=draw(link_causes), start_ms=start, end_ms=end)
            for start, end in draw(_stretches())
        )
        + tuple(
            Outage(cause=Cause.DNS, start_ms=start, end_ms=end) for start, end in draw(_stretches())
        ),
        degradations=tuple(
            Degradation(
                cause=draw(st.sampled_from([Cause.LOSS, Cause.LATENCY])),
                start_ms=start,
                end_ms=end,
                loss=0.1,
                added_rtt_us=80_000,
            )
            for start, end in draw(_stretches())
        ),
        cable_out=normalise(draw(_stretches())),
        absences=tuple(
            Absence(reason=draw(reasons), start_ms=start, end_ms=end)
            for kind, (start, end) in split
            if kind == "off"
        ),
        lost_clocks=tuple(
            LostClock(start_ms=start, end_ms=end, never=kind == "never")
            for kind, (start, end) in split
            if kind != "off"
        ),
    )


@settings(max_examples=60, deadline=None)
@given(stories())
def test_the_store_gives_back_the_story_to_the_millisecond(story: Story) -> None:
    """Whatever happens, the ledger read from the database is the one reckoned from the story."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "told.db"
        written = tell(path, story)
        expected = expect_ledger(story)
        assert read_ledger(path, story) == expected
        assert list(written.ledger) == expected
        assert sum(sum_spans(expected).values()) == story.end_ms - story.start_ms
        assert verify_chain(path) == []


@settings(max_examples=60, deadline=None)
@given(stories(), st.lists(st.integers(0, 4 * HOUR_MS - 1), min_size=20, max_size=20))
def test_the_reckoned_ledger_is_the_storys_at_every_instant(
    story: Story, instants: list[int]
) -> None:
    """Against the plainest reading of a story: who goes before whom at one instant."""
    expected = expect_ledger(story)
    for offset_ms in instants:
        at_ms = story.start_ms + offset_ms
        if at_ms >= story.end_ms:
            continue
        span = next(each for each in expected if each.start_ms <= at_ms < each.end_ms)
        away = any(each.start_ms <= at_ms < each.end_ms for each in story.absences)
        down = [each.cause for each in story.outages if each.start_ms <= at_ms < each.end_ms]
        link_down = [cause for cause in down if cause is not Cause.DNS]
        if span.cause is Cause.CLOCK:
            # As long as it watched, and right before the next life that knew the time.
            # One whose telling lies at the story's end is not told within it either.
            assert any(
                (each.never or each.end_ms >= story.end_ms) and each.start_ms <= at_ms
                for each in story.lost_clocks
            )
            assert span.end_ms == story.end_ms or span.duration_ms <= sum(
                life.end_ms - life.start_ms
                for life in plan_lives(story)
                if life.clock_from_ms is None
            )
        elif away:
            assert (span.verdict, span.cause) == (Verdict.UNKNOWN, Cause.AGENT)
        elif span.cause is Cause.AGENT:
            assert any(
                each.start_ms <= at_ms < max(each.end_ms, each.start_ms + BOOT_MS) + BOOT_MS
                for each in story.lost_clocks
            )
        elif any(start <= at_ms < end for start, end in story.cable_out):
            assert (span.verdict, span.cause) == (Verdict.UNKNOWN, Cause.LOCAL)
        elif link_down:
            assert (span.verdict, span.cause) == (Verdict.DOWN, link_down[0])
        elif not down:
            assert span.verdict in (Verdict.UP, Verdict.DEGRADED)  # fmt: skip


def test_no_probe_contradicts_the_story(tmp_path: Path) -> None:
    """In an outage of the access only the gateway answers; with the cable out nobody is blamed."""
    path = tmp_path / "told.db"
    story = Story(
        start_ms=START_MS,
        end_ms=START_MS + 3 * HOUR_MS,
        outages=(Outage(cause=Cause.ACCESS, start_ms=START_MS + HOUR_MS, end_ms=START_MS + 2 * HOUR_MS),),
        cable_out=((START_MS + 2 * HOUR_MS, START_MS + 3 * HOUR_MS),),
    )  # fmt: skip
    tell(path, story)
    roles = {check.check_id: check.role for check in Reader(path).read_checks()}
    seen: dict[tuple[int, bool], set[Outcome]] = {}
    for due_ms, each in Reader(path).read_observations(story.start_ms, story.end_ms):
        hour = (due_ms - START_MS) // HOUR_MS
        seen.setdefault((hour, roles[each.check_id] is Role.GATEWAY), set()).add(each.outcome)
    assert seen[1, True] == {Outcome.ANSWERED}
    assert seen[1, False] == {Outcome.FAILED}
    assert seen[2, True] == seen[2, False] == {Outcome.UNKNOWN}


def test_each_due_slot_has_its_probe(tmp_path: Path) -> None:
    """A check a minute for three hours: 180 observations of each, no two at one instant."""
    path = tmp_path / "told.db"
    story = Story(start_ms=START_MS, end_ms=START_MS + 3 * HOUR_MS)
    written = tell(path, story)
    due: dict[str, set[int]] = {}
    for due_ms, each in Reader(path).read_observations(story.start_ms, story.end_ms):
        due.setdefault(each.check_id, set()).add(due_ms)
    assert {len(instants) for instants in due.values()} == {180}
    assert written.observations == 180 * len(due)


def test_totals_in_the_books_are_those_of_the_ledger(tmp_path: Path) -> None:
    """The counters that metrics go on from say the same as the spans."""
    path = tmp_path / "told.db"
    story = Story(
        start_ms=START_MS,
        end_ms=START_MS + 2 * HOUR_MS,
        outages=(Outage(cause=Cause.DNS, start_ms=START_MS + 5_000, end_ms=START_MS + 95_000),),
        absences=(Absence(reason="stopped", start_ms=START_MS + HOUR_MS, end_ms=START_MS + HOUR_MS + 1_000),),
    )  # fmt: skip
    tell(path, story)
    counters = Reader(path).read_counters()
    assert counters["link_ms", "down dns"] == 90_000
    assert counters["link_ms", "up"] == 2 * HOUR_MS - 91_000
    assert counters["incidents", "dns"] == 1


def example(name: str = "october.toml", **changes: object) -> tuple[Settings, ScenarioFile, Story]:
    config = load_settings(EXAMPLES / "ecole-jaures.toml")
    document = tomllib.loads((EXAMPLES / name).read_text(encoding="utf-8"), parse_float=Decimal)
    document |= changes
    targets = ["gateway", "first-hop", "resolver", "fdn"]
    scenario, story = parse_scenario(document, name, PARIS, targets)
    return config, scenario, story


def test_the_example_month_is_what_it_says(tmp_path: Path) -> None:
    """docs/examples: 745 hours of October, told at a slow pace, read back and verified."""
    config, scenario, story = example(interval="1h")
    path = tmp_path / "october.db"
    written = simulate(config, scenario, story, path, zone=PARIS, name="october.toml")
    assert story.end_ms - story.start_ms == 745 * HOUR_MS
    ledger = read_ledger(path, story)
    assert ledger == expect_ledger(story)
    totals = sum_spans(ledger)
    assert totals[Verdict.DOWN, Cause.ACCESS] == 312 * 60_000 + 1_350_000
    assert totals[Verdict.DOWN, Cause.UPSTREAM] == 48 * 60_000
    assert totals[Verdict.DOWN, Cause.DNS] == 700_000
    assert totals[Verdict.DOWN, Cause.GATEWAY] == 200_000
    assert totals[Verdict.UNKNOWN, Cause.LOCAL] == 14 * HOUR_MS
    assert totals[Verdict.UNKNOWN, Cause.AGENT] == 570 * 60_000 + 75_000 + 12_000 + BOOT_MS
    assert (written.runs, written.closed_days) == (5, 31)
    assert verify_chain(path) == []
    books = ThroughputBooks(path)
    tests = books.read_tests(story.start_ms, story.end_ms)
    assert (
        len(tests) + sum(books.count_skips(story.start_ms, story.end_ms).values()) == written.tests
    )
    assert {row.down_invalid for row in tests} == {None, "test_server_failed", "device_limited"}


def test_a_closed_day_of_a_simulated_month_cannot_be_changed_unnoticed(tmp_path: Path) -> None:
    """A simulation is as good as a real one for this too."""
    config, scenario, story = example(interval="1h")
    path = tmp_path / "october.db"
    simulate(config, scenario, story, path, zone=PARIS, name="october.toml")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER late_span")
        connection.execute("UPDATE span SET cause = 'gateway' WHERE cause = 'upstream'")
    assert [problem.day for problem in verify_chain(path)] == ["2026-10-19"]


def test_the_same_seed_gives_the_same_month(tmp_path: Path) -> None:
    """Two simulations have the same rows, another seed has others."""
    contents = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        config, scenario, story = example(interval="1h", seed=seed)
        story = shorten_story(story, story.start_ms + 24 * HOUR_MS)
        simulate(config, scenario, story, tmp_path / name, zone=PARIS, name="x")
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            contents.append(
                connection.execute("SELECT key, block FROM observation_minute").fetchall()
            )
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_a_simulation_says_that_it_is_one_and_may_be_replaced(tmp_path: Path) -> None:
    """The mark names scenario and seed; a second simulation takes the place of the first whole."""
    path = tmp_path / "told.db"
    tell(path, Story(start_ms=START_MS, end_ms=START_MS + HOUR_MS))
    mark = read_simulated(path)
    assert mark is not None
    assert msgspec.json.decode(mark)["scenario"] == "test.toml"
    later = Story(start_ms=START_MS + HOUR_MS, end_ms=START_MS + 2 * HOUR_MS)
    tell(path, later)
    assert Reader(path).read_first_ms() == START_MS + HOUR_MS
    assert not [each.name for each in tmp_path.iterdir() if each.name.startswith(".")]


@pytest.mark.parametrize("kind", ["real", "foreign", "text", "folder"])
def test_what_is_no_simulation_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    """Real books, another program's, any other file: refused, and not a byte changed."""
    from tests.adapters.store_samples import SET_ASIDE

    path = tmp_path / "there.db"
    if kind == "real":
        from netwatch.store.db import open_database

        open_database(path, set_aside=lambda: SET_ASIDE).connection.close()
    elif kind == "foreign":
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE invoices (id INTEGER)")
    elif kind == "text":
        path.write_text("minutes of the council", encoding="utf-8")
    else:
        path.mkdir()
    before = None if kind == "folder" else path.read_bytes()
    with pytest.raises(UsageError) as caught:
        tell(path, Story(start_ms=START_MS, end_ms=START_MS + HOUR_MS))
    assert str(caught.value) == (
        f"{path}: is there already and is no simulation, so it is left as it is: give another --db"
    )
    assert kind == "folder" or path.read_bytes() == before


def test_a_folder_that_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    """What cannot be written is one sentence."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StoreError) as caught:
        tell(tmp_path / "file" / "a.db", Story(start_ms=START_MS, end_ms=START_MS + HOUR_MS))
    assert str(caught.value).startswith(
        f"{tmp_path}/file/a.db: the simulation cannot be written there: it cannot be opened or "
        "created (File exists): "
    )


BAD = """
month = "2026-10"
days = 3
seeds = 4
[[rtt]]
target = "fdm"
loss = 2
[[outage]]
cause = "acces"
start = 2026-10-07T09:14:25
lasts = "5 h 12"
[[outage]]
cause = "access"
start = "yesterday"
lasts = "0s"
[[outage]]
cause = "access"
start = 2026-11-07T09:14:25
lasts = "1h"
[[outage]]
cause = "access"
start = 2026-10-08T09:00:00
lasts = "2h"
[[outage]]
cause = "upstream"
start = 2026-10-08T10:00:00
lasts = "2h"
[[degraded]]
cause = "latency"
start = 2026-10-08T10:00:00
lasts = "2h"
[[agent_off]]
reason = "tired"
start = 2026-10-08T10:00:00
[bandwidth]
skipped = 0.6
failed = 0.6
"""
MESSAGES = """\
bad.toml: days: stands beside month: leave one of them out
bad.toml: seeds: unknown key (did you mean seed?)
bad.toml: rtt[0].target: the configuration has no target "fdm" (did you mean fdn?)
bad.toml: rtt[0].loss: must be a share from 0 to 1, got 2: for 2 % write 0.02
bad.toml: outage[0].cause: must be one of "gateway", "access", "upstream", "dns", got "acces" (did you mean access?)
bad.toml: outage[0].lasts: must be a duration like "250ms", "5s", "4h" or "400d", got "5 h 12"
bad.toml: outage[1].start: must be a local time like "2026-10-07 14:03:10", got "yesterday"
bad.toml: outage[1].lasts: must be from 1s to 366d, got 0s
bad.toml: outage[2].start: must lie in the scenario's time, from 2026-10-01 00:00 to 2026-11-01 00:00, got "2026-11-07T09:14:25"
bad.toml: outage[4].start: must be after the end of outage[3]: both overlap
bad.toml: degraded[0].rtt: is missing: for cause "latency" write rtt = "120ms"
bad.toml: agent_off[0].reason: must be one of "stopped", "crashed", "power_loss", got "tired"
bad.toml: agent_off[0].lasts: is missing: write lasts = "…"
bad.toml: bandwidth: skipped, failed and device_limited must add up to 1 at most, got 1.2"""


def test_every_mistake_of_a_scenario_is_said_in_one_run() -> None:
    """All in the file's order, to the letter."""
    document = tomllib.loads(BAD, parse_float=Decimal)
    with pytest.raises(ConfigError) as caught:
        parse_scenario(document, "bad.toml", PARIS, ["gateway", "fdn"])
    assert str(caught.value) == MESSAGES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'month: is missing: write month = "2026-10", or start = "2026-10-05" and days = 7'),
        ('month = "2026-13"', 'month: must be a month like "2026-10", got "2026-13"'),
        ('start = "2026-10-05"\ndays = 0', "days: must be from 1 to 366, got 0"),
        (
            'month = "2026-03"\n[[cable_out]]\nstart = 2026-03-29T02:30:00\nlasts = "1h"',
            'cable_out[0].start: does not exist in the site\'s zone, got "2026-03-29T02:30:00": '
            "the clocks go forward then",
        ),
        (
            'month = "2026-03"\n[[agent_off]]\nreason = "crashed"\nstart = 2026-03-03T02:30:00\n'
            'lasts = "1h"\n[[clock_lost]]\nstart = 2026-03-03T03:00:00\nlasts = "1h"',
            "clock_lost[0].start: must be after the end of agent_off[0]: both overlap",
        ),
    ],
)
def test_a_scenario_that_cannot_be_is_refused(text: str, message: str) -> None:
    """No period, a skipped hour, two absences at one time: one clear line."""
    with pytest.raises(ConfigError) as caught:
        parse_scenario(tomllib.loads(text, parse_float=Decimal), "s.toml", PARIS, ["gateway"])
    assert str(caught.value) == f"s.toml: {message}"


def test_of_the_repeated_hour_the_first_is_meant_and_an_offset_says_otherwise() -> None:
    """The end of summer time: 02:30 is 00:30 UTC, with +01:00 it is 01:30 UTC."""
    for written, hour_utc in (("2026-10-25T02:30:00", 0), ("2026-10-25T02:30:00+01:00", 1)):
        document = tomllib.loads(
            f'month = "2026-10"\n[[cable_out]]\nstart = {written}\nlasts = "1h"'
        )
        _, story = parse_scenario(document, "s.toml", PARIS, ["gateway"])
        assert story.cable_out[0][0] % (24 * HOUR_MS) == hour_utc * HOUR_MS + HOUR_MS // 2


def test_the_command_writes_a_day_and_says_what_it_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`netwatch simulate --days 1 --sparse --json`: the figures as JSON, exit 0."""
    from netwatch.cli.main import main

    database = tmp_path / "october.db"
    scenario = str(EXAMPLES / "october.toml")
    arguments = ["simulate", "--scenario", scenario, "--db", str(database), "--days", "2"]
    assert main([*arguments, "--sparse", "--json"]) == 0
    figures = msgspec.json.decode(capsys.readouterr().out)
    assert figures["ledger_ms"] == {"down gateway": 200_000, "up": 48 * HOUR_MS - 200_000}
    assert main([*arguments[:-2], "--days", "1", "--sparse"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["up", "1d"]


def test_the_command_refuses_a_scenario_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line."""
    from netwatch.cli.main import main

    missing = tmp_path / "none.toml"
    assert main(["simulate", "--scenario", str(missing), "--db", str(tmp_path / "a.db")]) == 2
    assert capsys.readouterr().err == (
        f"{missing}: does not exist: give the path of a scenario (TOML)\n"
    )
