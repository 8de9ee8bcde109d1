"""The real machine behind `netwatch check`: the same code as the agent's start.

Rule of this file: it hands functions out; what their answers mean is `examination`'s.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from netwatch.agent.once import run_once
from netwatch.cli.examination import World
from netwatch.clock import SystemClock
from netwatch.config.forms import parse_listen
from netwatch.config.model import Http, Influx, Settings
from netwatch.config.targets import complete_targets
from netwatch.errors import StoreError
from netwatch.records import PushProblem
from netwatch.store.db import opened_read_only
from netwatch.store.schema import read_migrations, read_version, refuse_foreign_version
from netwatch.web.listener import Tls, build_tls_context, open_listener

if TYPE_CHECKING:
    from netwatch.agent.bandwidth_lease import LeaseFault
    from netwatch.agent.bandwidth_trial import Trial
    from netwatch.bandwidth.base import Counterpart

_HEALTH_SECONDS = 2.0


def build_world() -> World:
    """Everything that `examine` asks, of this machine."""
    return World(
        probe=run_once,
        synchronised=read_synchronised,
        free_bytes=read_free_bytes,
        check_database=check_database,
        open_door=open_door,
        is_agent=is_agent,
        has_module=has_module,
        try_push=try_push,
        try_engine=try_engine,
        find_lease_fault=find_lease_fault,
        is_right_circuit=is_right_circuit,
        read_last_rates=read_last_rates,
        now_ms=lambda: SystemClock().wall_ms(),
    )


def has_module(name: str) -> bool:
    """Whether an optional library is installed; it is not loaded."""
    return importlib.util.find_spec(name) is not None


def try_engine(counterpart: Counterpart) -> Trial:
    """One cheap word with a test server."""
    from netwatch.agent.bandwidth_trial import try_engine as try_one

    return try_one(counterpart, has_module=has_module)


def find_lease_fault(settings: Settings) -> LeaseFault | None:
    """Why the town's server keeps no lease; None where one was had, or none is configured."""
    if settings.bandwidth.lease is None:
        return None
    from netwatch.agent.bandwidth_lease import TownLease

    lease = TownLease(settings.bandwidth.lease, holder=settings.site.id, clock=SystemClock())
    return lease.find_fault()


def is_right_circuit(settings: Settings) -> bool:
    """As a test would see it now."""
    from netwatch.agent.bandwidth_world import LineWorld

    whole = msgspec.structs.replace(settings, target=complete_targets(settings))
    return LineWorld(whole, SystemClock()).is_right_circuit()


def read_last_rates(settings: Settings) -> tuple[int | None, int | None]:
    """What the newest test with a rate found, bytes per second; None without one."""
    from netwatch.store.bandwidth_books import BandwidthBooks

    path = Path(settings.store.path)
    with contextlib.suppress(StoreError):  # `examine_store` says what is wrong with it
        last = BandwidthBooks(path).read_last(with_rate=True) if path.exists() else None
        if last is not None:
            return last.row.down_bytes_per_second, last.row.up_bytes_per_second
    return None, None


def try_push(settings: Settings, influx: Influx) -> PushProblem | None:
    """What stands in the way of a point now; None when it was taken."""
    from netwatch.agent.push_trial import try_push as send_one

    return send_one(settings, influx, SystemClock(trusted=True))


def read_synchronised(settings: Settings) -> bool:
    """What the agent itself would believe of its clock."""
    return SystemClock(trusted=settings.clock.trusted).synchronised()


def read_free_bytes(folder: Path) -> int:
    """What a program that is not root may still write on that file system."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def check_database(path: Path) -> None:
    """Raises StoreError for a file that this version would not go on with."""
    if path.stat().st_size:
        with opened_read_only(path) as connection:
            refuse_foreign_version(path, read_version(connection, path), len(read_migrations()))


def open_door(door: Http) -> None:
    """Listen for an instant. Raises NetwatchError, for certificate and key too."""
    if door.certificate is not None and door.key is not None:
        build_tls_context(Tls(certificate=door.certificate, key=door.key))
    open_listener(door.listen).close()


def is_agent(door: Http) -> bool:
    """Whether who has the port answers as an agent does. Not asked over TLS."""
    if door.certificate is not None:
        return False
    listen = parse_listen(door.listen)
    connection = http.client.HTTPConnection(listen.host, listen.port, timeout=_HEALTH_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
