"""Sends a report by SMTP over TLS: to each recipient once for a month and version.

Rule of this file: a message goes out encrypted or not at all, and never twice. A
message that may have been taken counts as sent: the mark is made before its content
is handed over and taken back only when the server definitely refused. It must not
know what the report says.
"""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
import ssl
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from typing import Literal, Protocol

import msgspec

#: Waits between tries: about half an hour in all, for greylisting asks for some minutes.
BACKOFF_S = (5, 30, 120, 600, 1200)


class MailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where and to whom. ``security``: starttls (port 587) or implicit (port 465)."""

    host: str
    sender: str
    recipients: tuple[str, ...]
    port: int = 587
    security: Literal["starttls", "implicit"] = "starttls"
    user: str | None = None
    password: str | None = None  # read by the caller from a file
    certificate_authority: str | None = None  # PEM file; None: the system's
    timeout_s: float = 60  # a server may take a while over the content


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the message; ``media_type`` such as ``application/zip``."""

    name: str
    media_type: str
    content: bytes


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """What must not go out twice: this report, in this version, to this recipient."""

    site: str
    month: str
    version: str  # SHA-256 of the manifest: another version is another report
    recipient: str

    @property
    def message_id(self) -> str:
        """The same for each try, so that a mail system can see a repeat too."""
        told = "\n".join((self.site, self.month, self.version, self.recipient))
        return f"<{hashlib.sha256(told.encode()).hexdigest()[:40]}@{self.site}.netwatch.invalid>"


class SentLog(Protocol):
    """A record that outlives the process."""

    def was_sent(self, dispatch: Dispatch) -> bool:
        """Whether it was marked and not taken back."""

    def mark_sent(self, dispatch: Dispatch) -> None:
        """Mark it; on disk when this returns."""

    def forget(self, dispatch: Dispatch) -> None:
        """Take the mark back: it was definitely not delivered."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one recipient's message."""

    recipient: str
    state: Literal["sent", "already_sent", "uncertain", "failed"]
    tries: int
    sentence: str


class _RefusedError(Exception):
    """The message was definitely not taken. ``lasting``: trying again will not help."""

    def __init__(self, sentence: str, *, lasting: bool) -> None:
        self.lasting = lasting
        super().__init__(sentence)


class _UncertainError(Exception):
    """The line broke after the content was handed over."""


def build_message(
    *,
    sender: str,
    dispatch: Dispatch,
    subject: str,
    body: str,
    attachments: Sequence[Attachment],
    date: str,
) -> EmailMessage:
    """The message for one recipient. ``date`` is in the form of RFC 5322, 3.3.

    Raises ``ValueError`` for a line break in a header (an injected header).
    """
    message = EmailMessage()
    message["From"] = sender
    message["To"] = dispatch.recipient
    message["Subject"] = subject
    message["Date"] = date
    message["Message-ID"] = dispatch.message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    message.set_content(body)
    for attachment in attachments:
        main, _, sub = attachment.media_type.partition("/")
        message.add_attachment(
            attachment.content, maintype=main, subtype=sub, filename=attachment.name
        )
    return message


def send_report(
    settings: MailSettings,
    *,
    site: str,
    month: str,
    version: str,
    subject: str,
    body: str,
    attachments: Sequence[Attachment],
    date: str,
    sent: SentLog,
    sleep: Callable[[float], None],
    backoff_s: Sequence[float] = BACKOFF_S,
) -> tuple[Delivery, ...]:
    """Send to every recipient that has not had it; return what became of each.

    1. whoever is marked is left out;
    2. a connection that fails, or an answer of 4xx, is tried again after each wait;
    3. an answer of 5xx, a certificate that does not hold or a server without TLS is final;
    4. a line that breaks once the content is under way is uncertain, and stays marked.
    """
    deliveries = []
    for recipient in dict.fromkeys(settings.recipients):
        dispatch = Dispatch(site=site, month=month, version=version, recipient=recipient)
        message = build_message(
            sender=settings.sender,
            dispatch=dispatch,
            subject=subject,
            body=body,
            attachments=attachments,
            date=date,
        )
        deliveries.append(
            _deliver(settings, dispatch, message, sent=sent, sleep=sleep, backoff_s=backoff_s)
        )
    return tuple(deliveries)


def _deliver(
    settings: MailSettings,
    dispatch: Dispatch,
    message: EmailMessage,
    *,
    sent: SentLog,
    sleep: Callable[[float], None],
    backoff_s: Sequence[float],
) -> Delivery:
    who = dispatch.recipient
    if sent.was_sent(dispatch):
        return Delivery(
            recipient=who,
            state="already_sent",
            tries=0,
            sentence=f"{who}: had this version of {dispatch.month} before; not sent again",
        )
    for tries, wait in enumerate([*backoff_s, None], start=1):
        try:
            _send_once(settings, dispatch, message, sent)
        except _UncertainError as error:
            return Delivery(
                recipient=who,
                state="uncertain",
                tries=tries,
                sentence=f"{who}: the server fell silent after it was given the message ({error}); "
                "it may have been delivered, so it is not sent again",
            )
        except _RefusedError as error:
            if error.lasting or wait is None:
                return Delivery(
                    recipient=who, state="failed", tries=tries, sentence=f"{who}: {error}"
                )
            sleep(wait)
        else:
            break
    return Delivery(recipient=who, state="sent", tries=tries, sentence=f"{who}: sent")


def _send_once(
    settings: MailSettings, dispatch: Dispatch, message: EmailMessage, sent: SentLog
) -> None:
    where = f"{settings.host}:{settings.port}"
    handed_over = False
    try:
        session = _open_session(settings)
        try:
            session.ehlo_or_helo_if_needed()  # STARTTLS forgets the first greeting
            if settings.user is not None:
                session.login(settings.user, settings.password or "")
            _must(session.mail(parseaddr(settings.sender)[1]), f"{where} refuses the sender")
            _must(session.rcpt(parseaddr(dispatch.recipient)[1]), f"{where} refuses the recipient")
            sent.mark_sent(dispatch)
            handed_over = True
            answer = session.data(message.as_bytes(policy=message.policy.clone(linesep="\r\n")))
            handed_over = False
            if answer[0] != 250:
                sent.forget(dispatch)
                _must(answer, f"{where} refuses the message")
            # A farewell that fails takes nothing back.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                session.quit()
        finally:
            session.close()
    except smtplib.SMTPNotSupportedError as error:
        raise _RefusedError(
            f"{where} offers no {'STARTTLS' if 'STARTTLS' in str(error) else 'log-in'}; "
            'nothing is sent unencrypted: use a server that does, or security = "implicit"',
            lasting=True,
        ) from error
    except smtplib.SMTPAuthenticationError as error:
        raise _RefusedError(
            f"{where} refuses the user or password ({error.smtp_code})", lasting=True
        ) from error
    except smtplib.SMTPDataError as error:  # DATA itself was refused: nothing was handed over
        sent.forget(dispatch)
        raise _RefusedError(
            f"{where} refuses the message ({error.smtp_code})", lasting=error.smtp_code >= 500
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise _RefusedError(
            f"{where}: its certificate does not hold ({error.verify_message}); nothing was sent",
            lasting=True,
        ) from error
    except (smtplib.SMTPException, OSError) as error:
        if handed_over:
            raise _UncertainError(str(error)) from error
        raise _RefusedError(f"{where} cannot be reached ({error})", lasting=False) from error


def _open_session(settings: MailSettings) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=settings.certificate_authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.security == "implicit":
        return smtplib.SMTP_SSL(
            settings.host, settings.port, timeout=settings.timeout_s, context=context
        )
    session = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)
    try:
        session.starttls(context=context)
    except BaseException:
        session.close()
        raise
    return session


def _must(answer: tuple[int, bytes], complaint: str) -> None:
    code, text = answer
    if code >= 400:
        said = text.decode("utf-8", "replace").splitlines()[:1]
        raise _RefusedError(
            f"{complaint} ({code} {said[0] if said else ''})".replace(" )", ")"),
            lasting=code >= 500,
        )


def read_password(path: Path) -> str:
    """The password in a file, without the line end. Raises ``OSError``."""
    return path.read_text(encoding="utf-8").strip("\r\n")
