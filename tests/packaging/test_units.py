"""The units: sound, and narrow, as systemd itself judges them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
MOST_EXPOSED = 1.5


@pytest.mark.parametrize("unit", sorted(UNITS.glob("*.service")), ids=lambda path: path.name)
def test_no_service_is_exposed_beyond_what_was_promised(unit: Path) -> None:
    """`systemd-analyze security` reads the file as it is delivered."""
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", judged)
    assert found is not None, judged
    assert float(found[1]) <= MOST_EXPOSED, judged
