"""A campaign's verdict in the reader's language, line by line.

Rule of this file: a line of the model in, one sentence out. A code that is not known is
shown as it is.
"""

from __future__ import annotations

import msgspec

from netwatch.core.campaign_verdict import VerdictLine
from netwatch.report.language import Language
from netwatch.report.model import CampaignEntry, CampaignProblem


class ToldLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the verdict, in words."""

    condition: str
    found: str
    required: str
    at_most: bool
    met: bool | None


class ToldCampaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign in words; ``entry`` for what needs none."""

    entry: CampaignEntry
    title: str
    verdict: str
    problems: tuple[str, ...]
    lines: tuple[ToldLine, ...]


def tell_campaign(campaign: CampaignEntry, language: Language) -> ToldCampaign:
    """The whole campaign."""
    return ToldCampaign(
        entry=campaign,
        title=name_profile(campaign.profile, language),
        verdict=describe_state(campaign, language),
        problems=tuple(describe_problem(each, language) for each in campaign.problems),
        lines=tuple(
            ToldLine(
                condition=describe_line(line, language),
                found=describe_found(line, language)[0],
                required=describe_found(line, language)[1],
                at_most=line.at_most,
                met=line.met,
            )
            for line in campaign.lines
        ),
    )


def name_profile(profile: str, language: Language) -> str:
    """``proof`` → what the campaign is called."""
    _ = language.gettext
    words = {
        "proof": _("Proof campaign (30 measurements on 3 days, after the German rule of 2021)"),
        "peak": _("Peak-hour campaign (18 to 24 h, a week, after the BEAD profile)"),
    }
    return words.get(profile, profile)


def describe_state(campaign: CampaignEntry, language: Language) -> str:
    """The verdict as a sentence."""
    _ = language.gettext
    words = {
        "planned": _("It has not begun."),
        "under_way": _("It is under way: no verdict yet."),
        "breach": _("A breach follows from the measurements."),
        "no_breach": _("No breach follows from the measurements."),
        "unproven": _("Nothing is proven: the schedule was not kept."),
        "withdrawn": _("It was withdrawn: no verdict."),
    }
    return words.get(campaign.state, campaign.state)


def describe_line(line: VerdictLine, language: Language) -> str:
    """What a condition asks for."""
    _ = language.gettext
    told = {"rate": language.rate(line.rate), "direction": _direction(line, language)}
    if line.code == "maximum":
        return (
            _(
                "%(direction)s: 90%% of the maximum (%(rate)s) reached at least once, "
                "on at least 2 of the 3 days"
            )
            % told
        )
    if line.code == "normal":
        return (
            _("%(direction)s: the normal rate (%(rate)s) reached in at least 27 measurements")
            % told
        )
    if line.code == "minimum":
        return _("%(direction)s: below the minimum (%(rate)s) on 1 day at most") % told
    if line.code == "tests":
        return _("%(direction)s: tests at 80%% of the committed rate (%(rate)s)") % told
    if line.code == "rtt":
        return _("Round-trip times of at most 100 ms, a lost one missing it")
    if line.code == "hours":
        return _("Evening hours with a valid test")
    return line.code


def describe_found(line: VerdictLine, language: Language) -> tuple[str, str]:
    """What was found, and what is required."""
    if line.required_share is not None:
        return (
            language.share(line.found_share, line.required_share),
            language.share(line.required_share),
        )
    found = "—" if line.found is None else language.number(line.found)
    return found, "—" if line.required is None else language.number(line.required)


def describe_problem(problem: CampaignProblem, language: Language) -> str:
    """Why the schedule does not hold, with its numbers."""
    _ = language.gettext
    words = {
        "days": _("measured on %(found)s days, %(required)s are required"),
        "per_day": _("%(found)s measurements on the day of %(at)s, %(required)s are required"),
        "free_day": _("%(found)s free days before %(at)s, %(required)s is required"),
        "within_days": _("spread over %(found)s days, at most %(required)s are allowed"),
        "gap": _("only %(found)s before the measurement of %(at)s, %(required)s are required"),
        "pause": _(
            "a pause of only %(found)s before the measurement of %(at)s, %(required)s is required"
        ),
        "wired": _("the device was not connected by cable on %(at)s"),
        "cross_traffic": _("the line was in use by others on %(at)s"),
        "not_measured": _("the test of %(at)s gave no valid rate"),
        "hours": _("%(found)s hours were tested, %(required)s are required"),
    }
    show = language.duration if problem.code in ("gap", "pause") else language.number
    return words.get(problem.code, problem.code) % {
        "at": language.instant(problem.at),
        "found": "—" if problem.found is None else show(problem.found),
        "required": "—" if problem.required is None else show(problem.required),
    }


def _direction(line: VerdictLine, language: Language) -> str:
    _ = language.gettext
    return _("Download") if line.direction == "down" else _("Upload")
