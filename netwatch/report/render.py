"""One report, its forms for people: HTML, and the PDF made of the same page.

Rule of this file: it prepares what the template shows and computes no figure that the
report does not hold. No form needs anything outside itself: no script, font or picture
is fetched.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping
from datetime import datetime
from fractions import Fraction
from importlib.resources import files

import msgspec
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from netwatch.report import words
from netwatch.report.campaign_words import tell_campaign
from netwatch.report.charts import build_calendar_chart, build_incident_chart
from netwatch.report.curves import build_latency_chart, build_throughput_chart
from netwatch.report.evidence import build_bundle_name
from netwatch.report.hours_words import describe_hours
from netwatch.report.language import Language, LanguageCode
from netwatch.report.model import HourCell, Report
from netwatch.report.penalty_words import describe_basis
from netwatch.report.setting_words import list_settings
from netwatch.report.summary import build_summary


class DayRow(msgspec.Struct, kw_only=True):
    """The hours of one civil day, added up."""

    label: str
    up_ms: int = 0
    degraded_ms: int = 0
    down_ms: int = 0
    unknown_ms: int = 0


def build_language(report: Report, code: LanguageCode) -> Language:
    """The language for a report: with offsets where the month has a clock change."""
    plain = Language(code, timezone=report.period.timezone)
    start, end = plain.local(report.period.start), plain.local(report.period.end)
    return Language(
        code,
        timezone=report.period.timezone,
        say_offset=start.utcoffset() != end.utcoffset(),
        translations=plain.translations,
    )


def render_html(
    report: Report,
    code: LanguageCode,
    *,
    fingerprint: str | None = None,
    for_pdf: bool = False,
) -> str:
    """The reference version, in one language, as one file that needs no other.

    ``fingerprint`` is of the key that the bundle will be signed with. ``for_pdf`` puts a
    drawing's whole description where the PDF's tags take it from.
    """
    language = build_language(report, code)
    environment = _build_environment(language)
    place = report.site.name or report.site.id
    yearly = report.yearly_interruption
    return environment.get_template("report.html").render(
        report=report,
        language=language,
        for_pdf=for_pdf,
        place=place,
        title=language.gettext("Availability report, %(month)s")
        % {"month": language.month(report.period.month)},
        stylesheet=Markup(_build_stylesheet()),  # noqa: S704 -- our own file
        summary=build_summary(report, language),
        charts={
            "calendar": build_calendar_chart(report, language),
            "timeline": build_incident_chart(report, language),
            "latency": build_latency_chart(report, language),
            "throughput": build_throughput_chart(report, language),
        },
        days=_imperfect_days(report.series.hours, language),
        unmeasured=_unmeasured(report, language),
        penalties=_penalties(report, language),
        campaigns=[tell_campaign(each, language) for each in report.campaigns],
        yearly_share=Fraction(yearly.used_ms, yearly.allowed_ms) if yearly.allowed_ms else None,
        target_columns=list(dict.fromkeys(key for each in report.method.targets for key in each)),
        settings=list(list_settings(report.rule, report.method.thresholds, language)),
        describe_hours=describe_hours,
        fingerprint=fingerprint,
        bundle_name=build_bundle_name(report.site.id, report.period.month),
    )


def render_pdf(report: Report, code: LanguageCode, *, fingerprint: str | None = None) -> bytes:
    """The same page as PDF/UA-1, tagged. The same report gives the same bytes.

    WeasyPrint is loaded here and nowhere else: it takes 60 MB.
    """
    from weasyprint import HTML, URLFetcher  # noqa: PLC0415 -- only a PDF pays for it

    html = render_html(report, code, fingerprint=fingerprint, for_pdf=True)
    # The fonts stand in the page; a report fetches nothing from anywhere else.
    document = HTML(string=html, url_fetcher=URLFetcher(allowed_protocols=("data",)))
    data = document.write_pdf(pdf_variant="pdf/ua-1", full_fonts=False)
    assert isinstance(data, bytes)
    return data


def _build_stylesheet() -> str:
    """The style with its two fonts inside, so that a page looks the same on any machine."""
    faces = []
    for weight in (400, 600):
        name = f"source-sans-3-latin-{weight}-normal.woff2"
        font = base64.b64encode(files("netwatch.report").joinpath("fonts", name).read_bytes())
        faces.append(
            '@font-face { font-family: "Source Sans 3"; font-style: normal; '
            f"font-weight: {weight}; "
            f'src: url("data:font/woff2;base64,{font.decode()}") format("woff2"); }}\n'
        )
    return "".join(faces) + _read_template("report.css")


def _read_template(name: str) -> str:
    return files("netwatch.report").joinpath("templates", name).read_text(encoding="utf-8")


def _build_environment(language: Language) -> Environment:
    environment = Environment(
        loader=FunctionLoader(_read_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    in_language: Mapping[str, Callable[[str, Language], str]] = {
        "cause": words.cause_name,
        "evidence": words.cause_evidence,
        "role": words.role_name,
        "calendar": words.calendar_name,
        "column": words.column_name,
        "technology": words.technology_name,
        "clock_from": words.clock_from_name,
        "file": words.file_name,
        "exclusion_kind": words.exclusion_kind_name,
    }
    filters: dict[str, Callable[..., str]] = {
        name: functools.partial(_say, say, language) for name, say in in_language.items()
    }
    filters |= {
        "number": language.number,
        "share": language.share,
        "duration": language.duration,
        "instant": language.instant,
        "day": language.day,
        "last_day": language.last_day,
        "rate": language.rate,
        "milliseconds": language.milliseconds,
        "money": language.money,
    }
    environment.filters.update(filters)
    return environment


def _say(say: Callable[[str, Language], str], language: Language, key: str) -> str:
    return say(key, language)


def _imperfect_days(hours: tuple[HourCell, ...], language: Language) -> list[DayRow]:
    """Days of which not every millisecond was seen to be available, in order."""
    days: dict[str, DayRow] = {}
    for cell in hours:
        local = datetime.fromisoformat(cell.local)
        day = days.setdefault(local.date().isoformat(), DayRow(label=language.weekday(local)))
        day.up_ms += cell.up_ms
        day.degraded_ms += cell.degraded_ms
        day.down_ms += cell.down_ms
        day.unknown_ms += cell.unknown_ms
    return [day for day in days.values() if day.degraded_ms or day.down_ms or day.unknown_ms]


def _unmeasured(report: Report, language: Language) -> list[dict[str, str]]:
    _ = language.gettext
    ledger = report.ledger
    reasons = ledger.unknown_by_reason_ms or ledger.unknown_by_cause_ms
    rows = [
        (_("Line not watched"), reason, language.duration(lost))
        for reason, lost in reasons.items()
        if lost
    ]
    rows += [
        (_("Throughput test not run"), reason, language.number(count))
        for reason, count in report.skipped.items()
        if count
    ]
    rows += [
        (_("Throughput test that does not count"), reason, language.number(count))
        for reason, count in report.invalid.items()
        if count
    ]
    return [
        {"what": what, "why": words.reason_name(why, language), "amount": amount}
        for what, why, amount in rows
    ]


def _penalties(report: Report, language: Language) -> list[dict[str, object]]:
    numbers = {each.id: str(index) for index, each in enumerate(report.incidents, start=1)}
    return [
        {
            "rule": line.rule,
            "incident": numbers.get(line.basis.incident or "", line.basis.incident or "—"),
            "steps": describe_basis(line.basis, language),
            "amount": language.money(line.amount),
        }
        for line in report.penalties
    ]
