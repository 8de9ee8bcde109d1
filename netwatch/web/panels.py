"""The first things that the page says: the verdict, the path, the availability, the notices.

Rule of this file: pure, from records to words. It knows no HTML and no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from fractions import Fraction

import msgspec

from netwatch.records import Cause, Role, Verdict
from netwatch.snapshot import Snapshot, TargetSnapshot
from netwatch.web.accounts import Account
from netwatch.web.books import SiteIdentity
from netwatch.web.formats import (
    format_duration,
    format_milliseconds,
    format_share,
    format_since,
)
from netwatch.web.notices import NOTICES, OTHER_NOTICE
from netwatch.web.speech import say, say_finest

#: Under this coverage an availability says little, and the page says so.
_POOR_COVERAGE = Fraction(95, 100)


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict as a mayor reads it."""

    verdict: str
    title: str
    why: str
    since: str
    deadline: str | None
    who: str | None
    to_do: str | None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One station of the path; ``state`` is ok, some, bad, unknown or none."""

    label: str
    state: str
    text: str
    detail: str | None


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """An availability, never without its coverage."""

    label: str
    availability: str
    coverage: str
    poor: bool
    lines: tuple[str, ...]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something for a person to see to, and how."""

    sentence: str
    remedy: str


def build_headline(snapshot: Snapshot, site: SiteIdentity, lang: str, zone: tzinfo) -> Headline:
    """Verdict, cause as a full sentence, since when, who is at fault and what to do."""
    verdict, cause = snapshot.verdict.value, snapshot.cause
    reason = snapshot.facts.fault if cause is Cause.LOCAL else snapshot.reason
    reference = say(lang, "do.reference", reference=site.reference) if site.reference else ""
    who = to_do = None
    if snapshot.verdict is not Verdict.UP:
        who = say_finest(lang, "who", verdict, cause)
        if site.operator and cause in (Cause.ACCESS, Cause.UPSTREAM):
            who = f"{who} ({site.operator})"
        to_do = say_finest(lang, "do", verdict, cause).format(reference=reference)
    if snapshot.since_ms is None:
        since = say(lang, "since.held", duration=format_duration(lang, snapshot.held_ms))
    else:
        since = say(
            lang,
            "since",
            when=format_since(lang, snapshot.since_ms, zone, snapshot.at_ms),
            duration=format_duration(lang, max(0, snapshot.at_ms - snapshot.since_ms)),
        )
    return Headline(
        verdict=verdict,
        title=say(lang, f"verdict.{verdict}"),
        why=say_finest(lang, "why", verdict, cause, reason),
        since=since,
        deadline=_say_deadline(snapshot, lang, zone),
        who=who,
        to_do=to_do,
    )


def _say_deadline(snapshot: Snapshot, lang: str, zone: tzinfo) -> str | None:
    """By when the line must be restored, or was to be; None where nothing says so."""
    deadline_ms = snapshot.restore_deadline_ms
    if deadline_ms is None:
        return None
    when = format_since(lang, deadline_ms, zone, snapshot.at_ms)
    if snapshot.at_ms > deadline_ms:
        return say(lang, "deadline.passed", when=when)
    return say(lang, "deadline.ahead", when=when)


def build_path(snapshot: Snapshot, lang: str) -> list[Node]:
    """The device itself, box, operator, internet, names: each with what it does now.

    Only the first station that fails is shown as failing: what lies beyond it is out
    of reach, and while this device cannot see, nothing beyond it is said to fail.
    """
    facts = snapshot.facts
    port = facts.port_speed_mbit
    speed = None
    if port is not None:
        speed = f"{port // 1_000} Gbit/s" if port % 1_000 == 0 else f"{port} Mbit/s"
    nodes = [
        Node(
            label=say(lang, "path.device"),
            state="bad" if facts.fault else "ok",
            text=say(lang, f"node.{facts.fault}" if facts.fault else "node.device.ok"),
            detail=" · ".join(part for part in (facts.interface, speed) if part) or None,
        )
    ]
    broken = facts.fault is not None or snapshot.verdict is Verdict.UNKNOWN
    for role in (Role.GATEWAY, Role.FIRST_HOP, Role.INTERNET, Role.RESOLVER):
        targets = [each for each in snapshot.targets if each.summary.role is role]
        node = _build_node(say(lang, f"path.{role.value}"), targets, lang)
        if node.state == "bad":
            if snapshot.verdict is Verdict.UP:
                # Some boxes and routers never answer: no alarm while traffic passes.
                node = msgspec.structs.replace(node, state="some")
            elif broken:
                beyond = say(lang, "node.beyond")
                node = msgspec.structs.replace(node, state="unknown", text=beyond)
            broken = True
        nodes.append(node)
    return nodes


def _build_node(label: str, targets: Sequence[TargetSnapshot], lang: str) -> Node:
    asked = [each.summary for each in targets if each.summary.answered is not None]
    answering = [summary for summary in asked if summary.answered]
    medians = sorted(each.median_us for each in answering if each.median_us is not None)
    detail = format_milliseconds(lang, medians[len(medians) // 2]) if medians else None
    if not targets:
        state, text = "none", say(lang, "node.none")
    elif not asked:
        state, text = "unknown", say(lang, "node.unknown")
    elif len(asked) == 1 or not answering:
        state = "ok" if answering else "bad"
        text = say(lang, f"node.{state}")
    else:
        # One silent server of several is no fault of the line (RFC 9318).
        state = "ok" if len(answering) * 2 > len(asked) else "some"
        text = say(lang, "node.some", answering=len(answering), asked=len(asked))
    return Node(label=label, state=state, text=text, detail=detail)


def build_tile(label: str, account: Account, lang: str) -> Tile:
    """One availability with its coverage, and what it is made of."""
    lines = []
    coverage = account.coverage or Fraction(0)
    if account.availability is None:
        lines.append(say(lang, "availability.none"))
    else:
        for verdict in (Verdict.DOWN, Verdict.DEGRADED):
            held_ms = account.total_ms(verdict)
            if held_ms:
                duration = format_duration(lang, held_ms)
                lines.append(say(lang, f"availability.{verdict.value}", duration=duration))
        if not account.total_ms(Verdict.DOWN):
            lines.insert(0, say(lang, "availability.never"))
        if coverage < _POOR_COVERAGE:
            low, high = (format_share(lang, each) for each in (account.low, account.high))
            lines.append(say(lang, "availability.bounds", low=low, high=high))
    return Tile(
        label=label,
        availability=format_share(lang, account.availability),
        coverage=say(lang, "availability.coverage", coverage=format_share(lang, coverage, 1)),
        poor=coverage < _POOR_COVERAGE,
        lines=tuple(lines),
    )


def build_notices(snapshot: Snapshot, lang: str, *, alive: bool, books_fail: bool) -> list[Notice]:
    """What a person should see to, the gravest first, each once."""
    seen = {
        "loop_stalled": not alive,
        "store_failing": books_fail,
        "clock_unsynchronised": not snapshot.is_dated,
        "icmp_refused": snapshot.icmp == "none",
    }
    keys = dict.fromkeys(key for key, holds in seen.items() if holds)
    keys |= dict.fromkeys(snapshot.notices)
    notices = []
    for key in keys:
        sentence, remedy = NOTICES.get(key, {}).get(lang, OTHER_NOTICE[lang])
        notices.append(Notice(sentence=sentence.replace("{key}", key), remedy=remedy))
    return notices
