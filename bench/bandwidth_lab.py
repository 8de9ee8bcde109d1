"""A shaped link between two namespaces, with nginx and iperf3 at its far end.

Rule of this file: it lays the link, starts the servers, and runs one test program in a CPU
group of its own; it compares nothing. Frames are of 1500 bytes with every offload off, as
a real wire carries them; both directions are shaped by tbf, whose rate counts whole
Ethernet frames. A gigabit with a delay is carried in whole segments (`large_wire`), of which
tbf still counts every frame.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from bench import large_wire
from bench.groups import CpuGroup
from netwatch.agent.bandwidth_child import build_command
from netwatch.bandwidth.base import Counterpart, EngineFinding, Job, Plan, Progress
from tests.adapters.servers import Authority
from tests.netlab import namespaces
from tests.netlab.relay import Relay

NEAR, FAR = "10.79.0.1", "10.79.0.2"
HTTP_PORT, TLS_PORT, IPERF_PORT, MINI_PORT = 8080, 8443, 5201, 8090
#: Of a frame of 1514 bytes, what is content: IPv4, TCP with time stamps.
CONTENT_SHARE = 1448 / 1514
_FILE_MIB = 1_024
#: The rate that the laboratory's wire can carry frame by frame.
_WIRE_MBIT = 200
#: What speedtest.net's largest picture was.
_PICTURE_MIB = 30
_PATHS = {"librespeed": "/backend", "speedtest": "/mini/"}
_ROOT = Path(__file__).parents[1]


class Used(msgspec.Struct, kw_only=True):
    """What one direction of a test came to."""

    megabit_s: float | None
    moved_bytes: int
    cpu_s: float
    peak_mib: float
    said: str | None = None

    @property
    def cpu_s_per_gigabit(self) -> float | None:
        return self.cpu_s / (self.moved_bytes * 8 / 1e9) if self.moved_bytes else None


class ShapedLink:
    """``with ShapedLink(folder, 100, rtt_ms=20) as link``: servers up, link shaped."""

    def __init__(self, folder: Path, megabit_s: int, *, rtt_ms: int = 0) -> None:
        self._folder, self._megabit_s, self._rtt_ms = folder, megabit_s, rtt_ms
        prefix = f"nwbw{secrets.token_hex(3)}"
        self.near, self.far = f"{prefix}-near", f"{prefix}-far"
        self._is_large = bool(rtt_ms) and megabit_s > _WIRE_MBIT
        self.authority: Path | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            for name in (self.near, self.far):
                namespaces.add_namespace(name)
                undo.callback(namespaces.remove_namespace, name)
                namespaces.configure(name, ["link set lo up"])
            if self._is_large:
                undo.enter_context(
                    large_wire.laid((self.near, "eth0"), (self.far, "eth0"), self._rtt_ms / 2)
                )
            elif self._rtt_ms:
                relay = Relay.lay(near=(self.near, "eth0"), far=(self.far, "eth0"))
                undo.enter_context(relay)
                relay.set(delay_ms=self._rtt_ms / 2)
            else:
                namespaces.configure(
                    self.near, [f"link add eth0 type veth peer name eth0 netns {self.far}"]
                )
            for name, address in ((self.near, NEAR), (self.far, FAR)):
                namespaces.configure(name, [f"addr add {address}/24 dev eth0", "link set eth0 up"])
                self._shape(name)
            self._serve(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _shape(self, name: str) -> None:
        burst = max(16_000, self._megabit_s * 250)
        inside = ("ip", "netns", "exec", name)
        # Whole frames, but checksums and scatter-gather as every network card does them.
        if not self._is_large:
            namespaces.run(
                *inside, "ethtool", "-K", "eth0", *("tso", "off", "gso", "off", "gro", "off")
            )
        namespaces.run(
            *(*inside, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf"),
            *("rate", f"{self._megabit_s}mbit", "burst", str(burst), "latency", "40ms"),
        )
        # What devices and servers have by default, whatever this machine has.
        namespaces.configure(name, ["route change 10.79.0.0/24 dev eth0 congctl cubic"])

    def _serve(self, undo: contextlib.ExitStack) -> None:
        authority = Authority(self._folder)
        certificate, key = authority.sign("server", f"IP:{FAR}")
        self.authority = authority.path
        configuration = self._folder / "nginx.conf"
        configuration.write_text(build_nginx(self._folder, certificate, key), encoding="ascii")
        draw_files(self._folder)
        commands = (
            ["nginx", "-p", str(self._folder), "-c", str(configuration), "-e", "stderr"],
            ["iperf3", "-s", "-p", str(IPERF_PORT)],
        )
        for command in commands:
            server = namespaces.popen(
                self.far, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            undo.callback(_end, server)
        for port in (HTTP_PORT, IPERF_PORT):
            self.wait_for(port)

    def wait_for(self, port: int) -> None:
        deadline = time.monotonic() + 10
        while True:
            try:
                namespaces.connect_in(self.near, (FAR, port), 1).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def run_engine(
        self,
        plan: Plan,
        *,
        tls: bool = False,
        share: float | None = None,
        environment: Mapping[str, str] | None = None,
        engine: str = "librespeed",
        counterpart: Counterpart | None = None,
    ) -> tuple[dict[str, Used], EngineFinding]:
        """Our test process as the agent starts it, by direction; ``share`` of a core it may use.

        Its start is counted with the first direction. ``counterpart``: another than the
        ``engine``'s server at the far end.
        """
        port, scheme = (TLS_PORT, "https") if tls else (HTTP_PORT, "http")
        if counterpart is None:
            counterpart = Counterpart(
                engine=engine,
                url=f"{scheme}://{FAR}:{port}{_PATHS[engine]}",
                certificate_authority=str(self.authority) if tls else None,
            )
        job = Job(counterpart=counterpart, plan=plan)
        folders = dict.fromkeys(
            str(path) for path in (_ROOT, Path(str(msgspec.__file__)).parents[1])
        )
        second = plan.directions[1] if len(plan.directions) > 1 else None
        output, cpu_s, peak_mib, until_mark_s = self.run_program(
            build_command(),
            given=msgspec.json.encode(job),
            share=share,
            environment={"PYTHONPATH": os.pathsep.join(folders), **(environment or {})},
            mark=None if second is None else f'"direction":"{second}"'.encode(),
        )
        finding = msgspec.json.decode(output.splitlines()[-1], type=Progress | EngineFinding)
        assert isinstance(finding, EngineFinding), output
        costs = [cpu_s] if until_mark_s is None else [until_mark_s, cpu_s - until_mark_s]
        return {
            each.direction: Used(
                megabit_s=None
                if each.bytes_per_second is None
                else each.bytes_per_second * 8 / 1e6,
                moved_bytes=each.moved_bytes,
                cpu_s=cost_s,
                peak_mib=peak_mib,
                said=each.detail,
            )
            for each, cost_s in zip(finding.directions, costs, strict=True)
        }, finding

    def run_iperf3(self, direction: str, streams: int, seconds: int, warm_up: int) -> Used:
        """iperf3's own client, warm-up omitted from its rate and not from its cost."""
        command = (
            f"iperf3 -c {FAR} -p {IPERF_PORT} -J -P {streams} -t {seconds} -O {warm_up}".split()
        )
        if direction == "down":
            command.append("-R")
        output, cpu_s, peak_mib, _ = self.run_program(command)
        said: dict[str, Any] = json.loads(output)
        received = said["end"]["sum_received"]
        rate = received["bits_per_second"]
        omitted = sum(each["sum"]["bytes"] for each in said["intervals"] if each["sum"]["omitted"])
        return Used(
            megabit_s=rate / 1e6,
            moved_bytes=received["bytes"] + omitted,
            cpu_s=cpu_s,
            peak_mib=peak_mib,
        )

    def run_program(
        self,
        command: Sequence[str],
        *,
        given: bytes = b"",
        share: float | None = None,
        environment: Mapping[str, str] | None = None,
        mark: bytes | None = None,
    ) -> tuple[bytes, float, float, float | None]:
        """(what it printed, CPU seconds of all it started, its own peak MiB, CPU until ``mark``)."""
        path = self._folder / "output"
        until_mark_s = None
        with CpuGroup("bandwidth") as group, path.open("wb") as output:
            group.limit(share)
            process = subprocess.Popen(
                group.entering(["ip", "netns", "exec", self.near, *command]),
                stdin=subprocess.PIPE,
                stdout=output,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(environment or {})},
            )
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(given)
            peak_kib = 0
            while process.poll() is None:
                peak_kib = _read_peak_kib(process.pid) or peak_kib
                if mark is not None and until_mark_s is None and mark in path.read_bytes():
                    until_mark_s = group.used_s()
                time.sleep(0.05)
            return path.read_bytes(), group.used_s(), peak_kib / 1_024, until_mark_s


def _read_peak_kib(pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return None


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(10)


def draw_files(folder: Path) -> None:
    """The random bytes that nginx serves, once for all links of a bench."""
    for name, mebibytes in (("random.bin", _FILE_MIB), ("picture.jpg", _PICTURE_MIB)):
        if not (folder / name).exists():
            with (folder / name).open("wb") as file:
                for _ in range(mebibytes):
                    file.write(os.urandom(2**20))


def build_nginx(folder: Path, certificate: Path, key: Path, address: str = FAR) -> str:
    """Its configuration: a LibreSpeed backend and a mini server, with TLS and without."""
    return f"""
        daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;
        events {{ worker_connections 256; }}
        http {{
            access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            server {{
                listen {address}:{HTTP_PORT};
                listen {address}:{TLS_PORT} ssl;
                ssl_certificate {certificate}; ssl_certificate_key {key};
                client_max_body_size 64m;
                location = /backend/garbage.php {{
                    alias {folder}/random.bin; default_type application/octet-stream;
                }}
                location = /backend/empty.php {{ return 200; }}
                # speedtest.net's legacy protocol, as a mini server has it.
                location = /mini/ {{
                    default_type text/html;
                    return 200 '<script>upload_extension: "php"</script>';
                }}
                location = /mini/speedtest/latency.txt {{ return 200 "test=test\n"; }}
                location = /mini/speedtest/upload.php {{ return 200 "size=500\n"; }}
                location ~ ^/mini/speedtest/random {{ alias {folder}/picture.jpg; }}
            }}
        }}
        """


@contextlib.contextmanager
def lay_out() -> Iterator[Path]:
    """A folder in memory for the servers' files, so that no disk is in the way."""
    place = Path("/dev/shm") / f"nwbw-{secrets.token_hex(3)}"  # a file system in memory
    place.mkdir()
    try:
        yield place
    finally:
        for path in sorted(place.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        place.rmdir()
