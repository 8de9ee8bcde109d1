"""What the runner has others do.

Rule of this file: the protocol, so that the runner knows no thread, socket or file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from netwatch.core.cadence import Cadence
from netwatch.probes.icmp_report import IcmpTarget
from netwatch.records import Check, HostFacts
from netwatch.snapshot import StoreHealth
from netwatch.store.batch import Batch
from netwatch.store.books import BegunRun


class StoreView(msgspec.Struct, frozen=True, kw_only=True):
    """How the store fares, as far as people are shown it."""

    notices: tuple[str, ...]
    store_bytes: int | None
    written_bytes_today: int | None
    health: StoreHealth | None = None


class Outside(Protocol):
    """The world, as the composition root hands it in."""

    @property
    def icmp_kind(self) -> str:
        """``raw``, ``datagram`` or ``none``."""

    def read_facts(self) -> HostFacts: ...
    def read_gateways(self) -> tuple[str | None, str | None]: ...
    def read_resolvers(self) -> tuple[str, ...]: ...
    def replace_icmp(self, targets: Sequence[IcmpTarget], cadence: Cadence) -> None: ...
    def replace_checks(self, checks: Sequence[Check]) -> None: ...
    def set_tcp_targets(self, checks: Sequence[Check]) -> None: ...
    def set_tcp_pace(self, *, active: bool, uneasy: bool) -> None: ...
    def ask_witness(self) -> None: ...
    def realign(self) -> None: ...
    def submit(self, batch: Batch, *, urgent: bool) -> None: ...
    def describe_store(self) -> StoreView: ...
    def read_begun(self) -> BegunRun | None: ...
    def show_life(self, status: str) -> None: ...
    def show_progress(self, now_ms: int) -> None: ...
