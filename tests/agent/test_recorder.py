"""From what happens to what is entered."""

from __future__ import annotations

import pytest

from netwatch.agent.recorder import build_tcp_observation
from netwatch.records import Outcome, Role, RoundProbe


@pytest.mark.parametrize(
    ("rtt_us", "reason", "outcome", "kept"),
    [
        (10_400, None, Outcome.ANSWERED, None),
        (10_400, "refused", Outcome.ANSWERED, None),
        (None, "timeout", Outcome.FAILED, "timeout"),
        (None, "no_route", Outcome.UNKNOWN, "no_route"),
    ],
)
def test_connections_are_evidence_where_no_ping_can_be_sent(
    rtt_us: int | None, reason: str | None, outcome: Outcome, kept: str | None
) -> None:
    """With their time where they came back; a fault of this machine is never the far end's."""
    probe = RoundProbe(
        target_id="quad9", role=Role.INTERNET, sent_ms=7, rtt_us=rtt_us, reason=reason
    )
    observation = build_tcp_observation(probe)
    assert (observation.check_id, observation.due_ms, observation.started_ms) == ("quad9", 7, 7)
    assert (observation.outcome, observation.reason) == (outcome, kept)
    assert observation.measures == ({} if rtt_us is None else {"rtt_us": rtt_us})
