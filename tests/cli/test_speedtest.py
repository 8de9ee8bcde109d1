"""`netwatch speedtest`: who is refused and why, and what is said of a result."""

from __future__ import annotations

import io
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from rich.console import Console

from netwatch.agent.bandwidth_asking import Done, Refused
from netwatch.agent.bandwidth_run import MadeTest
from netwatch.bandwidth.base import Progress
from netwatch.cli.bandwidth_status import build_bandwidth_lines
from netwatch.cli.main import main
from netwatch.cli.speedtest import build_json, report
from netwatch.cli.speedtest_screen import INVALID, Screen, build_result
from netwatch.clock import SystemClock
from netwatch.config.model import BytesPerSecond, Circuit, ContractSettings, Settings, Site
from netwatch.core.test_validity import explain_failure
from netwatch.store.bandwidth_books import Circumstance
from netwatch.store.throughput import BandwidthRow
from netwatch.web.bandwidth_status import build_bandwidth_json
from tests.adapters.web_world import BANDWIDTH

SETTINGS = Settings(
    site=Site(id="ecole", name="École"),
    circuit=Circuit(
        contract=ContractSettings(
            guaranteed_down=BytesPerSecond(12_500_000), guaranteed_up=BytesPerSecond(6_250_000)
        )
    ),
)


def make_test(**changes: object) -> MadeTest:
    row = BandwidthRow(
        run_id=1,
        started_mono_ms=0,
        started_ms=1_795_474_800_000,
        engine="iperf3",
        server="192.0.2.1:5201",
        down_bytes_per_second=13_000_000,
        up_bytes_per_second=6_000_000,
        down_bytes=170_000_000,
        up_bytes=80_000_000,
        idle_rtt_us=9_000,
        down_loaded_rtt_us=40_000,
        up_loaded_rtt_us=95_000,
    )
    around = Circumstance(
        run_id=1,
        started_mono_ms=0,
        started_ms=1_795_474_800_000,
        ended_mono_ms=1,
        due_ms=None,
        asked_by="person",
        port_speed_mbit=1_000,
    )
    return MadeTest(row=msgspec.structs.replace(row, **changes), around=around, cancelled=False)


def show(*tests: MadeTest) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(build_result(SETTINGS, tests))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_an_engine_it_says_what_to_set_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text('[site]\nid = "a"\n', encoding="utf-8")
    assert main(["speedtest", "--config", str(config)]) == 2
    assert capsys.readouterr().err == (
        "no engine is set up: add [bandwidth.librespeed] or [bandwidth.iperf3] to the "
        "configuration (docs/bandwidth.md), or name one that finds a server by itself: "
        "--engine ndt7 or --engine speedtest\n"
    )


def test_without_books_it_tests_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A test that could not be stored, nor held to the budget, is not made."""
    config = tmp_path / "agent.toml"
    config.write_text(
        f'[site]\nid = "a"\n[store]\npath = "{tmp_path}/n.db"\n'
        '[bandwidth.iperf3]\nserver = "127.0.0.1"\n',
        encoding="utf-8",
    )
    assert main(["speedtest", "--config", str(config)]) == 1
    assert "there is no database yet: start the agent with `netwatch run`" in (
        capsys.readouterr().err
    )


def test_a_refusal_is_a_sentence_with_what_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    refused = Refused(reason="busy_link", sentence="the line is in use", again=True)
    assert report(SETTINGS, refused, as_json=False) == 1
    assert capsys.readouterr().err == (
        "No test: the line is in use; --anyway tests all the same.\n"
    )
    assert report(SETTINGS, refused, as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == {
        "refused": "busy_link",
        "sentence": "the line is in use",
    }


def test_json_is_one_line_with_both_directions(capsys: pytest.CaptureFixture[str]) -> None:
    failed = make_test(
        engine="librespeed", down_bytes_per_second=None, up_bytes_per_second=None,
        down_invalid="test_server_failed", up_invalid="test_server_failed",
    )  # fmt: skip
    assert report(SETTINGS, Done(tests=(failed, make_test())), as_json=True) == 0
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    told = json.loads(output)
    assert told["down"] == {
        "bytes_per_second": 13_000_000,
        "bytes": 170_000_000,
        "loaded_rtt_us": 40_000,
        "added_delay_us": 31_000,
        "invalid": None,
        "reason": None,
        "detail": None,
    }
    assert (told["grade"], told["at"], told["tried"][0]["engine"]) == (
        "C",
        "2026-11-23T23:00:00Z",
        "librespeed",
    )


def test_a_direction_without_a_rate_is_exit_1_and_no_zero(
    capsys: pytest.CaptureFixture[str],
) -> None:
    test = make_test(up_bytes_per_second=None, up_invalid="test_server_failed")
    assert report(SETTINGS, Done(tests=(test,)), as_json=False) == 1
    assert "no figure" in capsys.readouterr().out
    assert build_json((test,))["up"] is not None
    untested = make_test(up_bytes_per_second=None, up_bytes=0)
    assert build_json((untested,))["up"] is None
    assert report(SETTINGS, Done(tests=(untested,)), as_json=False) == 0


def test_the_result_is_held_against_the_guarantee() -> None:
    """Met with a mark and a word, missed with another, and what does not count says why."""
    said = show(make_test())
    assert "104 Mbit/s" in said
    assert "✓ 100 Mbit/s guaranteed" in said
    assert "✕ below the 50.0 Mbit/s guaranteed" in said
    assert "grade C" in said
    marked = show(make_test(down_invalid="device_limited"))
    assert "does not count: this device was the limit, not the line" in marked


def test_every_word_that_counts_a_test_out_has_its_sentence() -> None:
    words = {explain_failure(reason) for reason in ("tls", "crashed", "budget")}
    words |= {"device_limited", "busy_link", "wrong_circuit", "clock_unsynced"}
    assert words == set(INVALID)


def test_the_screen_moves_on_a_terminal_and_is_silent_elsewhere() -> None:
    """Rates, bytes and phase while it runs; nothing at all in a pipe or with --json."""
    progress = Progress(
        direction="down", at_ms=1_000, phase="measure", moved_bytes=9_000_000,
        bytes_per_second=12_000_000,
    )  # fmt: skip
    for terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
        with Screen(
            SETTINGS, ("down", "up"), clock=SystemClock(), show=True, console=console
        ) as screen:
            screen.say("testing with iperf3")
            screen.tell(progress)
        assert isinstance(console.file, io.StringIO)
        shown = console.file.getvalue()
        assert ("96.0 Mbit/s" in shown) == terminal
        assert ("9 MB" in shown) == terminal


def test_the_status_shows_the_last_test_and_the_plan() -> None:
    answer = json.loads(json.dumps(build_bandwidth_json(BANDWIDTH)))
    lines = build_bandwidth_lines(answer, ZoneInfo("Europe/Paris"))
    assert lines == [
        "throughput (librespeed, 2026-11-26 14:37): down 104.8 Mbit/s, up 52.0 Mbit/s, "
        "delay under load B",
        "tests used 23.4 of 60 GB this month, the next is due 2026-11-26 19:37; "
        "last one not made: 2026-11-26 08:37 (busy link)",
    ]
