"""What `netwatch check` looks at, and what it says of each.

Rule of this file: findings only: small functions that are handed what they ask (the
`World`), none of which prints, ends the program or raises for what it finds.
"""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from netwatch.agent.bandwidth_choice import has_engine
from netwatch.agent.once import OnceReport, OnceResult
from netwatch.config.forms import parse_listen
from netwatch.config.load import load_settings
from netwatch.config.model import Bandwidth, Http, Influx, Settings
from netwatch.config.targets import complete_targets
from netwatch.errors import ConfigError, NetwatchError, StoreCorrupt, StoreError
from netwatch.records import PushProblem, Role

_SCARCE_BYTES = 500_000_000
_TOO_LITTLE_BYTES = 50_000_000
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


def examine(config: Path, world: World | None = None) -> tuple[list[Examined], bool]:
    """All findings, and whether the configuration could be used at all.

    With a configuration that is refused nothing else is looked at.
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
    return [*_examine_all(config, settings, asked)], True


def build_json(findings: list[Examined]) -> str:
    """``{"findings": [{subject, state, message, remedy, reason}]}``."""
    return msgspec.json.format(msgspec.json.encode({"findings": findings})).decode()


def _examine_all(config: Path, settings: Settings, world: World) -> Iterator[Examined]:
    count = len(complete_targets(settings))
    yield _ok("configuration", f"{config}: site {settings.site.id}, {count} targets")
    from netwatch.cli.examination_holidays import examine_holidays

    yield from examine_holidays(settings, world)
    report = world.probe(settings)
    yield examine_rights(report)
    yield from examine_way_out(settings, report)
    yield from examine_targets(report)
    yield examine_clock(settings, synchronised=world.synchronised(settings))
    yield from examine_store(Path(settings.store.path), world)
    yield from examine_door(settings.http, world)
    yield from examine_bandwidth(settings.bandwidth, world)
    if settings.influx is not None:
        from netwatch.cli.examination_push import examine_push

        yield from examine_push(settings, settings.influx, world)


def examine_bandwidth(bandwidth: Bandwidth, world: World) -> Iterator[Examined]:
    """Whether throughput is tested, by what, and whether its program is there."""
    if not has_engine(bandwidth):
        yield _ok(
            "bandwidth",
            "no engine is set up, so throughput is not tested (docs/bandwidth.md)",
        )
        return
    from netwatch.agent.bandwidth_world import list_counterparts

    engines = [each.engine for each in list_counterparts(bandwidth)]
    if "speedtest" in engines and not world.has_module("speedtest"):
        yield _problem(
            "bandwidth", "speedtest-cli is not installed", "pip install 'netwatch[speedtest]'"
        )
    elif "iperf3" in engines and shutil.which("iperf3") is None:
        yield _problem("bandwidth", "iperf3 is not installed", "sudo apt-get install iperf3")
    elif bandwidth.per_day == 0:
        yield _ok("bandwidth", f"{', '.join(engines)}: tested only when a person asks")
    else:
        yield _ok("bandwidth", f"{', '.join(engines)}: {bandwidth.per_day} tests a day")


def examine_rights(report: OnceReport) -> Examined:
    """Whether ICMP can be sent."""
    if report.icmp in {"raw", "datagram"}:
        return _ok("rights", f"ICMP by {report.icmp} sockets")
    what, _, remedy = report.icmp.partition("): ")
    return _problem("rights", f"{what})" if remedy else what, remedy or None)


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
        yield _problem("network", f"{where}: {said[fault]}", remedies[fault])
    else:
        speed = f", {facts.port_speed_mbit} Mbit/s" if facts.port_speed_mbit else ""
        yield _ok("network", f"{where}: carrier, address and default route{speed}")
    found = {result.check.role for result in report.results}
    for target in complete_targets(settings):
        if target.address == "auto" and target.role not in found:
            yield _warning(
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
            yield _ok(name, f"{result.check.target} answers{_show_time(result)}")
        else:
            why = (result.finding.reason or result.finding.outcome.value).replace("_", " ")
            detail = f" ({result.finding.detail})" if result.finding.detail else ""
            yield _warning(
                name,
                f"{result.check.target} does not answer: {why}{detail}",
                None
                if report.facts.fault  # said already
                else "is the address right, and does it answer this kind of probe?",
            )
    internet = [result for result in report.results if result.check.role is Role.INTERNET]
    if internet and not any(result.answered for result in internet):
        yield _problem(
            "internet",
            "no internet target answers",
            "is the line down, or does a firewall drop the probes?",
        )


def examine_clock(settings: Settings, *, synchronised: bool) -> Examined:
    """Whether the books can be kept: what is never dated stays unknown."""
    if settings.clock.trusted:
        return _ok("clock", "believed, as clock.trusted says")
    if synchronised:
        return _ok("clock", "synchronised")
    return _warning(
        "clock",
        "not synchronised: what is measured is dated once it is, and unknown if it never is",
        "timedatectl set-ntp true (package systemd-timesyncd or chrony); "
        "clock.trusted = true in a virtual machine whose host keeps the time",
    )


def examine_store(path: Path, world: World) -> Iterator[Examined]:
    """Whether the agent can write its books there, and for how long."""
    folder = next(parent for parent in path.parents if parent.is_dir())
    subject = "store"
    if not _may(folder, os.W_OK | os.X_OK) or (path.exists() and not _may(path, os.W_OK)):
        blocked = path if path.exists() and _may(folder, os.W_OK | os.X_OK) else folder
        yield _problem(
            subject,
            f"{blocked}: may not be written by this user",
            "run as the agent's user, or name another file in store.path",
        )
        return
    free_bytes = world.free_bytes(folder)
    free = f"{path}: {free_bytes // 1_000_000} MB free"
    if free_bytes < _TOO_LITTLE_BYTES:
        yield _problem(subject, free, "make room: a year of books takes some 500 MB")
    elif free_bytes < _SCARCE_BYTES:
        yield _warning(subject, free, "make room: a year of books takes some 500 MB")
    else:
        yield _ok(subject, free)
    if path.exists():
        try:
            world.check_database(path)
        except StoreCorrupt as error:
            remedy = "the agent sets it aside when it starts, and begins a new one: keep a copy"
            yield _problem(subject, str(error), remedy)
        except StoreError as error:
            yield _problem(subject, str(error), None)


def examine_door(http: Http, world: World) -> Iterator[Examined]:
    """Whether the page can be served where it should, and its secrets are kept."""
    try:
        world.open_door(http)
    except NetwatchError as error:
        if world.is_agent(http):
            yield _ok("page", f"{http.listen}: an agent serves it already")
        else:
            yield _problem("page", str(error), "choose another http.listen, or mend what it says")
    else:
        open_to_all = not parse_listen(http.listen).loopback and http.token_file is None
        if open_to_all:
            yield _warning(
                "page",
                f"{http.listen}: everyone on the network can read it",
                "set http.token_file, unless this is meant",
            )
        else:
            yield _ok("page", f"{http.listen}: free")
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
        return _problem(
            subject, f"{path}: {error.strerror}", "put the secret there, readable by the agent"
        )
    if not content.strip():
        return _problem(subject, f"{path}: is empty, or no file", "put the secret there")
    remedy = _MODE_REMEDY.format(path=path)
    if mode & stat.S_IRWXO:
        return _warning(subject, f"{path}: every user of this machine may read it", remedy)
    return _ok(subject, f"{path}: readable, and not by everyone")


def _show_time(result: OnceResult) -> str:
    for name in ("rtt_us", "ttfb_us", "connect_us"):
        if name in result.finding.measures:
            return f" in {result.finding.measures[name] / 1000:.1f} ms"
    return ""


def _may(path: Path, mode: int) -> bool:
    with contextlib.suppress(OSError):
        return os.access(path, mode, effective_ids=True)
    return False


def _ok(subject: str, message: str) -> Examined:
    return Examined(subject=subject, state=State.OK, message=message)


def _warning(subject: str, message: str, remedy: str | None) -> Examined:
    return Examined(subject=subject, state=State.WARNING, message=message, remedy=remedy)


def _problem(subject: str, message: str, remedy: str | None) -> Examined:
    return Examined(subject=subject, state=State.PROBLEM, message=message, remedy=remedy)
