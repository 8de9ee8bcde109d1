"""The box's own counters by UPnP: two questions to its WANCommonInterfaceConfig service.

Rule of this file: SOAP over plain HTTP to the one URL that the configuration names, each
answer bounded in time and bytes, and only the number between two tags is looked for. No
XML is parsed: what a box sends is not trusted that far.
"""

from __future__ import annotations

import http.client
import re
from urllib.parse import urlsplit

from netwatch.agent.bandwidth_host import LOOK_BOX_MS, PortBytes
from netwatch.config.model import UpnpSettings

TIMEOUT_S = 3.0
_LARGEST = 16_384
_SERVICE = "urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1"
_BODY = (
    '<?xml version="1.0"?>'
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
    '<u:{action} xmlns:u="{service}"/></s:Body></s:Envelope>'
)


class UpnpCounters:
    """`bandwidth_guard.Counters` of a box's way out."""

    name = "upnp"
    look_ms = LOOK_BOX_MS

    def __init__(self, settings: UpnpSettings) -> None:
        self._url = urlsplit(settings.url)

    def read(self) -> PortBytes | None:
        """Both totals; None for no answer, or one that is none."""
        down = self._ask("GetTotalBytesReceived", "NewTotalBytesReceived")
        up = None if down is None else self._ask("GetTotalBytesSent", "NewTotalBytesSent")
        return None if down is None or up is None else PortBytes(down=down, up=up)

    def _ask(self, action: str, argument: str) -> int | None:
        body = _BODY.format(action=action, service=_SERVICE).encode()
        connection = http.client.HTTPConnection(
            self._url.hostname or "", self._url.port or 80, timeout=TIMEOUT_S
        )
        try:
            connection.request(
                "POST",
                self._url.path or "/",
                body,
                {
                    "Content-Type": 'text/xml; charset="utf-8"',
                    "SOAPAction": f'"{_SERVICE}#{action}"',
                    "Connection": "close",
                },
            )
            answer = connection.getresponse()
            if answer.status != 200:
                return None
            return parse_total(answer.read(_LARGEST), argument)
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


def parse_total(answer: bytes, argument: str) -> int | None:
    """The number of an answer; None where there is none that a counter could be.

    >>> parse_total(b"<a><NewTotalBytesSent>4711</NewTotalBytesSent></a>", "NewTotalBytesSent")
    4711
    >>> parse_total(b"<NewTotalBytesSent>-1</NewTotalBytesSent>", "NewTotalBytesSent")
    """
    name = re.escape(argument.encode())
    found = re.search(rb"<" + name + rb"(?:\s[^<>]*)?>\s*(\d{1,20})\s*</" + name + rb">", answer)
    return None if found is None else int(found[1])
