"""A stand-in for InfluxDB's ``/api/v2/query``: the Flux that netwatch sends, and no other.

InfluxDB itself is in no Debian release. This answers annotated CSV as its API does (RFC 4180,
a head for each table, an empty line between them) from points in line protocol, and refuses
a question that it does not know word for word.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from tests.adapters.serving import serving
from tests.adapters.victoria import _plain, _split_unescaped  # the reader that did not write them

_FROM = re.compile(
    r'from\(bucket: "(?P<bucket>[^"]+)"\) \|> range\(start: (?P<start>\S+), stop: (?P<stop>\S+)\) '
    r'\|> filter\(fn: \(r\) => r\._measurement == "(?P<name>\w+)"( and r\.site == "(?P<site>[^"]+)")?\)'
    r" ?(?P<rest>.*)"
)


class Point(msgspec.Struct, frozen=True):
    name: str
    tags: Mapping[str, str]
    fields: Mapping[str, int]
    at_ns: int


def parse_line(line: str) -> Point:
    """One line of the protocol."""
    head, fields, at_ns = _split_unescaped(line, " ")
    name, *tags = _split_unescaped(head, ",")
    pairs = (each.partition("=") for each in fields.split(","))
    return Point(
        name,
        {_plain(key): _plain(value) for key, value in (_split_unescaped(tag, "=") for tag in tags)},
        {key: int(value.removesuffix("i")) for key, _, value in pairs},
        int(at_ns),
    )


def show_instant(at_ns: int) -> str:
    moment = datetime.fromtimestamp(at_ns // 10**9, UTC)
    rest = f"{at_ns % 10**9:09}".rstrip("0")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{'.' + rest if rest else ''}Z"


def read_instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000) * 10**6


Table = tuple[Sequence[str], list[Sequence[object]]]


def _ledger(points: Sequence[Point]) -> Iterator[Table]:
    rows = [
        (show_instant(each.at_ns), field, value)
        for each in sorted(points, key=lambda each: each.at_ns)
        for field, value in each.fields.items()
        if field == "up_ms" or value > 0
    ]
    yield ("_time", "_field", "_value"), rows


def _ends(points: Sequence[Point]) -> Iterator[Table]:
    yield ("_time", "_value"), [(show_instant(each.at_ns), each.fields["end"]) for each in points]


def _tests(points: Sequence[Point]) -> Iterator[Table]:
    for each in points:
        names = [
            tag for tag in ("engine", "server", "down_invalid", "up_invalid") if tag in each.tags
        ]
        for field, value in each.fields.items():
            told = [each.tags[name] for name in names]
            yield (
                ("_time", "_field", "_value", *names),
                [(show_instant(each.at_ns), field, value, *told)],
            )


def _sums(points: Sequence[Point]) -> Iterator[Table]:
    for target in sorted({each.tags["target"] for each in points}):
        for field in ("lost", "sent"):
            mine = [each.fields[field] for each in points if each.tags["target"] == target]
            yield ("target", "_field", "_value"), [(target, field, sum(mine))]


def _sites(points: Sequence[Point]) -> Iterator[Table]:
    yield ("_value",), [(site,) for site in sorted({each.tags["site"] for each in points})]


#: What follows the choice of points -> how it is answered.
QUESTIONS: Mapping[str, Callable[[Sequence[Point]], Iterator[Table]]] = {
    '|> filter(fn: (r) => r._field == "up_ms" or r._value > 0) |> keep(columns: ["_time", '
    '"_field", "_value"]) |> group() |> sort(columns: ["_time"])': _ledger,
    '|> filter(fn: (r) => r._field == "end") |> keep(columns: ["_time", "_value"]) |> group() '
    '|> sort(columns: ["_time"])': _ends,
    '|> keep(columns: ["_time", "_field", "_value", "engine", "server", "down_invalid", '
    '"up_invalid"])': _tests,
    '|> filter(fn: (r) => r._field == "sent" or r._field == "lost") |> group(columns: ["target", '
    '"_field"]) |> sum()': _sums,
    '|> filter(fn: (r) => r._field == "up_ms") |> last() |> keep(columns: ["site"]) |> group() '
    '|> distinct(column: "site")': _sites,
}


class FakeInflux(BaseHTTPRequestHandler):
    points: Sequence[Point] = ()
    token: str | None = None

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.token is not None and self.headers.get("Authorization") != f"Token {self.token}":
            self._answer(401, b'{"code":"unauthorized","message":"unauthorized access"}')
            return
        asked = _FROM.fullmatch(body["query"])
        if asked is None or asked["rest"] not in QUESTIONS:
            refusal = {"code": "invalid", "message": f"not known here: {body['query']}"}
            self._answer(400, json.dumps(refusal).encode())
            return
        if asked["bucket"] != "netwatch":
            refusal = {
                "message": f'failed to initialize: could not find bucket "{asked["bucket"]}"'
            }
            self._answer(404, json.dumps(refusal).encode())
            return
        start_ns, stop_ns = read_instant(asked["start"]), read_instant(asked["stop"])
        chosen = [
            each
            for each in self.points
            if each.name == asked["name"]
            and start_ns <= each.at_ns < stop_ns
            and asked["site"] in (None, each.tags["site"])
        ]
        text = "".join(self._write(QUESTIONS[asked["rest"]](chosen)))
        self._answer(200, text.encode(), "text/csv; charset=utf-8")

    def _write(self, tables: Iterator[Table]) -> Iterator[str]:
        for number, (columns, rows) in enumerate(tables):
            if not rows:
                continue
            yield f",result,table,{','.join(columns)}\r\n"
            for row in rows:
                yield f",_result,{number},{','.join(map(str, row))}\r\n"
            yield "\r\n"

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextlib.contextmanager
def fake_influx(lines: Sequence[str], *, token: str | None = None) -> Iterator[str]:
    """One with these points; its address."""
    handler = type(
        "Filled", (FakeInflux,), {"points": [parse_line(each) for each in lines], "token": token}
    )
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as port:
        yield f"http://127.0.0.1:{port}"
