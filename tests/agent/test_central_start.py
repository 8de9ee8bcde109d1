"""With what an agent starts, and when a configuration of the centre's has proved good."""

from __future__ import annotations

from pathlib import Path

import pytest

from netwatch.agent.central_start import MOST_STARTS, Chosen, choose_settings
from netwatch.agent.central_update import Fetched, Update, take
from netwatch.agent.central_watch import CentralWatch
from netwatch.config.central_state import (
    STATE,
    CentralState,
    find_folder,
    hold_state,
    name_file,
    name_judge,
    read_state,
)
from netwatch.config.load import load_own_settings, load_settings
from netwatch.errors import ConfigError

OWN = """
[site]
id = "mairie"
[store]
path = "netwatch.db"
[central]
url = "http://127.0.0.1/netwatch"
public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(OWN)
    return path


def state_of(config: Path) -> CentralState:
    return read_state(find_folder(load_own_settings(config)))


def give(config: Path, version: int, interval: str) -> Update:
    text = (
        f'[published]\nversion = {version}\n[site]\nid = "mairie"\n'
        f'[latency]\ninterval = "{interval}"\n'
    )
    fetched = Fetched(content=text.encode(), version=version, etag='"a"')
    with hold_state(find_folder(load_own_settings(config))) as keeper:
        return take(keeper, fetched, config, judge=name_judge(config), url="u", now_ms=1)


def start(config: Path) -> Chosen:
    return choose_settings(config, now_ms=5)


def prove(config: Path) -> None:
    """Start, and be up."""
    chosen = start(config)
    FakeAgent(config, chosen.digest).watch.look(rounds=1)


class FakeAgent:
    """As much of an agent as the watch sees of it."""

    def __init__(self, config: Path, digest: str | None, *, trial_ms: int = 0) -> None:
        self.now_ms = 0
        self.made_way = 0
        self.watch = CentralWatch(
            find_folder(load_own_settings(config)),
            digest,
            trial_ms=trial_ms,
            every_ms=3_600_000,
            monotonic_ms=lambda: self.now_ms,
            make_way=self.make_way,
        )

    def make_way(self) -> None:
        self.made_way += 1


def test_without_anything_from_the_centre_the_devices_own_file_holds(config: Path) -> None:
    """An agent that has never reached the centre measures."""
    chosen = start(config)
    assert (chosen.digest, chosen.settings.latency.interval_ms) == (None, 5_000)


def test_a_configuration_with_which_the_agent_does_not_come_up_is_gone_back_from(
    config: Path,
) -> None:
    """After three starts the one before it holds again, for every command; the reason is kept."""
    give(config, 1, "7s")
    prove(config)
    give(config, 2, "8s")
    for _ in range(MOST_STARTS):
        assert start(config).settings.latency.interval_ms == 8_000
    assert start(config).settings.latency.interval_ms == 7_000
    assert load_settings(config).latency.interval_ms == 7_000
    refused = state_of(config).refused
    assert refused is not None
    assert (refused.version, refused.why, refused.problem) == (
        2,
        "start",
        "version 2 of the centre's configuration: the agent did not come up with it, 3 times",
    )
    assert start(config).settings.latency.interval_ms == 7_000


def test_one_that_was_gone_back_from_is_not_taken_again_but_a_newer_is(config: Path) -> None:
    """The same bytes, fetched once more, stay refused."""
    give(config, 1, "7s")
    for _ in range(MOST_STARTS + 1):
        chosen = start(config)
    assert chosen.digest is None
    assert give(config, 1, "7s").result == "refused"
    assert start(config).digest is None
    assert give(config, 2, "8s").result == "taken"
    assert state_of(config).refused is None


def test_starts_are_counted_until_a_round_is_complete_and_the_watchdogs_time_over(
    config: Path,
) -> None:
    """Neither alone proves that the agent is up."""
    give(config, 1, "7s")
    agent = FakeAgent(config, start(config).digest, trial_ms=90_000)
    agent.now_ms = 89_999
    agent.watch.look(rounds=10)
    agent.now_ms = 90_000
    agent.watch.look(rounds=0)
    assert state_of(config).trial_starts == 1
    assert agent.watch.view().trial
    agent.watch.look(rounds=1)
    assert state_of(config).trial_starts is None
    assert not agent.watch.view().trial


def test_an_agent_that_is_told_to_end_has_not_failed_to_start(config: Path) -> None:
    """Three restarts of the device in a row are no fault of a configuration."""
    give(config, 1, "7s")
    for _ in range(2 * MOST_STARTS):
        FakeAgent(config, start(config).digest, trial_ms=90_000).watch.leave()
    assert start(config).settings.latency.interval_ms == 7_000


def test_the_agent_makes_way_once_for_another_configuration(config: Path) -> None:
    """And for none that is refused."""
    give(config, 1, "7s")
    agent = FakeAgent(config, start(config).digest)
    agent.watch.look(rounds=1)
    give(config, 2, "bad")
    agent.watch.look(rounds=2)
    assert (agent.made_way, agent.watch.outdated) == (0, False)
    assert agent.watch.view().refused_version == 2
    assert agent.watch.list_notices(0) == ("configuration_refused",)
    give(config, 3, "8s")
    agent.watch.look(rounds=3)
    agent.watch.look(rounds=4)
    assert (agent.made_way, agent.watch.outdated) == (1, True)


def test_a_state_that_cannot_be_read_is_no_reason_to_begin_again(config: Path) -> None:
    """A card that fails for a moment does not have the agent start over and over."""
    give(config, 1, "7s")
    prove(config)
    agent = FakeAgent(config, start(config).digest)
    (find_folder(load_own_settings(config)) / STATE).write_bytes(b"\0" * 50)
    agent.watch.look(rounds=1)
    (find_folder(load_own_settings(config)) / STATE).unlink()
    agent.watch.look(rounds=1)
    assert (agent.made_way, agent.watch.view().version) == (0, 1)


def test_what_this_program_does_not_read_any_more_is_gone_back_from(config: Path) -> None:
    """An older program after a newer one, or a device's file that was changed since."""
    give(config, 1, "7s")
    prove(config)
    config.write_text(OWN.replace('"mairie"', '"ecole"'))
    chosen = start(config)
    assert chosen.digest is None
    assert chosen.settings.site.id == "ecole"
    refused = state_of(config).refused
    assert refused is not None
    assert (refused.why, refused.problem) == (
        "check",
        "version 1 of the centre's configuration: site.id: is of another site, "
        'got "mairie", and this is "ecole"',
    )


def test_a_file_that_the_card_has_spoilt_is_not_started_with(config: Path) -> None:
    """And is fetched again, whatever the ETag says."""
    give(config, 1, "7s")
    state = state_of(config)
    assert state.in_force is not None
    (find_folder(load_own_settings(config)) / name_file(state.in_force)).write_bytes(b"\0" * 90)
    assert start(config).digest is None
    assert state_of(config).etag is None


def test_a_folder_that_cannot_be_written_stops_nothing(config: Path) -> None:
    """Where a file lies in its place, too."""
    find_folder(load_own_settings(config)).write_bytes(b"")
    assert start(config).settings.latency.interval_ms == 5_000


def test_a_mistake_in_the_devices_own_file_stops_the_start(config: Path) -> None:
    """As without a centre: somebody is there, at the keyboard."""
    give(config, 1, "7s")
    config.write_text(OWN + "[http]\nlisten = 3\n")
    with pytest.raises(ConfigError, match=r"http\.listen: must be text"):
        start(config)


def test_a_centre_that_is_away_is_said_after_a_day_and_an_untrusted_answer_at_once(
    config: Path,
) -> None:
    """An hour without the centre is nobody's concern."""
    give(config, 1, "7s")
    agent = FakeAgent(config, start(config).digest)
    folder = find_folder(load_own_settings(config))
    for reason, now_ms, notices in (
        ("unreachable", 3_600_000, ()),
        ("unreachable", 86_400_002, ("configuration_unreachable",)),
        ("untrusted", 2, ("configuration_untrusted",)),
    ):
        with hold_state(folder) as keeper:
            keeper.change(problem=f"{now_ms}", problem_reason=reason, answered_ms=1)
        agent.watch.look(rounds=1)
        assert agent.watch.list_notices(now_ms) == notices
    assert (folder / STATE).stat().st_mode & 0o007 == 0
