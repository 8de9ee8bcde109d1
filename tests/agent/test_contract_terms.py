"""Every row of STANDARDS.md 3's table can be written in TOML, as the documentation shows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from netwatch.config.contract_terms import build_versions
from netwatch.config.load import parse_settings
from netwatch.core.contract import DAY_MS, HOUR_MS, Cap, Contract
from netwatch.core.incidents import Case
from netwatch.core.penalties import charge_penalties
from netwatch.core.penalty_bases import Facts

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.fixture(scope="module")
def contract() -> Contract:
    """The example rules of docs/configuration.md, as they stand there."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    start = text.index("# V·R/30")
    rules = text[start : text.index("```", start)]
    settings = parse_settings(
        '[site]\nid = "a"\n[circuit]\nmonthly_fee = "300.00 EUR"\n[circuit.contract]\n'
        f'yearly_interruption = "13h"\nguaranteed_down = "100 Mbit/s"\n{rules}',
        "docs",
    )
    (only,) = build_versions(settings.circuit, ZoneInfo("Europe/Paris"))
    return only


def failure(duration_ms: int) -> Facts:
    stretch = ((0, duration_ms),)
    case = Case(
        incident_ids=("i",), start_ms=0, end_ms=duration_ms, deadline_ms=None,
        counted=stretch, elapsed=stretch,
    )  # fmt: skip
    return Facts(cases=(case,))


def unavailable(hours: int) -> Facts:
    """So many hours down in 30 days."""
    return Facts(availability=1 - Fraction(hours, 720))


@pytest.mark.parametrize(
    ("rule", "facts", "amount"),
    [
        ("restoration", failure(8 * HOUR_MS + 2 * DAY_MS), "20.00"),
        ("availability", unavailable(3), "150.00"),
        ("tiers", unavailable(4), "30.00"),
        ("fault", failure(6 * HOUR_MS), "60.00"),
        ("slices", failure(5 * HOUR_MS), "60.00"),
        ("delay", failure(3 * DAY_MS), "10.80"),
        ("year", Facts(year_used_before_ms=12 * HOUR_MS, year_used_ms=14 * HOUR_MS - 1), "30.00"),
        ("rate", Facts(tests_met={"down": Fraction(98, 100)}), "30.00"),
    ],
)
def test_a_documented_rule_gives_the_amount_that_its_comment_says(
    contract: Contract, rule: str, facts: Facts, amount: str
) -> None:
    """Before caps, waiver and exclusivity."""
    (line,) = [each for each in charge_penalties(contract, facts) if each.rule == rule]
    assert line.basis.computed is not None
    assert str(line.basis.computed.amount) == amount


def test_what_is_at_most_the_floor_is_waived(contract: Contract) -> None:
    """10.80 € of a floor of 1 000 €."""
    lines = charge_penalties(contract, failure(3 * DAY_MS))
    (line,) = [each for each in lines if each.rule == "delay"]
    assert line.amount is not None
    assert line.amount.amount == 0


def test_both_caps_of_a_rule_are_kept(contract: Contract) -> None:
    """27.5 % of the quarter's 900 € is 247.50 €; one incident may cost half of 300 €."""
    (fault,) = [rule for rule in contract.penalties if rule.name == "fault"]
    assert fault.caps == (
        Cap(per="incident", share=Fraction(1, 2)),
        Cap(per="quarter", share=Fraction(275, 1000)),
    )
    (line,) = [
        each for each in charge_penalties(contract, failure(100 * HOUR_MS)) if each.rule == "fault"
    ]
    assert line.amount is not None
    assert str(line.amount.amount) == "150.00"


def test_the_rules_of_the_documentation_have_these_names(contract: Contract) -> None:
    """So that no row of the documentation stays untried."""
    assert [rule.name for rule in contract.penalties] == [
        "restoration", "availability", "tiers", "fault", "slices", "delay", "year", "rate",
    ]  # fmt: skip


def test_a_rule_without_a_name_gets_one() -> None:
    """Lines of the report and `excludes` speak of rules by name."""
    settings = parse_settings(
        '[site]\nid = "a"\n[circuit]\nmonthly_fee = "300.00 EUR"\n'
        '[[circuit.contract.penalty]]\nkind = "availability_tier"\ntiers = [[0.99, 0.1]]\n',
        "a.toml",
    )
    (only,) = build_versions(settings.circuit, ZoneInfo("Europe/Paris"))
    assert [rule.name for rule in only.penalties] == ["availability_tier-1"]
