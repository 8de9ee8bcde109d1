"""Tells systemd how the service is: sd_notify(3), without its library.

Rule of this file: one datagram to the socket that the environment names; none when
there is none. What is told, and whether all is well, is the caller's.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

#: systemd reads its socket at once; who does not must not hold up the measuring for long.
_TELL_TIMEOUT_S = 1.0


class SystemdNotifier:
    """``environment`` is that of the process: NOTIFY_SOCKET and WATCHDOG_USEC are read once.

    A watchdog that is meant for another process (WATCHDOG_PID) is not ours.
    """

    def __init__(self, environment: Mapping[str, str], *, pid: int | None = None) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with @ lies in the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        meant_for = environment.get("WATCHDOG_PID", "")
        ours = not meant_for or meant_for == str(os.getpid() if pid is None else pid)
        self.watchdog_ms = parse_watchdog_ms(environment.get("WATCHDOG_USEC", "")) if ours else None
        if not self._address:
            self.watchdog_ms = None
        self._beaten_ms: int | None = None

    def tell(self, **fields: str) -> None:
        """Send ``READY="1"``, ``STATUS="…"``; a refusal is not our concern.

        A value is one line: what breaks it becomes a space.
        """
        self._send(_TELL_TIMEOUT_S, fields)

    def beat(self, now_ms: int) -> None:
        """Say that all goes on, at least every third of the watchdog's period; never waits.

        To be called by the loop whose progress it vouches for, and only while it does.
        """
        if self.watchdog_ms is None:
            return
        if self._beaten_ms is None or now_ms - self._beaten_ms >= self.watchdog_ms // 3:
            self._beaten_ms = now_ms
            self._send(0, {"WATCHDOG": "1"})

    def _send(self, timeout_s: float, fields: Mapping[str, str]) -> None:
        if not self._address:
            return
        message = "\n".join(f"{name}={' '.join(text.split())}" for name, text in fields.items())
        with (
            contextlib.suppress(OSError),  # systemd's socket is its own affair
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.settimeout(timeout_s)
            sender.connect(self._address)
            sender.sendall(message.encode())


def parse_watchdog_ms(text: str) -> int | None:
    """The watchdog's period in milliseconds; None when there is none or it is no number.

    >>> parse_watchdog_ms("30000000"), parse_watchdog_ms(""), parse_watchdog_ms("soon")
    (30000, None, None)
    >>> parse_watchdog_ms("0") is None
    True
    """
    period_ms = int(text) // 1000 if text.isascii() and text.isdigit() else 0
    return period_ms or None
