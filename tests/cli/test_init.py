"""`netwatch init`: what is detected, and where the file goes."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from netwatch.cli.configuration import place_store, run_init
from netwatch.cli.detection import detect, has_time_service, is_virtual, read_timezone
from netwatch.config.load import load_settings
from netwatch.config.write import Detected
from netwatch.errors import UsageError


def put(root: Path, path: str, content: str) -> None:
    """A system file below a root of its own."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")


def put_routes(root: Path) -> None:
    gateway = struct.unpack("=I", bytes([192, 0, 2, 1]))[0]
    put(
        root,
        "proc/net/route",
        "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
        f"eth0 00000000 {gateway:08X} 0003 0 0 0 00000000 0 0 0\n",
    )
    zero = "0" * 32
    put(
        root,
        "proc/net/ipv6_route",
        f"{zero} 00 {zero} 00 fe80{'0' * 27}1 00000400 1 0 00000003 eth0\n",
    )


def test_gateways_resolvers_zone_and_name_come_from_the_systems_files(tmp_path: Path) -> None:
    """What Debian and Raspberry Pi OS keep where; the stub's resolvers are looked behind."""
    put_routes(tmp_path)
    put(tmp_path, "etc/hostname", "ecole-jaures\n")
    put(tmp_path, "etc/timezone", "Indian/Reunion\n")
    put(tmp_path, "etc/resolv.conf", "nameserver 127.0.0.53\n")
    put(tmp_path, "run/systemd/resolve/resolv.conf", "nameserver 192.0.2.53\n")
    found = detect(tmp_path, find_first_hop=lambda: "100.64.0.1")
    assert found == Detected(
        host_name="ecole-jaures",
        timezone="Indian/Reunion",
        interface="eth0",
        gateway="192.0.2.1",
        gateway_ipv6="fe80::1%eth0",
        resolvers=("192.0.2.53",),
        first_hop="100.64.0.1",
    )


def test_without_a_way_out_no_first_hop_is_looked_for(tmp_path: Path) -> None:
    """Nothing is sent from a machine that has no route."""
    asked: list[str] = []
    found = detect(tmp_path, find_first_hop=lambda: asked.append("asked") or "100.64.0.1")  # type: ignore[func-returns-value] # a fake that counts
    assert not asked
    assert found.gateway is None
    assert found.resolvers == ()


def test_the_zone_is_where_localtime_points(tmp_path: Path) -> None:
    """The link goes before the name in /etc/timezone, which may be stale."""
    put(tmp_path, "etc/timezone", "Europe/Paris\n")
    (tmp_path / "etc/localtime").symlink_to("../usr/share/zoneinfo/America/Cayenne")
    assert read_timezone(tmp_path) == "America/Cayenne"


@pytest.mark.parametrize(
    ("path", "content", "virtual"),
    [
        ("sys/class/dmi/id/sys_vendor", "QEMU\n", True),
        ("sys/class/dmi/id/product_name", "VMware Virtual Platform\n", True),
        ("sys/hypervisor/type", "xen\n", True),
        ("proc/cpuinfo", "processor : 0\nflags\t\t: fpu vme hypervisor lahf_lm\n", True),
        ("proc/cpuinfo", "processor : 0\nflags\t\t: fpu vme lahf_lm\n", False),
        ("sys/class/dmi/id/sys_vendor", "Dell Inc.\n", False),
        ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0", False),
    ],
)
def test_a_virtual_machine_is_known_by_its_hypervisor(
    path: str, content: str, virtual: bool, tmp_path: Path
) -> None:
    """And a board that names itself is never one: its clock is nobody else's care."""
    put(tmp_path, path, content)
    assert is_virtual(tmp_path) is virtual


def test_a_running_time_service_is_seen(tmp_path: Path) -> None:
    """By the name that the kernel keeps, which has 15 characters."""
    put(tmp_path, "proc/1/comm", "systemd\n")
    assert not has_time_service(tmp_path)
    put(tmp_path, "proc/42/comm", "systemd-timesyn\n")
    assert has_time_service(tmp_path)


def test_the_file_is_written_whole_and_says_the_next_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders on the way are made; the store counts from the file."""
    output = tmp_path / "run" / "agent.toml"
    run_init(output, tmp_path / "run" / "n.db", force=False, detect=lambda: Detected(host_name="a"))
    assert load_settings(output).store.path == str(tmp_path / "run" / "n.db")
    assert 'path = "n.db"' in output.read_text(encoding="utf-8")
    assert [file.name for file in output.parent.iterdir()] == ["agent.toml"]
    assert capsys.readouterr().err == (f"Wrote {output}. Next: netwatch check --config {output}\n")


def test_a_file_that_is_there_is_not_overwritten_without_force(tmp_path: Path) -> None:
    """Somebody's work is in it."""
    output = tmp_path / "agent.toml"
    output.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        run_init(output, None, force=False, detect=Detected)
    assert str(refused.value) == (
        f"{output}: is there already: give another --output, or --force to replace it"
    )
    assert output.read_text(encoding="utf-8") == "mine"
    run_init(output, None, force=True, detect=Detected)
    assert load_settings(output).site.id == "site"


def test_a_place_that_cannot_be_written_is_refused_with_the_reason(tmp_path: Path) -> None:
    """A file where a folder should be."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    output = tmp_path / "file" / "agent.toml"
    with pytest.raises(UsageError, match=r"cannot be written: (Not a directory|File exists)"):
        run_init(output, None, force=False, detect=Detected)


@pytest.mark.parametrize("output", [None, Path("-")])
def test_without_output_the_file_goes_to_standard_output(
    output: Path | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alone there, so that it can be redirected."""
    run_init(output, None, force=False, detect=Detected)
    printed = capsys.readouterr()
    assert printed.out.startswith("# netwatch: the configuration of this agent.")
    assert printed.err == "Next: save this as FILE, then netwatch check --config FILE\n"


def test_a_store_elsewhere_is_written_in_full() -> None:
    """Only what lies below the file's folder is written relative to it."""
    assert place_store(Path("/srv/n.db"), Path("/etc/netwatch")) == "/srv/n.db"
    assert place_store(Path("/srv/n.db"), None) == "/srv/n.db"
    assert place_store(None, Path("/etc")) is None


@pytest.mark.lab
def test_the_command_detects_writes_and_is_checked_on_a_machine_without_network(
    tmp_path: Path,
) -> None:
    """From `init` to `check`, in a namespace that has no way out: nothing is sent anywhere."""
    command = ["unshare", "--net", sys.executable, "-m", "netwatch.cli.main"]
    output = tmp_path / "agent.toml"
    made = subprocess.run(
        [*command, "init", "--output", str(output), "--store", str(tmp_path / "n.db")],
        capture_output=True,
        text=True,
    )
    assert (made.returncode, made.stdout) == (0, "")
    checked = subprocess.run(
        [*command, "check", "--config", str(output), "--json"], capture_output=True, text=True
    )
    assert checked.returncode == 1, checked.stderr
    assert '"subject": "network"' in checked.stdout
    assert "Traceback" not in checked.stderr
