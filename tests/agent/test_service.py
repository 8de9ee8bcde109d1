"""The start of the agent where something stands in its way: one sentence, and nothing left behind."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from netwatch.agent.service import log_store_state, run_agent
from netwatch.config.model import Http, Settings, Site, StoreSettings
from netwatch.config.targets import complete_targets
from netwatch.errors import NetwatchError
from netwatch.store.attempts import WriterState


def make_settings(folder: Path, listen: str) -> Settings:
    settings = Settings(
        site=Site(id="school"),
        store=StoreSettings(path=str(folder / "netwatch.db")),
        http=Http(listen=listen),
    )
    return msgspec.structs.replace(settings, target=complete_targets(settings))


def test_a_port_that_is_taken_stops_the_start_with_what_to_do(tmp_path: Path) -> None:
    """Again and again: the books are left each time."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        for _ in range(2):
            with pytest.raises(NetwatchError) as refused:
                run_agent(make_settings(tmp_path, listen), environment={})
            assert str(refused.value) == (
                f"http.listen: {listen}: another program has this port; "
                "stop it, or give another port"
            )


def test_an_interpreter_that_may_not_be_started_again_runs_the_agent_itself(
    tmp_path: Path,
) -> None:
    """As the command does for a user without rights to it; seen by how its start is refused."""
    program = (
        "import sys; from pathlib import Path;"
        "from netwatch.agent.process import become_agent;"
        "from tests.agent.test_service import make_settings;"
        "settings = make_settings(Path(sys.argv[1]), sys.argv[2]);"
        "sys.executable = '/nonexistent/python';"
        "become_agent(settings, verbose=False)"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), listen], capture_output=True, text=True
        )
    assert "another program has this port" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 1


def test_the_log_says_when_the_disk_refuses_and_when_it_obeys(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The reason, a file that was set aside meanwhile, and the end of it."""
    caplog.set_level(logging.INFO)
    failing = WriterState(
        ok=False,
        reason="n.db: the disk is full (x): free some space there",
        since_mono_ms=0,
        queued_batches=1,
        unsafe_batches=1,
        queued_observations=0,
        dropped_observations=0,
        dropped_spans=0,
        written_bytes_today=None,
        store_bytes=None,
        notice=None,
    )
    log_store_state(failing)
    log_store_state(msgspec.structs.replace(failing, ok=True, reason=None, notice="n.db was kept"))
    assert caplog.messages == [
        "n.db: the disk is full (x): free some space there; measuring goes on, "
        "and is written once that works",
        "n.db was kept",
        "the books are written again",
    ]
