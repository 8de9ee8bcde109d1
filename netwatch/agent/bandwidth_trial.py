"""One cheap word with each configured test server, for `netwatch check`.

Rule of this file: by the engines' own first steps, and bounded in time and bytes: no load,
no rate, nothing entered. What is found is a value; what is said of it is the command's.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable

import msgspec

from netwatch.bandwidth.base import Counterpart
from netwatch.bandwidth.http_answer import parse_head
from netwatch.bandwidth.http_connect import Connectors
from netwatch.bandwidth.http_place import build_request, parse_place
from netwatch.bandwidth.http_scout import find_sides, freshen
from netwatch.bandwidth.iperf3 import DEFAULT_PORT
from netwatch.bandwidth.iperf3_answer import find_reason
from netwatch.bandwidth.ndt7_locate import MLAB_LOCATE_URL, build_server, open_stream, read_servers
from netwatch.bandwidth.reach import Trouble, now_ms, read_head, send_all

#: For one engine, whatever the far side does.
TRIAL_MS = 8_000
#: iperf3's whole exchange of a kilobyte.
_IPERF3_S = 10.0
_OUTPUT_BYTES = 262_144


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What one engine's server said. ``reason`` is of `bandwidth.base.REASONS`, None: fine."""

    engine: str
    server: str | None = None
    said: str = ""  # of a server that is fine: what was tried
    reason: str | None = None
    detail: str | None = None
    certificate_ends_ms: int | None = None  # UTC; None without TLS of the server's


def try_engine(
    counterpart: Counterpart,
    *,
    has_module: Callable[[str], bool],
    locate_url: str | None = None,
    timeout_ms: int = TRIAL_MS,
) -> Trial:
    """Ask one server, as its engine would begin. Never raises for what networks do."""
    deadline_ms = now_ms() + timeout_ms
    server = counterpart.host or counterpart.url
    try:
        if counterpart.engine == "librespeed":
            return _try_librespeed(counterpart, deadline_ms)
        if counterpart.engine == "iperf3":
            return _try_iperf3(counterpart)
        if counterpart.engine == "ndt7":
            return _try_ndt7(counterpart, locate_url, deadline_ms)
        return _try_speedtest(counterpart, deadline_ms, has_module)
    except Trouble as trouble:
        return Trial(
            engine=counterpart.engine,
            server=server,
            reason=trouble.reason,
            detail=trouble.detail,
        )


# -- librespeed --------------------------------------------------------------------------


def _try_librespeed(counterpart: Counterpart, deadline_ms: int) -> Trial:
    """The empty page (or the file's head), the head of the download, an upload of one byte."""
    connectors = Connectors(counterpart.certificate_authority, time.monotonic_ns)
    sides = find_sides(counterpart, connectors, deadline_ms)
    down = sides.down.asking("ckSize=1") if sides.is_backend else sides.down
    ends_ms = None
    for what, request in (
        ("download", build_request("HEAD", freshen(down), last=True)),
        ("upload", build_request("POST", freshen(sides.up), length=1, last=True) + b"x"),
    ):
        place = sides.down if what == "download" else sides.up
        with connectors.get(place).open(deadline_ms).stream as stream:
            ends_ms = _take_earlier(ends_ms, read_certificate_end(stream))
            status = _read_status(stream, request, place.host, deadline_ms)
        # A server may refuse HEAD and serve the same by GET; its tests will tell.
        if status >= 400 and not (what == "download" and status in (405, 501)):
            reason = "no_capacity" if status in (429, 503) else "refused"
            raise Trouble(reason, f"{place.host} answers {status} to the {what} ({place.path})")
    return Trial(
        engine="librespeed",
        server=sides.down.server,
        said="answers, for download and upload",
        certificate_ends_ms=ends_ms,
    )


def _read_status(stream: socket.socket, request: bytes, host: str, deadline_ms: int) -> int:

    send_all(stream, request, deadline_ms)
    head, _ = read_head(stream, deadline_ms)
    found = parse_head(head)
    if found is None:
        raise Trouble("answer_invalid", f"{host} sends a head that is none")
    return found[0].status


# -- iperf3 ------------------------------------------------------------------------------


class _Start(msgspec.Struct, frozen=True):
    version: str = ""


class _Said(msgspec.Struct, frozen=True):
    start: _Start = _Start()
    error: str | None = None


def _try_iperf3(counterpart: Counterpart) -> Trial:
    """The program itself, for a kilobyte: what it says of itself, of the way and of the server."""
    program = shutil.which("iperf3")
    if program is None:
        raise Trouble("no_program", "iperf3 is not installed")
    host, port = counterpart.host or "", counterpart.port or DEFAULT_PORT
    command = [
        *(program, "--client", host, "--port", str(port), "--json"),
        *("--bytes", "1K", "--length", "1K", "--connect-timeout", "4000"),
    ]
    try:
        done = subprocess.run(  # noqa: S603 -- no shell; the host is one that the configuration's own check has passed
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_IPERF3_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Trouble(
            "timeout", f"{host} port {port} takes connections and says nothing that iperf3 knows"
        ) from None
    try:
        said = msgspec.json.decode(done.stdout[:_OUTPUT_BYTES], type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Trouble(
            "answer_invalid", f"iperf3's output is not as it should be: {error}"
        ) from error
    version = " ".join(said.start.version.split()[:2]) or "iperf3"
    if said.error is not None:
        raise Trouble(find_reason(said.error), f"{host} port {port}: {said.error} ({version})")
    return Trial(engine="iperf3", server=f"{host}:{port}", said=f"takes tests ({version})")


# -- ndt7, speedtest ---------------------------------------------------------------------


def _try_ndt7(counterpart: Counterpart, locate_url: str | None, deadline_ms: int) -> Trial:
    """A connection to the configured server, or to the first that M-Lab names; no test."""
    authority = counterpart.certificate_authority
    if counterpart.url is None:
        server = read_servers(locate_url or MLAB_LOCATE_URL, authority, deadline_ms)[0]
        said = "M-Lab names it, and it takes connections"
    else:
        try:
            server, said = build_server(counterpart.url), "takes connections"
        except ValueError as error:
            raise Trouble("name", str(error)) from error
    with open_stream(server.download, authority, deadline_ms) as stream:
        ends_ms = read_certificate_end(stream)
    return Trial(
        engine="ndt7",
        server=server.name,
        said=said,
        # M-Lab's certificates are M-Lab's affair, and renewed every few weeks.
        certificate_ends_ms=None if counterpart.url is None else ends_ms,
    )


def _try_speedtest(
    counterpart: Counterpart, deadline_ms: int, has_module: Callable[[str], bool]
) -> Trial:
    """The library; and a connection to the mini server, where one is configured."""
    if not has_module("speedtest"):
        raise Trouble("no_program", "speedtest-cli is not installed")
    if counterpart.url is None:
        return Trial(
            engine="speedtest", said="speedtest-cli is installed; its server is found then"
        )
    place = parse_place(counterpart.url)
    connectors = Connectors(counterpart.certificate_authority, time.monotonic_ns)
    with connectors.get(place).open(deadline_ms).stream as stream:
        ends_ms = read_certificate_end(stream)
    return Trial(
        engine="speedtest",
        server=place.server,
        said="takes connections",
        certificate_ends_ms=ends_ms,
    )


def read_certificate_end(stream: socket.socket) -> int | None:
    """When the certificate of a TLS connection ends (UTC ms); None without TLS."""
    if not isinstance(stream, ssl.SSLSocket):
        return None
    said = (stream.getpeercert() or {}).get("notAfter")
    with contextlib.suppress(ValueError):
        if isinstance(said, str):
            return ssl.cert_time_to_seconds(said) * 1_000
    return None


def _take_earlier(first: int | None, second: int | None) -> int | None:
    return min((each for each in (first, second) if each is not None), default=None)
