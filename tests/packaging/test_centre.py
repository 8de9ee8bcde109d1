"""The centre on a clean Debian that is booted: one command, all on loopback, run again without harm."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.packaging.conftest import ROOT, Grounds
from tests.packaging.debian_tree import Device, build_environment, layer

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]

SERVERS = ("prometheus", "prometheus-alertmanager", "victoria-metrics")
INSTALL = "/root/netwatch/deploy/central/install.sh"
FLEET = """\
[[operator]]
name = "Opérateur A"
[[contract]]
name = "gtr4"
availability = 0.9985
restore_within = "4h"
calendar = "S1"
[[site]]
id = "device"
name = "Mairie"
commune = "Trilport"
address = "127.0.0.1:10779"
token_file = "/etc/netwatch/central/agents.token"
circuit = { operator = "Opérateur A", contract = "gtr4" }
"""


@pytest.fixture(scope="module")
def centre(grounds: Grounds, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """A booted machine with the repository's files, netwatch's package, and Debian's at hand."""
    folder = tmp_path_factory.mktemp("centre")
    with layer(grounds.tree, folder) as tree:
        for part in ("systemd", "deploy/central", "dashboards"):
            shutil.copytree(ROOT / part, tree / "root/netwatch" / part)
        (tree / "root/netwatch.deb").write_bytes(grounds.package.read_bytes())
        (tree / "root/fleet.toml").write_text(FLEET, encoding="utf-8")
        # Fetched from here: the device's own network leads nowhere.
        subprocess.run(
            ["chroot", tree, "apt-get", "install", "--yes", "--quiet", "--download-only",
             "--no-install-recommends", "procps", *SERVERS],
            check=True, capture_output=True, env=build_environment(), stdin=subprocess.DEVNULL,
        )  # fmt: skip
        with Device(tree, folder / "console.log") as booted:
            yield booted


def install(centre: Device, *arguments: str) -> str:
    return centre.do(
        INSTALL, "--inventory", "/root/fleet.toml", "--mail-to", "it@town.example",
        "--zone", "Europe/Paris", "--language", "en", *arguments,
    )  # fmt: skip


def ask(centre: Device, path: str) -> Any:  # noqa: ANN401 - JSON
    """What Prometheus answers under this path; empty while it does not."""
    script = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
    told = centre.run("python3", "-c", script, f"http://127.0.0.1:9090/api/v1/{path}").stdout
    return json.loads(told)["data"] if told else {}


def sites_up(centre: Device) -> dict[str, str]:
    found = ask(centre, "query?query=up%7Bjob%3D%22netwatch%22%7D").get("result", [])
    return {each["metric"]["site"]: each["value"][1] for each in found}


def test_without_an_inventory_or_a_recipient_it_refuses_and_changes_nothing(
    centre: Device,
) -> None:
    """Each is named; a dry run says what would be done and does nothing either."""
    before = centre.do("find", "/etc", "/usr/bin", "/var/lib/dpkg/info")
    for given, missing in (
        (("--mail-to", "it@town.example", "--netwatch", "/root/netwatch.deb"), "--inventory: there is no "),
        (("--inventory", "/root/fleet.toml", "--netwatch", "/root/netwatch.deb"), "--mail-to: who gets the alerts?"),
        (("--inventory", "/root/fleet.toml", "--mail-to", "it@town.example"), "--netwatch: netwatch is not installed"),
    ):  # fmt: skip
        refused = centre.run(INSTALL, *given)
        assert refused.returncode == 2
        assert refused.stderr.startswith(missing)
    dry = install(centre, "--netwatch", "/root/netwatch.deb", "--dry-run")
    assert "+ write /etc/systemd/system/prometheus.service.d/netwatch.conf\n" in dry
    assert centre.do("find", "/etc", "/usr/bin", "/var/lib/dpkg/info") == before


def test_one_command_makes_a_centre_that_scrapes_and_listens_to_this_machine_alone(
    centre: Device,
) -> None:
    """Debian's servers under our options, an agent scraped with its token, the rules in force."""
    (centre.tree / "root/agents.token").write_text("s3cret\n", encoding="ascii")
    centre.do("mkdir", "--parents", "/etc/netwatch/central")
    centre.do("cp", "/root/agents.token", "/etc/netwatch/central/agents.token")
    told = install(centre, "--netwatch", "/root/netwatch.deb")
    assert told.endswith(
        "the centre runs: prometheus 127.0.0.1:9090, alertmanager 127.0.0.1:9093, "
        "victoria-metrics 127.0.0.1:8428\n"
    )
    # A token of an agent here, as on any other machine.
    agent = centre.tree / "etc/netwatch/agent.toml"
    assert tomllib.loads(agent.read_text(encoding="utf-8"))
    agent.write_text(
        '[site]\nid = "device"\n[http]\ntoken_file = "/etc/netwatch/secrets/http.token"\n'
        '[clock]\ntrusted = true\n',
        encoding="utf-8",
    )  # fmt: skip
    centre.do("install", "-m", "600", "/root/agents.token", "/etc/netwatch/secrets/http.token")
    centre.do("systemctl", "restart", "netwatch-agent")
    centre.wait("the agent is scraped", lambda: sites_up(centre) == {"device": "1"})
    groups = ask(centre, "rules")["groups"]
    assert {group["name"] for group in groups} >= {"netwatch-counters", "netwatch-alerts"}
    assert not [rule for group in groups for rule in group["rules"] if rule["health"] == "err"]
    flags = ask(centre, "status/flags")
    assert flags["storage.tsdb.retention.time"] == "400d"
    secret = centre.do("stat", "--format=%U %G %a", "/etc/netwatch/central/agents.token")
    assert secret == "root netwatch-fleet 640\n"
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in centre.do("cat", f"/proc/net/{table}").splitlines()[1:]
        if line.split()[3] == "0A"
    ]
    assert len(listening) >= 4
    assert [each for each in listening if not each.startswith("0100007F:")] == []


def test_run_again_it_changes_nothing_and_stops_nothing(centre: Device) -> None:
    """The same processes; the town's own files are not touched."""
    mine = centre.tree / "etc/netwatch/central/alertmanager.yml"
    mine.write_text(mine.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    processes = [centre.show(server, "MainPID") for server in SERVERS]
    assert "+ write" not in install(centre)
    assert [centre.show(server, "MainPID") for server in SERVERS] == processes
    assert mine.read_text(encoding="utf-8").endswith("# mine\n")


def test_an_inventory_that_is_saved_is_in_force_at_once_and_a_wrong_one_is_not(
    centre: Device,
) -> None:
    """A site more is a target more; of a mistake the journal tells, and all stays as it was."""
    another = FLEET.split("[[site]]")[1].replace('"device"', '"stade"').replace(":10779", ":1")
    inventory = centre.tree / "etc/netwatch/fleet.toml"
    inventory.write_text(f"{FLEET}[[site]]{another}", encoding="utf-8")
    centre.wait("the site is a target", lambda: sites_up(centre) == {"device": "1", "stade": "0"})
    targets = centre.do("cat", "/var/lib/netwatch-fleet/targets.json")
    inventory.write_text(f"{FLEET}[[site]]{another}[[site]]{another}", encoding="utf-8")
    centre.wait(
        "the mistake is told",
        lambda: "site[2].id: must be unique" in centre.do("journalctl", "-u", "netwatch-fleet"),
    )
    assert centre.do("cat", "/var/lib/netwatch-fleet/targets.json") == targets
    inventory.write_text(f"{FLEET}[[site]]{another}", encoding="utf-8")
    centre.wait(
        "the inventory is in force",
        lambda: centre.show("netwatch-fleet.service", "Result") == "success",
    )


def test_the_monthly_report_runs_as_its_unit_says(centre: Device) -> None:
    """A site that has no report is named in it, and the unit has failed; others may not read it."""
    unit = "netwatch-fleet-report.service"
    assert centre.run("systemctl", "start", unit).returncode == 1
    told = centre.do("journalctl", "--no-pager", "--unit", unit)
    assert "stade: no report: connection refused" in told, told
    (month,) = centre.do("ls", "/var/lib/netwatch-fleet/reports").split()
    assert re.fullmatch(r"20\d\d-\d\d", month)
    mode = centre.do("stat", "--format=%U %G %a", "/var/lib/netwatch-fleet/reports")
    assert mode == "netwatch-fleet netwatch-fleet 750\n"
    folder = f"/var/lib/netwatch-fleet/reports/{month}"
    index = json.loads(centre.do("cat", f"{folder}/fleet.json"))
    failed = [site for operator in index["operators"] for site in operator["failed"]]
    assert "stade" in json.dumps(failed)


def test_systemd_has_nothing_to_say_of_the_units(centre: Device) -> None:
    """Neither of ours nor of Debian's with what lies over them."""
    units = [path.name for path in (ROOT / "systemd").glob("netwatch-fleet*")]
    told = centre.run("systemd-analyze", "verify", "--man=no", *units,
                      *(f"{server}.service" for server in SERVERS))  # fmt: skip
    assert [line for line in told.stderr.splitlines() if "netwatch" in line] == []
