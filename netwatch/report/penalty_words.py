"""One proposed penalty as a sentence from which its amount follows.

Rule of this file: words around the numbers of a `PenaltyBasis`; it computes nothing.
"""

from __future__ import annotations

from fractions import Fraction

from netwatch.core.penalty_bases import PenaltyBasis
from netwatch.report.language import Language
from netwatch.report.words import missing_name, period_name


def describe_basis(basis: PenaltyBasis, language: Language) -> tuple[str, ...]:
    """How the amount came about, step by step, in the order of the computation."""
    _ = language.gettext
    steps: list[str] = []
    if basis.missing is not None:
        return (
            _("No amount can be proposed: %(why)s.")
            % {"why": missing_name(basis.missing, language)},
        )
    if basis.measured_share is not None and basis.threshold_share is not None:
        steps.append(
            _("Measured %(measured)s, threshold %(threshold)s.")
            % {
                "measured": language.share(basis.measured_share, basis.threshold_share),
                "threshold": language.share(basis.threshold_share),
            }
        )
    if basis.duration_ms is not None:
        steps.append(_("Counted: %(lasted)s.") % {"lasted": language.duration(basis.duration_ms)})
    if basis.slice_from_ms is not None:
        steps.append(
            _("Slice beyond %(start)s.") % {"start": language.duration(basis.slice_from_ms)}
        )
    if basis.grace_ms is not None and basis.excess_ms is not None:
        steps.append(
            _("Free up to %(grace)s; beyond it: %(excess)s.")
            % {
                "grace": language.duration(basis.grace_ms),
                "excess": language.duration(basis.excess_ms),
            }
        )
    steps.extend(_units(basis, language))
    if basis.charge is not None and basis.charge_share is not None:
        steps.append(
            _("%(share)s of the charge of the %(period)s, %(charge)s.")
            % {
                "share": _part(basis.charge_share, language),
                "period": period_name(basis.charge_period or "month", language),
                "charge": language.money(basis.charge),
            }
        )
    if basis.share_of_month is not None and basis.share_of_month != 1:
        steps.append(
            _("The contract was in force for %(share)s of the month.")
            % {"share": language.share(basis.share_of_month)}
        )
    if basis.recurrences:
        steps.append(
            _("Recurrences counted with it: %(list)s.") % {"list": ", ".join(basis.recurrences)}
        )
    if basis.computed is not None and (basis.cap or basis.waived_up_to or basis.excluded_by):
        steps.append(_("Computed: %(amount)s.") % {"amount": language.money(basis.computed)})
    if basis.cap is not None and basis.capped_per is not None:
        steps.append(
            _("Capped per %(period)s at %(cap)s.")
            % {"period": period_name(basis.capped_per, language), "cap": language.money(basis.cap)}
        )
    if basis.waived_up_to is not None:
        steps.append(
            _("Waived: the contract gives up amounts up to %(floor)s.")
            % {"floor": language.money(basis.waived_up_to)}
        )
    if basis.excluded_by is not None:
        steps.append(
            _("Not added: the rule “%(rule)s” stands instead.") % {"rule": basis.excluded_by}
        )
    return tuple(steps)


def _units(basis: PenaltyBasis, language: Language) -> list[str]:
    _ = language.gettext
    if basis.units is None or basis.unit_ms is None:
        return []
    rounding = {
        "up": _("each one begun counts"),
        "down": _("each one completed counts"),
        "none": _("parts count"),
    }.get(basis.rounding or "none", "")
    told = {
        "units": language.number(basis.units, 4),
        "unit": language.duration(basis.unit_ms),
        "rounding": rounding,
        "amount": language.money(basis.unit_amount),
    }
    if basis.unit_amount is None:
        return [_("%(units)s × %(unit)s (%(rounding)s).") % told]
    return [_("%(units)s × %(unit)s (%(rounding)s), %(amount)s each.") % told]


def _part(share: Fraction, language: Language) -> str:
    """A percentage where it is exact, else the fraction: 1/30 of a month is not 3.33 %."""
    if (share * 10_000).denominator == 1:
        return language.share(share)
    return f"{share.numerator}/{share.denominator}"
