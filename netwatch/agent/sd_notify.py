"""Tells systemd how the service is: sd_notify(3), without its library.

Rule of this file: one datagram to the socket that the environment names; none when
there is none. What is told is the caller's.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping


class SystemdNotifier:
    """``environment`` is that of the process: NOTIFY_SOCKET and WATCHDOG_USEC are read once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with @ lies in the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_ms = parse_watchdog_ms(environment.get("WATCHDOG_USEC", ""))

    def tell(self, **fields: str) -> None:
        """Send ``READY="1"``, ``STATUS="…"``, ``WATCHDOG="1"``; a refusal is not our concern."""
        if not self._address:
            return
        message = "\n".join(f"{name}={value}" for name, value in fields.items())
        with (
            contextlib.suppress(OSError),  # systemd's socket is its own affair
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.connect(self._address)
            sender.sendall(message.encode())


def parse_watchdog_ms(text: str) -> int | None:
    """The watchdog's period in milliseconds; None when there is none or it is no number.

    >>> parse_watchdog_ms("30000000"), parse_watchdog_ms(""), parse_watchdog_ms("soon")
    (30000, None, None)
    """
    return int(text) // 1000 if text.isascii() and text.isdigit() else None
