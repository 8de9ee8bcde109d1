"""Agents as the centre meets them: the agent's real HTTP server over a made-up snapshot."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from netwatch.outlets.prometheus import MetricsRenderer
from netwatch.web.app import build_routes
from netwatch.web.books import SiteIdentity
from netwatch.web.listener import Tls
from netwatch.web.server import Limits, Server, build_server
from tests.adapters.web_world import FakeBooks, build_month, build_snapshot

_FREE = Limits(requests_per_second=100_000, burst=1_000_000)


@contextlib.contextmanager
def agent(
    site_id: str,
    *,
    token: str | None = None,
    tls: tuple[Path, Path] | None = None,
    **snapshot: object,
) -> Iterator[Server]:
    """One agent on a free port of loopback, showing ``build_snapshot(**snapshot)``."""
    shown = build_snapshot(**snapshot)
    routes = build_routes(
        get_snapshot=lambda: shown,
        books=FakeBooks(build_month()),
        site=msgspec.structs.replace(SiteIdentity(id="x"), id=site_id, name=site_id.title()),
        is_alive=lambda: True,
        render_metrics=MetricsRenderer(site=site_id, process=False),
    )
    server = build_server(
        "127.0.0.1:0",
        routes,
        monotonic_ms=lambda: time.monotonic_ns() // 1_000_000,
        token=token,
        tls=None if tls is None else Tls(certificate=str(tls[0]), key=str(tls[1])),
        limits=_FREE,
    )
    server.serve()
    try:
        yield server
    finally:
        server.stop()


def write_inventory(folder: Path, sites: list[tuple[str, str]], more: str = "") -> Path:
    """A ``fleet.toml`` of (id, address lines) under one operator and one contract."""
    text = '[[operator]]\nname = "Opérateur A"\n[[contract]]\nname = "gold"\navailability = 0.999\n'
    for site_id, lines in sites:
        text += (
            f'[[site]]\nid = "{site_id}"\nname = "Site {site_id}"\ncommune = "Trilport"\n{lines}\n'
            '[site.circuit]\noperator = "Opérateur A"\ncontract = "gold"\n'
        )
    path = folder / "fleet.toml"
    path.write_text(text + more, encoding="utf-8")
    return path
