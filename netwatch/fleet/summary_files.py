"""An operator's summary as files: a page in each language, JSON, and tables.

Rule of this file: a summary in, text out. It reckons nothing; a figure is rounded on the
page alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.resources import files

import msgspec
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from netwatch.core.contract import Money
from netwatch.fleet.site_report import Charge, SiteFigures
from netwatch.fleet.summary import OperatorSummary
from netwatch.fleet.summary_tables import SHARED, SITES
from netwatch.fleet.summary_words import WORDS
from netwatch.report.language import Language, LanguageCode
from netwatch.report.tables import Table
from netwatch.report.words import cause_name

_Money = Callable[[Charge | None], str]


def encode_summary(summary: OperatorSummary) -> bytes:
    """``summary.json``: the model that the other forms are readings of."""
    encoder = msgspec.json.Encoder(enc_hook=_encode, order="deterministic")
    return msgspec.json.format(encoder.encode(summary), indent=2) + b"\n"


def _encode(value: object) -> float:
    if isinstance(value, Fraction):
        return float(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in summary.json")


def render_sites_csv(summary: OperatorSummary) -> str:
    """Every site that was asked for, one a row; what is not known is an empty cell."""
    rows = [
        _site_row(each, status)
        for status, group in (
            ("reported", summary.league), ("inconclusive", summary.inconclusive)
        )
        for each in group
    ]  # fmt: skip
    rows += [
        {"site": each.site, "name": each.name, "status": "failed", "problem": each.problem}
        for each in summary.failed
    ]
    return _write_csv(SITES, rows)


def _site_row(each: SiteFigures, status: str) -> dict[str, object]:
    money = each.penalties
    return {
        "site": each.site,
        "name": each.name,
        "commune": each.commune,
        "circuit": each.circuit,
        "contract": each.contract,
        "status": status,
        "availability_contractual": _share(each.contractual),
        "availability_contractual_low": _share(each.contractual_low),
        "availability_measured": _share(each.measured),
        "availability_low": _share(each.low),
        "availability_high": _share(each.high),
        "coverage": _share(each.coverage),
        "target": _share(each.target),
        "target_met": None if each.met is None else str(each.met).lower(),
        "up_ms": each.up_ms,
        "degraded_ms": each.degraded_ms,
        "down_ms": each.down_ms,
        "unknown_ms": each.unknown_ms,
        "counted_ms": each.counted_ms,
        "incidents": each.incidents,
        "restore_missed": each.restore_missed,
        "ims_used_ms": each.ims_used_ms,
        "ims_allowed_ms": each.ims_allowed_ms,
        "ims_coverage": _share(each.ims_coverage),
        "throughput_down_met": _share(each.throughput_down_met),
        "throughput_up_met": _share(each.throughput_up_met),
        "penalties": None if money is None else str(money.amount),
        "currency": None if money is None else money.currency,
        "source": each.source,
        "edge_ms": each.edge_ms,
        "bundle": each.bundle,
        "bundle_sha256": each.bundle_sha256,
        "problem": "; ".join(each.notes) or None,
    }


def render_shared_csv(summary: OperatorSummary) -> str:
    """Each site's part of each shared incident, one a row."""
    return _write_csv(
        SHARED,
        [
            {
                "shared": number,
                "cause": each.cause,
                "started_at": each.started_at,
                "ended_at": each.ended_at,
                "site": part.site,
                "incident": part.incident,
                "site_started_at": part.started_at,
                "site_ended_at": part.ended_at,
            }
            for number, each in enumerate(summary.shared, start=1)
            for part in each.parts
        ],
    )


def _share(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _write_csv(table: Table, rows: list[dict[str, object]]) -> str:
    text = io.StringIO(newline="")
    columns = [column.name for column in table.columns]
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def render_page(summary: OperatorSummary, code: LanguageCode, *, pages: bool = True) -> str:
    """One HTML file that needs no other; ``pages``: the sites' own reports lie beside it."""
    language = Language(code, timezone=summary.timezone)
    say = WORDS[code]
    names = {row.site: row.name for row in (*summary.league, *summary.inconclusive)}
    edge_ms = max((row.edge_ms for row in (*summary.league, *summary.inconclusive)), default=0)

    def money(charge: Charge | None) -> str:
        return (
            "—"
            if charge is None
            else language.money(Money(amount=charge.amount, currency=charge.currency))
        )

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_read("netwatch.fleet", "operator.html")).render(
        code=code,
        language=language,
        say=say,
        summary=summary,
        stylesheet=Markup(_read("netwatch.report", "report.css")),  # noqa: S704 -- our own file
        overview=list(_tell_totals(summary, language, money)),
        pages=pages,
        sources=sorted({row.source for row in (*summary.league, *summary.inconclusive)}),
        evidence=any(row.bundle for row in (*summary.league, *summary.inconclusive)),
        partial=any(not row.complete for row in (*summary.league, *summary.inconclusive)),
        edge=language.duration(edge_ms) if edge_ms else None,
        money=money,
        cause=lambda word: cause_name(word, language),
        names=lambda each: ", ".join(dict.fromkeys(names[part.site] for part in each.parts)),
    )


def _tell_totals(
    summary: OperatorSummary, language: Language, money: _Money
) -> Iterator[tuple[str, str]]:
    say, totals = WORDS[language.code], summary.totals
    for key, count in (
        ("sites", totals.sites),
        ("reported", totals.reported),
        ("few", totals.inconclusive),
        ("kept", totals.kept),
        ("missed", totals.missed),
        ("incidents", totals.incidents),
        ("restore_missed", totals.restore_missed),
    ):
        yield say[key], language.number(count)
    yield say["down"], language.duration(totals.down_ms)
    yield say["unknown"], language.duration(totals.unknown_ms)
    yield say["ims_exceeded"], language.number(totals.ims_exceeded)
    yield say["penalties"], " + ".join(map(money, totals.penalties)) or "—"


def _read(package: str, name: str) -> str:
    return files(package).joinpath("templates", name).read_text(encoding="utf-8")
