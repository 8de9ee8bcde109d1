"""The recipe of deploy/town-server: that very nginx configuration, started and tested against."""

from __future__ import annotations

import http.client
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netwatch.agent.bandwidth_lease import TownLease
from netwatch.agent.bandwidth_trial import try_engine
from netwatch.bandwidth.base import Counterpart, EngineFinding, Plan
from netwatch.bandwidth.librespeed import LibrespeedEngine
from netwatch.clock import SystemClock
from netwatch.config.model import LeaseSettings
from tests.adapters.hostile import free_port
from tests.adapters.servers import started

RECIPE = Path(__file__).parents[2] / "deploy" / "town-server"
TOKEN = "0123456789abcdef0123456789abcdef"
PLAN = Plan(streams=2, warm_up_ms=200, measure_ms=800, grace_ms=4_000)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The recipe's own file, with only its paths and port made this test's."""
    port = free_port()
    (tmp_path / "random.bin").touch()
    os.truncate(tmp_path / "random.bin", 2**30)  # holes: loopback compresses nothing
    (tmp_path / "tokens.map").write_text(f'{TOKEN} "ecole-jaures";\n')
    (tmp_path / "networks.conf").write_text("allow 127.0.0.1;\ndeny all;\n")
    text = (RECIPE / "nginx.conf").read_text(encoding="utf-8")
    for theirs, ours in (
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("listen [::]:80;", ""),
        ("/etc/nginx/town-tokens.map", f"{tmp_path}/tokens.map"),
        ("/etc/nginx/town-networks.conf", f"{tmp_path}/networks.conf"),
        ("/var/lib/town-server/random.bin", f"{tmp_path}/random.bin"),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    last = "    location / { return 404; }"
    assert last in text
    text = text.replace(
        last, read_lease_location().replace("/var/lib/town-server", str(tmp_path)) + last
    )
    (tmp_path / "lease").mkdir()
    (tmp_path / "town-server.conf").write_text(text, encoding="utf-8")
    folders = "".join(
        f"{name}_temp_path {tmp_path}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/nginx.pid; error_log stderr crit;"
        f"events {{ worker_connections 128; }} http {{ {folders}"
        f" include {tmp_path}/town-server.conf; }}"
    )
    command = ["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
    with started(command, "127.0.0.1", port):
        yield port


def read_lease_location() -> str:
    """The block that the README has people copy."""
    head, _, rest = (RECIPE / "README.md").read_text(encoding="utf-8").partition("location ~")
    assert head.endswith("    ")
    return f"location ~{rest[: rest.index('}' + chr(10) + chr(10))]}}}\n"


def ask(port: int, method: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    finally:
        connection.close()


def measure(port: int, token: str) -> EngineFinding:
    counterpart = Counterpart(engine="librespeed", url=f"http://127.0.0.1:{port}/{token}/backend")
    return LibrespeedEngine(counterpart).measure(PLAN, lambda _: None)


def test_a_device_with_a_token_measures_both_directions(port: int) -> None:
    finding = measure(port, TOKEN)
    assert [each.reason for each in finding.directions] == [None, None], finding


def test_a_device_without_a_token_is_refused(port: int) -> None:
    finding = measure(port, "f" * 32)
    assert [each.reason for each in finding.directions] == ["refused", "refused"]
    assert finding.directions[0].detail == "127.0.0.1 answered HTTP 403"


def test_it_tells_a_page_of_librespeed_who_asks(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", f"/{TOKEN}/backend/getIP.php")
    response = connection.getresponse()
    assert response.read() == b'{"processedString":"127.0.0.1","rawIspInfo":""}'
    connection.close()


def test_the_unit_and_the_firewall_are_what_systemd_and_nft_understand() -> None:
    """Checked by the programs that would read them."""
    unit = subprocess.run(
        ["systemd-analyze", "verify", str(RECIPE / "iperf3-town.service")],
        capture_output=True,
        text=True,
    )
    assert "iperf3-town.service" not in unit.stderr, unit.stderr
    rules = subprocess.run(
        ["nft", "--check", "--file", str(RECIPE / "town-server.nft")],
        capture_output=True,
        text=True,
    )
    assert rules.returncode == 0, rules.stderr


def test_the_lease_gives_a_minute_once_and_only_minutes(port: int) -> None:
    """Made once, given back, made again; the folder that holds them cannot be removed."""
    minute = "/lease/29924748/"
    assert [ask(port, method, minute) for method in ("MKCOL", "MKCOL", "DELETE", "MKCOL")] == [
        201,
        405,
        204,
        201,
    ]
    assert [ask(port, "DELETE", path) for path in ("/lease/", "/lease/../", "/")] == [404] * 3
    assert ask(port, "MKCOL", "/lease/no-minute/") == 404
    assert ask(port, "MKCOL", minute) == 405


def test_both_places_give_the_same_lease_recipe() -> None:
    documented = (RECIPE.parents[1] / "docs" / "bandwidth.md").read_text(encoding="utf-8")
    assert read_lease_location().partition("{")[0] in documented


def test_check_finds_the_recipe_sound(port: int) -> None:
    """Its pages and its lease, as `netwatch check` asks for them; nothing is left behind."""
    counterpart = Counterpart(engine="librespeed", url=f"http://127.0.0.1:{port}/{TOKEN}/backend")
    trial = try_engine(counterpart, has_module=lambda _: False)
    assert (trial.reason, trial.server) == (None, f"127.0.0.1:{port}"), trial
    lease = TownLease(
        LeaseSettings(url=f"http://127.0.0.1:{port}/lease"), holder="a", clock=SystemClock()
    )
    assert lease.find_fault() is None


def test_check_is_refused_without_a_token(port: int) -> None:
    counterpart = Counterpart(
        engine="librespeed", url=f"http://127.0.0.1:{port}/{'f' * 32}/backend"
    )
    assert try_engine(counterpart, has_module=lambda _: False).reason == "refused"
