"""The conduct of a test: what speaks against it, what is entered, what is tried next."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netwatch.agent.bandwidth_asking import Asking, Done, Refused
from netwatch.agent.bandwidth_lock import held_alone, is_held
from netwatch.store.bandwidth_books import BandwidthBooks, Begun, append_begun
from tests.agent.bandwidth_world import BUDGET, Stage

FINE = {"iperf3": (13_000_000, 6_500_000, 20_000_000)}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_test_is_entered_with_all_that_went_on_around_it(stage: Stage) -> None:
    """Row, circumstance, counters; begun before; load told; nothing left locked."""
    made = stage.make_test(FINE, due_ms=1_790_000_000_000)
    assert isinstance(made, Done)
    (row,) = stage.read(
        "SELECT engine, server, down_bytes_per_second, up_bytes_per_second, down_bytes,"
        " down_invalid, up_invalid FROM bandwidth_test"
    )
    assert row == ("iperf3", "192.0.2.1:5201", 13_000_000, 6_500_000, 20_000_000, None, None)
    (around,) = stage.read(
        "SELECT due_ms, asked_by, port_speed_mbit, interface, counters, streams,"
        " during_down_bytes, ended_mono_ms > started_mono_ms FROM bandwidth_circumstance"
    )
    assert around == (1_790_000_000_000, "plan", 1_000, "eth0", "port", 4, 0, 1)
    assert stage.read("SELECT count(*) FROM bandwidth_begun") == [(1,)]
    assert {(name, label): value for name, label, value in stage.read("SELECT * FROM counter")} == {
        ("bandwidth_bytes", "down"): 20_000_000,
        ("bandwidth_bytes", "up"): 20_000_000,
        ("bandwidth_tests", "iperf3 valid"): 1,
    }
    assert [loaded for loaded, _ in stage.loads] == [True, False]
    assert not is_held(stage.path)


def test_each_failure_is_stored_with_its_reason_and_the_next_engine_tried(stage: Stage) -> None:
    """Never a zero: no rate, a word that counts it out, and the finer reason."""
    story = {"librespeed": "tls", "iperf3": "crashed", "ndt7": (13_000_000, None, 5_000_000)}
    made = stage.make_test(story, "librespeed", "iperf3", "ndt7")
    assert isinstance(made, Done)
    assert [each.row.engine for each in made.tests] == ["librespeed", "iperf3", "ndt7"]
    rows = stage.read(
        "SELECT engine, down_bytes_per_second, up_bytes_per_second, down_invalid, up_invalid"
        " FROM bandwidth_test ORDER BY started_mono_ms"
    )
    assert rows == [
        ("librespeed", None, None, "test_server_failed", "test_server_failed"),
        ("iperf3", None, None, "test_failed", "test_failed"),
        ("ndt7", 13_000_000, None, None, "test_server_failed"),
    ]
    reasons = stage.read(
        "SELECT down_reason, up_reason, down_detail FROM bandwidth_circumstance"
        " ORDER BY started_mono_ms"
    )
    assert reasons == [
        ("tls", "tls", "told to fail"),
        ("crashed", "crashed", "told to fail"),
        (None, "stalled", None),
    ]


def test_the_first_engine_that_tells_a_rate_is_the_last_one_tried(stage: Stage) -> None:
    made = stage.make_test({**FINE, "ndt7": "tls"}, "iperf3", "ndt7")
    assert isinstance(made, Done)
    assert [each.row.engine for each in made.tests] == ["iperf3"]


def test_mlab_is_no_fallback_twice_in_half_an_hour(stage: Stage) -> None:
    """Its etiquette holds whatever asks for it: 36 minutes between two tests."""
    story = {"iperf3": "unreachable", "ndt7": (13_000_000, 6_500_000, 5_000_000)}
    stage.make_test(story, "iperf3", "ndt7")
    stage.make_test(story, "iperf3", "ndt7")
    assert stage.read("SELECT engine, count(*) FROM bandwidth_test GROUP BY engine") == [
        ("iperf3", 2),
        ("ndt7", 1),
    ]


def test_an_ndt7_server_of_ones_own_is_a_fallback_each_time(stage: Stage) -> None:
    """M-Lab's etiquette is M-Lab's: a town's own server is asked as often as the town likes."""
    story = {"iperf3": "unreachable", "ndt7": (13_000_000, 6_500_000, 5_000_000)}
    conduct = stage.make_conduct(story, "iperf3", "ndt7", url="https://ndt.example.fr")
    for _ in range(2):
        conduct.make_test(Asking(asked_by="plan"))
    assert stage.read("SELECT engine, count(*) FROM bandwidth_test GROUP BY engine") == [
        ("iperf3", 2),
        ("ndt7", 2),
    ]


def test_the_month_is_never_exceeded_whatever_engines_move(stage: Stage) -> None:
    """Each test gets what is left; when that is too little for one, none is begun."""
    greedy = {"iperf3": (100_000_000, 100_000_000, 10**15)}
    for _ in range(8):
        made = stage.make_test(greedy)
    assert isinstance(made, Refused)
    assert made.reason == "data_budget"
    assert "too little for a test" in made.sentence
    (used,) = stage.read("SELECT sum(down_bytes + up_bytes) FROM bandwidth_test")[0]
    # The fake engine gives each direction the whole budget of a test: as bad as it gets.
    given = [job["plan"]["budget_bytes"] for job in stage.read_jobs()]
    assert sum(given) <= BUDGET + given[-1]
    assert int(str(used)) <= 2 * sum(given)


def test_a_test_that_was_cut_off_counts_with_what_was_set_aside(stage: Stage) -> None:
    """Killed in mid-test, nobody enters what it moved: its whole allowance is taken as used."""
    begun = Begun(
        run_id=stage.run_id,
        started_mono_ms=5,
        started_ms=stage.clock.wall_ms() - 1_000,
        due_ms=None,
        reserved_bytes=BUDGET - 500_000,
    )
    stage.enter(lambda connection: append_begun(connection, begun))
    made = stage.make_test(FINE)
    assert isinstance(made, Refused)
    assert made.reason == "data_budget"
    assert stage.read_jobs() == []


def test_the_budget_is_of_the_civil_month(stage: Stage) -> None:
    """What earlier months used is no concern of this one."""
    begun = Begun(
        run_id=stage.run_id,
        started_mono_ms=5,
        started_ms=stage.clock.wall_ms() - 40 * 86_400_000,
        due_ms=None,
        reserved_bytes=BUDGET,
    )
    stage.enter(lambda connection: append_begun(connection, begun))
    assert isinstance(stage.make_test(FINE), Done)


def test_a_person_is_held_to_the_budget_too(tmp_path: Path) -> None:
    made = Stage(tmp_path, budget=1_000).make_test(FINE, asked_by="person", although_busy=True)
    assert isinstance(made, Refused)
    assert made.reason == "data_budget"


def test_two_tests_do_not_run_at_once(stage: Stage) -> None:
    """The lock is the device's: who comes second is told, and may come again."""
    with held_alone(stage.path) as alone:
        assert alone
        assert is_held(stage.path)
        made = stage.make_test(FINE)
    assert isinstance(made, Refused)
    assert (made.reason, made.again) == ("overlap", True)
    assert isinstance(stage.make_test(FINE), Done)


def make_busy(stage: Stage, down: int, up: int):  # noqa: ANN201 - a pause in which traffic flows
    def pause(_seconds: float) -> None:
        stage.set_port(down, up)
        time.sleep(0.02)  # a rate needs some time to pass

    return pause


def test_a_line_in_use_is_left_alone(stage: Stage) -> None:
    """Above a tenth of the committed rate in either direction; asking again may help."""
    conduct = stage.make_conduct(FINE, pause=make_busy(stage, 10**9, 0))
    made = conduct.make_test(Asking(asked_by="plan"))
    assert isinstance(made, Refused)
    assert (made.reason, made.again) == ("busy_link", True)
    assert "Mbit/s down" in made.sentence
    assert stage.read_jobs() == []


def test_a_person_may_test_a_line_in_use_and_the_result_is_marked(stage: Stage) -> None:
    conduct = stage.make_conduct(FINE, pause=make_busy(stage, 10**9, 0))
    made = conduct.make_test(Asking(asked_by="person", although_busy=True))
    assert isinstance(made, Done)
    assert (made.tests[0].row.down_invalid, made.tests[0].row.up_invalid) == (
        "busy_link",
        "busy_link",
    )
    assert made.tests[0].row.down_bytes_per_second == 13_000_000


def test_another_circuit_is_not_tested_by_plan_and_marked_for_a_person(stage: Stage) -> None:
    """On a backup line a test would cost, and say nothing of the contract's."""
    stage.world.right_circuit = False
    planned = stage.make_test(FINE)
    assert isinstance(planned, Refused)
    assert (planned.reason, planned.again) == ("wrong_circuit", False)
    asked = stage.make_test(FINE, asked_by="person")
    assert isinstance(asked, Done)
    assert asked.tests[0].row.down_invalid == "wrong_circuit"


def test_the_agents_port_marks_what_it_limits(stage: Stage) -> None:
    stage.world.speed_mbit = 100
    made = stage.make_test({"iperf3": (11_700_000, 5_000_000, 1_000_000)})
    assert isinstance(made, Done)
    row = made.tests[0].row
    assert (row.down_invalid, row.up_invalid) == ("device_limited", None)


def test_only_the_directions_asked_for_are_tested(stage: Stage) -> None:
    """The other has neither a rate nor a reason: it was not tested."""
    made = stage.make_test(FINE, directions=("up",))
    assert isinstance(made, Done)
    row = made.tests[0].row
    assert (row.down_bytes_per_second, row.down_invalid, row.up_bytes_per_second) == (
        None,
        None,
        6_500_000,
    )


def test_a_test_that_is_called_off_is_entered_as_ours(stage: Stage) -> None:
    """The agent stops in mid-test: no server is blamed, the bytes are kept, no other is tried."""
    stop = threading.Event()
    conduct = stage.make_conduct({"iperf3": "hang"}, "iperf3", "iperf3")
    made = conduct.make_test(Asking(asked_by="plan", begin=stop.set, cancelled=stop.is_set))
    assert isinstance(made, Done)
    assert [each.row.down_invalid for each in made.tests] == ["test_failed"]
    assert made.tests[0].around.down_reason == "cancelled"


def test_a_server_taken_by_another_site_is_waited_for(stage: Stage) -> None:
    class FakeLease:
        @contextmanager
        def held(self) -> Iterator[bool]:
            yield False

    made = stage.make_conduct(FINE, lease=FakeLease()).make_test(Asking(asked_by="plan"))
    assert isinstance(made, Refused)
    assert (made.reason, made.again) == ("overlap", True)
    assert stage.read_jobs() == []


def test_loaded_windows_are_told_to_whoever_speaks_of_latency(stage: Stage) -> None:
    """From the first byte to a second after the last, in UTC."""
    stage.make_test(FINE)
    now_ms = stage.clock.wall_ms()
    ((start_ms, end_ms),) = BandwidthBooks(stage.path).read_loaded_windows(0, now_ms + 60_000)
    (begun, _), (ended, at_ms) = stage.loads
    assert (begun, ended) == (True, False)
    assert end_ms - start_ms <= at_ms - stage.loads[0][1]
    assert abs(end_ms - now_ms) < 60_000
