"""`make bench`: every promised figure, as a table and as JSON.

Rule of this file: it runs the benches one after another, shows what each reached, and
writes nothing by hand. A goal that was missed makes it exit 1.

    python -m bench [NAME …] [--quick] [--publish] [--output FILE]
    python -m bench --from FILE
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.figures import replace_figures

#: Name -> how it is run, thoroughly or quickly.
BENCHES: dict[str, Callable[[bool], dict[str, Any]]] = {
    "bandwidth": lambda quick: _module("bandwidth").run(quick),
    "bandwidth-delay": lambda quick: _module("bandwidth_delay").run(quick),
    "bandwidth-budget": lambda quick: _module("bandwidth_budget").run(quick),
    "rtt": lambda quick: _module("rtt").run(24 if quick else 120),
    "agent": lambda quick: _module("agent").run(30 if quick else 120),
    "scrape": lambda _quick: _module("scrape").run(),
    "disk": lambda _quick: _module("disk").run(),
    "disk-hour": lambda quick: _module("disk_hour").run(3 if quick else 60),
    "memory": lambda _quick: _module("memory").run(),
    "report": lambda _quick: _module("report").run(),
    "push": lambda quick: _module("push").run(1 if quick else 3),
    "centre": lambda quick: _module("centre").run(quick=quick),
    "scrape-fleet": lambda quick: _module("scrape_fleet").run(quick=quick),
    "fleet": lambda quick: _module("fleet").run(quick=quick),
    "fuzz": lambda _quick: _module("fuzz").run(),
    "lab": lambda _quick: _module("lab").run(),
    "install": lambda _quick: _module("install").run(),
    "soak": lambda quick: _module("lab").run_soak(2 if quick else 30),
}


#: Run only when they are named: they take an hour.
LONG = frozenset({"disk-hour"})


def _module(name: str) -> Any:  # noqa: ANN401 -- a module has no type that says it has run()
    return importlib.import_module(f"bench.{name}")


def main(arguments: list[str] | None = None) -> int:
    """Run the benches named, or all; 1 when one missed its goal or failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="shorter runs, wider spread")
    parser.add_argument(
        "--publish", action="store_true", help="write docs/figures.json and the README's table"
    )
    parser.add_argument("--output", type=Path, default=Path("bench/results/bench.json"))
    parser.add_argument(
        "--from",
        dest="earlier",
        metavar="FILE",
        type=Path,
        help="measure nothing: publish what an earlier run wrote with --output",
    )
    options = parser.parse_args(arguments)
    results: dict[str, Any] = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "quick": options.quick,
    }
    failed = False
    if options.earlier is not None:
        publish(json.loads(options.earlier.read_text(encoding="utf-8")))
        return 0
    for name in options.names or [each for each in BENCHES if each not in LONG]:
        started = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            result = BENCHES[name](options.quick)
        except Exception as error:  # noqa: BLE001 -- the others are still to be measured
            result = {"reached": False, "error": f"{type(error).__name__}: {error}"}
        result["took_s"] = round(time.monotonic() - started, 1)
        results[name] = result
        failed = failed or result.get("reached") is False
        print_result(name, result)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"\nall of it: {options.output}")
    if options.publish:
        publish(results)
    return 1 if failed else 0


def publish(results: dict[str, Any]) -> None:
    """Put the results into docs/figures.json, beside those of benches not run, and README.md."""
    figures, readme = Path("docs/figures.json"), Path("README.md")
    kept = json.loads(figures.read_text(encoding="utf-8")) if figures.exists() else {}
    kept.update(results)
    figures.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    readme.write_text(replace_figures(readme.read_text(encoding="utf-8"), kept), encoding="utf-8")


def print_result(name: str, result: dict[str, Any]) -> None:
    """One bench's figures as an indented list, its goal and whether it was reached."""
    reached = result.get("reached")
    mark = {True: "reached", False: "MISSED", None: "measured"}[reached]
    print(f"\n== {name}: {mark} ({result['took_s']} s)")
    for key, value in result.items():
        if key not in ("reached", "took_s"):
            _print_value(key, value, 1)


def _print_value(key: str, value: object, depth: int) -> None:
    indent = "  " * depth
    if isinstance(value, dict):
        flat = all(not isinstance(item, dict | list) for item in value.values())
        if flat:
            row = ", ".join(f"{name} {item}" for name, item in value.items())
            print(f"{indent}{key}: {row}")
        else:
            print(f"{indent}{key}:")
            for name, item in value.items():
                _print_value(str(name), item, depth + 1)
    else:
        print(f"{indent}{key}: {value}")


if __name__ == "__main__":
    sys.exit(main())
