"""What this machine does while a test runs: its cores, its port's counters, its heat.

Rule of this file: it reads what the kernel keeps, from `/proc` and `/sys`, and answers
None where that cannot be read. It must not know what a figure means for a test.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

#: How long the counters of a box are looked at: it renews them only every few seconds.
LOOK_BOX_MS = 12_000
_IDLE, _IOWAIT, _IRQ, _SOFTIRQ, _GUEST = 3, 4, 5, 6, 8


class PortBytes(msgspec.Struct, frozen=True, kw_only=True):
    """What has come in and gone out, whole frames, since the counters began."""

    down: int
    up: int


class CoreTime(msgspec.Struct, frozen=True, kw_only=True):
    """Ticks of one core; ``softirq``, within ``busy``, is mostly the network's work."""

    busy: int
    softirq: int
    total: int


class HostSample(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the machine (monotonic)."""

    at_ms: int
    cores: tuple[CoreTime, ...]
    tasks: tuple[tuple[int, int], ...]  # threads of the test: ran or waited for a core, ns
    port: PortBytes | None
    temperature_mc: int | None


class HostReader:
    """Looks at one machine and one port again and again."""

    def __init__(self, *, sys_root: str = "/sys", proc_root: str = "/proc") -> None:
        self._sys = Path(sys_root)
        self._proc = Path(proc_root)

    def read(self, at_ms: int, interface: str | None, pid: int | None = None) -> HostSample:
        """All of it, now; never raises for what the system says or lacks."""
        return HostSample(
            at_ms=at_ms,
            cores=self._read_cores(),
            tasks=() if pid is None else tuple(self._read_tasks(pid)),
            port=None if interface is None else self.read_port(interface),
            temperature_mc=self._read_temperature(),
        )

    def read_port(self, interface: str) -> PortBytes | None:
        folder = self._sys / "class/net" / interface / "statistics"
        try:
            return PortBytes(
                down=int((folder / "rx_bytes").read_text(encoding="ascii")),
                up=int((folder / "tx_bytes").read_text(encoding="ascii")),
            )
        except (OSError, ValueError):
            return None

    def read_interfaces(self) -> dict[str, tuple[int, int]]:
        """Each interface's number, and what it has received and sent since it is there.

        One that was taken out and put back has another number, and other counters. Those
        that vanish while we look are left out.
        """
        found = {}
        with contextlib.suppress(OSError):
            for folder in (self._sys / "class/net").iterdir():
                port = self.read_port(folder.name)
                with contextlib.suppress(OSError, ValueError):
                    index = int((folder / "ifindex").read_text(encoding="ascii"))
                    if port is not None:
                        found[folder.name] = (index, port.down + port.up)
        return found

    def _read_cores(self) -> tuple[CoreTime, ...]:
        try:
            return parse_cores((self._proc / "stat").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return ()

    def _read_tasks(self, pid: int) -> Iterator[tuple[int, int]]:
        """The threads of a process and of those it started (iperf3), as schedstat has them."""
        for process in (pid, *self._read_children(pid)):
            with contextlib.suppress(OSError):
                for folder in (self._proc / str(process) / "task").iterdir():
                    with contextlib.suppress(OSError, ValueError):
                        ran, waited, _ = (folder / "schedstat").read_text(encoding="ascii").split()
                        yield int(folder.name), int(ran) + int(waited)

    def _read_children(self, pid: int) -> list[int]:
        try:
            path = self._proc / str(pid) / "task" / str(pid) / "children"
            return [int(each) for each in path.read_text(encoding="ascii").split()]
        except (OSError, ValueError):
            return []

    def _read_temperature(self) -> int | None:
        found: list[int] = []
        with contextlib.suppress(OSError):
            for zone in (self._sys / "class/thermal").glob("thermal_zone*/temp"):
                with contextlib.suppress(OSError, ValueError):
                    found.append(int(zone.read_text(encoding="ascii")))
        return max(found, default=None)


def parse_cores(text: str) -> tuple[CoreTime, ...]:
    r"""The cores of ``/proc/stat``. Time that another machine took (steal) is busy: it was not ours.

    Raises ValueError for a line that is not one.

    >>> parse_cores("cpu  9 9 9 9\ncpu0 100 0 50 800 20 10 20 0 0 0\nintr 5")
    (CoreTime(busy=180, softirq=30, total=1000),)
    """
    cores = []
    for line in text.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(each) for each in fields[:_GUEST]]
            total = sum(ticks)
            cores.append(
                CoreTime(
                    busy=total - ticks[_IDLE] - ticks[_IOWAIT],
                    softirq=sum(ticks[_IRQ : _SOFTIRQ + 1]),
                    total=total,
                )
            )
    return tuple(cores)


def find_pressure(samples: Sequence[HostSample], from_ms: int, to_ms: int) -> int | None:
    """How near this machine came to being the limit in between, in thousandths.

    The larger of two: the share of time in which the test's busiest thread ran or waited for
    a core (one that never sleeps has no time left), and how busy a core was that spent most
    of its time on the network's interrupts. A core that others keep busy limits nothing
    while the test is served. None without two looks.

    >>> def look(at_ms, softirq, ns):
    ...     cores = (CoreTime(busy=at_ms, softirq=softirq, total=at_ms),)
    ...     return HostSample(at_ms=at_ms, cores=cores, tasks=((7, ns),), port=None,
    ...                       temperature_mc=None)
    >>> find_pressure([look(0, 0, 0), look(100, 2, 30_000_000), look(200, 4, 60_000_000)], 0, 200)
    300
    >>> find_pressure([look(0, 0, 0), look(200, 150, 60_000_000)], 0, 200)
    1000
    """
    within = [each for each in samples if from_ms <= each.at_ms <= to_ms]
    if len(within) < 2:
        return None
    first, last = within[0], within[-1]
    wall_ns = (last.at_ms - first.at_ms) * 1_000_000
    before = dict(first.tasks)
    shares = [
        min(1000, (ns - before[task]) * 1000 // wall_ns)
        for task, ns in last.tasks
        if task in before and wall_ns > 0
    ]
    if len(first.cores) == len(last.cores):
        for old, new in zip(first.cores, last.cores, strict=True):
            total = new.total - old.total
            if total > 0 and 2 * (new.softirq - old.softirq) > total:
                shares.append((new.busy - old.busy) * 1000 // total)
    return max(shares, default=None)


def find_rate(first: PortBytes | None, last: PortBytes | None, over_ms: int) -> PortBytes | None:
    """Bytes per second between two readings; None where one is missing or counted backwards.

    >>> find_rate(PortBytes(down=0, up=10), PortBytes(down=500, up=30), 500)
    PortBytes(down=1000, up=40)
    """
    if first is None or last is None or over_ms <= 0:
        return None
    down, up = last.down - first.down, last.up - first.up
    if down < 0 or up < 0:
        return None
    return PortBytes(down=down * 1000 // over_ms, up=up * 1000 // over_ms)
