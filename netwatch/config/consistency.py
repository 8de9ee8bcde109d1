"""What settings must say together: intervals, engines, doors, files.

Rule of this file: each check looks at one struct, skips what is already refused
(`notes.sound`), and blames a key that the file has. Targets, circuits and
penalties have files of their own.
"""

from __future__ import annotations

import msgspec

from netwatch.config.forms import is_host_name, parse_address, parse_listen
from netwatch.config.model import Bandwidth, Http, Latency, Mail, Milliseconds
from netwatch.config.notes import Notes, Path, show_quoted
from netwatch.config.units import format_duration

_LONGEST_TIMEOUT_MS = 10_000


def check_latency(latency: Latency, at: Path, notes: Notes) -> None:
    """Timeout < interval, burst_interval <= interval, as far as the file sets them."""
    if not notes.sound(at, "interval"):
        return
    if notes.given((*at, "timeout")) and notes.sound(at, "timeout"):
        check_timeout(latency.timeout_ms, latency.interval_ms, at, notes)
    if (
        notes.given((*at, "burst_interval"))
        and notes.sound(at, "burst_interval")
        and latency.burst_interval_ms > latency.interval_ms
    ):
        notes.refuse(
            (*at, "burst_interval"),
            f"must not be longer than interval ({format_duration(latency.interval_ms)}), "
            f"got {format_duration(latency.burst_interval_ms)}",
        )


def complete_latency(latency: Latency) -> Latency:
    """Defaults that a short interval has made too long, brought below it.

    >>> short = complete_latency(Latency(interval_ms=Milliseconds(500)))
    >>> short.timeout_ms, short.burst_interval_ms
    (400, 500)
    """
    return msgspec.structs.replace(
        latency,
        timeout_ms=shorten_timeout(latency.timeout_ms, latency.interval_ms),
        burst_interval_ms=min(latency.burst_interval_ms, latency.interval_ms),
    )


def shorten_timeout(timeout_ms: int, interval_ms: int) -> Milliseconds:
    """The timeout, or four fifths of an interval that is not longer than it.

    >>> shorten_timeout(2_000, 5_000), shorten_timeout(2_000, 1_000)
    (2000, 800)
    """
    return Milliseconds(timeout_ms if timeout_ms < interval_ms else interval_ms * 4 // 5)


def check_timeout(timeout_ms: int, interval_ms: int, at: Path, notes: Notes) -> None:
    """A probe must be over before its next one begins: two at once would blur their answers."""
    if timeout_ms < interval_ms:
        check_longest_timeout(timeout_ms, at, notes)
        return
    timeout, interval = format_duration(timeout_ms), format_duration(interval_ms)
    notes.refuse((*at, "timeout"), f"must be shorter than interval ({interval}), got {timeout}")


def check_longest_timeout(timeout_ms: int, at: Path, notes: Notes) -> None:
    """No probe holds its thread, or an outage's start, for longer than this."""
    if timeout_ms > _LONGEST_TIMEOUT_MS:
        most, got = format_duration(_LONGEST_TIMEOUT_MS), format_duration(timeout_ms)
        notes.refuse((*at, "timeout"), f"must be from 50ms to {most}, got {got}")


def check_bandwidth(bandwidth: Bandwidth, at: Path, notes: Notes) -> None:
    """A chosen engine has what it needs, and its server is an address or a name."""
    engine = bandwidth.engine
    if (
        engine in {"librespeed", "iperf3"}
        and notes.sound(at, "engine", engine)
        and getattr(bandwidth, engine) is None
    ):
        key = {"librespeed": "url", "iperf3": "server"}[engine]
        notes.refuse(
            (*at, "engine"),
            f'"{engine}" is not set up: add [bandwidth.{engine}] with its {key}, or write "auto"',
        )
    if bandwidth.iperf3 is not None and notes.sound((*at, "iperf3"), "server"):
        server = bandwidth.iperf3.server
        if parse_address(server) is None and not is_host_name(server):
            notes.refuse(
                (*at, "iperf3", "server"),
                f"must be an address or a host name, got {show_quoted(server)}",
            )


def check_http(http: Http, at: Path, notes: Notes) -> None:
    """Beyond this machine only with a token or said so; certificate and key in pairs."""
    if notes.sound(at, "listen", "token_file", "insecure"):
        open_to_all = not parse_listen(http.listen).loopback
        if open_to_all and http.token_file is None and not http.insecure:
            notes.refuse(
                (*at, "listen"),
                f"{show_quoted(http.listen)} can be reached from the network: set http.token_file, "
                "or insecure = true to let everyone read",
            )
    for key, other in (("certificate", "key"), ("key", "certificate")):
        if notes.given((*at, key)) and not notes.given((*at, other)):
            notes.refuse((*at, key), f"needs http.{other} beside it: TLS takes both")


def check_mail(mail: Mail | None, at: Path, notes: Notes) -> None:
    """Somebody to write to, and a password only with its user."""
    if mail is None:
        return
    if notes.sound(at, "recipients") and mail.recipients == ():
        notes.refuse((*at, "recipients"), "must have an address, got an empty list")
    for key, other in (("user", "password_file"), ("password_file", "user")):
        if notes.given((*at, key)) and not notes.given((*at, other)):
            notes.refuse((*at, key), f"needs mail.{other} beside it")
