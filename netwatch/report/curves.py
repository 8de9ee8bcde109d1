"""Latency by day and throughput by test, drawn against what the contract promises.

Rule of this file: it draws what the report's series say and tells it in words from the
same numbers. Curves differ by line and mark as well as colour: full is the median,
dashes are P95, dots are P99; a filled dot reaches the guarantee, a triangle does not, a
cross does not count.
"""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

from netwatch.report.language import Language
from netwatch.report.model import BandwidthPoint, LatencyDay, Report
from netwatch.report.svg import INK, RULE, Canvas, Chart, Style, build_ticks

_STYLES = {
    "grid": Style(stroke=RULE),
    "limit": Style(stroke="#8c1c13", width=1.2, dash="6 3"),
    "p99": Style(stroke="#56606e", width=1.3, dash="1.5 2.5"),
    "p95": Style(stroke="#1f5c99", width=1.3, dash="5 2.5"),
    "p50": Style(stroke="#173a63", width=1.8),
    "below": Style(fill="#8c1c13"),
    "met": Style(fill="#173a63"),
    "invalid": Style(stroke="#56606e", width=1.2),
}
_PANEL_WIDTH = 330
_PANEL_HEIGHT = 108
_GAP = 20
_LEFT = 40
_MOST_PANELS = 6


def build_latency_chart(report: Report, language: Language) -> Chart | None:
    """One panel a target, all on one scale; None when no day has a figure.

    A percentile that falls among the lost probes has no value: its line breaks there.
    """
    panels = _latency_panels(report)
    if not panels:
        return None
    canvas = Canvas(_STYLES)
    limit_us = report.contract.terms.max_rtt_us if report.contract.terms else None
    top_us = max(
        [limit_us or 0]
        + [day.p99_us or day.p95_us or day.p50_us or 0 for days in panels.values() for day in days]
    )
    ticks = build_ticks(top_us / 1000, 3)
    dates = _dates(report, language)
    for index, (name, days) in enumerate(panels.items()):
        x = _LEFT + (index % 2) * (_PANEL_WIDTH + _GAP + 10)
        y = 22 + (index // 2) * (_PANEL_HEIGHT + 40)
        canvas.text(x, y - 8, name, bold=True, fill=INK, size=10.5)
        for tick in ticks:
            level = y + _PANEL_HEIGHT * (1 - tick / ticks[-1])
            canvas.line("grid", x, round(level, 1), x + _PANEL_WIDTH - _LEFT, round(level, 1))
            label = language.number(Fraction(tick).limit_denominator(1000), 1)
            canvas.text(x - 5, round(level + 3, 1), label, anchor="end", size=9)
        step = (_PANEL_WIDTH - _LEFT) / max(1, len(dates))
        for place, day in enumerate(dates):
            if day.day in (1, 8, 15, 22, 29):
                centre = x + step * (place + 0.5)
                canvas.text(
                    round(centre, 1), y + _PANEL_HEIGHT + 12, str(day.day), anchor="middle", size=9
                )
        if limit_us:
            level = round(y + _PANEL_HEIGHT * (1 - limit_us / 1000 / ticks[-1]), 1)
            canvas.line("limit", x, level, x + _PANEL_WIDTH - _LEFT, level)
        by_date = {day.date: day for day in days}
        for key in ("p99", "p95", "p50"):
            _draw_curve(
                canvas, key, [by_date.get(each.isoformat()) for each in dates],
                origin=(x, y), step=step, top_ms=ticks[-1],
            )  # fmt: skip
    rows = (len(panels) + 1) // 2
    bottom = 22 + rows * (_PANEL_HEIGHT + 40) - 14
    _ = language.gettext
    legend = [("p50", _("median")), ("p95", "P95"), ("p99", "P99")]
    if limit_us:
        legend.append(("limit", _("limit of the contract")))
    _draw_line_legend(canvas, legend, bottom)
    return Chart(
        id="latency",
        title=_("Latency by day, in milliseconds"),
        description=describe_latency(panels, limit_us, language),
        width=_LEFT + 2 * _PANEL_WIDTH + _GAP,
        height=bottom + 18,
        content=canvas.content(),
    )


def _latency_panels(report: Report) -> dict[str, list[LatencyDay]]:
    """The days of the internet targets, then the others', at most six, those with figures."""
    order = {"internet": 0, "first_hop": 1, "service": 2, "gateway": 3}
    targets = sorted(report.latency.targets, key=lambda each: order.get(each.role, 9))
    panels = {
        target.name: [day for day in report.series.latency_days if day.target == target.name]
        for target in targets
    }
    known = {name: days for name, days in panels.items() if any(day.p50_us for day in days)}
    return dict(list(known.items())[:_MOST_PANELS])


def _dates(report: Report, language: Language) -> list[date]:
    first = language.local(report.period.start).date()
    last = (language.local(report.period.end) - timedelta(milliseconds=1)).date()
    return [first + timedelta(days=index) for index in range((last - first).days + 1)]


def _draw_curve(
    canvas: Canvas,
    key: str,
    days: list[LatencyDay | None],
    *,
    origin: tuple[float, float],
    step: float,
    top_ms: float,
) -> None:
    x, y = origin
    run: list[tuple[float, float]] = []
    for place, day in enumerate([*days, None]):
        value = None if day is None else getattr(day, f"{key}_us")
        if value is None:
            if run:
                canvas.polyline(key, run)
            run = []
            continue
        run.append((x + step * (place + 0.5), y + _PANEL_HEIGHT * (1 - value / 1000 / top_ms)))


def _draw_line_legend(canvas: Canvas, entries: list[tuple[str, str]], y: float) -> None:
    x = float(_LEFT)
    for key, word in entries:
        canvas.line(key, x, y, x + 26, y)
        canvas.text(x + 32, y + 3.5, word, size=9.5, fill=INK)
        x += 52 + 5.6 * len(word)


def describe_latency(
    panels: dict[str, list[LatencyDay]], limit_us: int | None, language: Language
) -> str:
    """Per target: the span of the daily medians and the worst daily P99."""
    sentences = []
    for name, days in panels.items():
        medians = [day.p50_us for day in days if day.p50_us is not None]
        worst = max((day for day in days if day.p99_us is not None), key=_p99, default=None)
        sentence = language.gettext("%(target)s: daily median from %(low)s to %(high)s") % {
            "target": name,
            "low": language.milliseconds(min(medians)),
            "high": language.milliseconds(max(medians)),
        }
        if worst is not None:
            sentence += language.gettext(", highest daily P99 %(worst)s on %(day)s") % {
                "worst": language.milliseconds(worst.p99_us),
                "day": language.short_day_of(worst.date),
            }
        sentences.append(sentence.rstrip(".") + ".")
    if limit_us is not None:
        sentences.append(
            language.gettext("The limit of the contract is %(limit)s.")
            % {"limit": language.milliseconds(limit_us)}
        )
    return " ".join(sentences)


def _p99(day: LatencyDay) -> int:
    return day.p99_us or 0


def build_throughput_chart(report: Report, language: Language) -> Chart | None:
    """Every test of both directions over the month; None when there was none."""
    tests = [point for point in report.series.tests if point.bytes_per_second is not None]
    if not tests:
        return None
    canvas = Canvas(_STYLES)
    _ = language.gettext
    width, height = 610, 120
    start = language.local(report.period.start)
    length = (language.local(report.period.end) - start).total_seconds()
    directions = (
        ("down", _("Download, Mbit/s"), report.throughput.down.guaranteed),
        ("up", _("Upload, Mbit/s"), report.throughput.up.guaranteed),
    )
    for index, (direction, name, guaranteed) in enumerate(directions):
        y = 24 + index * (height + 46)
        points = [point for point in tests if point.direction == direction]
        top = max([_megabits(point) for point in points] + [(guaranteed or 0) * 8e-6])
        ticks = build_ticks(top)
        canvas.text(_LEFT, y - 9, name, bold=True, fill=INK, size=10.5)
        for tick in ticks:
            level = round(y + height * (1 - tick / ticks[-1]), 1)
            canvas.line("grid", _LEFT, level, _LEFT + width, level)
            label = language.number(Fraction(tick).limit_denominator(1000), 1)
            canvas.text(_LEFT - 5, level + 3, label, anchor="end", size=9)
        if guaranteed is not None:
            level = round(y + height * (1 - guaranteed * 8e-6 / ticks[-1]), 1)
            canvas.line("limit", _LEFT, level, _LEFT + width, level)
            canvas.text(
                _LEFT + width + 4,
                level + 3,
                language.number(Fraction(guaranteed * 8, 1_000_000)),
                size=9,
                fill="#8c1c13",
            )
        for point in points:
            share = (language.local(point.at) - start).total_seconds() / length
            x, level = _LEFT + width * share, y + height * (1 - _megabits(point) / ticks[-1])
            if point.invalid is not None:
                canvas.cross("invalid", x, level, 2.6)
            elif guaranteed is not None and (point.bytes_per_second or 0) < guaranteed:
                canvas.triangle("below", x, level, 3.2)
            else:
                canvas.dot("met", x, level, 2.4)
        for day in _dates(report, language):
            if day.day in (1, 6, 11, 16, 21, 26):
                share = (day - start.date()).days * 86400 / length
                x = round(_LEFT + width * share, 1)
                canvas.text(x, y + height + 13, str(day.day), size=9)
    bottom = 24 + 2 * (height + 46) - 10
    _draw_mark_legend(canvas, bottom, language, report.throughput.down.guaranteed is not None)
    return Chart(
        id="throughput",
        title=_("Throughput tests of the month"),
        description=describe_throughput(tests, language, report),
        width=_LEFT + width + 40,
        height=bottom + 12,
        content=canvas.content(),
    )


def _megabits(point: BandwidthPoint) -> float:
    return (point.bytes_per_second or 0) * 8e-6


def _draw_mark_legend(canvas: Canvas, y: float, language: Language, guaranteed: bool) -> None:
    _ = language.gettext
    x = float(_LEFT)
    words = [("met", _("guarantee reached") if guaranteed else _("valid test"))]
    if guaranteed:
        words.append(("below", _("below the guarantee")))
    words.append(("invalid", _("does not count")))
    if guaranteed:
        words.append(("limit", _("guaranteed rate")))
    for key, word in words:
        if key == "met":
            canvas.dot(key, x + 6, y, 2.4)
        elif key == "below":
            canvas.triangle(key, x + 6, y, 3.2)
        elif key == "invalid":
            canvas.cross(key, x + 6, y, 2.6)
        else:
            canvas.line(key, x - 6, y, x + 12, y)
        canvas.text(x + 17, y + 3.5, word, size=9.5, fill=INK)
        x += 44 + 5.6 * len(word)


def describe_throughput(tests: list[BandwidthPoint], language: Language, report: Report) -> str:
    """Per direction: how many tests, how many count, their median, how many fall short."""
    _ = language.gettext
    sentences = []
    for direction, figures in (("down", report.throughput.down), ("up", report.throughput.up)):
        points = [point for point in tests if point.direction == direction]
        if not points:
            continue
        valid = [point for point in points if point.invalid is None]
        name = _("Download") if direction == "down" else _("Upload")
        sentence = language.ngettext(
            "%(name)s: %(num)s test drawn, %(valid)s valid, median %(median)s",
            "%(name)s: %(num)s tests drawn, %(valid)s valid, median %(median)s",
            len(points),
        ) % {
            "name": name,
            "num": language.number(len(points)),
            "valid": language.number(len(valid)),
            "median": language.rate(figures.median),
        }
        guaranteed = figures.guaranteed
        if guaranteed is not None:
            below = sum(1 for point in valid if (point.bytes_per_second or 0) < guaranteed)
            sentence += language.ngettext(
                "; %(num)s below the guaranteed %(rate)s",
                "; %(num)s below the guaranteed %(rate)s",
                below,
            ) % {"num": language.number(below), "rate": language.rate(guaranteed)}
        sentences.append(sentence + ".")
    return " ".join(sentences)
