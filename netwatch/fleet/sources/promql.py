"""Asking a PromQL store over its HTTP API.

Rule of this file: an expression in, series out; what they mean is the source's. Values are
doubles as the store has them, instants milliseconds. Whatever goes wrong is one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from netwatch.config.notes import shorten, show_text
from netwatch.errors import AgentUnreachable, SourceFailed
from netwatch.fleet.address import parse_agent_address
from netwatch.fleet.asking import Answer, Patience, check_answer, fetch
from netwatch.fleet.model import MetricsStore

_T = TypeVar("_T")
#: A day of a site at a scrape every 5 s is some 10 MB.
LARGEST_BYTES = 64_000_000


class Series(msgspec.Struct, frozen=True):
    """One series: its labels and its samples, (UTC milliseconds, value)."""

    labels: Mapping[str, str]
    samples: tuple[tuple[int, float], ...]


class _Result(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct):
    result: list[_Result]


class _Document(msgspec.Struct):
    status: str
    data: _Data


class _Names(msgspec.Struct):
    data: list[str]


class _Refusal(msgspec.Struct):
    error: str = ""


class PromqlStore:
    """Prometheus, or a store that answers as it does."""

    def __init__(self, settings: MetricsStore, *, timeout_s: float = 60.0) -> None:
        self.url = settings.url
        self._settings = settings
        self._address = parse_agent_address(settings.url)
        self._patience = Patience(timeout_s=timeout_s, limit_bytes=LARGEST_BYTES)

    def read_range(self, expression: str, from_ms: int, to_ms: int, step_ms: int) -> list[Series]:
        """The expression's value at ``from_ms`` and every step after it, up to ``to_ms``."""
        return self._ask(
            "query_range",
            query=expression,
            start=f"{from_ms / 1000:.3f}",
            end=f"{to_ms / 1000:.3f}",
            step=f"{step_ms / 1000:.3f}",
            nocache="1",  # VictoriaMetrics would round the range to whole steps
        )

    def read_samples(self, selector: str, from_ms: int, to_ms: int) -> list[Series]:
        """The raw samples in ``(from_ms, to_ms]``."""
        found = self._ask(
            "query", query=f"{selector}[{to_ms - from_ms}ms]", time=f"{to_ms / 1000:.3f}"
        )
        return [
            Series(each.labels, tuple(one for one in each.samples if from_ms < one[0] <= to_ms))
            for each in found
        ]

    def list_values(self, label: str, metric: str, from_ms: int, to_ms: int) -> tuple[str, ...]:
        """The values that a label of a metric had in this time, in order."""
        query = {"match[]": metric, "start": f"{from_ms / 1000:.3f}", "end": f"{to_ms / 1000:.3f}"}
        body = self._get(f"label/{label}/values", query)
        return tuple(sorted(self._decode(body, _Names).data))

    def _ask(self, path: str, **query: str) -> list[Series]:
        document = self._decode(self._get(path, query), _Document)
        return [
            Series(
                each.metric,
                tuple(
                    (round(at_s * 1000), float(value))
                    for at_s, value in (each.values or ([each.value] if each.value else []))
                ),
            )
            for each in document.data.result
        ]

    def _get(self, path: str, query: Mapping[str, str]) -> bytes:
        try:
            answer = fetch(
                self._address,
                f"/api/v1/{path}?{urlencode(query)}",
                self._patience,
                token_file=self._settings.token_file,
                ca=self._settings.ca,
            )
            if answer.status in (400, 422, 503):
                raise SourceFailed(f"{self.url}: {_read_refusal(answer)}")
            return check_answer(answer, has_token=self._settings.token_file is not None)
        except AgentUnreachable as error:
            raise SourceFailed(f"{self.url}: {error}", silent=True) from None

    def _decode(self, body: bytes, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError:
            raise SourceFailed(
                f"{self.url}: answers, but not as Prometheus does: is this its address?"
            ) from None


def _read_refusal(answer: Answer) -> str:
    """The store's own words."""
    try:
        said = msgspec.json.decode(answer.body, type=_Refusal).error
    except msgspec.DecodeError:
        said = answer.body[:200].decode("utf-8", "replace").strip()
    return f"refuses (HTTP {answer.status}): {show_text(shorten(said))}"
