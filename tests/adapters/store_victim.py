"""A program that writes books until it is killed: ``python -m tests.adapters.store_victim PATH HOW``.

It says ``N`` on a line of its own once batch N of its run is safe: in the database where
HOW is ``flush``, else in the daybook or the database.
"""

from __future__ import annotations

import os
import sys

from netwatch.clock import SystemClock
from netwatch.store.writer import Writer
from tests.adapters.store_samples import SET_ASIDE, answered, batch, check, span


def main(path: str, how: str) -> None:
    clock = SystemClock(trusted=True)
    writer = Writer(path, clock=clock, set_aside=lambda: SET_ASIDE)
    begun = writer.begin_run(
        boot_id=clock.boot_id,
        pid=os.getpid(),
        version="0.1.0",
        monotonic_ms=clock.monotonic_ms(),
        anchor=clock.anchor(),
    )
    start_ms = clock.monotonic_ms()
    number = 0
    while True:
        number += 1
        to_ms = start_ms + number * 1_000
        writer.submit(
            batch(
                to_ms,
                span(start_ms, to_ms),
                run_id=begun.run_id,
                anchored=clock.anchor(),
                observations=[answered("box", to_ms - 1_000 + each * 20) for each in range(50)],
                counters={("batches", ""): 1, ("probes", "box"): 50},
                checks=[check()],
            )
        )
        if not (writer.flush(30_000) if how == "flush" else writer.wait_safe(30_000)):
            sys.exit("the books refused")
        print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
