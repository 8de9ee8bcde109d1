"""What `netwatch check` looks at, and what it says of each.

Rule of this file: findings only: small functions that are handed what they ask (the
`World`), none of which prints, ends the program or raises for what it finds.
"""

from __future__ import annotations

import enum
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from netwatch.agent.once import OnceReport, OnceResult
from netwatch.config.forms import parse_listen
from netwatch.config.load import load_settings
from netwatch.config.model import Http, Influx, Settings
from netwatch.config.targets import complete_targets
from netwatch.errors import ConfigError, NetwatchError
from netwatch.records import PushProblem, Role

if TYPE_CHECKING:
    from netwatch.agent.bandwidth_lease import LeaseFault
    from netwatch.agent.bandwidth_trial import Trial
    from netwatch.bandwidth.base import Counterpart

_MODE_REMEDY = "chmod 640 {path}, and chown it to the agent's user"


class State(enum.StrEnum):
    """How much stands in the way."""

    OK = "ok"
    WARNING = "warning"  # it will measure, less well than it could
    PROBLEM = "problem"


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """One finding; ``remedy`` is None where nothing is to be done."""

    subject: str
    state: State
    message: str
    remedy: str | None = None
    reason: str | None = None  # of an outlet: the metric's word for it


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the machine; each may be replaced."""

    probe: Callable[[Settings], OnceReport]
    synchronised: Callable[[Settings], bool]
    free_bytes: Callable[[Path], int]
    check_database: Callable[[Path], None]  # raises StoreError
    open_door: Callable[[Http], None]  # raises NetwatchError
    is_agent: Callable[[Http], bool]
    has_module: Callable[[str], bool]
    try_push: Callable[[Settings, Influx], PushProblem | None]
    try_engine: Callable[[Counterpart], Trial]
    find_lease_fault: Callable[[Settings], LeaseFault | None]
    is_right_circuit: Callable[[Settings], bool]
    read_last_rates: Callable[[Settings], tuple[int | None, int | None]]  # down, up
    now_ms: Callable[[], int]  # UTC, as the wall clock says


def examine(
    config: Path, world: World | None = None, *, configuration_only: bool = False
) -> tuple[list[Examined], bool]:
    """All findings, and whether the configuration could be used at all.

    With a configuration that is refused nothing else is looked at; with
    ``configuration_only`` neither network nor clock nor store is.
    """
    try:
        settings = load_settings(config)
    except ConfigError as error:
        return [
            Examined(subject="configuration", state=State.PROBLEM, message=problem)
            for problem in error.problems
        ], False
    from netwatch.cli.machine import build_world

    asked = world or build_world()
    if configuration_only:
        return [*_examine_configuration(config, settings, asked)], True
    return [*_examine_all(config, settings, asked)], True


def build_json(findings: list[Examined]) -> str:
    """``{"findings": [{subject, state, message, remedy, reason}]}``."""
    return msgspec.json.format(msgspec.json.encode({"findings": findings})).decode()


def _examine_configuration(config: Path, settings: Settings, world: World) -> Iterator[Examined]:
    count = len(complete_targets(settings))
    yield build_ok("configuration", f"{config}: site {settings.site.id}, {count} targets")
    from netwatch.cli.examination_holidays import examine_holidays

    yield from examine_holidays(settings, world)


def _examine_all(config: Path, settings: Settings, world: World) -> Iterator[Examined]:
    yield from _examine_configuration(config, settings, world)
    report = world.probe(settings)
    yield examine_rights(report)
    yield from examine_way_out(settings, report)
    yield from examine_targets(report)
    yield examine_clock(settings, synchronised=world.synchronised(settings))
    from netwatch.cli.examination_store import examine_store

    yield from examine_store(Path(settings.store.path), world)
    yield from examine_door(settings.http, world)
    from netwatch.cli.examination_bandwidth import examine_bandwidth

    yield from examine_bandwidth(settings, report, world)
    if settings.influx is not None:
        from netwatch.cli.examination_push import examine_push

        yield from examine_push(settings, settings.influx, world)
    if settings.central is not None:
        from netwatch.cli.examination_central import examine_central

        yield from examine_central(settings, settings.central)


def examine_rights(report: OnceReport) -> Examined:
    """Whether ICMP can be sent."""
    if report.icmp in {"raw", "datagram"}:
        return build_ok("rights", f"ICMP by {report.icmp} sockets")
    what, _, remedy = report.icmp.partition("): ")
    return build_problem("rights", f"{what})" if remedy else what, remedy or None)


def examine_way_out(settings: Settings, report: OnceReport) -> Iterator[Examined]:
    """Cable, address and route; and what `auto` stood for."""
    facts = report.facts
    where = facts.interface or "no interface"
    fault = facts.fault
    if fault is not None:
        remedies = {
            "carrier": "plug the cable in, at both ends",
            "address": "let it have one: is there DHCP on this network?",
            "default_route": "give it a gateway: by DHCP, or in the network settings",
        }
        said = {
            "carrier": "no carrier",
            "address": "no address",
            "default_route": "no default route",
        }
        yield build_problem("network", f"{where}: {said[fault]}", remedies[fault])
    else:
        speed = f", {facts.port_speed_mbit} Mbit/s" if facts.port_speed_mbit else ""
        yield build_ok("network", f"{where}: carrier, address and default route{speed}")
    found = {result.check.role for result in report.results}
    for target in complete_targets(settings):
        if target.address == "auto" and target.role not in found:
            yield build_warning(
                f"target {target.name}",
                f"no {target.role.value.replace('_', ' ')} was found",
                "outages cannot be told apart there: run this again while the line is up, "
                "or write its address",
            )


def examine_targets(report: OnceReport) -> Iterator[Examined]:
    """Which answered. One that does not is no fault of the configuration; all are."""
    for result in report.results:
        name = f"target {result.check.id}"
        if result.answered:
            yield build_ok(name, f"{result.check.target} answers{_show_time(result)}")
        else:
            why = (result.finding.reason or result.finding.outcome.value).replace("_", " ")
            detail = f" ({result.finding.detail})" if result.finding.detail else ""
            yield build_warning(
                name,
                f"{result.check.target} does not answer: {why}{detail}",
                None
                if report.facts.fault  # said already
                else "is the address right, and does it answer this kind of probe?",
            )
    internet = [result for result in report.results if result.check.role is Role.INTERNET]
    if internet and not any(result.answered for result in internet):
        yield build_problem(
            "internet",
            "no internet target answers",
            "is the line down, or does a firewall drop the probes?",
        )


def examine_clock(settings: Settings, *, synchronised: bool) -> Examined:
    """Whether the books can be kept: what is never dated stays unknown."""
    if settings.clock.trusted:
        return build_ok("clock", "believed, as clock.trusted says")
    if synchronised:
        return build_ok("clock", "synchronised")
    return build_warning(
        "clock",
        "not synchronised: what is measured is dated once it is, and unknown if it never is",
        "timedatectl set-ntp true (package systemd-timesyncd or chrony); "
        "clock.trusted = true in a virtual machine whose host keeps the time",
    )


def examine_door(http: Http, world: World) -> Iterator[Examined]:
    """Whether the page can be served where it should, and its secrets are kept."""
    try:
        world.open_door(http)
    except NetwatchError as error:
        if world.is_agent(http):
            yield build_ok("page", f"{http.listen}: an agent serves it already")
        else:
            yield build_problem(
                "page", str(error), "choose another http.listen, or mend what it says"
            )
    else:
        open_to_all = not parse_listen(http.listen).loopback and http.token_file is None
        if open_to_all:
            yield build_warning(
                "page",
                f"{http.listen}: everyone on the network can read it",
                "set http.token_file, unless this is meant",
            )
        else:
            yield build_ok("page", f"{http.listen}: free")
    if http.token_file is not None:
        yield examine_secret("http.token_file", Path(http.token_file))
    if http.key is not None:
        yield examine_secret("http.key", Path(http.key))


def examine_secret(subject: str, path: Path) -> Examined:
    """Whether a secret can be read by us, and by as few others as can be."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()[:4_096] if stat.S_ISREG(mode) else b""
    except OSError as error:
        return build_problem(
            subject, f"{path}: {error.strerror}", "put the secret there, readable by the agent"
        )
    if not content.strip():
        return build_problem(subject, f"{path}: is empty, or no file", "put the secret there")
    remedy = _MODE_REMEDY.format(path=path)
    if mode & stat.S_IRWXO:
        return build_warning(subject, f"{path}: every user of this machine may read it", remedy)
    return build_ok(subject, f"{path}: readable, and not by everyone")


def _show_time(result: OnceResult) -> str:
    for name in ("rtt_us", "ttfb_us", "connect_us"):
        if name in result.finding.measures:
            return f" in {result.finding.measures[name] / 1000:.1f} ms"
    return ""


def build_ok(subject: str, message: str) -> Examined:
    """A finding that asks for nothing."""
    return Examined(subject=subject, state=State.OK, message=message)


def build_warning(subject: str, message: str, remedy: str | None) -> Examined:
    """It will measure, less well than it could."""
    return Examined(subject=subject, state=State.WARNING, message=message, remedy=remedy)


def build_problem(subject: str, message: str, remedy: str | None) -> Examined:
    """It will not measure, or not keep what it measures."""
    return Examined(subject=subject, state=State.PROBLEM, message=message, remedy=remedy)
