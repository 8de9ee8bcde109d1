"""The real machine behind `netwatch check`: the same code as the agent's start.

Rule of this file: it hands functions out; what their answers mean is `examination`'s.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
from pathlib import Path

from netwatch.agent.once import run_once
from netwatch.cli.examination import World
from netwatch.clock import SystemClock
from netwatch.config.forms import parse_listen
from netwatch.config.model import Http, Influx, Settings
from netwatch.records import PushProblem
from netwatch.store.db import opened_read_only
from netwatch.store.schema import read_migrations, read_version, refuse_foreign_version
from netwatch.web.listener import Tls, build_tls_context, open_listener

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
        has_module=lambda name: importlib.util.find_spec(name) is not None,
        try_push=try_push,
    )


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
