"""`netwatch configure`, `netwatch init --from-fleet`, and what others say of the centre's part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from netwatch.cli.examination import State
from netwatch.cli.examination_central import examine_central
from netwatch.cli.init_from_fleet import FleetOrigin, run_init_from_fleet
from netwatch.cli.main import main
from netwatch.config.load import load_own_settings, load_settings
from netwatch.config.write import Detected
from netwatch.errors import CentralError, UsageError
from tests.adapters.centre import SITE, Centre, make_key

SLOWER = '[latency]\ninterval = "7s"\n'
PRINT = tuple[int, str, str]


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    made = Centre(tmp_path / "centre")
    with made.serve():
        yield made


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> PRINT:
    capsys.readouterr()
    code = main(["configure", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_each_outcome_is_a_sentence_and_a_code(
    centre: Centre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Taken, nothing new, refused, not believed."""
    config = ("--config", str(centre.write_agent(tmp_path / "agent")))
    centre.publish(3, SLOWER)
    name = "version 3 of the centre's configuration"
    assert run(capsys, *config) == (0, f"{name} is taken\n", "")
    assert run(capsys, *config) == (0, f"nothing new: {name} is in force\n", "")
    centre.publish(4, "[latency]\ninterval = 3\n")
    code, out, err = run(capsys, *config)
    assert (code, out) == (1, "")
    assert err.startswith("refused: version 4 of the centre's configuration over ")
    assert json.loads(run(capsys, *config, "--json")[1])["result"] == "refused"
    centre.publish(2)
    code, out, err = run(capsys, *config)
    assert (code, out) == (1, "")
    assert err.endswith("is older than 4, which this agent has had: it is not taken back\n")


def test_a_refused_one_can_be_tried_again(
    centre: Centre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By who has mended what stood in its way elsewhere."""
    config = ("--config", str(centre.write_agent(tmp_path / "agent")))
    centre.publish(4, "[latency]\ninterval = 3\n")
    assert run(capsys, *config)[0] == 1
    (centre.www / f"{SITE}.toml.sig").unlink()
    assert run(capsys, *config)[0] == 1
    assert "toml.sig: is not there" in run(capsys, *config, "--retry")[2]


def test_the_timer_asks_no_more_often_than_it_should(
    centre: Centre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And does nothing at all on a device without a centre."""
    config = ("--config", str(centre.write_agent(tmp_path / "agent")))
    centre.publish(3, SLOWER)
    assert run(capsys, *config, "--scheduled")[1] != ""
    centre.publish(4, SLOWER)
    assert run(capsys, *config, "--scheduled") == (0, "", "")
    alone = tmp_path / "alone.toml"
    alone.write_text('[site]\nid = "a"\n')
    assert run(capsys, "--config", str(alone), "--scheduled") == (0, "", "")
    assert run(capsys, "--config", str(alone)) == (
        2,
        "",
        f"{alone}: has no [central]: docs/central-configuration.md tells how\n",
    )


def origin_of(centre: Centre, *, key: Path | None = None) -> FleetOrigin:
    return FleetOrigin(
        url=centre.url,
        site=SITE,
        key=key or centre.key_path.with_suffix(".pub"),
        certificate_authority=centre.authority.path,
    )


def test_a_device_is_set_up_from_the_fleet_with_site_and_key(
    centre: Centre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own file is written, and the centre's configuration lies over it from the first start."""
    centre.publish(3, SLOWER)
    output = tmp_path / "etc" / "agent.toml"
    code = run_init_from_fleet(
        origin_of(centre),
        output,
        tmp_path / "var" / "netwatch.db",
        force=False,
        detect=lambda: Detected(host_name="raspberrypi", timezone="Europe/Paris"),
    )
    assert code == 0
    assert capsys.readouterr().err == (
        f"Wrote {output}; version 3 of the centre's configuration lies over it. "
        f"Next: netwatch check --config {output}\n"
    )
    settings = load_settings(output)
    assert (settings.site.id, settings.latency.interval_ms) == (SITE, 7_000)
    assert settings.central is not None
    assert settings.central.public_key == centre.public_key


def test_nothing_is_written_for_a_centre_that_is_not_believed(
    centre: Centre, tmp_path: Path
) -> None:
    """Another key than the one that was given."""
    centre.publish(3, SLOWER)
    make_key(tmp_path / "other")
    output = tmp_path / "agent.toml"
    with pytest.raises(CentralError, match="is by another key"):
        run_init_from_fleet(
            origin_of(centre, key=tmp_path / "other.pub"),
            output,
            None,
            force=False,
            detect=Detected,
        )
    assert not output.exists()


def test_what_this_device_refuses_is_said_and_its_own_file_stays(
    centre: Centre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It measures with its own."""
    centre.publish(3, "[latency]\ninterval = 3\n")
    output = tmp_path / "agent.toml"
    code = run_init_from_fleet(
        origin_of(centre), output, tmp_path / "n.db", force=False, detect=Detected
    )
    assert code == 1
    assert "is refused here, and this file holds alone:" in capsys.readouterr().err
    assert load_settings(output).latency.interval_ms == 5_000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"site": "École"}, "--site: must be 1 to 63 of a-z, 0-9 and -"),
        ({"url": "http://centre.example.fr"}, "--from-fleet: must begin with https://"),
        ({"key": Path("/nowhere.pub")}, "/nowhere.pub: the public key cannot be read"),
    ],
)
def test_an_option_that_will_not_do_is_named(
    changes: dict[str, object], said: str, tmp_path: Path
) -> None:
    given: dict[str, object] = {"url": "https://c.example.fr", "site": "a", "key": Path("k")}
    with pytest.raises(UsageError, match=f"^{said}"):
        run_init_from_fleet(
            FleetOrigin(**{**given, **changes}),  # type: ignore[arg-type]  # by name
            tmp_path / "agent.toml",
            None,
            force=False,
            detect=Detected,
        )


def test_the_options_of_the_fleet_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--site", "a"]) == 2
    assert "go with --from-fleet URL" in capsys.readouterr().err
    assert main(["init", "--from-fleet", "https://c.example.fr"]) == 2
    assert capsys.readouterr().err == "--from-fleet needs --site ID and --key PUB beside it\n"


def test_check_says_how_it_stands_with_the_centre(
    centre: Centre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not asked yet; in force; refused."""
    config = centre.write_agent(tmp_path / "agent")

    def look() -> list[tuple[State, str]]:
        settings = load_own_settings(config)
        assert settings.central is not None
        return [(each.state, each.message) for each in examine_central(settings, settings.central)]

    assert look() == [(State.WARNING, "the centre has not been asked yet")]
    centre.publish(3, SLOWER)
    run(capsys, "--config", str(config))
    good = (State.OK, "version 3 of the centre's configuration lies over this device's file")
    assert look() == [good]
    centre.publish(4, "[latency]\ninterval = 3\n")
    run(capsys, "--config", str(config))
    assert look()[1] == good
    assert look()[0][0] is State.WARNING
    assert "latency.interval: needs a unit, got 3" in look()[0][1]
