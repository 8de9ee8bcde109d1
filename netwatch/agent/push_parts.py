"""The push of a configuration, put together: spool, lines, connection, pump.

Rule of this file: construction only. Nothing is imported, opened or asked before the
pump is started.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from netwatch.agent.line_source import LineSource
from netwatch.agent.push import Push
from netwatch.clock import Clock
from netwatch.config.model import Influx, Settings
from netwatch.core.line_points import build_tags
from netwatch.outlets.influx import InfluxOutlet
from netwatch.outlets.influx_client import InfluxConnection, NoAnswer
from netwatch.records import PushProblem, PushReason
from netwatch.store.spool import Spool
from netwatch.store.writer import Writer

CONNECT_TIMEOUT_MS = 10_000
ANSWER_TIMEOUT_MS = 30_000
#: Beyond the windows that may yet make minutes degraded: what a commit, a confirmation of
#: an outage and a throughput test take.
MARGIN_MS = 120_000


def build_push(
    settings: Settings,
    influx: Influx,
    *,
    writer: Writer,
    clock: Clock,
    timeouts_ms: tuple[int, int] = (CONNECT_TIMEOUT_MS, ANSWER_TIMEOUT_MS),
) -> Push:
    """The pump for ``settings.influx``, not started.

    A token that is missing stops nothing: that is a problem like a server's, told as one,
    and the token is read again with each attempt.
    """
    spool = Spool(
        settings.store.path,
        f"influx {influx.url} {influx.org} {influx.bucket}",
        call=writer.call,
        margin_ms=find_margin_ms(settings),
        pending=writer.pending,
        entered=writer.entered,
        answer_ms=find_answer_ms(settings),
    )
    tags = build_tags(settings.site.id, settings.circuit.reference, settings.circuit.operator)
    return Push(
        spool=spool,
        source=LineSource(settings.store.path, tags, writer.pending),
        outlet=build_outlet(influx, clock.monotonic_ms, timeouts_ms=timeouts_ms),
        monotonic_ms=clock.monotonic_ms,
        draw=random.random,
    )


def build_outlet(
    influx: Influx,
    monotonic_ms: Callable[[], int],
    *,
    timeouts_ms: tuple[int, int] = (CONNECT_TIMEOUT_MS, ANSWER_TIMEOUT_MS),
) -> InfluxOutlet:
    """The outlet of ``[influx]``; nothing is read or asked before it sends."""
    connection = InfluxConnection(
        url=influx.url,
        org=influx.org,
        bucket=influx.bucket,
        read_token=lambda: read_influx_token(influx.token_file),
        timeouts_ms=timeouts_ms,
        monotonic_ms=monotonic_ms,
        certificate_authority=influx.certificate_authority,
    )
    return InfluxOutlet(connection, url=influx.url, org=influx.org, bucket=influx.bucket)


def find_answer_ms(settings: Settings) -> int:
    """How long a probe may be under way, and its observation to be handed over."""
    timeouts = [target.timeout_ms for target in settings.target if target.timeout_ms is not None]
    return max(5_000, settings.latency.timeout_ms, settings.dns.timeout_ms, *timeouts) + 2_000


def find_margin_ms(settings: Settings) -> int:
    """How long what the books say of a minute may yet change.

    Where the contract names a threshold, windows in a row make their whole run degraded
    once there are enough of them.
    """
    contract, latency = settings.circuit.contract, settings.latency
    # An outage is entered at once, the observations before it with the next commit.
    margin_ms = max(MARGIN_MS, settings.store.commit_interval_ms + MARGIN_MS // 2)
    if contract.max_rtt_ms is None and contract.max_loss is None:
        return margin_ms
    return margin_ms + latency.window_ms * (latency.degraded_after_windows + 1)


def read_influx_token(path: str) -> str:
    """The token in its file. Raises NoAnswer where there is none that can be sent."""
    fills: dict[str, str] = {}
    try:
        token = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is no text"
        reason, fills = PushReason.TOKEN_UNREADABLE, {"problem": what or "no file"}
    else:
        if token and token.isascii() and token.isprintable() and " " not in token:
            return token
        reason = PushReason.TOKEN_MALFORMED if token else PushReason.TOKEN_EMPTY
    raise NoAnswer(PushProblem(reason=reason, where=path, fills=fills))
