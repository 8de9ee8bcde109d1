"""The engines that `test_engines` holds to the protocol, each with a server to measure against.

Rule of this file: a literal. An engine is added by its server, as a context manager that
yields the counterpart, and one line of ENGINE_CASES.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from netwatch.bandwidth.base import Counterpart
from tests.adapters.hostile import free_port
from tests.adapters.iperf3_server import iperf3_server
from tests.adapters.librespeed_server import LibrespeedServer
from tests.adapters.ndt7_server import answer_ndt7
from tests.adapters.ndt7_server import serve as serve_websockets
from tests.adapters.speedtest_server import SpeedtestServer


class EngineCase(NamedTuple):
    """How one engine is given a sound server, and one at any port whatsoever."""

    engine: str
    #: A sound server on loopback for the length of the block; the folder is for its files.
    serve: Callable[[Path], contextlib.AbstractContextManager[Counterpart]]
    #: The same engine sent to a port of 127.0.0.1 on which something else, or nothing, is.
    at_port: Callable[[int], Counterpart]


@contextlib.contextmanager
def serve_librespeed(_folder: Path) -> Iterator[Counterpart]:
    with LibrespeedServer() as server:
        yield librespeed_at(server.port)


def librespeed_at(port: int) -> Counterpart:
    return Counterpart(engine="librespeed", url=f"http://127.0.0.1:{port}/backend")


@contextlib.contextmanager
def serve_iperf3(_folder: Path) -> Iterator[Counterpart]:
    port = free_port()
    with iperf3_server(port):
        yield iperf3_at(port)


def iperf3_at(port: int) -> Counterpart:
    return Counterpart(engine="iperf3", host="127.0.0.1", port=port)


@contextlib.contextmanager
def serve_ndt7(_folder: Path) -> Iterator[Counterpart]:
    with serve_websockets(answer_ndt7()) as server:
        yield ndt7_at(server.port)


def ndt7_at(port: int) -> Counterpart:
    return Counterpart(engine="ndt7", url=f"ws://127.0.0.1:{port}")


@contextlib.contextmanager
def serve_speedtest(_folder: Path) -> Iterator[Counterpart]:
    with SpeedtestServer() as server:
        yield speedtest_at(server.port)


def speedtest_at(port: int) -> Counterpart:
    return Counterpart(engine="speedtest", url=f"http://127.0.0.1:{port}")


ENGINE_CASES: tuple[EngineCase, ...] = (
    EngineCase("librespeed", serve_librespeed, librespeed_at),
    EngineCase("iperf3", serve_iperf3, iperf3_at),
    EngineCase("ndt7", serve_ndt7, ndt7_at),
    EngineCase("speedtest", serve_speedtest, speedtest_at),
)
