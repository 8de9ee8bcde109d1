"""The push of a configuration, put together: spool, lines, connection, pump.

Rule of this file: construction only. Nothing is imported, opened or asked before the
pump is started.
"""

from __future__ import annotations

import logging
import random
from pathlib import Path

from netwatch.agent.line_source import LineSource
from netwatch.agent.push import Push
from netwatch.clock import Clock
from netwatch.config.model import Influx, Settings
from netwatch.core.line_points import build_tags
from netwatch.errors import NetwatchError
from netwatch.outlets.influx import InfluxOutlet
from netwatch.outlets.influx_client import InfluxConnection
from netwatch.store.spool import Spool
from netwatch.store.writer import Writer

_LOG = logging.getLogger(__name__)

CONNECT_TIMEOUT_MS = 10_000
ANSWER_TIMEOUT_MS = 30_000
#: Beyond the windows that may yet make minutes degraded: what a commit, a confirmation of
#: an outage and a throughput test take.
MARGIN_MS = 120_000


def start_push(settings: Settings, *, writer: Writer, clock: Clock) -> Push | None:
    """The pump of ``settings.influx``, running; None where there is none, or it has no token.

    A missing token is told and stops nothing: the books are kept, and sent once it is there.
    """
    if settings.influx is None:
        return None
    try:
        push = build_push(settings, settings.influx, writer=writer, clock=clock)
    except NetwatchError as error:
        _LOG.error("%s", error)
        return None
    push.start()
    return push


def build_push(settings: Settings, influx: Influx, *, writer: Writer, clock: Clock) -> Push:
    """The pump for ``settings.influx``, not started. Raises NetwatchError for its token."""
    outlet = InfluxOutlet(
        InfluxConnection(
            url=influx.url,
            org=influx.org,
            bucket=influx.bucket,
            token=read_influx_token(influx.token_file),
            timeouts_ms=(CONNECT_TIMEOUT_MS, ANSWER_TIMEOUT_MS),
            monotonic_ms=clock.monotonic_ms,
        ),
        url=influx.url,
        org=influx.org,
        bucket=influx.bucket,
    )
    spool = Spool(
        settings.store.path,
        f"influx {influx.url} {influx.org} {influx.bucket}",
        call=writer.call,
        margin_ms=find_margin_ms(settings),
    )
    tags = build_tags(settings.site.id, settings.circuit.reference, settings.circuit.operator)
    return Push(
        spool=spool,
        source=LineSource(settings.store.path, tags),
        outlet=outlet,
        monotonic_ms=clock.monotonic_ms,
        draw=random.random,
    )


def find_margin_ms(settings: Settings) -> int:
    """How long what the books say of a minute may yet change.

    Where the contract names a threshold, windows in a row make their whole run degraded
    once there are enough of them.
    """
    contract, latency = settings.circuit.contract, settings.latency
    if contract.max_rtt_ms is None and contract.max_loss is None:
        return MARGIN_MS
    return MARGIN_MS + latency.window_ms * (latency.degraded_after_windows + 1)


def read_influx_token(path: str) -> str:
    """The token in its file. Raises NetwatchError where there is none that can be sent."""
    try:
        token = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NetwatchError(f"{path}: the InfluxDB token cannot be read: {error}") from None
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise NetwatchError(f"{path}: it must hold one token and nothing else: write it there")
    return token
