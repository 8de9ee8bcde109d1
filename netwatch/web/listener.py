"""The listening socket and its TLS context, or a sentence that says why not.

Rule of this file: opens, never reads. It knows no request.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import msgspec

from netwatch.errors import NetwatchError

if TYPE_CHECKING:
    import ssl

_BACKLOG = 128


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of a certificate chain and its private key, both PEM."""

    certificate: str
    key: str


def parse_listen(listen: str) -> tuple[str, int]:
    """Split ``address:port``; an IPv6 address stands in brackets, an empty one means all.

    Raises :class:`NetwatchError` for anything else.

    >>> parse_listen("127.0.0.1:10779")
    ('127.0.0.1', 10779)
    >>> parse_listen("[::1]:0")
    ('::1', 0)
    >>> parse_listen(":10779")
    ('::', 10779)
    """
    host, colon, port = listen.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    plain = not any(character in host for character in ":[]")
    digits = port.isascii() and port.isdigit() and len(port) <= 5
    if not colon or not (bracketed or plain) or not digits or int(port) > 65_535:
        raise NetwatchError(
            f"http.listen: must be an address and a port, like 127.0.0.1:10779 or "
            f"[::]:10779, got {listen!r}"
        )
    return (host[1:-1] if bracketed else host) or "::", int(port)


def open_listener(listen: str) -> socket.socket:
    """A non-blocking listening socket; ``[::]`` takes IPv4 too where the kernel allows.

    Raises :class:`NetwatchError` when the port is taken, is not allowed or the
    address is not this machine's.
    """
    host, port = parse_listen(listen)
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICHOST
        )
    except socket.gaierror:
        raise NetwatchError(
            f"http.listen: {host} is not a numeric address; give one of this machine's, "
            f"127.0.0.1 for itself alone, or [::] for all"
        ) from None
    family, kind, protocol, _, address = found[0]
    try:
        listener = socket.socket(family, kind, protocol)
    except OSError:
        # A kernel without IPv6 is asked for "all addresses": IPv4 is all there is.
        if host != "::":
            raise NetwatchError(f"http.listen: this kernel has no IPv6, got {listen}") from None
        family, address = socket.AF_INET, ("0.0.0.0", port)  # noqa: S104 -- "all" was asked for
        listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise NetwatchError(f"http.listen: {listen}: {_explain(error)}") from None
    listener.setblocking(False)
    return listener


def _explain(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program has this port; stop it, or give another port"
    if error.errno == errno.EACCES:
        return "the kernel keeps ports below 1024 for root; give a higher port"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address; give one that `ip address` shows, or [::] for all"
    return f"the kernel refuses: {error.strerror}"


def build_tls_context(tls: Tls) -> ssl.SSLContext:
    """A server's context of TLS 1.2 and later.

    Raises :class:`NetwatchError` when a file cannot be read or both do not belong together.
    """
    import ssl  # noqa: PLC0415 -- 4 MB that a page without TLS does without

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except ssl.SSLError as error:
        raise NetwatchError(
            f"http.certificate, http.key: {tls.certificate} and {tls.key} are not a PEM "
            f"certificate and its key ({error.reason or 'unreadable'}); give a pair that "
            f"belongs together, the key without a passphrase"
        ) from None
    except OSError as error:
        raise NetwatchError(
            f"http.certificate, http.key: {tls.certificate} or {tls.key} cannot be read: "
            f"{error.strerror}; both must be readable by the user that runs netwatch"
        ) from None
    return context
