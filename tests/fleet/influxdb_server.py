"""A real InfluxDB of the test's own (Debian's 1.6): written to and asked over HTTP on loopback.

Rule of this file: what comes back is what the server says, in InfluxQL. The stand-in that
knows Flux is `influx_server`.
"""

from __future__ import annotations

import contextlib
import json
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from tests.adapters.hostile import free_port
from tests.adapters.servers import started

DATABASE = "netwatch"
_BATCH = 20_000
_PATIENCE_S = 120
_CONFIGURATION = """\
reporting-disabled = true
bind-address = "127.0.0.1:{backup_port}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[logging]
level = "error"
"""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one group; the first column is ``time`` in milliseconds."""

    name: str
    columns: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    tags: dict[str, str] = {}

    def rows(self) -> list[dict[str, Any]]:
        """Tags and columns together, as Grafana's table has them."""
        return [{**self.tags, **dict(zip(self.columns, each, strict=True))} for each in self.values]


class InfluxDb:
    def __init__(self, url: str) -> None:
        self.url = url

    def write(self, lines: Iterable[str]) -> int:
        """Sends lines as an agent does (nanoseconds); how many. Raises on any refusal."""
        batch: list[str] = []
        count = 0
        for line in lines:
            batch.append(line)
            if len(batch) == _BATCH:
                count += self._send(batch)
                batch.clear()
        return count + (self._send(batch) if batch else 0)

    def _send(self, batch: list[str]) -> int:
        address = f"{self.url}/write?db={DATABASE}&precision=ns"
        with urllib.request.urlopen(address, "\n".join(batch).encode(), timeout=_PATIENCE_S) as got:
            assert got.status == 204
        return len(batch)

    def ask(self, statement: str) -> list[Series]:
        """What one statement gives, instants in milliseconds as Grafana asks for them."""
        query = urllib.parse.urlencode({"db": DATABASE, "epoch": "ms", "q": statement})
        request = urllib.request.Request(f"{self.url}/query", query.encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
                document = json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise AssertionError(f"{refusal.read().decode()}\n{statement}") from None
        (result,) = document["results"]
        assert "error" not in result, f"{result['error']}\n{statement}"
        return msgspec.convert(result.get("series", []), list[Series])


@contextlib.contextmanager
def influxdb(folder: Path) -> Iterator[InfluxDb]:
    """One with an empty database, all of it below ``folder``; it reports to nobody."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    configuration = folder / "influxdb.conf"
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, port=port, backup_port=free_port()), encoding="utf-8"
    )
    with started(["influxd", "-config", str(configuration)], "127.0.0.1", port):
        server = InfluxDb(f"http://127.0.0.1:{port}")
        server.ask(f"CREATE DATABASE {DATABASE}")
        yield server
