"""The judge: every line of the site, and what is entered in the books of each.

Rule of this file: evidence in, spans and totals out, in the order in which time is
settled. It holds one state per line (the circuit, its resolvers, IPv6, each service)
and the windows of quality; what they mean together is the ledger's. Pure: instants
(monotonic) come in; it knows no probe, no thread and no store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from netwatch.core import linkstate
from netwatch.core.ledger import MINIMUM_DNS_MS, Key, build_ledger, clip_spans, sum_spans
from netwatch.core.linkstate import OutageRule, Phase, Step
from netwatch.core.loaded_time import LoadedTime
from netwatch.core.quality import Quality, QualityRule
from netwatch.core.timeline import Timeline
from netwatch.records import CAUSES, Cause, Role, Round, RoundProbe, Span, Verdict

LINK = "link"
DNS = "dns"
IPV6 = "ipv6"
QUALITY = "quality"
SERVICE = "service:"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The present verdict of a line, and since when (monotonic)."""

    verdict: Verdict
    cause: Cause | None
    reason: str | None
    since_ms: int


class _Layer:
    """One line: its state, its spans, and which of them have not been handed on."""

    def __init__(self, rule: OutageRule, first: Step) -> None:
        self.rule = rule
        self.line, changes = first
        self.timeline = Timeline(changes[0])
        self.recent: deque[Span] = deque()  # by start; the newest may still grow
        self._moved: dict[int, Span] = {}

    def enter(self, step: Step) -> None:
        self.line, changes = step
        self.timeline.apply(changes)
        self.timeline.extend(self.line.settled_ms)
        for span in self.timeline.take_moved():
            self._moved[span.start_ms] = span
            while self.recent and self.recent[-1].start_ms >= span.start_ms:
                self.recent.pop()
            self.recent.append(span)

    def take_moved(self) -> list[Span]:
        moved, self._moved = list(self._moved.values()), {}
        return moved

    def standing(self) -> Standing:
        change = self.timeline.current
        return Standing(
            verdict=change.verdict,
            cause=change.cause,
            reason=change.reason,
            since_ms=change.at_ms,
        )


class Judge:
    """All the lines of one site, from ``start_ms`` on.

    ``services`` maps each service's target id to the longest pause between two of its
    probes (ms); ``ipv6_targets`` are the internet targets whose address is IPv6.
    ``seen`` holds the roles that answered in an earlier life of the agent.
    """

    def __init__(
        self,
        *,
        start_ms: int,
        link_rule: OutageRule,
        quality_rule: QualityRule,
        timeout_ms: int,
        dns_gap_ms: int | None,
        services: Mapping[str, int],
        ipv6_targets: frozenset[str] = frozenset(),
        seen: frozenset[Role] = frozenset(),
    ) -> None:
        self._link_rule = link_rule
        self._timeout_ms = timeout_ms
        self._ipv6_targets = ipv6_targets
        self._quality = Quality(quality_rule, start_ms)
        self._measures_quality = (
            quality_rule.maximum_loss is not None or quality_rule.maximum_rtt_us is not None
        )
        self._window: deque[RoundProbe] = deque()
        self._loaded = LoadedTime()
        self._quality_moved: dict[int, Span] = {}
        self._quality_recent: deque[Span] = deque()
        self._counted_ms = start_ms
        self._counted_down = False
        self._down_from_ms: int | None = None  # of what is counted; None: it does not end in down
        self._witness_ms: int | None = None

        def lay(rule: OutageRule) -> _Layer:
            first = linkstate.begin(
                start_ms,
                gateway_seen=Role.GATEWAY in seen,
                first_hop_seen=Role.FIRST_HOP in seen,
            )
            return _Layer(rule, first)

        self._layers: dict[str, _Layer] = {LINK: lay(link_rule)}
        plain = msgspec.structs.replace(link_rule, corroborate=False, path=False, cause=None)
        if dns_gap_ms is not None:
            self._layers[DNS] = lay(
                msgspec.structs.replace(
                    plain, role=Role.RESOLVER, cause=Cause.DNS, maximum_gap_ms=dns_gap_ms
                )
            )
        if ipv6_targets:
            self._layers[IPV6] = lay(plain)
        for name, gap_ms in services.items():
            self._layers[SERVICE + name] = lay(
                msgspec.structs.replace(plain, role=Role.SERVICE, maximum_gap_ms=gap_ms)
            )

    # -- evidence in ---------------------------------------------------------------

    def hear_round(self, round_: Round) -> None:
        """One completed round of the circuit, with IPv6 and ICMP services in it."""
        self._hear(LINK, round_)
        self._heed_witness()
        if IPV6 in self._layers:
            ipv6 = tuple(one for one in round_.probes if one.target_id in self._ipv6_targets)
            self._hear(IPV6, msgspec.structs.replace(round_, probes=ipv6))
        for probe in round_.probes:
            if probe.role is Role.SERVICE:
                self.hear_service(probe)
            elif (
                probe.role is Role.INTERNET
                and self._measures_quality
                and not self.is_loaded(probe.sent_ms)
            ):
                self._window.append(probe)

    def hear_load(self, at_ms: int, *, loaded: bool) -> None:
        """Our own throughput test begins to load the line, or has ceased to.

        What it does to latency and loss is held against nobody. Silence under it is a
        suspicion, which silence after it confirms (`linkstate`).
        """
        if loaded:
            self._loaded.begin(at_ms)
        else:
            self._loaded.end(at_ms)

    def is_loaded(self, at_ms: int) -> bool:
        """Whether a throughput test of ours loaded the line then."""
        return self._loaded.covers(at_ms)

    def hear_resolvers(self, round_: Round) -> None:
        """One round in which every resolver was asked."""
        if DNS in self._layers:
            self._hear(DNS, round_)

    def hear_service(self, probe: RoundProbe) -> None:
        """One probe of a service; each is a round of its own."""
        name = SERVICE + probe.target_id
        if name in self._layers:
            self._hear(
                name,
                Round(number=0, burst=False, probes=(probe,), settled_ms=probe.sent_ms),
            )

    def hear_witness(self, asked_ms: int) -> None:
        """The second witness, asked then, found nothing either."""
        self._witness_ms = asked_ms
        self._heed_witness()

    def go_blind(self, at_ms: int, *, cause: Cause, reason: str) -> None:
        """A fault of our own hides every line from ``at_ms`` on."""
        for layer in self._layers.values():
            layer.enter(linkstate.go_blind(layer.line, at_ms, cause=cause, reason=reason))

    def regain_sight(self, at_ms: int) -> None:
        for layer in self._layers.values():
            layer.enter(linkstate.regain_sight(layer.line, at_ms))

    def lose_sight(self, from_ms: int, until_ms: int) -> None:
        """The agent was kept from running in between: nobody watched."""
        for layer in self._layers.values():
            layer.enter(
                linkstate.lose_sight(layer.line, from_ms, until_ms=until_ms, reason="stalled")
            )

    def let_pass(self, now_ms: int) -> None:
        """Time goes by: close what no probe still under way can change, and the windows."""
        for layer in self._layers.values():
            # The longest way from a probe's sending to its round's end.
            way_ms = 2 * self._timeout_ms + layer.rule.maximum_gap_ms
            layer.enter((linkstate.let_pass(layer.line, now_ms - way_ms), ()))
        while (
            self._layers[LINK].line.settled_ms >= self._quality.next_end_ms
            and now_ms >= self._quality.next_end_ms + 2 * self._timeout_ms
        ):
            self._judge_window()

    # -- what stands now -------------------------------------------------------------

    @property
    def wants_witness(self) -> bool:
        return self._layers[LINK].line.wants_witness

    @property
    def settled_ms(self) -> int:
        """Before this instant nothing changes any more, as of the last `take_totals`."""
        return self._counted_ms

    @property
    def blind(self) -> bool:
        return self._layers[LINK].line.phase is Phase.BLIND

    @property
    def uneasy(self) -> bool:
        """Whether the circuit wants a round a second: suspected, down or recovering."""
        phase = self._layers[LINK].line.phase
        return phase in (Phase.SUSPECT, Phase.DOWN, Phase.RECOVERING)

    @property
    def seen(self) -> frozenset[Role]:
        """Who along the path answers as a rule."""
        line = self._layers[LINK].line
        return frozenset(
            role
            for role, known in (
                (Role.GATEWAY, line.gateway_seen),
                (Role.FIRST_HOP, line.first_hop_seen),
            )
            if known
        )

    def forget_first_hop(self) -> None:
        """The first hop is another one now: its silence proves nothing until it has answered."""
        layer = self._layers[LINK]
        layer.line = msgspec.structs.replace(layer.line, first_hop_seen=False)

    def standing(self, now_ms: int) -> Standing:
        """The verdict on the circuit as it is now, all lines taken together."""
        link = self._layers[LINK].standing()
        if link.verdict is not Verdict.UP or self._layers[LINK].line.phase is Phase.SUSPECT:
            return link  # resolvers that fail beside a line under suspicion are no news yet
        dns = self._layers[DNS].standing() if DNS in self._layers else None
        if dns is not None and dns.verdict is Verdict.DOWN:
            since_ms = max(dns.since_ms, link.since_ms)
            if now_ms - since_ms >= MINIMUM_DNS_MS:
                return msgspec.structs.replace(dns, since_ms=since_ms)
        if self._quality.current is not None and self._quality_recent:
            span = self._quality_recent[-1]
            return Standing(
                verdict=Verdict.DEGRADED,
                cause=span.cause,
                reason=None,
                since_ms=max(span.start_ms, link.since_ms),
            )
        return link

    def find_outage_start(self, now_ms: int) -> int | None:
        """When the outage that goes on began, whatever its causes since; None without one.

        The verdict may be younger: it is of the present cause.
        """
        standing = self.standing(now_ms)
        if standing.verdict is not Verdict.DOWN:
            return None
        start_ms = standing.since_ms
        if start_ms > self._counted_ms:
            for span in reversed(clip_spans(self._lay(start_ms), self._counted_ms, start_ms)):
                if span.verdict is not Verdict.DOWN:
                    return start_ms
                start_ms = span.start_ms
        return start_ms if self._down_from_ms is None else min(start_ms, self._down_from_ms)

    def standing_of(self, layer: str) -> Standing | None:
        """The verdict on one line by itself (`dns`, `ipv6`, `service:NAME`)."""
        return self._layers[layer].standing() if layer in self._layers else None

    def recent_spans(self) -> dict[str, list[Span]]:
        """The newest spans of each layer, from the oldest that is not wholly settled."""
        recent = {name: list(layer.recent) for name, layer in self._layers.items()}
        recent[QUALITY] = list(self._quality_recent)
        return recent

    # -- entries out -----------------------------------------------------------------

    def take_spans(self) -> list[tuple[str, Span]]:
        """The spans that were begun, grown or ended since the last call, by layer."""
        taken = [
            (name, span) for name, layer in self._layers.items() for span in layer.take_moved()
        ]
        taken += [(QUALITY, span) for span in self._quality_moved.values()]
        self._quality_moved = {}
        return taken

    def take_totals(self) -> tuple[dict[Key, int], dict[Cause, int]]:
        """Milliseconds by verdict and cause, and incidents by cause, newly settled.

        Each millisecond is counted once, when nothing can change it any more.
        """
        settled_ms = self._layers[LINK].line.settled_ms
        if DNS in self._layers:
            settled_ms = min(settled_ms, self._layers[DNS].line.settled_ms)
        if self._measures_quality:
            settled_ms = min(settled_ms, self._quality.settled_ms)
        if settled_ms <= self._counted_ms:
            return {}, {}
        dns = list(self._layers[DNS].recent) if DNS in self._layers else []
        ledger = self._lay(settled_ms)
        settled_ms = find_undecided_dns(ledger, dns, settled_ms)
        if settled_ms <= self._counted_ms:
            return {}, {}
        ledger = clip_spans(ledger, self._counted_ms, settled_ms)
        incidents: dict[Cause, int] = {}
        for span in ledger:
            down = span.verdict is Verdict.DOWN
            if down and not self._counted_down and span.cause is not None:
                incidents[span.cause] = incidents.get(span.cause, 0) + 1
            self._counted_down = down
            if not down:
                self._down_from_ms = None
            elif self._down_from_ms is None:
                self._down_from_ms = span.start_ms
        self._counted_ms = settled_ms
        for recent in (*(layer.recent for layer in self._layers.values()), self._quality_recent):
            while len(recent) > 1 and recent[0].end_ms <= settled_ms:
                recent.popleft()
        return sum_spans(ledger), incidents

    # -- within ------------------------------------------------------------------------

    def _lay(self, end_ms: int) -> list[Span]:
        """The ledger of what is kept, up to ``end_ms``.

        From the first span that is kept, not from the last count: how long a stretch of
        one verdict is must not depend on how often it is counted.
        """
        layers = {LINK: list(self._layers[LINK].recent), QUALITY: list(self._quality_recent)}
        if DNS in self._layers:
            layers[DNS] = list(self._layers[DNS].recent)
        first_ms = min([self._counted_ms, *(span.start_ms for span in layers[LINK][:1])])
        return build_ledger(layers, [], first_ms, end_ms)

    def _hear(self, name: str, round_: Round) -> None:
        layer = self._layers[name]
        sent_ms = [probe.sent_ms for probe in round_.probes if probe.role is layer.rule.role]
        loaded = bool(sent_ms) and self.is_loaded(max(sent_ms))
        layer.enter(linkstate.hear_round(layer.line, round_, layer.rule, loaded=loaded))

    def _heed_witness(self) -> None:
        layer = self._layers[LINK]
        if self._witness_ms is None or self.is_loaded(self._witness_ms):
            return
        if layer.line.wants_witness:
            layer.enter(linkstate.hear_witness(layer.line, self._witness_ms, layer.rule))

    def _judge_window(self) -> None:
        end_ms = self._quality.next_end_ms
        start_ms = end_ms - self._quality.window_ms
        probes = [probe for probe in self._window if start_ms <= probe.sent_ms < end_ms]
        while self._window and self._window[0].sent_ms < end_ms:
            self._window.popleft()
        for span in self._quality.judge(
            probes, up_throughout=_covers(self._layers[LINK].recent, start_ms, end_ms)
        ):
            self._quality_moved[span.start_ms] = span
            while self._quality_recent and self._quality_recent[-1].start_ms >= span.start_ms:
                self._quality_recent.pop()
            self._quality_recent.append(span)


def _covers(spans: Iterable[Span], start_ms: int, end_ms: int) -> bool:
    """Whether up spans alone cover the stretch."""
    return all(
        span.verdict is Verdict.UP
        for span in spans
        if span.start_ms < end_ms and span.end_ms > start_ms
    ) and any(span.start_ms <= start_ms for span in spans)


def list_keys() -> Sequence[Key]:
    """Every pair of verdict and cause that there is, for totals that begin at nothing.

    >>> len(list_keys())
    11
    """
    pairs: list[Key] = [(Verdict.UP, None)]
    pairs += [(verdict, cause) for verdict, causes in CAUSES.items() for cause in causes]
    return pairs


def find_undecided_dns(ledger: Sequence[Span], dns: Sequence[Span], settled_ms: int) -> int:
    """Up to when it is certain whether the resolvers' newest failing is entered as an outage.

    One that is not three seconds old may still become one, and is none yet.

    >>> up = Span(verdict=Verdict.UP, cause=None, start_ms=0, end_ms=9_000)
    >>> failing = Span(verdict=Verdict.DOWN, cause=Cause.DNS, start_ms=7_000, end_ms=9_500)
    >>> find_undecided_dns([up], [failing], 9_000), find_undecided_dns([up], [], 9_000)
    (7000, 9000)
    """
    carrying_from_ms = settled_ms
    for span in reversed(ledger):
        if span.verdict is not Verdict.UP and span.verdict is not Verdict.DEGRADED:
            break
        carrying_from_ms = span.start_ms
    failing_from_ms = min(
        (
            span.start_ms
            for span in dns
            if span.verdict is Verdict.DOWN and span.start_ms < settled_ms <= span.end_ms
        ),
        default=settled_ms,
    )
    return max(carrying_from_ms, failing_from_ms)
