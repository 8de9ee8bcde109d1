"""A real Prometheus of the test's own: filled by promtool or by scraping, asked over HTTP.

Rule of this file: what comes back is what the server says, doubles included.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.adapters.hostile import free_port
from tests.adapters.servers import started

PATIENCE_S = 60


class PrometheusServer:
    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        """The ``data`` of an answer of its API."""
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]

    def query(self, expression: str, at_s: float) -> dict[tuple[tuple[str, str], ...], float]:
        """An instant vector: sorted labels -> value."""
        result = self.get("query", query=expression, time=repr(at_s))["result"]
        return {
            tuple(sorted(series["metric"].items())): float(series["value"][1]) for series in result
        }

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Until it is so; fails after a minute."""
        end_s = time.monotonic() + PATIENCE_S
        while not ready():
            assert time.monotonic() < end_s, "it did not come about"
            time.sleep(0.1)


def fill(
    folder: Path,
    samples: Iterable[tuple[str, Mapping[str, str], float, int]],
    gauges: Iterable[tuple[str, Mapping[str, str], float, int]] = (),
) -> None:
    """Blocks from (counter's name without _total, labels, value, second), series by series.

    ``gauges`` are the same under their whole names.
    """
    source = folder / "samples.txt"
    with source.open("w", encoding="utf-8") as file:
        for kind, suffix, rows in (("counter", "_total", samples), ("gauge", "", gauges)):
            name = None
            for family, labels, value, at_s in rows:
                if family != name:
                    file.write(f"# TYPE {family} {kind}\n")
                    name = family
                said = ",".join(f'{key}="{each}"' for key, each in labels.items())
                file.write(f"{family}{suffix}{{{said}}} {value!r} {at_s}\n")
        file.write("# EOF\n")
    done = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet",
         "--max-block-duration=768h", str(source), str(folder / "data")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    source.unlink()


@contextlib.contextmanager
def prometheus(folder: Path, configuration: str = "{}") -> Iterator[PrometheusServer]:
    """One over ``folder/data`` with this configuration, written to ``folder/prometheus.yml``."""
    (folder / "prometheus.yml").write_text(configuration, encoding="utf-8")
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with started(command, "127.0.0.1", port):
        server = PrometheusServer(f"http://127.0.0.1:{port}")
        server.wait_for(lambda: is_ready(server.url))
        yield server


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
            return True
    except OSError:
        return False
