"""A made-up engine, machine and store for the conduct of tests.

Rule of this file: the child is a real process that says what it is told to say; books and
locks are real files. Nothing is measured.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from netwatch.agent.bandwidth_asking import Asking, Done, Refused
from netwatch.agent.bandwidth_conduct import Conduct
from netwatch.agent.bandwidth_host import HostReader
from netwatch.bandwidth.base import Counterpart, Plan
from netwatch.clock import SystemClock
from netwatch.config.model import (
    Bandwidth,
    ByteCount,
    BytesPerSecond,
    Circuit,
    ContractSettings,
    Iperf3Settings,
    Settings,
    Site,
    StoreSettings,
)
from netwatch.probes.icmp_open import IcmpSockets
from netwatch.records import HostFacts
from netwatch.store.db import open_database
from netwatch.store.journal import Journal

PLAN = Plan(warm_up_ms=500, measure_ms=500, grace_ms=200)
BUDGET = 1_000_000_000
#: By engine: (rate down, rate up, bytes each way), or a reason.
Story = dict[str, tuple[int | None, int | None, int] | str]

_CHILD = """
import json, sys, time
job = json.load(sys.stdin)
story = json.loads(sys.argv[1])[job["counterpart"]["engine"]]
print("job " + json.dumps(job), file=open(sys.argv[2], "a"))
directions = []
if story == "hang":
    time.sleep(600)
for name in job["plan"]["directions"]:
    if isinstance(story, str):
        directions.append({"direction": name, "reason": story, "detail": "told to fail"})
        continue
    rate = story[0 if name == "down" else 1]
    moved = min(story[2], job["plan"]["budget_bytes"])
    directions.append({"direction": name, "bytes_per_second": rate, "moved_bytes": moved,
                       "reason": None if rate else "stalled", "streams": 4})
print(json.dumps({"type": "finding", "engine": job["counterpart"]["engine"],
                  "server": "192.0.2.1:5201", "directions": directions}))
"""


class FakeWorld:
    """A machine with a port, and no right to ICMP."""

    def __init__(self, *, speed_mbit: int | None = 1_000, right_circuit: bool = True) -> None:
        self.speed_mbit = speed_mbit
        self.right_circuit = right_circuit

    def read_facts(self) -> HostFacts:
        return HostFacts(
            interface="eth0",
            carrier=True,
            address=True,
            default_route=True,
            port_speed_mbit=self.speed_mbit,
        )

    def open_sockets(self) -> IcmpSockets | None:
        return None

    def find_ping_target(self) -> str | None:
        return None

    def is_right_circuit(self) -> bool:
        return self.right_circuit


class Stage:
    """One device in a folder: settings, books, and a conduct with an engine that is told."""

    def __init__(self, folder: Path, *, budget: int = BUDGET, **bandwidth: object) -> None:
        self.folder = folder
        self.path = folder / "netwatch.db"
        self.log = folder / "jobs"
        self.clock = SystemClock(trusted=True)
        self.loads: list[tuple[bool, int]] = []
        self.world = FakeWorld()
        self.settings = Settings(
            site=Site(id="ecole"),
            circuit=Circuit(
                contract=ContractSettings(
                    guaranteed_down=BytesPerSecond(12_500_000),
                    guaranteed_up=BytesPerSecond(6_250_000),
                )
            ),
            bandwidth=Bandwidth(
                monthly_budget=ByteCount(budget),
                iperf3=Iperf3Settings(server="192.0.2.1"),
                **bandwidth,  # type: ignore[arg-type]  # settings of the test's own choice
            ),
            store=StoreSettings(path=str(self.path)),
        )
        with closing(open_database(self.path, set_aside=lambda: "x").connection) as connection:
            self.run_id, _ = Journal(connection).begin_run(
                self.clock.boot_id, 1, "0.1.0", self.clock.monotonic_ms(), self.clock.anchor()
            )
        self.set_port(0, 0)

    def set_port(self, down: int, up: int, index: int = 2) -> None:
        """The port's counters, as `/sys` has them."""
        folder = self.folder / "sys/class/net/eth0/statistics"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rx_bytes").write_text(f"{down}\n", encoding="ascii")
        (folder / "tx_bytes").write_text(f"{up}\n", encoding="ascii")
        (folder.parent / "ifindex").write_text(f"{index}\n", encoding="ascii")

    def enter(self, work: Callable[[sqlite3.Connection], None]) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            work(connection)

    def make_conduct(
        self,
        story: Story,
        *engines: str,
        pause: Callable[[float], object] = lambda _seconds: None,
        url: str | None = None,
        **options: object,
    ) -> Conduct:
        return Conduct(
            settings=self.settings,
            clock=self.clock,
            zone=ZoneInfo("Europe/Paris"),
            run_id=lambda: self.run_id,
            counterparts=[
                Counterpart(engine=each, host="192.0.2.1", url=url)
                for each in engines or ("iperf3",)
            ],
            world=self.world,
            enter=self.enter,
            tell_load=lambda loaded, at_ms: self.loads.append((loaded, at_ms)),
            host=HostReader(sys_root=str(self.folder / "sys")),
            plan=PLAN,
            command=[sys.executable, "-S", "-c", _CHILD, json.dumps(story), str(self.log)],
            look_ms=1,
            pause=pause,
            **options,  # type: ignore[arg-type]  # of `Conduct`
        )

    def make_test(self, story: Story, *engines: str, **asking: object) -> Done | Refused:
        return self.make_conduct(story, *engines).make_test(
            Asking(asked_by=asking.pop("asked_by", "plan"), **asking)  # type: ignore[arg-type]  # of `Asking`
        )

    def read_jobs(self) -> list[dict[str, object]]:
        """What the engines were told, in order."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [msgspec.json.decode(line.removeprefix("job ")) for line in lines]

    def read(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query).fetchall()
