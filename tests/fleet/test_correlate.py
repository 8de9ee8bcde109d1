"""What several sites of one operator had together, and nothing else."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from netwatch.fleet.correlate import TOGETHER_MS, SiteIncident, find_shared

incidents = st.lists(
    st.builds(
        SiteIncident,
        operator=st.sampled_from("AB"),
        cause=st.sampled_from(["access", "upstream"]),
        start_ms=st.integers(0, 400_000),
        site=st.sampled_from("stuvw"),
        id=st.integers(0, 9).map(str),
        end_ms=st.none() | st.just(900_000),
    ),
    max_size=14,
    unique_by=lambda each: (each.site, each.start_ms, each.cause, each.operator),
)


@given(incidents, st.randoms())
def test_every_pair_of_sites_within_a_minute_is_together_whatever_the_order(
    rows: list[SiteIncident], dice: random.Random
) -> None:
    """Nothing is missed, nothing is twice, nothing of another operator or cause is in it."""
    shared = find_shared(rows)
    shuffled = list(rows)
    dice.shuffle(shuffled)
    assert find_shared(shuffled) == shared
    placed = [each for group in shared for each in group.incidents]
    assert len(placed) == len(set(placed))
    for group in shared:
        assert len(group.sites) >= 2
        assert {(each.operator, each.cause) for each in group.incidents} == {
            (group.operator, group.cause)
        }
    where = {each: index for index, group in enumerate(shared) for each in group.incidents}
    for one, other in combinations(rows, 2):
        alike = (one.operator, one.cause) == (other.operator, other.cause)
        near = abs(one.start_ms - other.start_ms) <= TOGETHER_MS
        if alike and near and one.site != other.site:
            assert where[one] == where[other]


@given(incidents)
def test_no_incident_is_further_than_a_minute_from_its_next(rows: list[SiteIncident]) -> None:
    """A group has no gap."""
    for group in find_shared(rows):
        starts = [each.start_ms for each in group.incidents]
        assert starts == sorted(starts)
        assert all(b - a <= TOGETHER_MS for a, b in pairwise(starts))


@given(incidents)
def test_another_operators_incidents_change_nothing(rows: list[SiteIncident]) -> None:
    """Each operator is judged alone."""
    mine = [each for each in rows if each.operator == "A"]
    assert find_shared(mine) == tuple(g for g in find_shared(rows) if g.operator == "A")


def test_edges_that_are_not_sure_widen_the_minute() -> None:
    """A beginning that a scrape of 30 s could not tell nearer."""
    one = SiteIncident(operator="A", cause="access", start_ms=0, site="x", id="1", edge_ms=30_000)
    other = SiteIncident(operator="A", cause="access", start_ms=85_000, site="y", id="2", end_ms=9)
    assert [each.sites for each in find_shared([one, other])] == [("x", "y")]
    assert find_shared([one, other])[0].end_ms is None
    assert find_shared([other, other]) == ()
