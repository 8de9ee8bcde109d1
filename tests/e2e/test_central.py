"""The real agent and the centre's configurations: it begins again, comes up, or goes back."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.adapters.centre import Centre
from tests.e2e.agent_process import PORT, PROGRAM, AgentProcess, lone_network, write_config
from tests.netlab import namespaces

pytestmark = pytest.mark.lab


@pytest.fixture
def network() -> Iterator[str]:
    with lone_network() as name:
        yield name


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    made = Centre(tmp_path / "centre")
    with made.serve():
        yield made


def write_agent(centre: Centre, folder: Path) -> Path:
    central: Mapping[str, object] = {
        "url": centre.url,
        "public_key": centre.public_key,
        "certificate_authority": str(centre.authority.path),
    }
    return write_config(folder, folder / "netwatch.db", central=central)


def configure(config: Path) -> subprocess.CompletedProcess[str]:
    """`netwatch configure`, as the timer runs it; the centre is on this machine's loopback."""
    command = [str(PROGRAM), "configure", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True)


def start_and_fail(network: str, config: Path) -> str:
    """One start that does not come up; what it says."""
    command = [str(PROGRAM), "run", "--config", str(config)]
    with namespaces.popen(
        network, command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        said: str = process.stdout.read()
        assert process.wait(60) == 1
    return said


def test_the_running_agent_begins_again_with_what_the_centre_publishes(
    network: str, centre: Centre, tmp_path: Path
) -> None:
    """Same process, other settings; it proves good and is shown everywhere; a bad one is refused."""
    config = write_agent(centre, tmp_path)
    with AgentProcess(network, config) as agent:
        agent.await_ready()
        assert agent.read_status()["central"]["version"] is None
        number = agent.process.pid
        centre.publish(7, '[circuit]\noperator = "Opérateur B"\n', site="e2e")
        done = configure(config)
        assert (done.returncode, done.stdout) == (
            0,
            "version 7 of the centre's configuration is taken\n",
        )
        agent.wait_for(
            lambda: agent.read_status()["site"]["operator"] == "Opérateur B", "has not changed"
        )
        agent.wait_for(
            lambda: not agent.read_status()["central"]["trial"], "has not proved it good"
        )
        assert agent.process.pid == number
        assert "STOPPING=1" not in "".join(text for _, text in agent.told)
        assert "netwatch_configuration_version 7.0" in agent.get("/metrics")[1]

        centre.publish(8, "[latency]\ndown_after_rounds = 0\n", site="e2e")
        done = configure(config)
        assert done.returncode == 1
        agent.wait_for(
            lambda: agent.read_status()["central"]["refused_version"] == 8, "does not show it"
        )
        status = agent.read_status()
        assert status["central"]["version"] == 7
        assert (
            "latency.down_after_rounds: must be from 1 to 100, got 0"
            in (status["central"]["refused_problem"])
        )
        assert "configuration_refused" in status["notices"]
        assert "is refused by this device" in agent.get("/")[1]
        assert agent.end() == 0


def test_a_configuration_with_which_the_agent_fails_to_start_is_gone_back_from(
    network: str, centre: Centre, tmp_path: Path
) -> None:
    """Three failed starts, and the fourth is with the one before it."""
    config = write_agent(centre, tmp_path)
    centre.publish(7, '[circuit]\noperator = "Opérateur B"\n', site="e2e")
    assert configure(config).returncode == 0
    with AgentProcess(network, config) as agent:
        agent.await_ready()
        agent.wait_for(
            lambda: not agent.read_status()["central"]["trial"], "has not proved it good"
        )
        assert agent.end() == 0
    centre.publish(8, '[circuit]\noperator = "Opérateur C"\n', site="e2e")
    assert configure(config).returncode == 0
    with namespaces.socket_in(network, socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", PORT))
        taken.listen()
        for _ in range(3):
            assert "another program has this port" in start_and_fail(network, config)
    with AgentProcess(network, config) as agent:
        agent.await_ready()
        status = agent.read_status()
        assert status["site"]["operator"] == "Opérateur B"
        assert status["central"]["refused_version"] == 8
        assert status["central"]["refused_why"] == "start"
        done = configure(config)
        assert done.returncode == 1
        assert (
            "version 8 of the centre's configuration: the agent did not come up with it, 3 times: "
            "http.listen: 127.0.0.1:10779: another program has this port"
        ) in done.stderr
        assert json.loads(agent.get("/api/v1/status")[1])["central"]["version"] == 7
        assert agent.end() == 0
