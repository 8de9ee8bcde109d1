"""The HTTP(S) probe: is this service answered as it should be.

Rule of this file: it judges an exchange; the exchange itself is bounded elsewhere. It
follows no redirect, for where one leads is the finding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from netwatch.probes.connect import LOCAL_REASONS, REMOTE_REASONS, failed
from netwatch.probes.deadline import Deadline, MonotonicNs
from netwatch.probes.http_exchange import Answer, Exchange, ExchangeFailed
from netwatch.probes.resolve import read_resolvers
from netwatch.probes.tls import TLS_REASONS
from netwatch.probes.url import Url, parse_url, redirects_elsewhere
from netwatch.records import Check, Finding, Outcome

DEFAULT_STATUSES = "200-399"
#: RFC 6585, 6: sent by a portal in a site's place.
NETWORK_AUTHENTICATION_REQUIRED = 511


class HttpProbe:
    """Gets the URL ``check.target``.

    ``check.params``: ``expect_status`` (``"200-399"``; ``"200,204"`` or a number),
    ``ca_file`` (the authorities to trust instead of the machine's).
    ``measures``: ``resolve_us``, ``connect_us``, ``tls_us``, ``ttfb_us`` (from the sending
    of the request to the first byte of the answer), ``status_code``, ``body_bytes`` (at most
    65 536 are read; a longer body is no fault) and ``certificate_expires_ms`` (UTC, also of
    a certificate that is refused).

    Over plain HTTP a redirect to another site, or status 511, is ``captive_portal``, unless
    the configuration expects that status by name: over HTTPS it would be the site's own.
    """

    REASONS: ClassVar[tuple[str, ...]] = (
        *REMOTE_REASONS,
        "resolve_failed",
        "closed",  # without an answer, or in the middle of it
        "malformed",  # not HTTP
        "too_large",  # more header than is read
        "status",  # another status than the expected ones
        "captive_portal",
        *TLS_REASONS,
        "ca_unreadable",  # the configured file of authorities: unknown
        *LOCAL_REASONS,
    )

    def __init__(
        self,
        *,
        resolvers: Callable[[], Sequence[str]] = read_resolvers,
        monotonic_ns: MonotonicNs = time.monotonic_ns,
    ) -> None:
        self._exchange = Exchange(resolvers)
        self._monotonic_ns = monotonic_ns

    def measure(self, check: Check) -> Finding:
        deadline = Deadline(check.timeout_ms, self._monotonic_ns)
        expected = check.params.get("expect_status")
        ca_file = check.params.get("ca_file")
        try:
            url = parse_url(check.target)
            statuses = parse_statuses(str(expected or DEFAULT_STATUSES))
        except ValueError as error:
            return failed("bad_target", str(error))
        try:
            answer = self._exchange.fetch(url, deadline, str(ca_file) if ca_file else None)
        except ExchangeFailed as failure:
            return build_failure(failure)
        if is_portal(url, answer) and not (expected and answer.status in statuses):
            return failed("captive_portal", _whereto(answer), answer.measures)
        if answer.status not in statuses:
            return failed("status", f"status {answer.status}", answer.measures)
        return Finding(outcome=Outcome.ANSWERED, measures=answer.measures)


def parse_statuses(text: str) -> frozenset[int]:
    """A list of statuses and ranges of them.

    Raises ValueError for what is neither, or outside 100 to 599.

    >>> sorted(parse_statuses("200, 204,301-303"))
    [200, 204, 301, 302, 303]
    >>> parse_statuses("ok")
    Traceback (most recent call last):
    ValueError: 'ok' is not a status or a range of them
    """
    statuses: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise ValueError(f"{part.strip()!r} is not a status or a range of them")
        low, high = int(first), int(last or first)
        if not 100 <= low <= high <= 599:
            raise ValueError(f"{part.strip()!r} is not a status or a range of them")
        statuses.update(range(low, high + 1))
    return frozenset(statuses)


def is_portal(url: Url, answer: Answer) -> bool:
    """Whether a plain answer looks like somebody else's: RFC 8952's captive portal."""
    if url.scheme != "http":
        return False
    if answer.status == NETWORK_AUTHENTICATION_REQUIRED:
        return True
    redirected = 300 <= answer.status < 400 and answer.location is not None
    return redirected and redirects_elsewhere(url, answer.location or "")


def build_failure(failure: ExchangeFailed) -> Finding:
    """The finding for an exchange that did not come about.

    A certificate that begins in the future is more often a clock of ours that is behind
    (no battery, no NTP yet): that is unknown.
    """
    if failure.reason in ("tls_not_yet_valid", "ca_unreadable"):
        return Finding(
            outcome=Outcome.UNKNOWN,
            reason=failure.reason,
            detail=failure.detail,
            measures=failure.measures,
        )
    return failed(failure.reason, failure.detail, failure.measures)


def _whereto(answer: Answer) -> str:
    if answer.location is None:
        return f"status {answer.status}"
    return f"redirected to {answer.location}"[:120]
