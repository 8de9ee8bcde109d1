"""The centre's configuration over real HTTPS: what is taken, and what is not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from netwatch.agent.central_fetch import Door, fetch_file
from netwatch.agent.central_update import Update, update
from netwatch.config.central_state import STATE, find_folder, read_state
from netwatch.config.load import load_own_settings, load_settings
from netwatch.errors import CentralError
from tests.adapters.centre import SITE, Centre, make_key
from tests.adapters.hostile import StreamServer, dribble, saying

SLOWER = '[latency]\ninterval = "7s"\n'


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    return Centre(tmp_path / "centre")


@pytest.fixture
def served(centre: Centre) -> Iterator[Centre]:
    with centre.serve():
        yield centre


@pytest.fixture
def agent(centre: Centre, tmp_path: Path) -> Path:
    return centre.write_agent(tmp_path / "agent")


def ask(config: Path, now_ms: int = 1_000) -> Update:
    return update(config, load_own_settings(config), now_ms=now_ms)


def refused_asking(config: Path, reason: str) -> str:
    """The sentence of an asking that fails so, with nothing taken and the sentence kept."""
    before = load_settings(config)
    with pytest.raises(CentralError) as raised:
        ask(config)
    assert raised.value.reason == reason
    state = read_state(find_folder(load_own_settings(config)))
    assert (state.problem, state.problem_reason) == (str(raised.value), reason)
    assert load_settings(config) == before
    return str(raised.value)


def test_a_signed_configuration_is_taken_and_lies_over_the_devices_own(
    served: Centre, agent: Path
) -> None:
    """Every command reads it from then on; it is on trial until the agent is up."""
    served.publish(3, SLOWER)
    assert ask(agent) == Update(result="taken", version=3)
    assert load_settings(agent).latency.interval_ms == 7_000
    assert load_own_settings(agent).latency.interval_ms == 5_000
    assert read_state(find_folder(load_own_settings(agent))).trial_starts == 0


def test_what_has_not_changed_is_not_sent_again(served: Centre, agent: Path) -> None:
    """The server answers 304 to the ETag, and the version in force stays."""
    served.publish(3, SLOWER)
    ask(agent, 1_000)
    (served.www / f"{SITE}.toml.sig").unlink()  # would be missed if the file were sent
    assert ask(agent, 2_000) == Update(result="unchanged", version=3)
    state = read_state(find_folder(load_own_settings(agent)))
    assert (state.asked_ms, state.answered_ms) == (2_000, 2_000)


def test_a_newer_version_replaces_the_last_and_nothing_older_is_left(
    served: Centre, agent: Path
) -> None:
    """Two that proved nothing yet: only the newest is kept beside what proved good."""
    served.publish(3, SLOWER)
    ask(agent)
    served.publish(4, SLOWER.replace("7s", "8s"))
    assert ask(agent) == Update(result="taken", version=4)
    folder = find_folder(load_own_settings(agent))
    assert [path.name.partition("-")[0] for path in folder.glob("*.toml")] == ["4"]


def test_an_older_version_shown_again_is_refused(served: Centre, agent: Path) -> None:
    """Though its signature is good: a replay."""
    served.publish(4, SLOWER)
    ask(agent)
    served.publish(3)
    said = refused_asking(agent, "untrusted")
    assert said == (
        "version 3 of the centre's configuration is older than 4, which this agent has had: "
        "it is not taken back"
    )


def test_two_configurations_of_one_number_are_not_both_taken(served: Centre, agent: Path) -> None:
    served.publish(4, SLOWER)
    ask(agent)
    served.publish(4, SLOWER.replace("7s", "17s"))
    assert "is not the one that this agent has had under that number" in refused_asking(
        agent, "untrusted"
    )


def test_another_sites_configuration_is_refused(served: Centre, agent: Path) -> None:
    """Signed by the right key, served under this site's name."""
    served.publish(3, SLOWER, site="mairie", name=SITE)
    assert refused_asking(agent, "untrusted") == (
        f'{served.url}/{SITE}.toml: is signed, but for another site, "mairie"'
    )


def test_another_key_is_refused_by_its_fingerprint(
    served: Centre, agent: Path, tmp_path: Path
) -> None:
    served.publish(3, SLOWER, signer=make_key(tmp_path / "stranger"))
    said = refused_asking(agent, "untrusted")
    assert "toml.sig: is by another key (SHA256:" in said
    assert said.endswith(") than central.public_key")


def test_a_changed_byte_is_refused(served: Centre, agent: Path) -> None:
    content = served.publish(3, SLOWER)
    (served.www / f"{SITE}.toml").write_bytes(content.replace(b"7s", b"9s"))
    assert refused_asking(agent, "untrusted").endswith(
        "is not what its signature was made for: it was changed, or is being published"
    )


def test_a_signature_of_a_report_opens_no_agent(served: Centre, agent: Path) -> None:
    """The same key may sign both; each signature says what it is for."""
    served.publish(3, SLOWER, namespace=b"netwatch-evidence")
    assert "it was made for 'netwatch-evidence', not for 'netwatch-configuration'" in (
        refused_asking(agent, "untrusted")
    )


def test_a_page_in_the_centres_place_is_refused(served: Centre, agent: Path) -> None:
    """A portal answers everything with HTML and 200."""
    for name in (f"{SITE}.toml", f"{SITE}.toml.sig"):
        (served.www / name).write_text("<!doctype html><title>Welcome</title>")
    assert refused_asking(agent, "untrusted") == (
        f"{served.url}/{SITE}.toml.sig: is no signature of a configuration: it is not an armoured "
        "SSH signature: does a portal answer in the centre's place?"
    )


def test_a_huge_file_is_not_read_to_its_end(served: Centre, agent: Path) -> None:
    (served.www / f"{SITE}.toml").write_bytes(b"#" * 1_000_000)
    assert refused_asking(agent, "unreachable").endswith("answers with more than 262144 bytes")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("return 401;", "asks for a token: give central.token_file (HTTP 401)"),
        ("return 404;", "is not there (HTTP 404): has this site been published?"),
        ("return 503;", "HTTP 503"),
        (
            "return 302 https://elsewhere.example/;",
            'sends elsewhere, to "https://elsewhere.example/" (HTTP 302), which is not followed',
        ),
        ("return 304;", "HTTP 304"),
    ],
)
def test_an_answer_that_is_no_file_is_said_in_words(
    centre: Centre, agent: Path, rules: str, said: str
) -> None:
    with centre.serve(rules=rules):
        assert refused_asking(agent, "unreachable") == f"{centre.url}/{SITE}.toml: {said}"


def test_the_token_is_shown_and_a_wrong_one_refused(centre: Centre, tmp_path: Path) -> None:
    """From its file, as a bearer token."""
    token = tmp_path / "token"
    config = centre.write_agent(tmp_path / "agent", central=f'token_file = "{token}"')
    rules = 'if ($http_authorization != "Bearer s3cret") { return 401; }'
    centre.publish(3, SLOWER)
    with centre.serve(rules=rules):
        token.write_text("wrong\n")
        assert refused_asking(config, "unreachable").endswith("the token is refused (HTTP 401)")
        token.write_text("s3cret\n")
        assert ask(config).result == "taken"


def test_an_expired_certificate_is_refused(centre: Centre, agent: Path) -> None:
    centre.publish(3, SLOWER)
    with centre.serve(begins="-30d"):
        assert refused_asking(agent, "unreachable").endswith(
            "its certificate is not trusted: certificate has expired"
        )


def test_a_centre_that_is_away_changes_nothing(served: Centre, agent: Path) -> None:
    """What was taken stays in force."""
    served.publish(3, SLOWER)
    ask(agent)
    text = agent.read_text().replace(str(served.port), "1")
    agent.write_text(text)
    assert refused_asking(agent, "unreachable").endswith("connection refused")
    assert load_settings(agent).latency.interval_ms == 7_000


def test_a_slow_answer_is_given_up() -> None:
    """A byte now and then keeps no agent waiting for ever."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    with StreamServer(dribble(head)) as server:
        url = f"http://127.0.0.1:{server.port}/a.toml"
        with pytest.raises(CentralError, match=r"no answer within 0\.4 s"):
            fetch_file(url, Door(timeout_s=0.4), limit_bytes=1_000_000)


def test_an_answer_that_breaks_off_is_none() -> None:
    with StreamServer(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as server:
        url = f"http://127.0.0.1:{server.port}/a.toml"
        with pytest.raises(CentralError, match="broke off in mid-answer"):
            fetch_file(url, Door(timeout_s=5), limit_bytes=1_000)


def test_settings_that_check_refuses_are_not_taken_and_their_message_is_kept(
    served: Centre, agent: Path
) -> None:
    """Not asked for again until it changes; a corrected one is taken."""
    served.publish(3, SLOWER)
    ask(agent)
    served.publish(4, '[latency]\ninterval = "1s"\ntimeout = "2s"\n')
    problem = (
        f"version 4 of the centre's configuration over {agent}: latency.timeout: "
        "must be shorter than interval (1s), got 2s"
    )
    refused = Update(result="refused", version=4, problem=problem)
    assert ask(agent) == refused
    (served.www / f"{SITE}.toml.sig").unlink()
    assert ask(agent) == refused
    assert load_settings(agent).latency.interval_ms == 7_000
    served.publish(5, SLOWER.replace("7s", "8s"))
    assert ask(agent) == Update(result="taken", version=5)


def test_what_is_the_devices_own_cannot_come_from_the_centre(served: Centre, agent: Path) -> None:
    """A port, a path, another centre: each is named."""
    served.publish(3, '[http]\ninsecure = true\n[store]\npath = "/tmp/a.db"\n')
    done = ask(agent)
    assert done.problem is not None
    assert done.problem.splitlines() == [
        f"version 3 of the centre's configuration: {key}: is the device's own: "
        "it belongs into its agent.toml"
        for key in ("http.insecure", "store.path")
    ]


def test_a_refused_one_is_tried_again_when_the_devices_file_has_changed(
    served: Centre, agent: Path
) -> None:
    """The secret that it needs has been put there: no new version is needed."""
    served.publish(3, '[influx]\nurl = "https://m.example.fr"\norg = "v"\nbucket = "n"\n')
    done = ask(agent)
    assert done.problem is not None
    assert "influx.token_file: is missing" in done.problem
    agent.write_text(agent.read_text() + '\n[influx]\ntoken_file = "influx.token"\n')
    assert ask(agent) == Update(result="taken", version=3)
    settings = load_settings(agent)
    assert settings.influx is not None
    assert settings.influx.token_file == str(agent.parent / "influx.token")


def test_a_damaged_state_takes_nothing_older_than_what_lies_there(
    served: Centre, agent: Path
) -> None:
    """The card has spoilt the file: it is set aside, and measuring has a configuration."""
    served.publish(7, SLOWER)
    ask(agent)
    folder = find_folder(load_own_settings(agent))
    (folder / STATE).write_bytes(b"\0" * 100)
    assert load_settings(agent).latency.interval_ms == 5_000
    served.publish(6)
    refused_asking(agent, "untrusted")
    served.publish(8, SLOWER)
    assert ask(agent) == Update(result="taken", version=8)
    assert (folder / "state.json.damaged").exists()


def test_two_files_in_the_midst_of_being_published_are_asked_for_again(
    centre: Centre, tmp_path: Path
) -> None:
    """The signature was there a moment before its file: nobody is alarmed."""
    old = centre.publish(3, SLOWER)
    new = centre.publish(4, SLOWER)
    signature = (centre.www / f"{SITE}.toml.sig").read_bytes()
    bodies = iter((old, signature, new, signature))

    def answer(stream: socket.socket) -> None:
        stream.recv(4_096)
        body = next(bodies)
        stream.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with StreamServer(answer) as server:
        config = centre.write_agent(tmp_path / "agent")
        text = config.read_text().replace(centre.url, f"http://127.0.0.1:{server.port}")
        config.write_text(text)
        assert ask(config) == Update(result="taken", version=4)


_TAKER = """
    import sys
    from pathlib import Path
    from netwatch.agent.central_update import Fetched, take
    from netwatch.config.central_state import find_folder, hold_state, name_judge
    from netwatch.config.load import load_own_settings

    config = Path(sys.argv[1])
    folder = find_folder(load_own_settings(config))
    version = int(sys.argv[2])
    while True:
        version += 1
        interval = 2 + version % 50
        text = f'[published]\\nversion = {version}\\n[site]\\nid = "ecole-jaures"\\n'
        text += f'[latency]\\ninterval = "{interval}s"\\n' + "# padding\\n" * 2000
        fetched = Fetched(content=text.encode(), version=version, etag=None)
        with hold_state(folder) as keeper:
            take(keeper, fetched, config, judge=name_judge(config), url="u", now_ms=1)
        print(version, flush=True)
"""


@pytest.mark.slow
def test_a_kill_in_mid_write_leaves_a_configuration_that_is_whole(agent: Path) -> None:
    """SIGKILL at fifteen instants of a program that does nothing but take new ones."""
    folder = find_folder(load_own_settings(agent))
    version = 0
    for attempt in range(15):
        command = [sys.executable, "-c", textwrap.dedent(_TAKER), str(agent), str(version)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as taker:
            assert taker.stdout is not None
            for _ in range(1 + attempt % 3):
                told = taker.stdout.readline()
            os.kill(taker.pid, signal.SIGKILL)
        state = read_state(folder)
        assert state.in_force is not None
        version = state.in_force.version
        assert version >= int(told)
        assert load_settings(agent).latency.interval_ms == (2 + version % 50) * 1_000
