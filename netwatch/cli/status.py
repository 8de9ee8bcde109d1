"""`netwatch status`: what the agent on this machine knows, in the terminal.

Rule of this file: it asks the running agent over HTTP, as anyone would, and words the
answer. It reads no database and judges nothing.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from netwatch.cli.bandwidth_status import build_bandwidth_lines
from netwatch.cli.central_status import build_central_lines
from netwatch.cli.options import config_option, json_option
from netwatch.cli.push_status import build_push_lines
from netwatch.config.forms import parse_listen
from netwatch.config.load import load_settings
from netwatch.config.model import Http
from netwatch.core.clockline import bound_drift
from netwatch.errors import AgentUnreachable
from netwatch.web.notices import NOTICES

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_TIMEOUT_S = 10
_LIMIT_BYTES = 4_000_000
#: Word, mark and colour: never the colour alone.
MARKS: Mapping[str, tuple[str, str]] = {
    "up": ("●", "green"),
    "degraded": ("◐", "yellow"),
    "down": ("✕", "bold red"),
    "unknown": ("?", "blue"),
}
CAUSES: Mapping[str, str] = {
    "agent": "the agent was not watching",
    "clock": "the clock was not known to be right",
    "local": "this device has no way out",
    "gateway": "the box in the building does not answer",
    "access": "the box answers, the operator's access network does not",
    "upstream": "the operator's first hop answers, the internet beyond it does not",
    "dns": "the internet answers by address, no resolver does",
    "loss": "too many packets are lost",
    "latency": "answers take too long",
    "throughput": "the rate is below what the contract guarantees",
}


@click.command()
@config_option
@json_option
def status(config: Path, *, as_json: bool) -> int:
    """Show verdict, since when and why, today, this month, and the agent's own state."""
    settings = load_settings(config)
    answer = read_status(settings.http)
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        from rich.console import Console

        Console().print(build_status(answer))
    return 0 if answer["link"]["verdict"] == "up" else 1


def read_status(settings: Http) -> dict[str, Any]:
    """The running agent's answer to ``/api/v1/status``; raises AgentUnreachable."""
    listen = parse_listen(settings.listen)
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(  # noqa: S104 -- compared, not bound
        listen.host, listen.host
    )
    where = f"{settings.listen}: no agent answers there"
    headers = {}
    if settings.token_file is not None:
        headers["Authorization"] = f"Bearer {_read_token(Path(settings.token_file))}"
    try:
        connection = _connect(host, listen.port, settings)
        try:
            connection.request("GET", "/api/v1/status", headers=headers)
            response = connection.getresponse()
            body = response.read(_LIMIT_BYTES)
        finally:
            connection.close()
    except OSError as error:
        raise AgentUnreachable(
            f"{where} ({error.strerror or error}): start it with `netwatch run` "
            "or `systemctl start netwatch-agent`"
        ) from None
    except http.client.HTTPException as error:
        raise AgentUnreachable(f"{where}: what does is not netwatch ({error!r})") from None
    if response.status != 200:
        raise AgentUnreachable(f"{where} as it should: HTTP {response.status}, {body[:200]!r}")
    try:
        answer: dict[str, Any] = json.loads(body)
    except ValueError:
        raise AgentUnreachable(f"{where}: what does is not netwatch (no JSON)") from None
    return answer


def _read_token(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except PermissionError:
        raise AgentUnreachable(
            f"{path}: the agent's token may not be read by this user: sudo netwatch status"
        ) from None
    except OSError as error:
        raise AgentUnreachable(
            f"{path}: the agent's token cannot be read ({error.strerror}): "
            "http.token_file names its file"
        ) from None


def _connect(host: str, port: int, settings: Http) -> http.client.HTTPConnection:
    if settings.certificate is None:
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    # Its own certificate vouches for it: nobody else's need be trusted on this machine.
    context = ssl.create_default_context(cafile=settings.certificate)
    context.check_hostname = False
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)


def build_status(answer: Mapping[str, Any]) -> Group:
    """The answer as a screen: verdict, sums, targets, the agent itself."""
    from rich.console import Group
    from rich.text import Text

    site, link = answer["site"], answer["link"]
    zone = ZoneInfo(site["timezone"])
    mark, colour = MARKS[link["verdict"]]
    head = Text()
    head.append(f"{site['name'] or site['id']}", style="bold")
    if site["operator"]:
        head.append(f"  {site['operator']} {site['reference'] or ''}", style="dim")
    verdict = Text()
    verdict.append(f"{mark} {link['verdict']}", style=f"bold {colour}")
    verdict.append(f" for {render_duration(link['held_ms'])}")
    if link["since"] is not None:
        since = datetime.fromisoformat(link["since"]).astimezone(zone)
        verdict.append(f", since {since:%Y-%m-%d %H:%M:%S}")
    if link["cause"] is not None:
        verdict.append(f"\n  {CAUSES[link['cause']]}")
        if link["reason"]:
            verdict.append(f" ({link['reason'].replace('_', ' ')})", style="dim")
    if link.get("restore_deadline") is not None:
        verdict.append(f"\n  {describe_deadline(link['restore_deadline'], answer['at'], zone)}")
    return Group(
        head,
        verdict,
        "",
        build_accounts(answer["accounts"]),
        "",
        build_targets(answer["targets"]),
        "",
        Text(build_agent(answer)),  # not markup: a remedy quotes [[target]]
    )


def describe_deadline(deadline: str, at: str, zone: ZoneInfo) -> str:
    """By when the contract wants the line restored, in the site's time, as of ``at``.

    >>> paris = ZoneInfo("Europe/Paris")
    >>> describe_deadline("2026-11-24T15:00:00.000Z", "2026-11-24T11:00:00.000Z", paris)
    'to be restored by 2026-11-24 16:00:00 (contract)'
    >>> describe_deadline("2026-11-24T15:00:00.000Z", "2026-11-24T15:00:01.000Z", paris)
    "was to be restored by 2026-11-24 16:00:00: the contract's time is over"
    """
    instant = datetime.fromisoformat(deadline)
    when = f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    if datetime.fromisoformat(at) > instant:
        return f"was to be restored by {when}: the contract's time is over"
    return f"to be restored by {when} (contract)"


def build_accounts(accounts: Mapping[str, Any] | None) -> Table | str:
    """Today, 24 hours, this month: no availability without its coverage."""
    from rich.table import Table

    if accounts is None:
        return "the books cannot be read"
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2))
    for heading in ("", "available", "watched", "down", "degraded", "not watched"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, account in accounts.items():
        if account is None:
            continue
        table.add_row(
            name.replace("_", " "),
            render_share(account["availability"]),
            render_share(account["coverage"]),
            render_duration(account["down_ms"]),
            render_duration(account["degraded_ms"]),
            render_duration(account["unknown_ms"]),
        )
    return table


def build_targets(targets: Sequence[Mapping[str, Any]]) -> Table:
    """One row a target: the last five minutes."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("target", "role", "address", "state"):
        # In a narrow terminal an address goes on in the next line: half of it is of no use.
        table.add_column(heading, overflow="fold", no_wrap=heading in ("role", "state"))
    for heading in ("median", "p95", "lost"):
        table.add_column(heading, justify="right", no_wrap=True)
    for target in targets:
        window = target["window"]
        answered = target["answered"]
        word = "?" if answered is None else "answers" if answered else "silent"
        table.add_row(
            escape(target["name"]),
            target["role"].replace("_", " "),
            escape(target["address"]),
            word if answered else f"[red]{word}[/red]",
            render_rtt(window["median_us"]),
            render_rtt(window["p95_us"]),
            "" if not window["sent"] else f"{window['lost']} of {window['sent']}",
        )
    return table


def build_agent(answer: Mapping[str, Any]) -> str:
    """The agent's own state, a line each."""
    clock = describe_clock(answer)
    lines = [
        f"netwatch {answer['version']}, up {render_duration(answer['uptime_ms'])}, "
        f"clock {clock}, ICMP {answer['icmp']}"
    ]
    if answer["store"]["bytes"] is not None:
        lines.append(f"books {answer['store']['bytes'] / 1_000_000:.1f} MB")
    if answer.get("bandwidth") is not None:
        zone = ZoneInfo(answer["site"]["timezone"])
        lines += build_bandwidth_lines(answer["bandwidth"], zone)
    lines += build_push_lines(answer.get("push"))
    lines += build_central_lines(answer.get("central"))
    for notice in answer["notices"]:
        sentence, remedy = NOTICES.get(notice, {}).get("en", (notice.replace("_", " "), ""))
        lines.append(f"notice: {sentence} {remedy}".rstrip())
    return "\n".join(lines)


def describe_clock(answer: Mapping[str, Any]) -> str:
    """Whether the time is known, and what follows where it is not.

    >>> describe_clock({"clock_synchronised": False, "clock_held_ms": 172_800_000})
    'last synchronised 2 d ago (dates to within 17 s)'
    """
    held_ms = answer.get("clock_held_ms")
    if held_ms is not None:
        within = render_duration(bound_drift(held_ms))
        return f"last synchronised {render_duration(held_ms)} ago (dates to within {within})"
    if answer["clock_synchronised"]:
        return "synchronised"
    return "not synchronised (records will be dated once it is)"


def render_share(share: float | None) -> str:
    """
    Per cent, cut and not rounded: 99.999 % must not read as 100 %.

    >>> render_share(0.99996), render_share(None)
    ('99.99 %', '—')
    """
    return "—" if share is None else f"{int(share * 10_000) / 100:.2f} %"


def render_rtt(rtt_us: int | None) -> str:
    """Milliseconds, or a dash.

    >>> render_rtt(20_450), render_rtt(30), render_rtt(None)
    ('20.4 ms', '0.03 ms', '—')
    """
    if rtt_us is None:
        return "—"
    return f"{rtt_us / 1000:.{1 if rtt_us >= 1_000 else 2}f} ms"


def render_duration(duration_ms: int) -> str:
    """The two largest units.

    >>> [render_duration(ms) for ms in (900, 61_000, 3_600_000, 90_061_000)]
    ['0 s', '1 min 1 s', '1 h', '1 d 1 h']
    """
    seconds = duration_ms // 1000
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
