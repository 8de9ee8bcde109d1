"""What the pages say: both languages whole, and never more than was seen."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.contract import Money
from netwatch.core.penalty_bases import PenaltyBasis
from netwatch.report.catalogues import read_catalogue, read_messages
from netwatch.report.charts import build_calendar_chart, build_incident_chart
from netwatch.report.curves import build_latency_chart, build_throughput_chart
from netwatch.report.identity import CircuitIdentity, ContractSection, SiteIdentity
from netwatch.report.language import LANGUAGES, Language
from netwatch.report.penalty_words import describe_basis
from netwatch.report.render import build_language, render_html, render_pdf
from netwatch.report.words import reason_name
from tests.report.sample_report import make_partial_report, make_report, make_unwatched_report

GOLDEN = Path(__file__).parent / "golden"
FRENCH = Language("fr", timezone="Europe/Paris")
ENGLISH = Language("en", timezone="Europe/Paris")


def plain(html: str) -> str:
    """The words of a page, one space between them, hard spaces as spaces."""
    body = re.sub(r"<(style|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def first_page(html: str) -> str:
    return plain(html[html.index("<main>") : html.index("</section>")])


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_message_is_translated_and_none_is_left_over(code: str) -> None:
    """The catalogue has exactly the messages of the code, none empty, placeholders kept."""
    catalogue = read_catalogue(code)
    messages = {message for message, _ in read_messages()}
    assert {message.id for message in catalogue if message.id} == messages
    assert len(messages) > 200
    holders = re.compile(r"%\((\w+)\)s")
    for message in catalogue:
        if not message.id:
            continue
        assert not message.fuzzy
        originals = [message.id] if isinstance(message.id, str) else list(message.id)
        texts = [message.string] if isinstance(message.string, str) else list(message.string)
        assert len(texts) == len(originals)
        for text in texts:
            assert text
            assert set(holders.findall(text)) <= set(holders.findall(originals[-1]))
        assert set(holders.findall(texts[-1])) == set(holders.findall(originals[-1]))


def test_a_french_page_has_no_english_left() -> None:
    """No sentence of the English page that French says otherwise stands in the French one."""
    french = plain(render_html(make_report(), "fr"))
    for message in read_catalogue("fr"):
        if isinstance(message.id, str) and len(message.id) > 12 and message.string != message.id:
            literal = re.split(r"%\(\w+\)s", message.id)[0].strip()
            if len(literal) > 12:
                assert literal not in french, literal


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize(
    ("name", "make"),
    [("full", make_report), ("partial", make_partial_report), ("unwatched", make_unwatched_report)],
)
def test_the_first_page_reads_as_agreed(name: str, make: object, code: str) -> None:
    """The words for the mayor, to the letter (tests/report/golden)."""
    assert callable(make)
    html = render_html(make(), code)  # type: ignore[arg-type]  # parametrised
    golden = GOLDEN / f"summary-{name}.{code}.txt"
    assert first_page(html) == golden.read_text(encoding="utf-8").strip()


def test_a_partial_report_says_so_before_anything_else() -> None:
    """On the first page, before the headline."""
    page = first_page(render_html(make_partial_report(), "en"))
    assert page.index("Partial report: the month was not over") < page.index("The line was")
    assert "Partial report" not in plain(render_html(make_report(), "en"))


@pytest.mark.parametrize("code", LANGUAGES)
def test_an_unwatched_month_is_never_available(code: str) -> None:
    """0 % coverage reads as not watched: no availability of 100 %, no promise kept."""
    html = render_html(make_unwatched_report(), code)  # type: ignore[arg-type]  # parametrised
    page = first_page(html)
    assert "100" not in page.replace("%", " % ").split()
    language = Language(code, timezone="Europe/Paris")  # type: ignore[arg-type]  # parametrised
    assert plain(language.gettext("The availability promised was kept.")) not in page
    assert plain(language.gettext("We saw no failure.")) not in page
    table = html[html.index("<caption>", html.index('id="availability"')) :]
    table = plain(table[: table.index("</table>")])
    assert plain(language.gettext("not watched")) in table
    assert plain(language.gettext("Nothing was watched, so no incident could be seen.")) in plain(
        html
    )


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_line_without_contract_has_its_report_too(code: str) -> None:
    """No term, no commitment, no incident, no name: every section still stands."""
    report = make_report()
    bare = msgspec.structs.replace(
        report,
        site=SiteIdentity(id="mairie", timezone="UTC"),
        circuit=CircuitIdentity(),
        contract=ContractSection(terms=None),
        incidents=(),
        penalties=(),
        penalties_total=None,
        yearly_interruption=msgspec.structs.replace(report.yearly_interruption, allowed_ms=None),
        availability=msgspec.structs.replace(report.availability, target=None, met=None),
    )
    html = render_html(bare, code)  # type: ignore[arg-type]  # parametrised
    assert html.count("<h2") == render_html(report, code).count("<h2")  # type: ignore[arg-type]  # parametrised
    language = build_language(bare, code)  # type: ignore[arg-type]  # parametrised
    assert language.gettext("The availability promised was not kept.") not in html
    assert "None" not in plain(html).replace("None follows", "")


def test_what_people_typed_cannot_become_markup() -> None:
    """An answer with angle brackets is shown, not obeyed, in page and drawing."""
    report = make_report()
    nasty = "<script>alert(1)</script>&\"'"
    report = msgspec.structs.replace(
        report,
        site=msgspec.structs.replace(report.site, name=nasty, commune=nasty),
        latency=msgspec.structs.replace(
            report.latency,
            targets=tuple(
                msgspec.structs.replace(target, name=nasty)
                for target in report.latency.targets[1:2]
            ),
        ),
        series=msgspec.structs.replace(
            report.series,
            latency_days=tuple(
                msgspec.structs.replace(day, target=nasty) for day in report.series.latency_days[:4]
            ),
        ),
    )
    html = render_html(report, "en")
    assert "<script" not in html
    assert "&lt;Jean Jaurès&gt;" in html


def test_a_page_needs_nothing_outside_itself() -> None:
    """No script, no link to a font, picture or style elsewhere."""
    html = render_html(make_report(), "en")
    assert "<script" not in html
    assert re.findall(r'(?:src|href)=["\']?(?!data:)', html.replace("src: url", "")) == []
    assert set(re.findall(r'url\("([a-z]+):', html)) == {"data"}


def test_every_figure_and_table_has_its_words() -> None:
    """Each drawing a title and description, each table a caption and scoped headers."""
    html = render_html(make_report(), "fr")
    assert html.count("<svg") == html.count("<desc") == html.count('role="img"') == 4
    assert html.count("<table") == html.count("<caption>")
    assert html.count("<th ") == html.count('scope="')
    assert "<th>" not in html
    levels = [int(level) for level in re.findall(r"<h(\d)", html)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    identifiers = re.findall(r' id="([^"]+)"', html)
    assert len(identifiers) == len(set(identifiers))


def test_every_drawing_is_sound_xml_and_tells_what_it_shows() -> None:
    """The text alternatives follow from the data, to the letter."""
    report = make_report()
    language = build_language(report, "en")
    charts = [
        build_calendar_chart(report, language),
        build_incident_chart(report, language),
        build_latency_chart(report, language),
        build_throughput_chart(report, language),
    ]
    for chart in charts:
        assert chart is not None
        ET.fromstring(chart.markup())
        assert len(chart.markup()) < 60_000
    assert charts[0] is not None
    assert charts[0].description.replace("\xa0", " ") == (
        "Of 745 hours, 727 were available and watched from end to end. 6 hours hold an outage; "
        "the worst is that of 6 Oct 2026 10:00 (UTC+2), with 1 h down. 2 hours hold degraded time. "
        "10 hours hold time that was not watched."
    )
    assert charts[1] is not None
    assert charts[1].description.replace("\xa0", " ") == (
        "3 incidents (access line × 1, operator's network × 1, name resolution × 1). The longest "
        "began on 6 Oct 2026 09:12 (UTC+2) and lasted 3 h 05 min 12 s."
    )


def test_the_hour_that_comes_twice_is_drawn_twice() -> None:
    """On 25 October two half cells stand at 2 o'clock; in March that hour has none."""
    report = make_report()
    doubled = [cell for cell in report.series.hours if cell.local.startswith("2026-10-25T02")]
    assert len(doubled) == 2
    content = build_calendar_chart(report, ENGLISH).content
    assert content.count("h13v14h-13z") == 4  # ground and frame of each half


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_pdf_of_the_same_report_has_the_same_bytes(code: str) -> None:
    """Nothing of the clock or of chance goes into it."""
    report = make_report()
    assert render_pdf(report, code) == render_pdf(report, code)  # type: ignore[arg-type]  # parametrised


@given(
    value=st.fractions(min_value=0, max_value=1, max_denominator=10**7),
    target=st.fractions(min_value=0, max_value=1, max_denominator=10_000),
)
def test_rounding_never_flatters(value: Fraction, target: Fraction) -> None:
    """A share reads 100 % only when it is all, 0 % only when nothing, and on its side of a target."""
    shown = ENGLISH.share(value, target).removesuffix("%").replace(",", "")
    percent = Fraction(shown)
    assert (percent == 100) <= (value == 1)
    assert abs(percent - value * 100) <= Fraction(1, 100)
    if abs(value - target) > Fraction(1, 10**8):
        assert (percent >= target * 100) == (value >= target) or value < Fraction(1, 10**8)


def test_a_reason_that_nobody_foresaw_is_shown_as_it_is() -> None:
    """A new word is better than none."""
    assert reason_name("gremlins", FRENCH) == "gremlins"
    assert reason_name("power_loss", FRENCH) == "coupure de courant à l’appareil"


def test_a_penalty_says_how_it_came_about() -> None:
    """Waiver and exclusivity are told with what they took away."""
    euros = [Money(amount=amount, currency="EUR") for amount in (1080, 1000)]  # type: ignore[arg-type]  # whole euros
    basis = PenaltyBasis(
        kind="per_time", scope="incident", duration_ms=3 * 86_400_000, computed=euros[0],
        waived_up_to=euros[1], excluded_by="tiers", recurrences=("i-7",),
        share_of_month=Fraction(1, 2),
    )  # fmt: skip
    assert [step.replace("\xa0", " ") for step in describe_basis(basis, ENGLISH)] == [
        "Counted: 72 h.",
        "The contract was in force for 50% of the month.",
        "Recurrences counted with it: i-7.",
        "Computed: €1,080.00.",
        "Waived: the contract gives up amounts up to €1,000.00.",
        "Not added: the rule “tiers” stands instead.",
    ]
    missing = PenaltyBasis(kind="per_time", scope="incident", missing="monthly_fee")
    assert describe_basis(missing, ENGLISH) == (
        "No amount can be proposed: the monthly fee is not in the configuration.",
    )
