"""What `netwatch check` says of the throughput tests: servers, budget, quiet hours, locks.

Rule of this file: one line for each thing, with what to do about it. It asks the `World`
and reckons; it opens nothing itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from netwatch.agent.bandwidth_choice import has_engine
from netwatch.agent.once import OnceReport
from netwatch.cli.examination import Examined, State, World
from netwatch.config.model import Settings
from netwatch.records import HostFacts

_DAY_MS = 86_400_000
#: A certificate that ends within this is told of.
_CERTIFICATE_DAYS = 21
#: Days of the plan that are looked at for quiet hours: each weekday once.
_WEEK_DAYS = 7
_REMEDIES = {
    "answer_invalid": "is it the server that the engine wants, and is there a proxy in between?",
    "cached": "have the server itself answer, not a cache: Cache-Control: no-store",
    "closed_early": "look at the server's own log",
    "compressed": "switch compression off for these pages on the server",
    "login_page": "look for a login page in between, or correct the address",
    "name": "correct the name, or the resolver of this device",
    "no_capacity": "it is busy: run this again; several agents want the lease, or a port each",
    "refused": "does the path of the URL exist there, and may it be used from here?",
    "timeout": "is it the server that the engine wants, and does a firewall let it through?",
    "tls": "renew or correct the certificate on the server; for a town's own authority set "
    "bandwidth.librespeed.certificate_authority",
    "unreachable": "is the server running, and does a firewall let it through?",
}
_INSTALLS = {
    "iperf3": "sudo apt-get install iperf3",
    "speedtest": "pip install 'netwatch[speedtest]'",
}


def examine_bandwidth(settings: Settings, report: OnceReport, world: World) -> Iterator[Examined]:
    """Whether throughput is tested, by what, and whether it can be."""
    bandwidth = settings.bandwidth
    if not has_engine(bandwidth):
        yield _say(
            "bandwidth",
            State.OK,
            "no engine is set up, so throughput is not tested (docs/bandwidth.md)",
        )
        return
    from netwatch.agent.bandwidth_world import goes_at_mlabs_pace, list_counterparts

    counterparts = list_counterparts(bandwidth)
    engines = tuple(each.engine for each in counterparts)
    pace = (
        "at M-Lab's pace"
        if goes_at_mlabs_pace(bandwidth, engines)
        else f"{bandwidth.per_day} tests a day"
    )
    if bandwidth.per_day == 0:
        pace = "tested only when a person asks"
    yield _say("bandwidth", State.OK, f"{', '.join(engines)}: {pace}")
    for counterpart in counterparts:
        subject = f"bandwidth.{counterpart.engine}"
        if report.facts.fault is not None:  # said already, with what to do
            yield _say(subject, State.WARNING, "not tried: there is no network")
            continue
        trial = world.try_engine(counterpart)
        if trial.reason is not None:
            busy = trial.reason == "no_capacity"
            remedy = _REMEDIES.get(trial.reason)
            if trial.reason == "no_program":
                remedy = _INSTALLS[counterpart.engine]
            yield Examined(
                subject=subject,
                state=State.WARNING if busy else State.PROBLEM,
                message=trial.detail or trial.reason,
                remedy=remedy,
                reason=trial.reason,
            )
            continue
        where = f"{trial.server} " if trial.server else ""
        yield _say(subject, State.OK, f"{where}{trial.said}")
        if trial.certificate_ends_ms is not None:
            yield from examine_certificate(subject, trial.certificate_ends_ms, world.now_ms())
    if bandwidth.lease is not None and report.facts.fault is None:
        yield examine_lease(settings, world)
    yield from examine_first_hop(settings, world)
    yield from examine_lock(settings)
    if bandwidth.per_day > 0:
        yield from examine_budget(settings, report.facts, engines, world)
        yield from examine_quiet_hours(settings, engines, world.now_ms())


def examine_certificate(subject: str, ends_ms: int, now_ms: int) -> Iterator[Examined]:
    """A line for one that ends soon: from then on every test would fail."""
    left_days = (ends_ms - now_ms) // _DAY_MS
    if left_days < _CERTIFICATE_DAYS:
        day = dt.datetime.fromtimestamp(ends_ms / 1000, dt.UTC).date()
        yield _say(
            subject,
            State.WARNING,
            f"the test server's certificate ends on {day}, in {left_days} days",
            "renew it on the server: after that every test fails (tls)",
        )


def examine_lease(settings: Settings, world: World) -> Examined:
    """Whether the town's server keeps leases."""
    fault = world.find_lease_fault(settings)
    if fault is None:
        return _say("bandwidth.lease", State.OK, "a lease was had and given back")
    if fault.away:
        return _say(
            "bandwidth.lease",
            State.WARNING,
            fault.sentence,
            "is the server running? Tests are made without a lease meanwhile, several at once",
        )
    return _say(
        "bandwidth.lease",
        State.PROBLEM,
        fault.sentence,
        "set the server up as docs/bandwidth.md has it; while it answers so, no test is made "
        "(no_lock, or overlap)",
    )


def examine_first_hop(settings: Settings, world: World) -> Iterator[Examined]:
    """A line where the contract's first hop is named: whether it is the way out now."""
    from netwatch.agent.bandwidth_world import find_contract_hops

    named = find_contract_hops(settings)
    if not named:
        return
    subject = "bandwidth.first_hop"
    if world.is_right_circuit(settings):
        yield _say(subject, State.OK, f"the way out is the contract's ({', '.join(named)})")
    else:
        yield _say(
            subject,
            State.WARNING,
            f"the way out is not by {', '.join(named)}: no test is made (wrong_circuit)",
            "is this the backup line? If not, write what `traceroute -n` shows behind the box "
            "in bandwidth.first_hop",
        )


def examine_lock(settings: Settings) -> Iterator[Examined]:
    """A line where the device's own lock may not be used by this user."""
    from netwatch.agent.bandwidth_lock import NoLock, held_alone, is_usable

    if is_usable(settings.store.path):
        return
    try:
        with held_alone(settings.store.path):
            return
    except NoLock as none:
        yield _say(
            "bandwidth",
            State.PROBLEM,
            str(none),
            "run this as the agent's user to be sure; no test is made meanwhile (no_lock)",
        )


def examine_budget(
    settings: Settings, facts: HostFacts, engines: tuple[str, ...], world: World
) -> Iterator[Examined]:
    """How many tests the month's bytes carry, by the best that is known of the rates."""
    from netwatch.agent.bandwidth_world import goes_at_mlabs_pace
    from netwatch.core.budget_outlook import MONTH_DAYS, choose_rates, look_ahead
    from netwatch.core.ndt7_pace import MEAN_WAIT_MS

    bandwidth, contract = settings.bandwidth, settings.circuit.contract
    port = None if facts.port_speed_mbit is None else facts.port_speed_mbit * 125_000
    measured = world.read_last_rates(settings)
    rates = choose_rates(
        [
            ("the last test's rates", *measured),
            ("the guaranteed rates", contract.guaranteed_down, contract.guaranteed_up),
            ("the port's speed", port, port),
        ]
    )
    subject = "bandwidth.monthly_budget"
    if rates is None:
        yield _say(
            subject, State.OK, "how many tests it carries is known after the first (no rate yet)"
        )
        return
    by, down, up = rates
    mlabs = goes_at_mlabs_pace(bandwidth, engines)
    per_day = _DAY_MS // MEAN_WAIT_MS if mlabs else bandwidth.per_day
    budget = int(bandwidth.monthly_budget)
    outlook = look_ahead(by=by, down=down, up=up, per_day=per_day, budget_bytes=budget)
    told = (
        f"{_show_bytes(budget)} carry {outlook.carried} tests a month of "
        f"{_show_bytes(outlook.test_bytes)} each, by {by}; {outlook.planned} are planned"
    )
    if outlook.carried >= outlook.planned:
        yield _say(subject, State.OK, told)
        return
    needed = -(-outlook.planned * outlook.test_bytes // 10**9)
    fewer = outlook.carried // MONTH_DAYS
    remedy = f'bandwidth.monthly_budget = "{needed} GB" carries them all'
    if fewer:
        remedy += f", bandwidth.per_day = {fewer} takes fewer"
    state = State.PROBLEM if outlook.carried == 0 else State.WARNING
    yield _say(subject, state, f"{told}: the others are skipped (data_budget)", remedy)


def examine_quiet_hours(
    settings: Settings, engines: tuple[str, ...], now_ms: int
) -> Iterator[Examined]:
    """A line where quiet hours leave a part of some day no time for its test."""
    from netwatch.agent.bandwidth_world import build_quiet, goes_at_mlabs_pace
    from netwatch.core.bandwidth_plan import plan_between
    from netwatch.core.calendars import covered_windows
    from netwatch.core.intervals import Intervals

    bandwidth = settings.bandwidth
    if not bandwidth.quiet_hours:
        return
    zone, quiet = ZoneInfo(settings.site.timezone), build_quiet(bandwidth)
    mlabs = goes_at_mlabs_pace(bandwidth, engines)

    def read_quiet(from_ms: int, to_ms: int) -> Intervals:
        return covered_windows(quiet, zone, from_ms, to_ms)

    plan = plan_between(
        settings.site.id,
        now_ms,
        now_ms + _WEEK_DAYS * _DAY_MS,
        zone,
        # M-Lab's pace knows no parts of a day: hour by hour tells whether any time is left.
        per_day=24 if mlabs else bandwidth.per_day,
        read_quiet=read_quiet,
    )
    lost = sum(each.skip == "quiet_hours" for each in plan)
    subject = "bandwidth.quiet_hours"
    if lost == 0:
        yield _say(subject, State.OK, "leave time for every test of the next seven days")
    elif lost == len(plan):
        yield _say(
            subject,
            State.PROBLEM,
            "leave no time for any test of the next seven days",
            "shorten them; a test takes three minutes before they begin",
        )
    elif not mlabs:
        yield _say(
            subject,
            State.WARNING,
            f"leave no time for {lost} of the {len(plan)} tests of the next seven days",
            "shorten them, or set a smaller bandwidth.per_day: longer parts of the day",
        )


def _show_bytes(count: int) -> str:
    """As the configuration writes sizes.

    >>> _show_bytes(60_000_000_000), _show_bytes(225_000_000)
    ('60 GB', '225 MB')
    """
    if count >= 10**10:
        return f"{count / 10**9:.0f} GB"
    if count >= 10**9:
        return f"{count / 10**9:.3g} GB"
    return f"{count / 10**6:.0f} MB"


def _say(subject: str, state: State, message: str, remedy: str | None = None) -> Examined:
    return Examined(subject=subject, state=state, message=message, remedy=remedy)
