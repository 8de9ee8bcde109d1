"""Is this network a captive portal's: addresses of which the answer is known.

Rule of this file: plain HTTP to well-known addresses, each with the answer that only its
owner gives. It must not know what a portal means for the line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from netwatch.probes.connect import failed
from netwatch.probes.deadline import Deadline, MonotonicNs
from netwatch.probes.http import build_failure, is_portal
from netwatch.probes.http_exchange import Answer, Exchange, ExchangeFailed
from netwatch.probes.resolve import read_resolvers
from netwatch.probes.url import Url, parse_url
from netwatch.records import Finding, Outcome


class PortalAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A URL, and how its owner answers it."""

    url: str
    status: int = 200
    body: str | None = None  # how the body begins; None: it does not matter


#: Made for this very question by the makers of Firefox and of GNOME, and free to ask.
PORTAL_ADDRESSES: tuple[PortalAddress, ...] = (
    PortalAddress(url="http://detectportal.firefox.com/success.txt", body="success"),
    PortalAddress(
        url="http://nmcheck.gnome.org/check_network_status.txt", body="NetworkManager is online"
    ),
)


def check_captive_portal(
    addresses: Sequence[PortalAddress],
    timeout_ms: int,
    *,
    resolvers: Callable[[], Sequence[str]] = read_resolvers,
    monotonic_ns: MonotonicNs = time.monotonic_ns,
) -> Finding:
    """Answered when one address answers as its owner does; ``captive_portal`` otherwise,
    when something answers in its place; failed, with the HTTP probe's reasons, when neither.

    They are asked in order until one is clean, each with an equal share of the time left:
    one service that is shut down one day must not look like a portal. An error status other
    than 511, or a redirect within the site, is the service's own affair, not a portal's.
    """
    deadline = Deadline(timeout_ms, monotonic_ns)
    exchange = Exchange(resolvers)
    portal: Finding | None = None
    failure: Finding | None = None
    for number, address in enumerate(addresses):
        try:
            url = parse_url(address.url)
        except ValueError as error:
            failure = failure or failed("bad_target", str(error))
            continue
        try:
            answer = exchange.fetch(url, deadline.slice(len(addresses) - number))
        except ExchangeFailed as error:
            failure = failure or build_failure(error)
            continue
        finding = judge_portal(address, url, answer)
        if finding.outcome is Outcome.ANSWERED:
            return finding
        if finding.reason == "captive_portal":
            portal = portal or finding
        failure = failure or finding
    return portal or failure or failed("bad_target", "no address to ask")


def judge_portal(address: PortalAddress, url: Url, answer: Answer) -> Finding:
    """Whose answer this is.

    >>> address = PortalAddress(url="http://check.example/", body="success")
    >>> page = Answer(status=200, location=None, body=b"<h1>Welcome</h1>", measures={})
    >>> judge_portal(address, parse_url(address.url), page).reason
    'captive_portal'
    """
    expected = (address.body or "").encode()
    if answer.status == address.status and answer.body.lstrip().startswith(expected):
        return Finding(outcome=Outcome.ANSWERED, measures=answer.measures)
    if answer.status >= 300 and not is_portal(url, answer):
        return failed("status", f"status {answer.status}", answer.measures)
    detail = f"{address.url} was answered by somebody else, with status {answer.status}"
    return failed("captive_portal", detail, answer.measures)
