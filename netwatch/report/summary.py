"""The first page, in plain words for who signs the letter.

Rule of this file: sentences from the report's figures, none that the report does not
hold. It says what was watched before it says what was available.
"""

from __future__ import annotations

import msgspec

from netwatch.report.language import Language
from netwatch.report.model import IncidentEntry, Report, ThroughputFigures
from netwatch.report.words import cause_name


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """``verdict``: kept, missed, unknown (nothing to judge by) or silent (nothing promised)."""

    verdict: str
    headline: str
    partial: str | None
    simulated: str | None
    findings: tuple[str, ...]
    promises: tuple[str, ...]
    requests: tuple[str, ...]


def build_summary(report: Report, language: Language) -> Summary:
    """The one-page summary; see each part below."""
    return Summary(
        verdict=_verdict(report),
        headline=_headline(report, language),
        partial=_partial(report, language),
        simulated=_simulated(report, language),
        findings=tuple(_findings(report, language)),
        promises=tuple(_promises(report, language)),
        requests=tuple(_requests(report, language)),
    )


def _verdict(report: Report) -> str:
    figures = report.availability
    if not figures.coverage:
        return "unknown"
    if figures.target is None:
        return "silent"
    if figures.met is None:
        return "unknown"
    return "kept" if figures.met else "missed"


def _headline(report: Report, language: Language) -> str:
    _ = language.gettext
    figures = report.availability
    if not figures.coverage:
        return _(
            "The line was not watched during this period: nothing can be said of its availability."
        )
    return _("The line was available %(measured)s of the time we watched.") % {
        "measured": language.share(figures.measured, figures.target)
    }


def _partial(report: Report, language: Language) -> str | None:
    if report.period.complete:
        return None
    return language.gettext(
        "Partial report: the month was not over when it was made. It speaks of the time up to "
        "%(until)s; the figures will change."
    ) % {"until": language.instant(report.period.until)}


def _simulated(report: Report, language: Language) -> str | None:
    if report.simulated is None:
        return None
    return language.gettext(
        "Simulation: these records are made up, from the scenario %(scenario)s. Nothing in this "
        "document was measured on a real line."
    ) % {"scenario": report.simulated}


def _findings(report: Report, language: Language) -> list[str]:
    _ = language.gettext
    figures = report.availability
    sentences = []
    if figures.coverage is None:
        sentences.append(_("The hours of the contract cover nothing of this period."))
    else:
        known_ms = figures.covered_ms - figures.unknown_ms
        sentences.append(
            _(
                "We watched %(coverage)s of the hours that the contract covers: %(known)s of "
                "%(covered)s. Time that we did not watch is never counted as available, nor held "
                "against the operator."
            )
            % {
                "coverage": language.share(figures.coverage),
                "known": language.duration(known_ms),
                "covered": language.duration(figures.covered_ms),
            }
        )
    if figures.coverage:
        sentences.append(_failures(report.incidents, language))
        if figures.degraded_ms:
            sentences.append(
                _("For %(lost)s more it worked, but outside the limits agreed.")
                % {"lost": language.duration(figures.degraded_ms)}
            )
    return sentences


def _failures(incidents: tuple[IncidentEntry, ...], language: Language) -> str:
    if not incidents:
        return language.gettext("We saw no failure.")
    longest = max(incidents, key=lambda each: each.duration_ms)
    return language.ngettext(
        "The line failed once: on %(day)s, for %(longest)s (%(cause)s).",
        "The line failed %(num)s times, for %(total)s in the month; the longest failure began on "
        "%(day)s and lasted %(longest)s (%(cause)s).",
        len(incidents),
    ) % {
        "num": language.number(len(incidents)),
        "total": language.duration(sum(each.in_period_ms for each in incidents)),
        "day": language.day(longest.started_at),
        "longest": language.duration(longest.duration_ms),
        "cause": cause_name(longest.cause, language),
    }


def _promises(report: Report, language: Language) -> list[str]:
    _ = language.gettext
    figures, terms = report.availability, report.contract.terms
    sentences = []
    if terms is None:
        return [_("No contract is configured for this line: nothing to compare with.")]
    if figures.target is None:
        sentences.append(_("The contract promises no availability."))
    else:
        told = {
            "target": language.share(figures.target),
            "contractual": language.share(figures.contractual, figures.target),
        }
        if figures.met is None:
            sentence = _(
                "The contract promises %(target)s availability; nothing is known to judge it by."
            )
        elif figures.met:
            sentence = _(
                "The contract promises %(target)s availability. It was kept: %(contractual)s "
                "by the contract's own count."
            )
        else:
            sentence = _(
                "The contract promises %(target)s availability. It was not kept: %(contractual)s "
                "by the contract's own count."
            )
        sentences.append(sentence % told)
    judged = [each for each in report.incidents if each.restore_met is not None]
    late = sum(1 for each in judged if not each.restore_met)
    if terms.restore_within_ms is not None and judged:
        sentences.append(
            language.ngettext(
                "It promises to restore the service within %(limit)s: %(late)s of %(num)s failure "
                "took longer.",
                "It promises to restore the service within %(limit)s: %(late)s of %(num)s failures "
                "took longer.",
                len(judged),
            )
            % {
                "limit": language.duration(terms.restore_within_ms),
                "late": language.number(late),
                "num": language.number(len(judged)),
            }
        )
    for name, rates in (
        (_("Download"), report.throughput.down),
        (_("Upload"), report.throughput.up),
    ):
        if (sentence_or_none := _rates(name, rates, language)) is not None:
            sentences.append(sentence_or_none)
    yearly = report.yearly_interruption
    if yearly.allowed_ms is not None:
        sentences.append(
            _(
                "Of the %(allowed)s of interruption that it allows a year, %(used)s are used since "
                "%(start)s."
            )
            % {
                "allowed": language.duration(yearly.allowed_ms),
                "used": language.duration(yearly.used_ms),
                "start": language.day(yearly.start),
            }
        )
    return sentences


def _rates(name: str, figures: ThroughputFigures, language: Language) -> str | None:
    _ = language.gettext
    if figures.guaranteed is None:
        return None
    told = {
        "name": name,
        "rate": language.rate(figures.guaranteed),
        "wanted": language.share(figures.guaranteed_share),
        "share": language.share(figures.share_met, figures.guaranteed_share),
        "num": language.number(figures.valid),
    }
    if figures.share_met is None:
        return (
            _("%(name)s: %(rate)s guaranteed in %(wanted)s of tests; no valid test to judge it by.")
            % told
        )
    return (
        language.ngettext(
            "%(name)s: %(rate)s guaranteed in %(wanted)s of tests; reached in %(share)s of the "
            "%(num)s valid test.",
            "%(name)s: %(rate)s guaranteed in %(wanted)s of tests; reached in %(share)s of the "
            "%(num)s valid tests.",
            figures.valid,
        )
        % told
    )


def _requests(report: Report, language: Language) -> list[str]:
    _ = language.gettext
    requests = []
    total = report.penalties_total
    if total is not None and total.amount > 0:
        requests.append(
            _("that the operator grants %(amount)s in penalties, set out line by line below;")
            % {"amount": language.money(total)}
        )
    if report.incidents:
        requests.append(
            _("that it explains each failure and says what will keep it from happening again;")
        )
    down, up = report.throughput.down, report.throughput.up
    if down.met is False or up.met is False:
        requests.append(_("that it restores the guaranteed rates;"))
    if not report.availability.coverage:
        requests.append(
            _("nothing of the operator; on our side, that the measuring device is seen to.")
        )
    else:
        requests.append(_("that it sends its observations on this report within 15 days."))
    return requests
