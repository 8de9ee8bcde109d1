"""A card that Raspberry Pi Imager wrote, made ready for one site, and its first start."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netwatch.config.central import show_public_key
from netwatch.report.sign import CONFIGURATION_NAMESPACE, build_raw_public, build_signature
from tests.adapters.centre import make_key
from tests.packaging.conftest import ROOT, Grounds
from tests.packaging.debian_tree import Device, layer

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]
PREPARE = ROOT / "deploy/agent/first-boot/prepare-card.sh"
CMDLINE = "console=serial0,115200 root=PARTUUID=1234-02 rootfstype=ext4 rootwait quiet"


def prepare(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PREPARE, *arguments], capture_output=True, text=True)


#: What a mistake about the centre has before it.
WITH_CENTRE = ("{card}", "--package", "{card}/../netwatch.deb", "--site", "a", "--centre")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """The boot partition of a card, as the plain image has it; a package beside it."""
    boot = tmp_path / "bootfs"
    boot.mkdir()
    (boot / "cmdline.txt").write_text(f"{CMDLINE}\n", encoding="utf-8")
    (tmp_path / "netwatch.deb").write_bytes(b"!<arch>\na package")
    (tmp_path / "centre.pub").write_text("ssh-ed25519 AAAA centre\n", encoding="utf-8")
    (tmp_path / "token").write_text("of-the-centre", encoding="utf-8")
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "private").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n", encoding="utf-8")
    return boot


def test_a_plain_card_runs_it_by_the_kernels_command_line(card: Path) -> None:
    """One line, run once; a second preparation changes the site and adds nothing."""
    package = card.parent / "netwatch.deb"
    for site in ("mairie", "ecole-jaures"):
        done = prepare(card, "--package", package, "--site", site)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (
            f"{site}: the card is ready (cmdline). "
            "It installs at its first start, with the network.\n"
        )
    told = (card / "cmdline.txt").read_text(encoding="utf-8")
    assert told == (
        f'{CMDLINE} systemd.run="sh /boot/firmware/netwatch/first-boot.sh --first-run" '
        "systemd.run_success_action=reboot systemd.unit=kernel-command-line.target\n"
    )
    assert (card / "netwatch/site.env").read_text("utf-8") == "SITE=ecole-jaures\nCENTRE=\n"


def test_a_card_of_imager_keeps_imagers_own_script(card: Path) -> None:
    """Ours is run before Imager's takes itself away."""
    script = card / "firstrun.sh"
    script.write_text("#!/bin/bash\nset +e\nrm -f /boot/firstrun.sh\nexit 0\n", encoding="utf-8")
    prepare(card, "--package", card.parent / "netwatch.deb", "--site", "mairie")
    assert script.read_text(encoding="utf-8") == (
        "#!/bin/bash\nset +e\nsh /boot/firmware/netwatch/first-boot.sh || true\n"
        "rm -f /boot/firstrun.sh\nexit 0\n"
    )
    assert (card / "cmdline.txt").read_text(encoding="utf-8") == f"{CMDLINE}\n"


def test_a_card_with_cloud_init_gets_a_command_of_its_own(card: Path) -> None:
    """Nothing that Imager wrote there is changed."""
    (card / "user-data").write_text("#cloud-config\nhostname: mairie\n", encoding="utf-8")
    prepare(card, "--package", card.parent / "netwatch.deb", "--site", "mairie")
    assert (card / "user-data").read_text(encoding="utf-8") == (
        "#cloud-config\nhostname: mairie\n"
        "\nruncmd:\n  - [sh, /boot/firmware/netwatch/first-boot.sh]\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "needs the card's boot partition, as it is mounted here: see --help"),
        (
            ("{card}/..",),
            "no cmdline.txt in {card}/..: is this the boot partition of a Raspberry Pi OS card?",
        ),
        (("{card}",), "--package: is missing"),
        (("{card}", "--package", "{card}/../netwatch.deb"), "--site: is missing"),
        (
            ("{card}", "--package", "{card}/../netwatch.deb", "--site", "École"),
            "--site: must be small letters, digits and hyphens, at most 63, got École",
        ),
        (
            ("{card}", "--package", "{card}/none.deb", "--site", "a"),
            "no such file, or it cannot be read, got {card}/none.deb",
        ),
        (
            ("{card}", "--package", "{card}/../netwatch.deb", "--site", "a",
             "--centre", "https://c.example"),
            "--key: is missing: the public key by which the centre is believed",
        ),
        (
            ("{card}", "--package", "{card}/../netwatch.deb", "--site", "a",
             "--key", "{card}/../centre.pub"),
            "--key, --token-file and --certificate-authority need --centre",
        ),
        (
            ("{card}", "--package", "{card}/cmdline.txt", "--site", "a"),
            "--package: is no .deb, got {card}/cmdline.txt",
        ),
        (
            ("{card}", "--package", "{card}/..", "--site", "a"),
            "no such file, or it cannot be read, got {card}/..",
        ),
        (
            (*WITH_CENTRE, "https://c.example", "--key", "{card}/../private"),
            "--key: is the private key, which must not leave its place: "
            "give its public part, {card}/../private.pub",
        ),
        (
            (*WITH_CENTRE, "https://c.example", "--key", "{card}/../token"),
            "--key: is no public key of Ed25519, got {card}/../token",
        ),
        (
            (*WITH_CENTRE, "https://c.example", "--key", "{card}/../centre.pub",
             "--token-file", "{card}/../empty"),
            "--token-file: is empty, got {card}/../empty",
        ),
        (
            (*WITH_CENTRE, "http://c.example", "--key", "{card}/../centre.pub"),
            "--centre: must be a URL that begins with https://, without spaces and quotes, "
            "got http://c.example",
        ),
        (
            (*WITH_CENTRE, "https://c.example/$(reboot)", "--key", "{card}/../centre.pub"),
            "--centre: must be a URL that begins with https://, without spaces and quotes, "
            "got https://c.example/$(reboot)",
        ),
        (("{card}", "--site"), "--site: needs a value"),
        (("{card}", "--fast"), "unknown option, got --fast: see --help"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_the_card_is_left_alone(
    card: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Exit code 2, one line, nothing written."""
    done = prepare(*(each.format(card=card) for each in arguments))
    assert done.returncode == 2
    assert done.stderr == f"prepare-card.sh: {said.format(card=card)}\n"
    assert [path.name for path in card.iterdir()] == ["cmdline.txt"]


def test_nothing_of_the_site_before_stays_on_a_card(card: Path) -> None:
    """A token is good for one site: it goes when the card is made ready for another."""
    package, beside = card.parent / "netwatch.deb", card.parent
    prepare(card, "--package", package, "--site", "mairie", "--centre", "https://c.example/netwatch",
            "--key", beside / "centre.pub", "--token-file", beside / "token")  # fmt: skip
    assert (card / "netwatch/central.token").read_text("utf-8") == "of-the-centre"
    prepare(card, "--package", package, "--site", "ecole-jaures")
    assert sorted(path.name for path in (card / "netwatch").iterdir()) == [
        "first-boot.sh", "netwatch.deb", "site.env",
    ]  # fmt: skip


def test_a_runcmd_that_is_there_already_is_for_a_person(card: Path) -> None:
    """Two keys of one name would lose one of them."""
    (card / "user-data").write_text("#cloud-config\nruncmd:\n  - [ls]\n", encoding="utf-8")
    done = prepare(card, "--package", card.parent / "netwatch.deb", "--site", "mairie")
    assert done.returncode == 2
    assert done.stderr == (
        f"prepare-card.sh: {card}/user-data has a runcmd of its own: add to it the line  "
        "- [sh, /boot/firmware/netwatch/first-boot.sh]\n"
    )
    assert not (card / "netwatch").exists()


@pytest.fixture
def new_device(grounds: Grounds, tmp_path: Path) -> Iterator[Device]:
    """A booted device on which nothing is installed, with the boot partition in its place."""
    folder = tmp_path / "device"
    with layer(grounds.tree, folder) as tree:
        boot = tree / "boot/firmware"
        boot.mkdir(parents=True)
        (boot / "cmdline.txt").write_text(f"{CMDLINE}\n", encoding="utf-8")
        with Device(tree, folder / "console.log") as booted:
            yield booted


def test_a_first_start_needs_the_sites_name_and_a_token(
    new_device: Device, grounds: Grounds, tmp_path: Path
) -> None:
    """The package goes on, the centre's configuration holds, the token is off the partition."""
    device, key = new_device, make_key(tmp_path / "centre")
    www = device.tree / "srv/netwatch"
    www.mkdir(parents=True)
    text = '[published]\nversion = 1\n[site]\nid = "mairie"\n[circuit]\noperator = "Opérateur B"\n'
    (www / "mairie.toml").write_text(text, encoding="utf-8")
    (www / "mairie.toml.sig").write_bytes(
        build_signature(text.encode(), key, namespace=CONFIGURATION_NAMESPACE)
    )
    public, token = tmp_path / "centre.pub", tmp_path / "token"
    public.write_text(show_public_key(build_raw_public(key.public_key())) + "\n", encoding="utf-8")
    token.write_text("of-the-centre\n", encoding="utf-8")
    prepared = prepare(
        device.tree / "boot/firmware", "--package", grounds.package, "--site", "mairie",
        "--centre", "http://127.0.0.1:8000", "--key", public, "--token-file", token,
    )  # fmt: skip
    assert prepared.returncode == 0, prepared.stderr
    device.do(
        "systemd-run", "--unit=centre", "--working-directory=/srv/netwatch",
        "python3", "-m", "http.server", "--bind", "127.0.0.1", "8000",
    )  # fmt: skip

    device.do("sh", "/boot/firmware/netwatch/first-boot.sh")
    installed = ("dpkg-query", "--show", "--showformat=${db:Status-Status}", "netwatch")
    device.wait("the package is on", lambda: device.run(*installed).stdout == "installed")
    device.wait(
        "the centre's configuration holds",
        lambda: "Opérateur B" in device.scrape("/api/v1/status"),
    )
    assert device.run("test", "-e", "/boot/firmware/netwatch/central.token").returncode == 1
    kept = device.do("stat", "--format=%a %U", "/etc/netwatch/secrets/central.token")
    assert kept.split() == ["600", "root"]
    device.wait(
        "what installed it is gone",
        lambda: device.run("test", "-e", "/var/lib/netwatch-first-boot").returncode == 1,
    )
    assert device.run("systemctl", "is-enabled", "netwatch-first-boot.service").returncode != 0
