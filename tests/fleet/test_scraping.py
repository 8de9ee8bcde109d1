"""The files that the commands write, used by a real Prometheus over real agents."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from netwatch.cli.main import main
from netwatch.fleet.inventory import read_inventory
from netwatch.fleet.targets import TARGET_LABELS, build_targets, render_targets
from tests.adapters.servers import Authority
from tests.fleet.agents import agent, write_inventory
from tests.fleet.prometheus_server import prometheus

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "fleet.toml"
CENTRAL = ROOT / "deploy" / "central" / "prometheus"


def test_a_real_prometheus_scrapes_the_fleet_by_the_written_files(tmp_path: Path) -> None:
    """Plain, with a token over TLS, behind no agent at all: each in its job, labelled; no rule fails."""
    authority = Authority(tmp_path)
    (tmp_path / "fleet.token").write_text("s3cret\n", encoding="ascii")
    with (
        agent("mairie") as plain,
        agent("ecole", token="s3cret", tls=authority.sign("agent")) as secure,
    ):
        config = write_inventory(
            tmp_path,
            [
                ("mairie", f'address = "127.0.0.1:{plain.port}"'),
                ("ecole", f'address = "{secure.url}"\ntoken_file = "fleet.token"\n'
                          f'ca = "{authority.path.name}"'),
                ("stade", 'address = "127.0.0.1:1"'),
            ],
        )  # fmt: skip
        written = tmp_path / "prometheus"
        written.mkdir()
        for command, output in (
            ("targets", written / "targets.json"), ("rules", written / "rules"),
            ("scrape", written / "written.yml"),
        ):  # fmt: skip
            assert main(["fleet", command, "--config", str(config), "--output", str(output)]) == 0
        for path in (written / "written.yml", *(written / "rules").iterdir()):
            hurried = path.read_text().replace('"30s"', '"1s"').replace('"1m"', '"1s"')
            path.write_text(hurried.replace('scrape_timeout: "10s"', 'scrape_timeout: "1s"'))
        with prometheus(written, (written / "written.yml").read_text()) as server:
            site_up = 'max by (site, commune, operator, contract, job, instance) (up{site!=""})'
            server.wait_for(
                lambda: (
                    len(server.query(site_up, time.time())) == 3
                    and bool(server.query("netwatch:site_verdict", time.time()))
                    and len(server.query("netwatch:site_silent", time.time())) == 1
                )
            )
            found = {dict(key)["site"]: (dict(key), value)
                     for key, value in server.query(site_up, time.time()).items()}  # fmt: skip
            assert {site: value for site, (_, value) in found.items()} == {
                "mairie": 1, "ecole": 1, "stade": 0,
            }  # fmt: skip
            assert found["ecole"][0] == {
                "site": "ecole", "commune": "Trilport", "operator": "Opérateur A",
                "contract": "gold", "job": "netwatch", "instance": "ecole",
            }  # fmt: skip
            verdicts = server.query("netwatch:site_verdict", time.time())
            assert {(dict(key)["site"], dict(key)["verdict"]) for key in verdicts} == {
                ("mairie", "up"), ("ecole", "up"),
            }  # fmt: skip
            groups = server.get("rules")["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            assert len(rules) > 30
            assert [rule for rule in rules if rule["health"] == "err"] == []


def test_targets_keep_their_series_when_a_site_is_renamed_or_moved() -> None:
    """Nothing that people change is in a label: neither name nor place nor address."""
    inventory = read_inventory(EXAMPLE)
    for group in build_targets(inventory):
        labels = group["labels"]
        assert isinstance(labels, dict)
        shown = {key for key in labels if not key.startswith("__")}
        assert shown <= {"instance", *TARGET_LABELS}
        assert labels["instance"] == labels["site"]
    assert json.loads(render_targets(inventory)) == build_targets(inventory)


def test_a_file_that_would_say_the_same_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prometheus is not made to read again; what cannot be written leaves the old file whole."""
    output = tmp_path / "targets.json"
    arguments = ["fleet", "targets", "--config", str(EXAMPLE), "--output"]
    assert main([*arguments, str(output)]) == 0
    assert capsys.readouterr().err == f"{output}: 4 targets, written\n"
    before = output.stat()
    assert main([*arguments, str(output)]) == 0
    assert capsys.readouterr().err == f"{output}: 4 targets, unchanged\n"
    assert output.stat().st_ino == before.st_ino
    assert [path.name for path in tmp_path.iterdir()] == ["targets.json"]
    missing = tmp_path / "none" / "targets.json"
    assert main([*arguments, str(missing)]) == 2
    assert capsys.readouterr().err == f"{missing}: cannot be written: No such file or directory\n"


def test_the_configuration_of_the_centre_is_sound_and_the_commands(tmp_path: Path) -> None:
    """deploy/central's file is what `fleet scrape` writes for its inventory; promtool takes it."""
    shutil.copytree(CENTRAL, tmp_path / "central")
    output = tmp_path / "written.yml"
    assert main(
        ["fleet", "scrape", "--config", str(tmp_path / "central" / "fleet.toml"),
         "--targets-file", "/etc/prometheus/netwatch/targets.json",
         "--rules-files", "/etc/prometheus/netwatch/rules/*.yml",
         "--alertmanager", "alertmanager:9093", "--output", str(output)]
    ) == 0  # fmt: skip
    assert output.read_text() == (CENTRAL / "prometheus.yml").read_text()
    done = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", str(output)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
