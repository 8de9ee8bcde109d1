"""A contract's hours in PromQL are those of the contract: promtool's figures against core's."""

from __future__ import annotations

import json
import random
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from netwatch.core.calendars import build_calendar, covered_windows
from netwatch.fleet.covered_time import Hours, build_covered_seconds, build_local_time

YEARS = range(2026, 2029)
CALENDARS: dict[str, tuple[str | tuple[str, ...], str]] = {
    "office": (("mon-fri 08:30-19:00",), "Europe/Paris"),
    "S1": ("S1", "Europe/Paris"),
    "evenings": (("fri,sat 20:00-02:00", "sun 10:00-12:00,14:00-18:00"), "Europe/Paris"),
    "holidays too": (("mon-fri 09:00-17:00", "holidays 10:00-12:00"), "America/New_York"),
    "half an hour off": (("mon-sat 06:00-22:00",), "Asia/Kolkata"),
    "southern": (("mon-fri 08:00-18:00",), "Pacific/Auckland"),
}
HOLIDAYS = frozenset(
    {date(2026, 7, 14), date(2026, 11, 11), date(2026, 12, 25), date(2027, 5, 1), date(2028, 4, 17)}
)


@pytest.mark.parametrize("name", CALENDARS)
def test_covered_time_between_two_instants_is_the_calendars(tmp_path: Path, name: str) -> None:
    """Forty stretches of minutes to months, over clock changes and holidays, to the second."""
    calendar, timezone = CALENDARS[name]
    zone = ZoneInfo(timezone)
    hours = Hours(name=name, calendar=calendar, timezone=timezone, holidays=HOLIDAYS)
    text = build_covered_seconds(hours, "LOCAL", YEARS)
    dice = random.Random(name)
    first = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp())
    last = int(datetime(2028, 12, 30, tzinfo=UTC).timestamp())
    tests = []
    for number in range(40):
        start = dice.randrange(first, last)
        end = min(last, start + dice.randrange(60, 10 ** (3 + number % 5)))
        windows = covered_windows(
            build_calendar(calendar, HOLIDAYS), zone, start * 1000, end * 1000
        )
        up_to = [
            text.replace("LOCAL", build_local_time(f"vector({at})", zone, YEARS))
            for at in (start, end)
        ]
        covered = sum(to_ms - from_ms for from_ms, to_ms in windows) / 1000
        tests.append(
            {
                "expr": f"({up_to[1]}) - ({up_to[0]})",
                "eval_time": "0s",
                "exp_samples": [{"labels": "{}", "value": covered}],
            }
        )
    assert any(test["exp_samples"][0]["value"] for test in tests)  # type: ignore[index] # built above
    document = {
        "rule_files": [],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": [], "promql_expr_test": tests}],
    }
    (tmp_path / "test.yml").write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
