"""The month at a glance: hours as a calendar, incidents on a line of time.

Rule of this file: it draws what the report's series say and tells it in words from the
same numbers. States differ by form as well as colour: plain is available, stripes are
degraded, solid is down, a cross is not watched.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from netwatch.report.language import Language
from netwatch.report.model import HourCell, IncidentEntry, Report
from netwatch.report.svg import INK, MUTED, RULE, Canvas, Chart, Style
from netwatch.report.words import cause_name

_LEFT = 58
_CELL_WIDTH = 26
_CELL_HEIGHT = 14
_TOP = 22
_LEAST_MARK = 4.0  # a cut of seconds must be seen too

STATES = {
    "grid": Style(stroke=RULE),
    "absent": Style(stroke=RULE, dash="2 2"),
    "up": Style(fill="#d9ebdf"),
    "unknown_ground": Style(fill="#ffffff"),
    "unknown": Style(stroke="#6b7480", width=1),
    "degraded_ground": Style(fill="#fff3d6"),
    "degraded": Style(stroke="#8a5a00", width=1.2),
    "down": Style(fill="#8c1c13"),
    "frame": Style(stroke="#ffffff", width=1),
}


def build_calendar_chart(report: Report, language: Language) -> Chart:
    """Every hour of the month, days in rows; a mark's height is the share of the hour."""
    canvas = Canvas(STATES)
    days = _days_of(report, language)
    row_of = {day.date(): index for index, day in enumerate(days)}
    for hour in range(24):
        x = _LEFT + hour * _CELL_WIDTH
        canvas.text(x + _CELL_WIDTH / 2, _TOP - 7, str(hour), anchor="middle", size=9)
    for index, day in enumerate(days):
        y = _TOP + index * _CELL_HEIGHT
        weekend = day.weekday() >= 5
        canvas.text(
            _LEFT - 7, y + 10.5, language.weekday(day), anchor="end", size=9,
            fill=MUTED if weekend else INK,
        )  # fmt: skip
    by_place: dict[tuple[int, int], list[HourCell]] = {}
    for cell in report.series.hours:
        local = datetime.fromisoformat(cell.local)
        if local.date() in row_of:
            by_place.setdefault((row_of[local.date()], local.hour), []).append(cell)
    for row in range(len(days)):
        for hour in range(24):
            x, y = _LEFT + hour * _CELL_WIDTH, _TOP + row * _CELL_HEIGHT
            cells = by_place.get((row, hour), [])
            if not cells:
                canvas.rectangle("absent", x + 1, y + 1, _CELL_WIDTH - 2, _CELL_HEIGHT - 2)
            for place, cell in enumerate(cells):  # two where the clock goes back
                width = _CELL_WIDTH / len(cells)
                _draw_hour(canvas, cell, x + place * width, y, width)
    bottom = _TOP + len(days) * _CELL_HEIGHT
    _draw_legend(canvas, bottom + 10, language)
    return Chart(
        id="calendar",
        title=language.gettext("The month hour by hour"),
        description=describe_hours(report, language),
        width=_LEFT + 24 * _CELL_WIDTH + 2,
        height=bottom + 28,
        content=canvas.content(),
    )


def _days_of(report: Report, language: Language) -> list[datetime]:
    first = language.local(report.period.start)
    last = language.local(report.period.end) - timedelta(milliseconds=1)
    noon = first.replace(hour=12, minute=0, second=0, microsecond=0)
    # Civil arithmetic on noon: no day is skipped or doubled by a clock change.
    return [noon + timedelta(days=index) for index in range((last.date() - first.date()).days + 1)]


def _draw_hour(canvas: Canvas, cell: HourCell, x: float, y: float, width: float) -> None:
    total = cell.up_ms + cell.degraded_ms + cell.down_ms + cell.unknown_ms
    canvas.rectangle("up" if total else "absent", x, y, width, _CELL_HEIGHT)
    bottom = y + _CELL_HEIGHT
    for state, duration_ms in (
        ("down", cell.down_ms),
        ("degraded", cell.degraded_ms),
        ("unknown", cell.unknown_ms),
    ):
        room = bottom - y
        if not duration_ms or room < 1:
            continue
        height = min(room, max(_LEAST_MARK, round(_CELL_HEIGHT * duration_ms / total, 1)))
        if state == "unknown" and duration_ms < total and height > _CELL_HEIGHT - 2:
            height = _CELL_HEIGHT - 2
        top = round(bottom - height, 1)
        _draw_state(canvas, state, (x, top, width, height))
        bottom = top
    canvas.rectangle("frame", x, y, width, _CELL_HEIGHT)


def _draw_state(canvas: Canvas, state: str, box: tuple[float, float, float, float]) -> None:
    x, y, width, height = box
    if state == "down":
        canvas.rectangle("down", x, y, width, height)
    elif state == "degraded":
        canvas.rectangle("degraded_ground", x, y, width, height)
        canvas.stripes("degraded", x, y, width, height)
    elif state == "unknown":
        canvas.rectangle("unknown_ground", x, y, width, height)
        canvas.saltire("unknown", x + 1, y + 1, width - 2, height - 2)
    else:
        canvas.rectangle("up", x, y, width, height)


def _draw_legend(canvas: Canvas, y: float, language: Language) -> None:
    _ = language.gettext
    words = (
        ("up", _("available")),
        ("degraded", _("degraded")),
        ("down", _("down")),
        ("unknown", _("not watched")),
        ("absent", _("no such hour, or not yet")),
    )
    x = float(_LEFT)
    for state, word in words:
        if state == "absent":
            canvas.rectangle("absent", x + 1, y + 1, 20, 9)
        else:
            _draw_state(canvas, state, (x, y, 22, 11))
            canvas.rectangle("grid", x, y, 22, 11)
        canvas.text(x + 28, y + 9, word, size=9.5, fill=INK)
        x += 46 + 5.4 * len(word)


def describe_hours(report: Report, language: Language) -> str:
    """What the calendar shows, in two or three sentences."""
    _, plural = language.gettext, language.ngettext
    hours = report.series.hours
    if not hours:
        return _("No hour of the month was recorded.")
    clean = sum(1 for cell in hours if not (cell.degraded_ms or cell.down_ms or cell.unknown_ms))
    down = [cell for cell in hours if cell.down_ms]
    degraded = sum(1 for cell in hours if cell.degraded_ms)
    unknown = sum(1 for cell in hours if cell.unknown_ms)
    sentences = [
        plural(
            "Of %(num)s hour, %(clean)s was available and watched from end to end.",
            "Of %(num)s hours, %(clean)s were available and watched from end to end.",
            len(hours),
        )
        % {"num": language.number(len(hours)), "clean": language.number(clean)}
    ]
    if down:
        worst = max(down, key=lambda cell: cell.down_ms)
        sentences.append(
            plural(
                "%(num)s hour holds an outage; the worst is that of %(when)s, with %(lost)s down.",
                "%(num)s hours hold an outage; the worst is that of %(when)s, with %(lost)s down.",
                len(down),
            )
            % {
                "num": language.number(len(down)),
                "when": language.instant(worst.start, seconds=False),
                "lost": language.duration(worst.down_ms),
            }
        )
    if degraded:
        sentences.append(
            plural(
                "%(num)s hour holds degraded time.", "%(num)s hours hold degraded time.", degraded
            )
            % {"num": language.number(degraded)}
        )
    if unknown:
        sentences.append(
            plural(
                "%(num)s hour holds time that was not watched.",
                "%(num)s hours hold time that was not watched.",
                unknown,
            )
            % {"num": language.number(unknown)}
        )
    return " ".join(sentences)


def build_incident_chart(report: Report, language: Language) -> Chart:
    """Incidents by cause over the month, with the hours that were not watched below them."""
    canvas = Canvas(STATES)
    left, width, row = 150, 530, 24
    start, end = language.local(report.period.start), language.local(report.period.end)
    length = (end - start).total_seconds()

    def place(iso: str) -> float:
        share = (language.local(iso) - start).total_seconds() / length
        return left + width * min(1.0, max(0.0, share))

    causes = [*dict.fromkeys(part.cause for each in report.incidents for part in each.parts)]
    rows = [*causes, "not_watched"]
    for index, cause in enumerate(rows):
        y = 8 + index * row
        name = (
            language.gettext("not watched")
            if cause == "not_watched"
            else cause_name(cause, language)
        )
        canvas.text(left - 8, y + 14, name, anchor="end", size=10, fill=INK)
        canvas.line("grid", left, y + row - 2, left + width, y + row - 2)
    for number, incident in enumerate(report.incidents, start=1):
        for part in incident.parts:
            y = 8 + causes.index(part.cause) * row
            x = place(part.started_at)
            long = max(2.5, place(part.ended_at) - x)
            canvas.rectangle("down", x, y + 9, round(long, 1), row - 13)
        first = incident.parts[0] if incident.parts else None
        if first is not None:
            canvas.text(
                place(first.started_at), 8 + causes.index(first.cause) * row + 7, str(number),
                size=8.5, anchor="middle", fill=INK, bold=True,
            )  # fmt: skip
    y = 8 + (len(rows) - 1) * row
    for x, long in _unwatched(report.series.hours, place):
        canvas.rectangle("unknown_ground", x, y + 5, long, row - 9)
        canvas.rectangle("grid", x, y + 5, long, row - 9)
        for piece in range(max(1, int(long // 10))):
            step = long / max(1, int(long // 10))
            canvas.saltire("unknown", x + piece * step, y + 5, step, row - 9)
    bottom = 8 + len(rows) * row
    for day in _days_of(report, language):
        if day.day in (1, 6, 11, 16, 21, 26):
            midnight = day.replace(hour=0)
            x = left + width * max(0.0, (midnight - start).total_seconds() / length)
            canvas.line("grid", x, 8, x, bottom)
            canvas.text(x + 2, bottom + 11, language.short_day(midnight), size=9)
    return Chart(
        id="timeline",
        title=language.gettext("Incidents over the month"),
        description=describe_incidents(report.incidents, language),
        width=left + width + 10,
        height=bottom + 16,
        content=canvas.content(),
    )


def _unwatched(hours: Sequence[HourCell], place: object) -> list[tuple[float, float]]:
    """Runs of hours with unwatched time, as (x, width)."""
    assert callable(place)
    runs: list[list[datetime]] = []
    for cell in hours:
        if not cell.unknown_ms:
            continue
        begin = datetime.fromisoformat(cell.start)
        if runs and runs[-1][1] == begin:
            runs[-1][1] = begin + timedelta(hours=1)
        else:
            runs.append([begin, begin + timedelta(hours=1)])
    places = [(place(a.isoformat()), place(b.isoformat())) for a, b in runs]
    return [(round(a, 1), round(max(3.0, b - a), 1)) for a, b in places]


def describe_incidents(incidents: Sequence[IncidentEntry], language: Language) -> str:
    """How many, by which causes, and the longest."""
    if not incidents:
        return language.gettext("No incident was recorded in the month.")
    causes: dict[str, int] = {}
    for incident in incidents:
        causes[incident.cause] = causes.get(incident.cause, 0) + 1
    longest = max(incidents, key=lambda each: each.duration_ms)
    return language.ngettext(
        "%(num)s incident (%(causes)s). It began on %(when)s and lasted %(lasted)s.",
        "%(num)s incidents (%(causes)s). The longest began on %(when)s and lasted %(lasted)s.",
        len(incidents),
    ) % {
        "num": language.number(len(incidents)),
        "causes": ", ".join(
            f"{cause_name(cause, language)} × {language.number(count)}"
            for cause, count in causes.items()
        ),
        "when": language.instant(longest.started_at, seconds=False),
        "lasted": language.duration(longest.duration_ms),
    }
