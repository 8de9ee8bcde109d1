"""The HTTP probe over TLS: nginx with good and bad certificates, and servers that cannot speak it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.probes.certificate import parse_not_after, parse_time
from netwatch.records import Outcome
from tests.adapters.hostile import StreamServer, dribble, free_port, saying
from tests.adapters.servers import Authority, nginx
from tests.adapters.service_check import measure

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Shop:
    """A TLS server with a certificate of its own, and the authority that may be trusted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)

    @contextlib.contextmanager
    def serve(self, certificate: Path, key: Path) -> Iterator[str]:
        port = free_port()
        block = (
            f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; "
            f"ssl_certificate_key {key}; location / {{ return 200 fine; }}"
        )
        with nginx(self.folder, port, block):
            yield f"https://127.0.0.1:{port}/"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def openssl_expiry_ms(certificate: Path) -> int:
    """What openssl itself says of the end of a certificate."""
    done = subprocess.run(
        ["openssl", "x509", "-in", str(certificate), "-noout", "-enddate"],
        capture_output=True,
        text=True,
        check=True,
    )
    return ssl.cert_time_to_seconds(done.stdout.strip().partition("=")[2]) * 1_000


def test_a_trusted_certificate_is_answered_with_its_end(shop: Shop) -> None:
    certificate, key = shop.authority.sign("good")
    with shop.serve(certificate, key) as url:
        finding = measure(url, ca_file=str(shop.authority.path))
    assert finding.outcome is Outcome.ANSWERED
    assert finding.measures["certificate_expires_ms"] == openssl_expiry_ms(certificate)
    assert finding.measures["tls_us"] > 0


@pytest.mark.parametrize(
    ("signing", "trusted", "outcome", "reason"),
    [
        ({"days": -1}, True, Outcome.FAILED, "tls_expired"),
        ({"begins": "+3d"}, True, Outcome.UNKNOWN, "tls_not_yet_valid"),
        ({"subject": "DNS:other.example"}, True, Outcome.FAILED, "tls_name"),
        ({}, False, Outcome.FAILED, "tls_untrusted"),
    ],
)
def test_a_certificate_that_is_refused_says_why_and_when_it_ends(
    shop: Shop, signing: dict[str, str], trusted: bool, outcome: Outcome, reason: str
) -> None:
    certificate, key = shop.authority.sign("bad", **signing)
    with shop.serve(certificate, key) as url:
        ca_file = {"ca_file": str(shop.authority.path)} if trusted else {}
        finding = measure(url, **ca_file)
    assert (finding.outcome, finding.reason) == (outcome, reason)
    assert finding.measures["certificate_expires_ms"] == openssl_expiry_ms(certificate)


def test_a_self_signed_certificate_is_untrusted(shop: Shop) -> None:
    with shop.serve(shop.authority.path, shop.authority.path.with_suffix(".key")) as url:
        assert measure(url).reason == "tls_untrusted"


def test_authorities_that_cannot_be_read_are_our_own_failing(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate", encoding="ascii")
    with StreamServer(saying()) as server:
        for path in (tmp_path / "none.pem", garbage):
            finding = measure(f"https://127.0.0.1:{server.port}/", ca_file=str(path))
            assert (finding.outcome, finding.reason) == (Outcome.UNKNOWN, "ca_unreadable")


@pytest.mark.parametrize(
    ("handle", "reason"),
    [
        (saying(PAGE), "tls_failed"),  # plain HTTP on the port
        (saying(b"\x16\x03\x03\x00\x02\x02\x28"), "closed"),
        (saying(b"\x15\x03\x03\x00\x02\x02\x28"), "tls_failed"),  # an alert: handshake_failure
        (saying(bytes(200_000)), "tls_failed"),
        (saying(), "closed"),
    ],
)
def test_bad_tls_has_its_reason(handle: Callable[[socket.socket], None], reason: str) -> None:
    with StreamServer(handle) as server:
        finding = measure(f"https://127.0.0.1:{server.port}/")
    assert finding.outcome is Outcome.FAILED
    assert (
        finding.reason in (reason, "closed", "reset")
        if reason == "reset"
        else (finding.reason == reason)
    )


def test_a_handshake_that_never_ends_is_a_timeout() -> None:
    with StreamServer(dribble(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")) as server:
        assert measure(f"https://127.0.0.1:{server.port}/", 400).reason == "timeout"


@given(st.binary(max_size=300))
def test_no_bytes_make_the_certificate_walk_raise_anything_but_value_error(der: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse_not_after(der)


@given(st.integers(0, 255), st.binary(max_size=20))
def test_no_bytes_make_a_time_raise_anything_but_value_error(tag: int, text: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert parse_time(tag, text) > -(10**15)


@given(data=st.data())
def test_a_certificate_with_one_byte_changed_has_an_end_or_none(
    data: st.DataObject, der: bytes
) -> None:
    changed = bytearray(der)
    at = data.draw(st.integers(0, min(300, len(der) - 1)))
    changed[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        parse_not_after(bytes(changed))


@pytest.fixture(scope="module")
def der(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    authority = Authority(tmp_path_factory.mktemp("der"))
    return ssl.PEM_cert_to_DER_cert(authority.path.read_text(encoding="ascii"))
