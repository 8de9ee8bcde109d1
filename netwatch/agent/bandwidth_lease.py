"""The town's own server for one site at a time: minutes, taken as folders (WebDAV MKCOL).

Rule of this file: a minute of UTC is a name; who makes the folder of that name has the
minute, for making one that exists is refused (RFC 4918, 9.3.1: 405). A test takes the
minutes that it may last. Nothing has to be given back: minutes pass by themselves, so a
site that loses its power in mid-test keeps nobody waiting. A lease that cannot be asked
for, because the server is away, is no reason against a test: that is what tests find out.
A server that answers and keeps no leases (a folder it may not write, a certificate that is
not good) is one: every site would test at once, and read its neighbours' load as the
operator's fault.
"""

from __future__ import annotations

import contextlib
import http.client
import secrets
import ssl
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import msgspec

from netwatch.agent.bandwidth_lock import NoLock
from netwatch.clock import Clock
from netwatch.config.model import LeaseSettings

TIMEOUT_S = 5.0
#: A test with a second engine as fallback, from its first byte to its last.
MINUTES = 2
_MINUTE_MS = 60_000


class LeaseFault(msgspec.Struct, frozen=True, kw_only=True):
    """Why no lease can be had; with ``away`` tests are made without one."""

    sentence: str
    away: bool


class TownLease:
    """Asks one folder of one server for minutes. ``holder`` tells its log who asked."""

    def __init__(self, settings: LeaseSettings, *, holder: str, clock: Clock) -> None:
        self._url = urlsplit(settings.url)
        self._holder = holder
        self._clock = clock

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """True with the minutes taken, or with no server to ask; False when another has one.

        Raises NoLock where a server answers and keeps no leases.
        """
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
                    with contextlib.suppress(ssl.SSLError):
                        self._ask("DELETE", minute)

    def find_fault(self) -> LeaseFault | None:
        """Why leases could not be had here now; None where one was made and given back.

        For `netwatch check`: a server that is away is a fault here, and so is one that
        refuses every folder as if it were taken (DAV is not switched on).
        """
        minute = secrets.randbelow(10**11) + 10**11  # a name of no minute before year 190000
        try:
            status = self._ask("MKCOL", minute)
        except ssl.SSLError as error:
            return self._tell_fault(_say_tls(error))
        if status is None:
            return self._tell_fault("no answer", away=True)
        if status == http.client.METHOD_NOT_ALLOWED:
            return self._tell_fault("it makes no folders (405): is DAV switched on (MKCOL)?")
        if status != http.client.CREATED:
            return self._tell_fault(_say_status(status))
        with contextlib.suppress(ssl.SSLError):  # a folder that is left is swept away
            self._ask("DELETE", minute)
        return None

    def _take(self, minute: int) -> bool:
        try:
            status = self._ask("MKCOL", minute)
        except ssl.SSLError as error:
            raise self._explain(_say_tls(error)) from error
        if status in (None, http.client.CREATED):
            return True
        if status != http.client.METHOD_NOT_ALLOWED:
            raise self._explain(_say_status(status))
        return False

    def _tell_fault(self, why: str, *, away: bool = False) -> LeaseFault:
        return LeaseFault(sentence=str(self._explain(why)), away=away)

    def _explain(self, why: str) -> NoLock:
        return NoLock(f"{self._url.geturl()}: no lease can be had: {why}")

    def _ask(self, method: str, minute: int) -> int | None:
        """The server's answer as a status; None where it gave none. Raises ssl.SSLError."""
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
        except ssl.SSLError:
            raise
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def _say_status(status: int | None) -> str:
    """What an answer that is no lease most likely means.

    >>> _say_status(403)
    'it may not write there (403): the folder has to belong to the web server'
    >>> _say_status(409)
    'there is no such folder (409)'
    """
    said = {
        http.client.FORBIDDEN: "it may not write there (403): the folder has to belong to the "
        "web server",
        http.client.NOT_FOUND: "there is no such folder (404)",
        http.client.CONFLICT: "there is no such folder (409)",
        http.client.INSUFFICIENT_STORAGE: "its disk is full (507)",
    }
    return said.get(status or 0, f"it answered {status} where 201 is due")


def _say_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return f"TLS: {error.reason or error}"
