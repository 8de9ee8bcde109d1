"""TLS connections, and what is wrong with the certificate where one is refused.

Rule of this file: a handshake ends at the deadline, and nothing is ever sent over a
connection whose certificate was not verified. It knows no HTTP.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from netwatch.probes.certificate import parse_not_after
from netwatch.probes.connect import answering_reason
from netwatch.probes.deadline import Deadline

if TYPE_CHECKING:
    import ssl

TLS_REASONS: tuple[str, ...] = (
    "tls_expired",
    "tls_not_yet_valid",  # says as much of this machine's clock: unknown, not failed
    "tls_name",  # made out to another name
    "tls_untrusted",  # not signed by an authority that is trusted here
    "tls_failed",  # no common ground, or not TLS at all
)
# openssl/x509_vfy.h, X509_V_ERR_…
_VERIFY_REASONS = {
    9: "tls_not_yet_valid",
    10: "tls_expired",
    62: "tls_name",  # host name
    64: "tls_name",  # IP address
}
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]")


class TlsFailed(Exception):
    """No secure connection; the socket is closed."""

    def __init__(self, reason: str, detail: str, *, certificate_refused: bool = False) -> None:
        self.reason = reason
        self.detail = detail
        self.certificate_refused = certificate_refused
        super().__init__(detail)


class TlsContexts:
    """The verifying contexts, one for each file of authorities."""

    def __init__(self) -> None:
        self._contexts: dict[str | None, ssl.SSLContext] = {}

    def get(self, ca_file: str | None) -> ssl.SSLContext:
        """The context that trusts this file, or the machine's authorities where None.

        Raises OSError (also ssl.SSLError) for a file that cannot be read.
        """
        if ca_file not in self._contexts:
            self._contexts[ca_file] = _build_context(ca_file)
        return self._contexts[ca_file]


def open_tls(
    stream: socket.socket, host: str, context: ssl.SSLContext, deadline: Deadline
) -> tuple[ssl.SSLSocket, int | None]:
    """Shake hands over a connection; with the end of the certificate (UTC, ms) if it has one.

    The socket is taken over, and closed on failure. Raises TlsFailed.
    """
    import ssl  # noqa: PLC0415 -- 4 MB that an agent without a TLS check does without

    secured: ssl.SSLSocket | None = None
    try:
        secured = context.wrap_socket(stream, server_hostname=host, do_handshake_on_connect=False)
        secured.settimeout(deadline.remaining_s())
        secured.do_handshake()
        return secured, _expiry(secured)
    except (OSError, ValueError) as error:
        (secured or stream).close()
        if isinstance(error, TimeoutError):
            raise TlsFailed("timeout", "in the TLS handshake") from error
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = _VERIFY_REASONS.get(error.verify_code, "tls_untrusted")
            raise TlsFailed(reason, error.verify_message, certificate_refused=True) from error
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            raise TlsFailed("closed", "closed in the TLS handshake") from error
        if isinstance(error, ssl.SSLError):
            raise TlsFailed("tls_failed", error.reason or "TLS error") from error
        if isinstance(error, OSError):
            raise TlsFailed(answering_reason(error.errno), "in the TLS handshake") from error
        raise TlsFailed("bad_target", f"{host!r} is not a server's name: {error}") from error


def read_certificate_expiry(stream: socket.socket, host: str, deadline: Deadline) -> int | None:
    """The end of whatever certificate is shown (UTC, ms), trusted or not; None if none is.

    Closes the socket; nothing is sent over the connection.
    """
    import ssl  # noqa: PLC0415 -- 4 MB that an agent without a TLS check does without

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        secured, expires_ms = open_tls(stream, host, context, deadline)
    except TlsFailed:
        return None
    secured.close()
    return expires_ms


def _expiry(secured: ssl.SSLSocket) -> int | None:
    der = secured.getpeercert(binary_form=True)
    if der is None:
        return None
    try:
        return parse_not_after(der)
    except ValueError:
        return None


def _build_context(ca_file: str | None) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 -- 4 MB that an agent without a TLS check does without

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
    directory = ssl.get_default_verify_paths().capath
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    elif directory is not None and _is_hashed(Path(directory)):
        # Looked up as they are needed; the file of all authorities costs 2 MB at once.
        context.load_verify_locations(capath=directory)
    else:
        context.load_default_certs()
    return context


def _is_hashed(directory: Path) -> bool:
    return any(_HASHED_NAME.fullmatch(entry.name) for entry in directory.iterdir())
