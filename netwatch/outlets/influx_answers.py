"""What a server's answer to a write means.

Rule of this file: it translates. 204 alone says that points were taken: whoever answers
anything else, a login page with 200 among them, has not got them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from netwatch.records import PushProblem, PushReason

#: No server's wish keeps points back for longer: a mistyped header must not stop the push.
MOST_RETRY_MS = 3_600_000
_SHOWN = 160
_REASONS: Mapping[int, PushReason] = {
    400: PushReason.POINTS_REFUSED,
    401: PushReason.WRONG_TOKEN,
    403: PushReason.FORBIDDEN,
    404: PushReason.NO_BUCKET,
    407: PushReason.PROXY_LOGIN,
    413: PushReason.TOO_LARGE,
    422: PushReason.POINTS_REFUSED,
    429: PushReason.BUSY,
    503: PushReason.BUSY,
}
#: Where an address has a path, these say that nothing takes points under it; unless the
#: server speaks of the bucket, for then it has understood what was wanted. One that only
#: repeats our address (VictoriaMetrics does) has not.
_OF_PATHS = frozenset(
    {
        PushReason.NO_BUCKET,
        PushReason.NO_INFLUXDB,
        PushReason.HTML_ANSWER,
        PushReason.POINTS_REFUSED,
    }
)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it came; ``headers`` by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: str


def explain_answer(answer: Answer, *, url: str, org: str, bucket: str) -> PushProblem | None:
    """What an answer means; None for the one that is success (204).

    >>> explain_answer(Answer(status=204, headers={}, body=""), url="u", org="o", bucket="b")
    >>> explain_answer(
    ...     Answer(status=404, headers={}, body=""), url="http://a/x", org="o", bucket="b"
    ... ).reason.value
    'url_path'
    """
    status = answer.status
    if status == 204:
        return None
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    said = read_words(kind, answer.body) or None
    if 200 <= status < 300:
        reason = PushReason.HTML_ANSWER if _is_page(kind) else PushReason.NO_INFLUXDB
        said = None
    elif 300 <= status < 400:
        reason, said = PushReason.REDIRECT, None
    elif status in _REASONS:
        reason = _REASONS[status]
    else:
        reason = PushReason.SERVER_ERROR if status >= 500 else PushReason.NO_INFLUXDB
    path = find_path(url)
    if path and reason in _OF_PATHS and not _speaks_of_bucket(answer.body):
        reason = PushReason.URL_PATH
    return PushProblem(
        reason=reason,
        where=url,
        fills={
            "status": str(status),
            "bucket": repr(bucket),
            "org": repr(org),
            "kind": kind[:40] or "no type",
            "location": quote_body(answer.headers.get("location", "")) or "elsewhere",
            "path": path,
        },
        said=said,
    )


def _speaks_of_bucket(body: str) -> bool:
    return "bucket" in body.lower().replace("bucket=", "")


def find_path(url: str) -> str:
    """The path of an address; empty where it has none.

    >>> find_path("http://a:8086/influx/"), find_path("https://a:8086/")
    ('/influx/', '')
    """
    _, _, rest = url.partition("://")
    _, slash, path = rest.partition("/")
    return slash + path if path.strip("/") else ""


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


def read_words(kind: str, body: str) -> str:
    """What a server says for people: the sentence of InfluxDB's JSON, the title of a web page.

    Anything else is quoted as it stands, JSON that says more than a sentence included.

    >>> read_words("application/json", '{"code":"not found","message":"no such bucket"}')
    'no such bucket'
    >>> read_words("text/html", "<html><title>404 Not Found</title><h1>Sorry</h1></html>")
    '404 Not Found'
    """
    if _is_page(kind):
        _, title, rest = body.partition("<title>")
        return quote_body(rest.partition("</title>")[0]) if title else ""
    try:
        words = msgspec.json.decode(body, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeError):  # no JSON, or no flat one
        return quote_body(body)
    known = words.keys() <= {"code", "message", "error"}
    return quote_body((known and (words.get("message") or words.get("error"))) or body)


def _is_page(kind: str) -> bool:
    return kind.lower() in ("text/html", "application/xhtml+xml")


def quote_body(body: str) -> str:
    """The beginning of what a stranger wrote, on one line and without control characters.

    >>> quote_body('{"code":"invalid",' + chr(10) + chr(27) + '[2J "message":"no"}')
    '{"code":"invalid", [2J "message":"no"}'
    """
    plain = "".join(each if each.isprintable() else " " for each in body[: 4 * _SHOWN])
    line = " ".join(plain.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
