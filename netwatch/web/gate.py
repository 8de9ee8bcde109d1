"""Who may come in, and how often.

Rule of this file: decisions only, on a request and an instant that are handed in.
It knows no socket. Its tables are bounded whatever comes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections import OrderedDict

from netwatch.web.request import Request

_ADDRESSES_KEPT = 512


def is_authorised(request: Request, token: str | None) -> bool:
    """Whether the request carries the token, compared in constant time.

    ``Authorization: Bearer TOKEN`` (RFC 6750, 2.1), or Basic with the token as the
    password and any name (RFC 7617), which is what a browser can ask a person for.

    >>> is_authorised(Request(method="GET", path="/"), None)
    True
    >>> is_authorised(Request(method="GET", path="/"), "secret")
    False
    """
    if token is None:
        return True
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    given = credentials.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).partition(b":")[2]
        except binascii.Error:
            given = b""
    elif scheme.lower() != "bearer":
        given = b""
    return hmac.compare_digest(given, token.encode())


class RateLimit:
    """A bucket of requests per address, refilled steadily; the address longest unseen is forgotten.

    >>> limit = RateLimit(per_second=1, burst=2)
    >>> [limit.admit("a", at_ms) for at_ms in (0, 0, 0, 1_000)]
    [True, True, False, True]
    """

    def __init__(self, *, per_second: int, burst: int) -> None:
        self._per_second = per_second
        self._full = burst * 1_000  # thousandths of a request: integers stay exact
        self._buckets: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def admit(self, address: str, now_ms: int) -> bool:
        """Count one request of ``address`` at ``now_ms`` (monotonic); False: one too many."""
        level, seen_ms = self._buckets.pop(address, (self._full, now_ms))
        level = min(self._full, level + (now_ms - seen_ms) * self._per_second)
        admitted = level >= 1_000
        self._buckets[address] = (level - 1_000 if admitted else level, now_ms)
        if len(self._buckets) > _ADDRESSES_KEPT:
            self._buckets.popitem(last=False)
        return admitted
