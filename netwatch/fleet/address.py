"""Where a site's agent is asked, from the one text that names it.

Rule of this file: pure; text in, parts out. It resolves nothing and opens nothing.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from netwatch.config.forms import check_url, is_host_name, parse_address
from netwatch.config.notes import Refused, show_quoted

DEFAULT_PORT = 10779

_WANTED = 'must be "host", "host:port" or a URL like "https://10.0.4.2:10779"'


class AgentAddress(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an agent's address; ``prefix`` is what a reverse proxy puts before its paths."""

    scheme: str  # http or https
    host: str  # a name, or an address without brackets
    port: int
    prefix: str = ""  # "" or "/agents/jaures", without a slash at its end

    @property
    def authority(self) -> str:
        """``host:port`` as Prometheus' ``__address__`` takes it.

        >>> AgentAddress(scheme="http", host="2001:db8::1", port=10779).authority
        '[2001:db8::1]:10779'
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def url(self, path: str) -> str:
        """The whole URL of one of the agent's paths.

        >>> AgentAddress(scheme="https", host="a.example.fr", port=443, prefix="/x").url("/metrics")
        'https://a.example.fr:443/x/metrics'
        """
        return f"{self.scheme}://{self.authority}{self.prefix}{path}"


def parse_agent_address(text: str) -> AgentAddress:
    """The parts; without a scheme it is http, without a port 10779 (with a scheme, the scheme's own).

    >>> parse_agent_address("10.0.4.2")
    AgentAddress(scheme='http', host='10.0.4.2', port=10779, prefix='')
    >>> parse_agent_address("https://proxy.example.fr/agents/jaures/").prefix
    '/agents/jaures'
    >>> parse_agent_address("2001:db8::1").authority
    '[2001:db8::1]:10779'

    Raises:
        Refused: none of these forms; a user, password, query or fragment in it.
    """
    if "://" in text:
        return _parse_url(text)
    if parse_address(text) is not None:  # an IPv6 address alone has colons of its own
        return AgentAddress(scheme="http", host=text, port=DEFAULT_PORT)
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, str(DEFAULT_PORT)
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    address = parse_address(bare)
    sound_port = re.fullmatch(r"\d{1,5}", port, re.ASCII) and 1 <= int(port) <= 65_535
    sound_host = (address is not None and (address.version == 6) == bracketed) or (
        not bracketed and is_host_name(host)
    )
    if not sound_port or not sound_host:
        raise Refused(f"{_WANTED}, got {show_quoted(text)}")
    return AgentAddress(scheme="http", host=bare, port=int(port))


def check_base_url(text: str) -> None:
    """A URL to which paths can be added.

    >>> check_base_url("https://grafana.example.fr/grafana")

    Raises Refused for what is none.
    """
    check_url(text)
    parse_agent_address(text)


def _parse_url(text: str) -> AgentAddress:
    check_url(text)
    parts = urlsplit(text)
    if parts.query or parts.fragment:
        raise Refused(f"must end before ? and #, got {show_quoted(text)}")
    assert parts.hostname is not None  # check_url refuses what has none
    return AgentAddress(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or (443 if parts.scheme == "https" else 80),
        prefix=parts.path.rstrip("/"),
    )
