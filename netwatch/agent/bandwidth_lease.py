"""The town's own server for one site at a time: minutes, taken as folders (WebDAV MKCOL).

Rule of this file: a minute of UTC is a name; who makes the folder of that name has the
minute, for making one that exists is refused (RFC 4918, 9.3.1: 405). A test takes the
minutes that it may last. Nothing has to be given back: minutes pass by themselves, so a
site that loses its power in mid-test keeps nobody waiting. A lease that cannot be asked
for, because the server is away, is no reason against a test: that is what tests find out.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from netwatch.clock import Clock
from netwatch.config.model import LeaseSettings

TIMEOUT_S = 5.0
#: A test with a second engine as fallback, from its first byte to its last.
MINUTES = 2
_MINUTE_MS = 60_000


class TownLease:
    """Asks one folder of one server for minutes. ``holder`` tells its log who asked."""

    def __init__(self, settings: LeaseSettings, *, holder: str, clock: Clock) -> None:
        self._url = urlsplit(settings.url)
        self._holder = holder
        self._clock = clock

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """True with the minutes taken, or with no server to ask; False when another has one."""
        first = self._clock.wall_ms() // _MINUTE_MS
        taken: list[int] = []
        try:
            for minute in range(first, first + MINUTES):
                if not self._take(minute):
                    yield False
                    return
                taken.append(minute)
            yield True
        finally:
            now = self._clock.wall_ms() // _MINUTE_MS
            # What was taken and is not over yet is given back: the next site need not wait.
            for minute in taken:
                if minute >= now:
                    self._ask("DELETE", minute)

    def _take(self, minute: int) -> bool:
        return self._ask("MKCOL", minute) != http.client.METHOD_NOT_ALLOWED

    def _ask(self, method: str, minute: int) -> int | None:
        """The server's answer as a status; None where it gave none."""
        secure = self._url.scheme == "https"
        host, port = self._url.hostname or "", self._url.port
        connection = (
            http.client.HTTPSConnection(
                host, port, timeout=TIMEOUT_S, context=ssl.create_default_context()
            )
            if secure
            else http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        )
        folder = f"{self._url.path.rstrip('/')}/{minute}/"
        try:
            connection.request(
                method, folder, headers={"User-Agent": f"netwatch {quote(self._holder)}"}
            )
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
