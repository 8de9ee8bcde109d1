"""How long a month's report takes, and how much memory: each form in a process of its own.

One site, 31 days: 43 200 minutes and more of ledger, 8 640 probes a target a day, 120
bandwidth tests: probes counted, report built, every file written and bundled.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

_CHILD = """
import json, resource, sys, time
from pathlib import Path
started = time.monotonic()
from netwatch.report.publish import publish_report
from tests.report.sample_month import make_inputs, make_probes
formats, folder, targets = sys.argv[1].split(","), Path(sys.argv[2]), int(sys.argv[3])
names = tuple(f"target-{number}" for number in range(targets))
loaded = time.monotonic()
inputs = make_inputs(every_ms=10_000, targets=names)
counted = time.monotonic()
publish_report(folder, inputs, make_probes(every_ms=10_000, targets=names),
               languages=("fr",), formats=formats)
print(json.dumps({
    "import_s": round(loaded - started, 3),
    "count_probes_s": round(counted - loaded, 3),
    "build_and_write_s": round(time.monotonic() - counted, 3),
    "total_s": round(time.monotonic() - started, 3),
    "cpu_s": round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 3),
    "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
}))
"""


def measure(formats: str, targets: int = 1) -> dict[str, float]:
    """One child writes a month in these formats; seconds and MiB."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, formats, folder, str(targets)],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent,
        )  # fmt: skip
    result: dict[str, float] = json.loads(done.stdout)
    return result


def run() -> dict[str, object]:
    """Every figure with the promise beside it; medians of three."""
    figures: dict[str, object] = {}
    for name, formats, promise in (
        ("html_json_csv", "html,json,csv", {"total_s": 2.0, "peak_mib": 150.0}),
        ("html_json_csv_pdf", "html,json,csv,pdf", {"total_s": 8.0}),
    ):
        runs = sorted((measure(formats) for _ in range(3)), key=lambda each: each["total_s"])
        figures[name] = {"measured": runs[1], "promised": promise}
    figures["html_json_csv_six_targets"] = {"measured": measure("html,json,csv", targets=6)}
    return figures


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
