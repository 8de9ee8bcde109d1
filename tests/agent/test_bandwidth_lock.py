"""Locks and leases that cannot be had: no test is made, and the reason is stored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netwatch.agent.bandwidth_asking import Asking, Done, Refused
from netwatch.agent.bandwidth_lease import TownLease
from netwatch.agent.bandwidth_lock import NoLock, held_alone, is_held
from netwatch.clock import SystemClock
from netwatch.config.model import LeaseSettings
from tests.adapters.hostile import free_port
from tests.adapters.servers import Authority, nginx, started
from tests.agent.bandwidth_world import Stage
from tests.agent.users import as_nobody, shared_folder

FINE = {"iperf3": (13_000_000, 6_500_000, 20_000_000)}


def lease_at(port: int, scheme: str = "http") -> TownLease:
    settings = LeaseSettings(url=f"{scheme}://127.0.0.1:{port}/lease")
    return TownLease(settings, holder="ecole", clock=SystemClock())


def test_a_lock_of_another_user_is_no_lock() -> None:
    """Two users would test at once and not know it: refused, with the file's name."""
    with shared_folder() as folder:
        path = folder / "netwatch.db"
        with held_alone(path) as alone:
            assert alone
        path.with_name("netwatch.db-bandwidth").chmod(0o600 if os.geteuid() == 0 else 0)
        refused = pytest.raises(NoLock, match=r"netwatch\.db-bandwidth: may not be opened")
        with as_nobody(), refused, held_alone(path):
            pass
        assert not is_held(path)


def test_a_folder_without_books_keeps_nobody_from_testing() -> None:
    """Where nothing can be written there is nothing to share: the books' own error comes next."""
    with (
        shared_folder() as folder,
        as_nobody(),
        held_alone(folder / "none" / "netwatch.db") as alone,
    ):
        assert alone


def test_a_lease_that_cannot_be_had_is_a_reason_and_no_test(tmp_path: Path) -> None:
    """For plan, campaign and person: all sites would test at once, and blame the operator."""
    stage = Stage(tmp_path)

    class FakeLease:
        @contextmanager
        def held(self) -> Iterator[bool]:
            raise NoLock("http://town/lease: no lease can be had: it answered 500 where 201 is due")
            yield False

    for asked_by in ("plan", "campaign", "person"):
        made = stage.make_conduct(FINE, lease=FakeLease()).make_test(
            Asking(asked_by=asked_by)  # type: ignore[arg-type]  # one of its words
        )
        assert made == Refused(
            reason="no_lock",
            sentence="http://town/lease: no lease can be had: it answered 500 where 201 is due",
            again=True,
        )
    assert stage.read_jobs() == []
    assert isinstance(stage.make_test(FINE), Done)


ANSWERS = {
    "return 403;": "it may not write there (403): the folder has to belong to the web server",
    "return 404;": "there is no such folder (404)",
    "return 507;": "its disk is full (507)",
    "return 302 http://192.0.2.1/;": "it answered 302 where 201 is due",
}


@pytest.mark.parametrize("location", ANSWERS)
def test_a_town_server_that_answers_and_keeps_no_leases_is_named(
    tmp_path: Path, location: str
) -> None:
    port = free_port()
    body = f"listen 127.0.0.1:{port}; location /lease/ {{ {location} }}"
    with nginx(tmp_path, port, body), pytest.raises(NoLock) as none, lease_at(port).held():
        pass
    assert str(none.value) == (
        f"http://127.0.0.1:{port}/lease: no lease can be had: {ANSWERS[location]}"
    )


def test_a_folder_that_the_web_server_may_not_write_is_named(tmp_path: Path) -> None:
    """The mistake itself: made by root, served by www-data."""
    port = free_port()
    with shared_folder() as folder:
        (folder / "lease").mkdir(mode=0o555)
        body = (
            f"listen 127.0.0.1:{port};"
            f" location /lease/ {{ root {folder}; dav_methods MKCOL DELETE; }}"
        )
        with unprivileged_nginx(tmp_path, port, body):
            with pytest.raises(NoLock, match="may not write there"), lease_at(port).held():
                pass
            fault = lease_at(port).find_fault()
    assert fault is not None
    assert "may not write there (403)" in fault.sentence


@contextmanager
def unprivileged_nginx(folder: Path, port: int, body: str) -> Iterator[None]:
    """As the distribution runs it: a master of root, workers of another user."""
    file = folder / "nginx.conf"
    file.write_text(
        f"user nobody nogroup; daemon off; pid {folder}/nginx.pid; error_log stderr crit;"
        "events { worker_connections 64; } http { access_log off;"
        f" client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;"
        f" fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;"
        f" server {{ {body} }} }}",
        encoding="ascii",
    )
    command = ["nginx", "-p", str(folder), "-c", str(file), "-e", "stderr"]
    with started(command, "127.0.0.1", port):
        yield


def test_a_certificate_that_is_not_good_is_no_lease(tmp_path: Path) -> None:
    """A name in TLS that does not hold is a fault of the town's server, not a line that is down."""
    authority, port = Authority(tmp_path), free_port()
    certificate, key = authority.sign("town")
    body = (
        f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"
        " location / { return 201; }"
    )
    with nginx(tmp_path, port, body):
        refused = pytest.raises(NoLock, match="certificate: unable to get local issuer certificate")
        with refused, lease_at(port, "https").held():
            pass
        fault = lease_at(port, "https").find_fault()
    assert fault is not None
    assert "certificate" in fault.sentence


def test_check_says_that_a_server_is_away_and_a_test_goes_on() -> None:
    """That it is away is what a test is to find out; who sets it up wants to know."""
    lease = lease_at(free_port())
    fault = lease.find_fault()
    assert fault is not None
    assert fault.away
    assert fault.sentence.endswith("no lease can be had: no answer")
    with lease.held() as ours:
        assert ours
