"""The test process from outside: whatever it does, it ends in time, with a reason, and is gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from netwatch.agent.bandwidth_child import ChildRun, build_command, run_child
from netwatch.agent.lean_start import LEAN_HEAP, build_child_environment
from netwatch.bandwidth.base import Counterpart, Job, Plan, Progress
from netwatch.clock import SystemClock

QUICK = Plan(warm_up_ms=0, measure_ms=100, grace_ms=100)
SAID_DOWN = (
    '{"type":"progress","direction":"down","at_ms":%d,"phase":"measure",'
    '"moved_bytes":5000,"bytes_per_second":1000000}'
)
FINDING = (
    '{"type":"finding","engine":"iperf3","server":"s:1","directions":'
    '[{"direction":"down","bytes_per_second":7,"moved_bytes":9}]}'
)
#: For its memory to be looked at: that is done four times a second.
LONG_ENOUGH = "import sys, time; sys.stdin.read(); time.sleep(0.6)"


def run_script(script: str, *, plan: Plan = QUICK, **options: object) -> ChildRun:
    """A child that is this Python script instead of an engine."""
    return run_child(
        Job(counterpart=Counterpart(engine="iperf3", host="192.0.2.1"), plan=plan),
        clock=SystemClock(),
        tell=options.pop("tell", lambda _progress: None),  # type: ignore[arg-type]  # a listener
        command=[sys.executable, "-S", "-c", script],
        **options,  # type: ignore[arg-type]  # of `run_child`
    )


def read_reasons(run: ChildRun) -> set[str | None]:
    return {each.reason for each in run.finding.directions}


def test_progress_is_told_and_the_finding_returned_with_what_it_cost() -> None:
    told: list[Progress] = []
    line = SAID_DOWN % 5
    run = run_script(
        f"{LONG_ENOUGH}; print('{line}'); print('{FINDING}')",
        tell=told.append,
    )
    assert [each.moved_bytes for each in told] == [5_000]
    assert run.finding.directions[0].bytes_per_second == 7
    assert run.cpu_ms is not None
    assert run.peak_bytes is not None
    assert run.peak_bytes > 1_000_000
    assert run.started_ms <= run.ended_ms


def test_the_peak_of_its_memory_is_its_own_and_not_the_agents() -> None:
    """Whatever the process that starts it has taken meanwhile."""
    ours = bytearray(b"x" * 150_000_000)
    run = run_script(f"{LONG_ENOUGH}; print('{FINDING}')")
    assert run.peak_bytes is not None
    assert run.peak_bytes < len(ours) // 2


def test_it_is_told_its_job_as_json() -> None:
    """What the child reads is the job that it was given."""
    script = (
        "import sys, json; job = json.load(sys.stdin);"
        f"line = '{FINDING}'.replace('s:1', job['counterpart']['host']); print(line)"
    )
    assert run_script(script).finding.server == "192.0.2.1"


@pytest.mark.parametrize(
    ("script", "reason", "says"),
    [
        ("raise SystemExit(3)", "crashed", "ended with 3: it said nothing"),
        ("raise ValueError('no such thing')", "crashed", "ValueError: no such thing"),
        ("import os; os.kill(os.getpid(), 11)", "crashed", "signal 11"),
        ("x = bytearray(2 * 10**9)", "memory", "more memory than it may"),
        ("print('hello')", "crashed", "not to be understood"),
        ("print('{}')", "crashed", "not to be understood"),
        ("import sys; sys.stdout.write('x' * 200000)", "crashed", "endless line"),
        (f"print('{FINDING}'); print('{FINDING}')", "crashed", "more than a test has to say"),
        (f"[print('{SAID_DOWN % 1}') for _ in range(5000)]", "crashed", "more than a test has"),
        ("import sys; sys.stderr.write('e' * 10**6); raise SystemExit(1)", "crashed", "eee"),
    ],
)  # fmt: skip
def test_a_child_that_misbehaves_gives_a_reason_and_no_figure(
    script: str, reason: str, says: str
) -> None:
    """Crashes, nonsense, floods: a direction without a rate, with the word and the sentence."""
    run = run_script(script)
    assert read_reasons(run) == {reason}
    assert [each.direction for each in run.finding.directions] == ["down", "up"]
    assert all(each.bytes_per_second is None for each in run.finding.directions)
    assert says in str(run.finding.directions[0].detail)
    assert len(str(run.finding.directions[0].detail)) < 400


def test_a_child_that_never_ends_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """Its own children too, which would go on loading the line."""
    note = tmp_path / "pid"
    script = (
        "import subprocess, time, pathlib;"
        f"child = subprocess.Popen(['sleep', '600']); pathlib.Path({str(note)!r})"
        ".write_text(str(child.pid)); time.sleep(600)"
    )
    begun = time.monotonic()
    run = run_script(script, cancelled=lambda: time.monotonic() - begun > 1 and note.exists())
    assert run.cancelled
    assert read_reasons(run) == {"cancelled"}
    number = int(note.read_text())
    for _ in range(100):  # it is init's to bury, who may take a moment
        state = Path(f"/proc/{number}/stat")
        if not state.exists() or state.read_text().split(") ")[1][0] == "Z":
            break
        time.sleep(0.05)
    else:
        raise AssertionError("what the child had started still runs")


def test_a_child_past_its_deadline_is_ended_by_us() -> None:
    """Engines keep to the plan; one that does not is stopped, and what it moved is estimated."""
    now_ms = SystemClock().monotonic_ms()
    line = SAID_DOWN % now_ms
    run = run_script(
        f"import time; print('{line}', flush=True); time.sleep(600)", starting_ms=1_500
    )
    assert read_reasons(run) == {"crashed"}
    down, up = run.finding.directions
    # 5000 told, and a million bytes a second since then.
    assert down.moved_bytes >= 5_000 + (run.ended_ms - now_ms) * 1_000
    assert up.moved_bytes == 0
    assert "had to be" in str(down.detail)


def test_a_finding_after_which_the_child_lingers_is_taken() -> None:
    """It has said all; that it does not go by itself costs it its life, not the result."""
    run = run_script(
        f"import os, time; print('{FINDING}', flush=True); os.close(1); time.sleep(600)"
    )
    assert run.finding.directions[0].bytes_per_second == 7


def test_a_program_that_is_not_there_is_a_reason_too() -> None:
    run = run_child(
        Job(counterpart=Counterpart(engine="iperf3"), plan=QUICK),
        clock=SystemClock(),
        tell=lambda _progress: None,
        command=["/nonexistent/python"],
    )
    assert read_reasons(run) == {"crashed"}


def test_bounds_are_set_before_it_works() -> None:
    """Memory, processor time, files, priority: from outside, so that no engine forgets them."""
    script = (
        "import resource, os, sys; sys.stdin.read();"
        "sys.stderr.write(repr((resource.getrlimit(resource.RLIMIT_AS)[0],"
        " resource.getrlimit(resource.RLIMIT_CPU)[0], resource.getrlimit(resource.RLIMIT_CORE)[0],"
        " os.getpriority(os.PRIO_PROCESS, 0)))); raise SystemExit(1)"
    )
    detail = str(run_script(script).finding.directions[0].detail)
    assert "(768000000, 9, 0, 5)" in detail


def test_the_real_child_runs_without_our_environment() -> None:
    """The lean command line finds our modules and answers with a finding (nobody listens)."""
    plan = Plan(directions=("down",), warm_up_ms=0, measure_ms=200, grace_ms=2_000)
    run = run_child(
        Job(counterpart=Counterpart(engine="iperf3", host="127.0.0.1", port=1), plan=plan),
        clock=SystemClock(),
        tell=lambda _progress: None,
        command=build_command(),
    )
    assert run.finding.engine == "iperf3"
    assert [each.reason for each in run.finding.directions] == ["unreachable"]
    assert os.environ.get("PYTHONPATH") is None or "netwatch" not in os.environ["PYTHONPATH"]


def test_a_test_ends_with_the_agent_that_is_killed() -> None:
    """Killed in mid-test: the child's connection closes at once, not when its time is over."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        job = Job(
            counterpart=Counterpart(
                engine="librespeed", url=f"http://127.0.0.1:{server.getsockname()[1]}/backend"
            ),
            plan=Plan(grace_ms=120_000),
        )
        parent = (
            "import subprocess, sys;"
            "child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE);"
            "child.stdin.write(sys.argv[1].encode()); child.stdin.close(); child.wait()"
        )
        given = msgspec.json.encode(job).decode()
        command = [sys.executable, "-c", parent, given, *build_command()]
        with subprocess.Popen(command, env=build_child_environment(LEAN_HEAP)) as agent:
            connection, _ = server.accept()
            agent.kill()
        with connection:
            connection.settimeout(20)
            while connection.recv(4_096):
                pass
