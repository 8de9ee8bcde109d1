"""The test process: reads one job, runs one engine, writes what it found, and is gone.

Rule of this file: one JSON line out for each progress, one for the finding, nothing else on
standard output. It knows no store and no schedule. The parent owns deadline and end.
"""

from __future__ import annotations

import sys

import msgspec

from netwatch.bandwidth.base import EngineFinding, Job, Progress
from netwatch.bandwidth.registry import ENGINES

JOB_LIMIT_BYTES = 65_536


def main() -> None:
    """``python -m netwatch.bandwidth.child``; exit 0 with a finding, else a fault of ours."""
    job = msgspec.json.decode(sys.stdin.buffer.read(JOB_LIMIT_BYTES), type=Job)
    encoder = msgspec.json.Encoder()

    def tell(line: Progress | EngineFinding) -> None:
        sys.stdout.buffer.write(encoder.encode(line) + b"\n")
        sys.stdout.buffer.flush()

    engine = ENGINES[job.counterpart.engine](job.counterpart)
    tell(engine.measure(job.plan, tell))


if __name__ == "__main__":
    main()
