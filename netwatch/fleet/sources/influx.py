"""A site's month from the points that its agent pushed to InfluxDB, asked for in Flux.

Rule of this file: questions in Flux and what their rows mean. Every minute of the ledger is
a point that adds up to 60 000 ms, so sums are exact; where a minute has several states the
incidents' own points say when they began and ended. A minute without a point is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwatch.config.notes import shorten, show_text
from netwatch.core.counter_ledger import Step, measure_doubt, place_steps
from netwatch.core.ledger import Key
from netwatch.core.throughput import Direction, ThroughputTest
from netwatch.errors import NetwatchError, SourceFailed
from netwatch.fleet.model import FleetSite, PointStore
from netwatch.fleet.sources.base import LatencySummary, Period, SiteMonth
from netwatch.records import CAUSES, MINUTE_MS, Verdict

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client import InfluxDBClient

_UP: Key = (Verdict.UP, None)
#: Field of ``netwatch_ledger`` -> the pair that it counts; sums of them are left out.
FIELDS: Mapping[str, Key] = {
    "up_ms": _UP,
    **{
        f"{verdict.value}_{cause.value}_ms": (verdict, cause)
        for verdict, causes in CAUSES.items()
        for cause in causes
    },
}
_DIRECTIONS: tuple[Direction, ...] = ("down", "up")
#: A year of one site has half a million minutes.
_MOST_ROWS = 4_000_000
Row = Mapping[str, str]


class Influx:
    """Asks one bucket. The library is loaded with the first question."""

    def __init__(self, settings: PointStore, *, timeout_s: float = 60.0) -> None:
        self._settings = settings
        self._timeout_s = timeout_s

    def list_sites(self, from_ms: int, to_ms: int) -> tuple[str, ...] | None:
        """Every value of the tag ``site`` of the ledger's points in this time."""
        chosen = self._select("netwatch_ledger", None, from_ms, to_ms)
        flux = (
            f'{chosen} |> filter(fn: (r) => r._field == "up_ms") |> last() '
            '|> keep(columns: ["site"]) |> group() |> distinct(column: "site")'
        )
        return tuple(sorted({row.get("_value") or row["site"] for row in self._ask(flux)}))

    def read(self, site: FleetSite, period: Period, _folder: Path) -> SiteMonth:
        """Ledger, throughput tests, what was sent and lost; the store knows no exclusion."""
        incidents = self._read_incidents(site.id, period)
        steps = list(self._read_steps(site.id, period, incidents))
        if not steps:
            raise SourceFailed(
                f"{self._settings.url} has no point of netwatch_ledger with site={site.id} in the "
                f"bucket {self._settings.bucket} in {period.name}: does the agent push to it?"
            )
        spans = place_steps(steps, period.first_ms, period.last_ms)
        return SiteMonth(
            site=site.id,
            source="influx",
            where=self._settings.url,
            edge_ms=measure_doubt(
                step
                for step in steps
                if step.end_ms > period.start_ms and step.start_ms < period.end_ms
            ),
            spans=tuple(span for span in spans if span.end_ms > steps[0].start_ms),
            tests=self._read_tests(site.id, period),
            latency=self._read_latency(site.id, period),
        )

    # -- what is asked -----------------------------------------------------------------------

    def _select(self, measurement: str, site: str | None, from_ms: int, to_ms: int) -> str:
        chosen = "" if site is None else f" and r.site == {json.dumps(site)}"
        return (
            f"from(bucket: {json.dumps(self._settings.bucket)}) "
            f"|> range(start: {_iso(from_ms)}, stop: {_iso(to_ms)}) "
            f'|> filter(fn: (r) => r._measurement == "{measurement}"{chosen})'
        )

    def _read_steps(
        self, site: str, period: Period, incidents: Sequence[tuple[int, int]]
    ) -> Iterator[Step]:
        """Minute by minute, in order; those that were up from end to end put together."""
        chosen = self._select("netwatch_ledger", site, period.first_ms, period.last_ms)
        flux = (
            f'{chosen} |> filter(fn: (r) => r._field == "up_ms" or r._value > 0) '
            '|> keep(columns: ["_time", "_field", "_value"]) |> group() '
            '|> sort(columns: ["_time"])'
        )
        open_: Step | None = None
        for start_ms, amounts in _group_minutes(self._ask(flux)):
            step = Step(
                start_ms=start_ms,
                end_ms=start_ms + MINUTE_MS,
                amounts=amounts,
                known=tuple(_find_known(start_ms, amounts, incidents)),
            )
            if (
                open_ is not None
                and open_.end_ms == start_ms
                and open_.amounts.keys() == amounts.keys() == {_UP}
            ):
                length_ms = step.end_ms - open_.start_ms
                open_ = Step(start_ms=open_.start_ms, end_ms=step.end_ms, amounts={_UP: length_ms})
                continue
            if open_ is not None:
                yield open_
            open_ = step
        if open_ is not None:
            yield open_

    def _read_incidents(self, site: str, period: Period) -> list[tuple[int, int]]:
        """Beginning and end of each incident that the agent has closed."""
        chosen = self._select("netwatch_incident", site, period.first_ms, period.last_ms)
        flux = (
            f'{chosen} |> filter(fn: (r) => r._field == "end") '
            '|> keep(columns: ["_time", "_value"]) |> group() |> sort(columns: ["_time"])'
        )
        return [(_parse_ms(row["_time"]), int(row["_value"])) for row in self._ask(flux)]

    def _read_tests(self, site: str, period: Period) -> tuple[ThroughputTest, ...]:
        """One for each direction that was measured, or for which a reason is given."""
        chosen = self._select("netwatch_bandwidth", site, period.start_ms, period.until_ms)
        flux = (
            f'{chosen} |> keep(columns: ["_time", "_field", "_value", "engine", "server", '
            '"down_invalid", "up_invalid"])'
        )
        found: dict[tuple[int, Direction], ThroughputTest] = {}
        for row in self._ask(flux):
            at_ms = _parse_ms(row["_time"])
            for direction in _DIRECTIONS:
                rate = row["_field"] == f"{direction}_bytes_per_second"
                invalid = row.get(f"{direction}_invalid") or None
                if rate or (invalid and (at_ms, direction) not in found):
                    found[at_ms, direction] = ThroughputTest(
                        at_ms=at_ms,
                        direction=direction,
                        bytes_per_second=int(row["_value"]) if rate else None,
                        invalid=invalid,
                        engine=row.get("engine") or None,
                        server=row.get("server") or None,
                    )
        return tuple(found[key] for key in sorted(found))

    def _read_latency(self, site: str, period: Period) -> tuple[LatencySummary, ...]:
        """Sent and lost; a month's percentile does not follow from its minutes'."""
        chosen = self._select("netwatch_rtt", site, period.start_ms, period.until_ms)
        flux = (
            f'{chosen} |> filter(fn: (r) => r._field == "sent" or r._field == "lost") '
            '|> group(columns: ["target", "_field"]) |> sum()'
        )
        sums: dict[str, dict[str, int]] = {}
        for row in self._ask(flux):
            sums.setdefault(row["target"], {})[row["_field"]] = int(row["_value"])
        return tuple(
            LatencySummary(target=target, sent=each.get("sent", 0), lost=each.get("lost", 0))
            for target, each in sorted(sums.items())
        )

    # -- asking ------------------------------------------------------------------------------

    def _ask(self, flux: str) -> Iterator[Row]:
        """The rows of an answer as they come. Raises SourceFailed, in words."""
        url = self._settings.url
        try:
            from influxdb_client.rest import ApiException  # noqa: PLC0415 -- 30 MB that the other sources do without
            from urllib3.exceptions import HTTPError  # noqa: PLC0415 -- installed with the client, and only with it
        except ModuleNotFoundError as error:
            raise NetwatchError(
                f"{error.name} is not installed, which --source influx needs: "
                "pip install 'netwatch[fleet]'"
            ) from None
        try:
            with self._connect() as client:
                yield from _read_rows(client, flux, url)
        except ApiException as error:
            if error.status == 401:
                raise SourceFailed(f"{url}: the token is refused (HTTP 401)") from None
            said = show_text(shorten(str(_read_message(error.body))))
            raise SourceFailed(f"{url}: HTTP {error.status}: {said}") from None
        except HTTPError as error:
            raise SourceFailed(f"{url}: {_word(error, self._timeout_s)}", silent=True) from None
        except (KeyError, ValueError):
            raise SourceFailed(
                f"{url}: answers, but not as InfluxDB 2 does: is this its address?"
            ) from None

    def _connect(self) -> InfluxDBClient:
        from influxdb_client.client.influxdb_client import InfluxDBClient  # noqa: PLC0415 -- 30 MB that the other sources do without

        token = ""
        if self._settings.token_file is not None:
            try:
                token = Path(self._settings.token_file).read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "is not a token"
                raise SourceFailed(f"token_file {self._settings.token_file}: {reason}") from None
        return InfluxDBClient(
            url=self._settings.url,
            token=token,
            org=self._settings.org,
            timeout=round(self._timeout_s * 1000),
            ssl_ca_cert=self._settings.ca,
            retries=False,
        )


def _read_rows(client: Any, flux: str, url: str) -> Iterator[Row]:  # noqa: ANN401 - the client library has no types for what it reads
    """The rows by the names of their columns; each table has a head of its own."""
    from influxdb_client.domain.dialect import Dialect  # noqa: PLC0415 -- 30 MB that the other sources do without

    plain = Dialect(header=True, annotations=[], delimiter=",")  # type: ignore[no-untyped-call]  # the library has no annotation here
    head: list[str] | None = None
    count = 0
    for row in client.query_api().query_csv(flux, dialect=plain):
        if not row or row[0].startswith("#"):
            head = None
            continue
        if head is None or row[1:3] == ["result", "table"]:
            head = row
            continue
        found = dict(zip(head, row, strict=False))
        if "error" in found:
            raise SourceFailed(f"{url}: refuses: {show_text(shorten(found['error']))}")
        count += 1
        if count > _MOST_ROWS:
            raise SourceFailed(f"{url}: answers with more than {_MOST_ROWS} rows")
        yield found


def _group_minutes(rows: Iterator[Row]) -> Iterator[tuple[int, dict[Key, int]]]:
    """The amounts of each minute; of a point that is there twice, as it was last."""
    start_ms: int | None = None
    amounts: dict[Key, int] = {}
    told = ""
    for row in rows:
        if row["_time"] != told:
            if start_ms is not None:
                yield start_ms, amounts
            told, start_ms, amounts = row["_time"], _parse_ms(row["_time"]), {}
        key, amount = FIELDS.get(row["_field"]), int(row["_value"])
        if key is not None and amount:
            amounts[key] = amount
    if start_ms is not None:
        yield start_ms, amounts


def _find_known(
    start_ms: int, amounts: Mapping[Key, int], incidents: Sequence[tuple[int, int]]
) -> Iterator[tuple[Key, int, int]]:
    """Where the minute's down time lay, as far as incidents say so: one cause, whole or part."""
    down = [key for key in amounts if key[0] is Verdict.DOWN]
    if len(down) != 1 or len(amounts) == 1:
        return
    for from_ms, to_ms in incidents:
        if from_ms < start_ms + MINUTE_MS and to_ms > start_ms:
            yield down[0], from_ms, to_ms


def _parse_ms(text: str) -> int:
    """UTC milliseconds of an RFC 3339 instant.

    >>> _parse_ms("1970-01-01T00:01:00.25Z")
    60250
    """
    moment = datetime.fromisoformat(text)
    return round(moment.timestamp() * 1000)


def _iso(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"


def _read_message(body: object) -> object:
    """The server's own words out of its JSON."""
    try:
        return json.loads(body)["message"]  # type: ignore[arg-type]  # text, or it is refused
    except (ValueError, KeyError, TypeError):
        return body or "no word"


def _word(error: Exception, timeout_s: float) -> str:
    """What urllib3 calls its errors, in words."""
    names = {type(error).__name__, type(getattr(error, "reason", None)).__name__}
    if names & {"ReadTimeoutError", "ConnectTimeoutError", "ConnectTimeout", "TimeoutError"}:
        return f"no answer within {timeout_s:g} s"
    if "NameResolutionError" in names:
        return "its name is not known"
    if "NewConnectionError" in names:
        return "connection refused"
    if names & {"ProtocolError", "IncompleteRead"}:
        return "broke off in mid-answer"
    if "SSLError" in names:
        return "TLS fails: is its certificate trusted, or ca given?"
    return show_text(shorten(str(error)))
