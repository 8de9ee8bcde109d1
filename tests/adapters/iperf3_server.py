"""The real iperf3 server, on loopback or in a namespace, for the length of a block."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Sequence

Popen = Callable[..., "subprocess.Popen[str]"]


def start_plainly(command: Sequence[str], **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload, no-any-return]  # options are the caller's


@contextlib.contextmanager
def iperf3_server(
    port: int, *options: str, address: str = "127.0.0.1", popen: Popen = start_plainly
) -> Iterator[subprocess.Popen[str]]:
    """Yields once it listens. A look at its port would be a client to it, so its word is taken."""
    command = ["iperf3", "--server", "--bind", address, "--port", str(port), "--forceflush"]
    with popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "listening" in line:
                    break
            yield process
        finally:
            process.kill()
