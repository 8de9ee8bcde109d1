"""A real VictoriaMetrics of the test's own: started on a free port, asked, ended by its process.

Rule of this file: what comes back is what the server has, row by row, doubles included.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from tests.adapters.hostile import free_port
from tests.adapters.servers import started

OPTIONS = Path(__file__).parents[2] / "deploy/central/victoria-metrics.args"
#: Name and labels of a series, instant in milliseconds, value.
Row = tuple[str, tuple[tuple[str, str], ...], int, float]


class Victoria:
    def __init__(self, url: str) -> None:
        self.url = url

    def read_rows(self, name_starts: str = "netwatch_") -> Counter[Row]:
        """Every sample of the series whose name begins so, and how often it is there."""
        with urllib.request.urlopen(f"{self.url}/internal/force_flush"):
            pass
        match = quote(f'{{__name__=~"{name_starts}.*"}}')
        address = (
            f"{self.url}/api/v1/export?reduce_mem_usage=0&start=0&end=4102444800&match[]={match}"
        )
        rows: Counter[Row] = Counter()
        with urllib.request.urlopen(address) as answer:
            for line in answer:
                series = json.loads(line)
                labels = dict(series["metric"])
                name = labels.pop("__name__")
                tags = tuple(sorted(labels.items()))
                for at_ms, value in zip(series["timestamps"], series["values"], strict=True):
                    rows[name, tags, at_ms, value] += 1
        return rows


def read_options() -> list[str]:
    """What `deploy/central` runs it with: a single copy of a point sent twice is kept."""
    return OPTIONS.read_text(encoding="ascii").split()


@contextlib.contextmanager
def victoria(folder: Path, *options: str, port: int | None = None) -> Iterator[Victoria]:
    """One with the options of `deploy/central`, on a free port or that one."""
    port = port or free_port()
    command = [
        "victoria-metrics",
        f"-storageDataPath={folder}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        *read_options(),
        "-memory.allowedBytes=64MB",
        "-loggerLevel=ERROR",
        *options,
    ]
    with started(command, "127.0.0.1", port):
        yield Victoria(f"http://127.0.0.1:{port}")


def split_line(line: str) -> Iterator[Row]:
    """The rows that one line of the protocol stands for, read by another hand than wrote it."""
    head, fields, at_ns = _split_unescaped(line, " ")
    measurement, *tags = _split_unescaped(head, ",")
    pairs = [_split_unescaped(tag, "=") for tag in tags]
    labels = tuple(sorted((_plain(name), _plain(value)) for name, value in pairs))
    for field in fields.split(","):
        name, _, value = field.partition("=")
        assert value.endswith("i"), field
        yield f"{measurement}_{name}", labels, int(at_ns) // 1_000_000, float(value[:-1])


def _split_unescaped(text: str, at: str) -> list[str]:
    parts, escaped = [""], False
    for each in text:
        if each == at and not escaped:
            parts.append("")
        else:
            parts[-1] += each
        escaped = each == "\\" and not escaped
    return parts


def _plain(text: str) -> str:
    return text.replace("\\,", ",").replace("\\=", "=").replace("\\ ", " ")
