"""The test process: reads one job, runs one engine, writes what it found, and is gone.

Rule of this file: one JSON line out for each progress, one for the finding, nothing else on
standard output. It knows no store and no schedule. The parent owns deadline and end.
"""

from __future__ import annotations

import ctypes
import gc
import signal
import sys

import msgspec

from netwatch.bandwidth.base import EngineFinding, Job, Progress
from netwatch.bandwidth.registry import ENGINES

JOB_LIMIT_BYTES = 65_536
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """``python -m netwatch.bandwidth.child``; exit 0 with a finding, else a fault of ours."""
    # An agent that is killed leaves no test behind: it would load the line, unlocked and uncounted.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    job = msgspec.json.decode(sys.stdin.buffer.read(JOB_LIMIT_BYTES), type=Job)
    encoder = msgspec.json.Encoder()

    def tell(line: Progress | EngineFinding) -> None:
        sys.stdout.buffer.write(encoder.encode(line) + b"\n")
        sys.stdout.buffer.flush()

    engine = ENGINES[job.counterpart.engine](job.counterpart)
    if not gc.isenabled():  # the parent's command has it off while modules are loaded, which stay
        gc.freeze()
        gc.enable()
    tell(engine.measure(job.plan, tell))


if __name__ == "__main__":
    main()
