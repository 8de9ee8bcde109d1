"""What a scenario file may say: names, units and defaults.

Rule of this file: data only, in the manner of `netwatch.config.model`. It knows no file
and does not validate; `scenario_file` does.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import field

from netwatch.config.model import BytesPerSecond, Milliseconds


class RttScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A target's usual round trip; ``target = "*"`` is every one without its own."""

    target: str
    base_ms: Milliseconds = field(default=Milliseconds(12), name="base")
    jitter_ms: Milliseconds = field(default=Milliseconds(1), name="jitter")
    loss: Decimal = Decimal("0.0005")


class OutageScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cause: Literal["gateway", "access", "upstream", "dns"]
    start: str
    lasts_ms: Milliseconds = field(name="lasts")


class DegradedScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cause: Literal["loss", "latency"]
    start: str
    lasts_ms: Milliseconds = field(name="lasts")
    loss: Decimal | None = None
    rtt_ms: Milliseconds | None = field(default=None, name="rtt")


class AgentOffScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Literal["stopped", "crashed", "power_loss"]
    start: str
    lasts_ms: Milliseconds = field(name="lasts")


class CableOutScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    start: str
    lasts_ms: Milliseconds = field(name="lasts")


class ClockLostScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    start: str
    lasts_ms: Milliseconds = field(name="lasts")
    never: bool = False


class BandwidthScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Throughput tests; shares are of the slots, and what is left of them is valid."""

    per_day: int | None = None  # None: the configuration's
    down: BytesPerSecond = BytesPerSecond(11_750_000)
    up: BytesPerSecond = BytesPerSecond(5_875_000)
    spread: Decimal = Decimal("0.02")  # standard deviation, as a share of the rate
    evening: Decimal = Decimal(1)  # of the rate, from 18 to 23 h
    skipped: Decimal = Decimal(0)
    failed: Decimal = Decimal(0)
    device_limited: Decimal = Decimal(0)


class CampaignScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign that was entered as the story began; its tests find what [bandwidth] says."""

    profile: Literal["proof", "peak"]
    start: str  # the first civil day
    maximum_down: BytesPerSecond | None = None
    normal_down: BytesPerSecond | None = None
    minimum_down: BytesPerSecond | None = None
    maximum_up: BytesPerSecond | None = None
    normal_up: BytesPerSecond | None = None
    minimum_up: BytesPerSecond | None = None


class ScenarioFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scenario; local times are of the site's zone."""

    month: str | None = None  # "2026-10"; or instead:
    start: str | None = None  # "2026-10-05", and
    days: int | None = None
    configuration: str | None = None  # the agent's, from this file's folder
    seed: int = 1
    interval_ms: Milliseconds | None = field(default=None, name="interval")
    rtt: tuple[RttScenario, ...] = ()
    outage: tuple[OutageScenario, ...] = ()
    degraded: tuple[DegradedScenario, ...] = ()
    agent_off: tuple[AgentOffScenario, ...] = ()
    cable_out: tuple[CableOutScenario, ...] = ()
    clock_lost: tuple[ClockLostScenario, ...] = ()
    bandwidth: BandwidthScenario | None = None
    campaign: tuple[CampaignScenario, ...] = ()
