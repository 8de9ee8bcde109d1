"""How the push fares, for the page and for `/api/v1/status`.

Rule of this file: pure, from the record to words. The sentences of what stands in the way
are `core.push_problems`', so that page, log and `netwatch check` say the same.
"""

from __future__ import annotations

from datetime import tzinfo

import msgspec

from netwatch.core.push_problems import explain_problem
from netwatch.snapshot import PushState, Snapshot
from netwatch.web.formats import format_decimal, format_duration, format_since
from netwatch.web.speech import say

_MINUTE_MS = 60_000
#: A minute is handed over within two: so many that wait are no backlog.
_ORDINARY = 3


class PushPanel(msgspec.Struct, frozen=True, kw_only=True):
    """The panel: how it goes, what waits, and what to do; ``state`` is ok, some, bad or unknown."""

    state: str
    text: str
    waiting: str
    sent: str
    problem: str | None = None
    remedy: str | None = None


def build_push_panel(snapshot: Snapshot, lang: str, zone: tzinfo) -> PushPanel | None:
    """None where no push is configured."""
    push = snapshot.push
    if push is None:
        return None
    explained = None if push.problem is None else explain_problem(push.problem, lang)
    state = _find_state(push)
    return PushPanel(
        state=state,
        text=say(lang, f"push.{state}"),
        waiting=_say_waiting(push, snapshot.at_ms, lang, zone),
        sent=say(lang, "push.sent", count=format_decimal(lang, push.accepted * 1_000, 0)),
        problem=None if explained is None else explained.sentence,
        remedy=None if explained is None else explained.remedy,
    )


def _find_state(push: PushState) -> str:
    if push.ok is None:
        return "unknown"
    if not push.ok:
        return "bad"
    return "some" if push.problem is not None or (push.minutes or 0) > _ORDINARY else "ok"


def _say_waiting(push: PushState, at_ms: int, lang: str, zone: tzinfo) -> str:
    if push.minutes is None:
        return say(lang, "push.unlooked")
    if not push.minutes or push.oldest_ms is None:
        return say(lang, "push.nothing")
    return say(
        lang,
        "push.waiting",
        duration=format_duration(lang, push.minutes * _MINUTE_MS),
        when=format_since(lang, push.oldest_ms, zone, at_ms),
    )
