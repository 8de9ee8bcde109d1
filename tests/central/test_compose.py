"""compose.yaml as Debian's docker-compose reads it, and the script that starts it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.central.post_office import CENTRAL

ROOT = CENTRAL.parents[1]
SERVICES = ("alertmanager", "grafana", "influxdb", "prometheus")


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """The file, checked against the compose specification's schema and resolved."""
    done = subprocess.run(
        ["docker-compose", "--file", str(CENTRAL / "compose.yaml"), "config"],
        capture_output=True, text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("NETWATCH")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(yaml.safe_load(done.stdout))


def test_every_server_is_pinned_watched_confined_and_started_again(
    composed: dict[str, Any],
) -> None:
    assert sorted(composed["services"]) == sorted(SERVICES)
    for name, service in composed["services"].items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["restart"] == "unless-stopped", name
        assert service["mem_limit"], name
        assert service["cpus"], name
        assert service["pids_limit"], name


def test_every_port_is_on_loopback(composed: dict[str, Any]) -> None:
    ports = [port for service in composed["services"].values() for port in service["ports"]]
    assert len(ports) == len(SERVICES)
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_what_is_written_to_is_a_named_volume_and_all_else_is_read_only(
    composed: dict[str, Any],
) -> None:
    named = set(composed["volumes"])
    for service in composed["services"].values():
        for volume in service["volumes"]:
            source, _, mode = volume.rpartition(":")
            assert mode == ("rw" if source.split(":")[0] in named else "ro"), volume


def test_there_is_no_password_but_in_files(composed: dict[str, Any]) -> None:
    """Not in the environment, not in the repository; each goes to those that need it."""
    for service in composed["services"].values():
        for name in service["environment"]:
            if re.search("PASSWORD|TOKEN|SECRET", name):
                assert name.endswith("_FILE"), name
    files = [secret["file"] for secret in composed["secrets"].values()]
    assert [file for file in files if not file.startswith("/etc/netwatch/central-secrets/")] == []
    given = {name: {each["source"] for each in service.get("secrets", ())}
             for name, service in composed["services"].items()}  # fmt: skip
    assert given["prometheus"] == set()
    assert given["grafana"] == {"grafana_password", "influx_read_token"}
    assert given["alertmanager"] == {"smtp_password"}


def test_prometheus_runs_as_it_does_without_containers(composed: dict[str, Any]) -> None:
    """The same retention in both; the paths of the committed prometheus.yml are mounted."""
    command = composed["services"]["prometheus"]["command"]
    drop_in = (CENTRAL / "debian" / "prometheus.conf").read_text(encoding="utf-8")
    for option in ("--storage.tsdb.retention.time=400d",):
        assert option in command
        assert option in drop_in
    assert (
        "/etc/prometheus/netwatch:/etc/prometheus/netwatch:ro"
        in (composed["services"]["prometheus"]["volumes"])
    )
    mounted = [volume.split(":")[0] for service in composed["services"].values()
               for volume in service["volumes"] if volume.startswith(str(ROOT))]  # fmt: skip
    assert [path for path in mounted if not Path(path).is_dir()] == []


def run_script(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """compose.sh where netwatch stands for itself and nothing is written."""
    (tmp_path / "netwatch").symlink_to("/bin/true")
    return subprocess.run(
        [CENTRAL / "compose.sh", *arguments], capture_output=True, text=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "up or update, got '': see --help\n"),
        (("up", "--mail-to"), "--mail-to: needs a value\n"),
        (("up", "--mail-to", "it"), "--mail-to: must be a mail address, got 'it'\n"),
        (("up", "--mail-to", 'it@x" '), "--mail-to: must not have quotes, braces, or any of \\ | & $, got it@x\" \n"),
        (("up", "--mail-to", "it@town.example"), "--smtp: must be HOST:PORT of your mail relay, got ''\n"),
        (("up", "--language", "de"), "--language: must be fr or en, got de\n"),
        (("up", "--zone", "Europe/Nowhere"), "--zone: there is no zone Europe/Nowhere\n"),
        (("up", "--mail-to", "it@town.example", "--smtp", "relay:25"),
         "--inventory: there is no /etc/netwatch/fleet.toml yet, and it cannot be read: ''\n"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_before_anything_is_written(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = run_script(tmp_path, *arguments)
    assert (done.returncode, done.stderr) == (2, told)


def test_a_dry_run_tells_what_would_be_written_and_started(tmp_path: Path) -> None:
    done = run_script(
        tmp_path, "up", "--dry-run", "--inventory", str(CENTRAL / "prometheus" / "fleet.toml"),
        "--mail-to", "it@town.example", "--smtp", "relay.town.example:587",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for line in (
        "+ write /etc/netwatch/central/alertmanager.yml",
        "+ write /etc/netwatch/central-secrets/influx_admin_token (chosen by chance)",
        "compose.yaml up --detach",
    ):
        assert line in done.stdout
