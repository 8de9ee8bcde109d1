"""`make audit`: whether a library of the package has a known vulnerability.

Rule of this file: it fails on what is known, and says plainly when nothing could be known.
The data are PyPI's advisories, asked for by pip-audit; where they cannot be had (no network,
a mirror without them) nothing is claimed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent / "deb" / "requirements.lock"


def judge(dependencies: Sequence[Mapping[str, Any]]) -> tuple[int, list[str]]:
    """Exit code and lines, of what pip-audit says of each library.

    >>> known = {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}
    >>> judge([known])
    (1, ['a 1: PYSEC-1, mended in 2'])
    >>> judge([{"name": "a", "version": "1", "vulns": []}])
    (0, ['1 libraries looked up: none has a known vulnerability'])
    >>> judge([{"name": "a", "skip_reason": "not found"}])[1][0][:42]
    'the advisories could not be had: none of 1'
    """
    told, looked_up = [], 0
    for each in dependencies:
        looked_up += "skip_reason" not in each
        for vulnerability in each.get("vulns", ()):
            mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            told.append(
                f"{each['name']} {each['version']}: {vulnerability['id']}, mended in {mended}"
            )
    if told:
        return 1, told
    if not looked_up:
        return 0, [
            f"the advisories could not be had: none of {len(dependencies)} libraries was looked up"
        ]
    skipped = len(dependencies) - looked_up
    told = [f"{looked_up} libraries looked up: none has a known vulnerability"]
    if skipped:
        told.append(f"{skipped} could not be looked up")
    return 0, told


def main() -> int:
    """Ask pip-audit of every library in the lock file, and print what it means."""
    asked = subprocess.run(  # noqa: S603 -- this interpreter, with words of our own
        [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--disable-pip",
         "--require-hashes", "--format", "json", "--progress-spinner", "off", "--timeout", "15"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        dependencies = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        # No answer at all: pip-audit's last line says why.
        why = (asked.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"the advisories could not be had: {why}")
        return 0
    code, told = judge(dependencies)
    print("\n".join(told))
    return code


if __name__ == "__main__":
    sys.exit(main())
