"""Mail: encrypted or not at all, retried when that can help, and never twice."""

from __future__ import annotations

import email
import ssl
import subprocess
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from netwatch.report.mail import (
    Attachment,
    Delivery,
    Dispatch,
    MailSettings,
    build_message,
    send_report,
)

DATE = "Sun, 01 Nov 2026 06:00:00 +0000"


class FakeSentLog:
    """The store's record, in a set."""

    def __init__(self) -> None:
        self.sent: set[Dispatch] = set()

    def was_sent(self, dispatch: Dispatch) -> bool:
        return dispatch in self.sent

    def mark_sent(self, dispatch: Dispatch) -> None:
        self.sent.add(dispatch)

    def forget(self, dispatch: Dispatch) -> None:
        self.sent.discard(dispatch)


class Mailbox:
    """What the server does with each message: answers from a list, then 250."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.recipient_answers: list[str] = []
        self.taken: list[tuple[str, Message]] = []
        self.hang_up = False

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options  # aiosmtpd hands them over by position
        if self.recipient_answers:
            return self.recipient_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 -- aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del session
        if self.hang_up:
            server.transport.abort()
            return "250 never heard"
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            message = email.message_from_bytes(envelope.content)
            self.taken.extend((recipient, message) for recipient in envelope.rcpt_tos)
        return answer


class ImplicitTls(Controller):
    """A server that speaks TLS from the first byte, on a port that the system chose."""

    def factory(self) -> SMTP:
        return SMTP(self.handler, hostname="localhost")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    pem, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", str(key), "-out", str(pem), "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return pem, key


def make_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def allow_jules(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    del server, session, envelope, mechanism
    good = getattr(data, "login", b"") == b"jules" and getattr(data, "password", b"") == b"secret"
    return AuthResult(success=good, handled=good)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def server(mailbox: Mailbox, certificate: tuple[Path, Path]) -> Iterator[Controller]:
    """A server with STARTTLS, which takes no mail before it."""
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=make_context(certificate),
        require_starttls=True,
        authenticator=allow_jules,
    )
    controller.start()
    yield controller
    controller.stop()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings_for(
    server: Controller, certificate: tuple[Path, Path], **changes: object
) -> MailSettings:
    values: dict[str, object] = {
        "host": "127.0.0.1",
        "port": server.port,
        "sender": "Ville <reseau@ville.example>",
        "recipients": ("mairie@ville.example",),
        "certificate_authority": str(certificate[0]),
        "timeout_s": 5,
    }
    return MailSettings(**{**values, **changes})  # type: ignore[arg-type]  # the test's own values


def send(
    settings: MailSettings,
    sent: FakeSentLog,
    waits: list[float] | None = None,
    version: str = "v1",
) -> tuple[Delivery, ...]:
    return send_report(
        settings,
        site="ecole-jaures",
        month="2026-10",
        version=version,
        subject="Disponibilité d’octobre 2026",
        body="Bonjour,\n.\nle rapport est joint.\n",
        attachments=[Attachment(name="b.zip", media_type="application/zip", content=b"PK\0\xff")],
        date=DATE,
        sent=sent,
        sleep=(waits if waits is not None else []).append,
        backoff_s=(5, 30),
    )


def test_a_report_goes_out_over_starttls_and_never_twice(
    server: Controller, mailbox: Mailbox, certificate: tuple[Path, Path]
) -> None:
    """The same month and version goes out once; another version goes out again."""
    sent = FakeSentLog()
    settings = settings_for(
        server,
        certificate,
        recipients=("mairie@ville.example", "operateur@example.net", "mairie@ville.example"),
        user="jules",
        password="secret",
    )
    assert [(d.recipient, d.state, d.tries) for d in send(settings, sent)] == [
        ("mairie@ville.example", "sent", 1),
        ("operateur@example.net", "sent", 1),
    ]
    assert {d.state for d in send(settings, sent)} == {"already_sent"}
    assert [who for who, _ in mailbox.taken] == ["mairie@ville.example", "operateur@example.net"]
    assert {d.state for d in send(settings, sent, version="v2")} == {"sent"}
    assert len(mailbox.taken) == 4


def test_the_message_arrives_whole(
    server: Controller, mailbox: Mailbox, certificate: tuple[Path, Path]
) -> None:
    """Accents in the subject, a lone dot in the body and the bytes of the attachment survive."""
    send(settings_for(server, certificate), FakeSentLog())
    ((_, message),) = mailbox.taken
    subject = email.header.make_header(email.header.decode_header(message["Subject"]))
    assert str(subject) == "Disponibilité d’octobre 2026"
    assert message["Auto-Submitted"] == "auto-generated"
    body, attachment = message.get_payload()
    assert isinstance(body, Message)
    assert isinstance(attachment, Message)
    text = body.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert text.decode().splitlines() == ["Bonjour,", ".", "le rapport est joint."]
    assert attachment.get_payload(decode=True) == b"PK\0\xff"
    assert attachment.get_filename() == "b.zip"


def test_a_greylisted_message_is_tried_again(
    server: Controller, mailbox: Mailbox, certificate: tuple[Path, Path]
) -> None:
    """Answers of 4xx, to the recipient or to the content, are waited out."""
    mailbox.recipient_answers = ["450 greylisted, come back"]
    mailbox.answers = ["451 a moment please"]
    waits: list[float] = []
    sent = FakeSentLog()
    (delivery,) = send(settings_for(server, certificate), sent, waits)
    assert (delivery.state, delivery.tries, waits) == ("sent", 3, [5, 30])
    assert len(mailbox.taken) == 1
    assert len(sent.sent) == 1


def test_a_lasting_refusal_is_not_tried_again_and_leaves_no_mark(
    server: Controller, mailbox: Mailbox, certificate: tuple[Path, Path]
) -> None:
    """5xx is told at once with the server's words; a later run may try again."""
    mailbox.recipient_answers = ["550 no such mailbox"]
    waits: list[float] = []
    sent = FakeSentLog()
    settings = settings_for(server, certificate)
    (delivery,) = send(settings, sent, waits)
    assert delivery.sentence == (
        f"mairie@ville.example: 127.0.0.1:{server.port} refuses the recipient (550 no such mailbox)"
    )
    mailbox.answers = ["554 too large"]
    (delivery,) = send(settings, sent, waits)
    assert delivery.sentence.endswith("refuses the message (554 too large)")
    assert waits == []
    assert not sent.sent
    (delivery,) = send(settings, sent)
    assert delivery.state == "sent"


def test_one_recipient_refused_does_not_keep_it_from_the_others(
    server: Controller, mailbox: Mailbox, certificate: tuple[Path, Path]
) -> None:
    """Each recipient has his own outcome."""
    mailbox.recipient_answers = ["550 no such mailbox"]
    settings = settings_for(server, certificate, recipients=("gone@example.net", "ok@example.net"))
    assert [d.state for d in send(settings, FakeSentLog())] == ["failed", "sent"]


def test_a_server_that_falls_silent_after_the_content_is_not_sent_to_again(
    server: Controller, mailbox: Mailbox, certificate: tuple[Path, Path]
) -> None:
    """A message that may have been taken stays marked: better asked for than had twice."""
    mailbox.hang_up = True
    sent = FakeSentLog()
    waits: list[float] = []
    settings = settings_for(server, certificate)
    (delivery,) = send(settings, sent, waits)
    assert (delivery.state, waits) == ("uncertain", [])
    assert "may have been delivered, so it is not sent again" in delivery.sentence
    mailbox.hang_up = False
    (delivery,) = send(settings, sent)
    assert delivery.state == "already_sent"


def test_a_server_that_is_away_is_waited_for_then_given_up() -> None:
    """Nobody listens: every wait is used, nothing is marked."""
    settings = MailSettings(
        host="127.0.0.1", port=free_port(), sender="a@b.example", recipients=("c@d.example",)
    )
    waits: list[float] = []
    sent = FakeSentLog()
    (delivery,) = send(settings, sent, waits)
    assert (delivery.state, delivery.tries, waits) == ("failed", 3, [5, 30])
    assert "cannot be reached ([Errno 111] Connection refused)" in delivery.sentence
    assert not sent.sent


def test_nothing_is_sent_to_a_certificate_that_does_not_hold(
    server: Controller, mailbox: Mailbox, certificate: tuple[Path, Path]
) -> None:
    """An unknown certificate ends it at once."""
    settings = settings_for(server, certificate, certificate_authority=None)
    (delivery,) = send(settings, FakeSentLog())
    assert (delivery.state, delivery.tries) == ("failed", 1)
    assert "its certificate does not hold (self-signed certificate); nothing" in delivery.sentence
    assert mailbox.taken == []


def test_nothing_is_sent_to_a_server_without_tls(
    mailbox: Mailbox, certificate: tuple[Path, Path]
) -> None:
    """A server that offers no STARTTLS gets neither password nor report."""
    plain = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    plain.start()
    try:
        (delivery,) = send(settings_for(plain, certificate), FakeSentLog())
    finally:
        plain.stop()
    assert "offers no STARTTLS; nothing is sent unencrypted" in delivery.sentence
    assert (delivery.state, delivery.tries, mailbox.taken) == ("failed", 1, [])


def test_a_wrong_password_is_told_once(
    server: Controller, mailbox: Mailbox, certificate: tuple[Path, Path]
) -> None:
    """Trying again with a wrong password locks accounts."""
    settings = settings_for(server, certificate, user="jules", password="wrong")
    (delivery,) = send(settings, FakeSentLog())
    assert delivery.sentence.endswith("refuses the user or password (535)")
    assert (delivery.tries, mailbox.taken) == (1, [])


def test_implicit_tls_works_too(mailbox: Mailbox, certificate: tuple[Path, Path]) -> None:
    """Port 465's way: TLS from the first byte."""
    server = ImplicitTls(
        mailbox, hostname="127.0.0.1", port=free_port(), ssl_context=make_context(certificate)
    )
    # The start's own trial connection must believe the certificate too.
    server.start()
    try:
        (delivery,) = send(settings_for(server, certificate, security="implicit"), FakeSentLog())
    finally:
        server.stop()
    assert (delivery.state, len(mailbox.taken)) == ("sent", 1)


def test_a_header_cannot_be_smuggled_in() -> None:
    """A line break in a subject is refused, not sent."""
    dispatch = Dispatch(site="s", month="2026-10", version="v", recipient="a@b.example")
    with pytest.raises(ValueError, match=r"linefeed|newline"):
        build_message(
            sender="a@b.example", dispatch=dispatch, subject="x\nBcc: all@example.net",
            body="", attachments=[], date=DATE,
        )  # fmt: skip
