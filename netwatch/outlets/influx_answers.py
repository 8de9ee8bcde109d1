"""What a server's answer to a write means, in one sentence that says what would do.

Rule of this file: it translates. 204 alone says that points were taken: whoever answers
anything else, a login page with 200 among them, has not got them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

#: No server's wish keeps points back for longer: a mistyped header must not stop the push.
MOST_RETRY_MS = 3_600_000
_SHOWN = 160
_TOKEN = (
    "the token is refused",
    "put one that may write to bucket BUCKET in the file that influx.token_file names",
)
_WAIT = ("it asks to wait", "the points stay and are sent later")
_EVERY = ("it refuses every point", "check influx.url, influx.org and influx.bucket")
#: What is wrong, and what would do.
_MEANINGS: Mapping[int, tuple[str, str]] = {
    400: _EVERY,
    401: _TOKEN,
    403: _TOKEN,
    404: (
        "there is no bucket BUCKET of organisation ORG there",
        "check influx.url, influx.org and influx.bucket",
    ),
    407: ("a proxy in between wants a login", "let this machine through it"),
    413: ("even one point is too large for it", "raise its limit for a request"),
    422: _EVERY,
    429: _WAIT,
    503: _WAIT,
}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it came; ``headers`` by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: str


def explain_answer(answer: Answer, *, url: str, org: str, bucket: str) -> str | None:
    """The sentence for an answer; None for the one that is success (204).

    >>> explain_answer(Answer(status=204, headers={}, body=""), url="u", org="o", bucket="b")
    >>> explain_answer(Answer(status=404, headers={}, body=""), url="http://a", org="o", bucket="b")
    "http://a: there is no bucket 'b' of organisation 'o' there (404): check influx.url, influx.org and influx.bucket"
    """
    status = answer.status
    said = quote_body(answer.body)
    behind = f"; it says: {said}" if said else ""
    if status == 204:
        return None
    if 200 <= status < 300:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip() or "no type"
        return (
            f"{url}: whoever answers is no InfluxDB ({status} with {kind[:40]} where 204 is due): "
            "look for a proxy or a login page in between, or correct influx.url"
        )
    if 300 <= status < 400:
        where = quote_body(answer.headers.get("location", "")) or "elsewhere"
        return f"{url}: it redirects to {where} ({status}): write the final address in influx.url"
    what, what_would_do = _find_meaning(status)
    what, what_would_do = (
        text.replace("BUCKET", repr(bucket)).replace("ORG", repr(org))
        for text in (what, what_would_do)
    )
    return f"{url}: {what} ({status}): {what_would_do}{behind}"


def _find_meaning(status: int) -> tuple[str, str]:
    meaning = _MEANINGS.get(status)
    if meaning is not None:
        return meaning
    if status >= 500:
        return "it failed", "the points stay and are sent later"
    return "it does not take writes", "check influx.url"


def read_retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """How long the server wishes to be left alone (RFC 9110, 10.2.3); None: it does not say.

    A date is taken against the answer's own ``Date``, so that our clock is not asked. At
    most an hour.

    >>> read_retry_after_ms({"retry-after": "7"})
    7000
    >>> read_retry_after_ms({"retry-after": "Mon, 05 Oct 2026 07:00:30 GMT",
    ...                      "date": "Mon, 05 Oct 2026 07:00:00 GMT"})
    30000
    >>> read_retry_after_ms({"retry-after": "soon"}) is None
    True
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return min(int(value[:9]) * 1000, MOST_RETRY_MS)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):  # TypeError: one of them without a zone
        return None
    return min(max(int(wait.total_seconds() * 1000), 0), MOST_RETRY_MS)


def quote_body(body: str) -> str:
    """The beginning of what a stranger wrote, on one line and without control characters.

    >>> quote_body('{"code":"invalid",' + chr(10) + chr(27) + '[2J "message":"no"}')
    '{"code":"invalid", [2J "message":"no"}'
    """
    plain = "".join(each if each.isprintable() else " " for each in body[: 4 * _SHOWN])
    line = " ".join(plain.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
