"""A month's report by mail: what the message says, what it carries, and to whom it went.

Rule of this file: it joins the sender of `report.mail` with the store's book of what was
sent. The same report goes to nobody twice: its version is that of its figures, so that
making it anew does not make another.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import msgspec

from netwatch.clock import SystemClock
from netwatch.config import model
from netwatch.errors import NetwatchError, UsageError
from netwatch.report.identity import Evidence
from netwatch.report.json_form import encode_report
from netwatch.report.language import LANGUAGES, LanguageCode
from netwatch.report.mail import (
    Attachment,
    Delivery,
    Dispatch,
    MailSettings,
    read_password,
    send_report,
)
from netwatch.report.model import Report
from netwatch.report.publish import Published
from netwatch.report.render import build_language
from netwatch.report.summary import build_summary
from netwatch.store.dispatches import DispatchBook

#: Servers refuse messages of about 25 MB, and base64 makes four bytes of three.
_LARGEST_BYTES = 17_000_000
_TYPES: Mapping[str, str] = {
    ".zip": "application/zip",
    ".pdf": "application/pdf",
    ".html": "text/html",
}
_LEFT_OUT: Mapping[str, str] = {
    "fr": "Trop volumineux pour un courriel, sur demande : {names}.",
    "en": "Too large for a mail, on request: {names}.",
}


class BookedSentLog:
    """`report.mail.SentLog` over the store."""

    def __init__(self, book: DispatchBook) -> None:
        self._book = book

    def was_sent(self, dispatch: Dispatch) -> bool:
        return self._book.is_marked(*_key(dispatch))

    def mark_sent(self, dispatch: Dispatch) -> None:
        self._book.mark(*_key(dispatch), sent=True)

    def forget(self, dispatch: Dispatch) -> None:
        self._book.mark(*_key(dispatch), sent=False)


def mail_report(
    settings: model.Settings,
    published: Published,
    language: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Delivery, ...]:
    """Send a published report to every recipient of the configuration that has not had it.

    Raises UsageError where the configuration has no ``[mail]``, NetwatchError for a
    password that cannot be read, StoreError where the book of what was sent cannot.
    """
    if settings.mail is None:
        raise UsageError("the configuration has no [mail]: write host, sender and recipients")
    code = next(each for each in LANGUAGES if each == language)
    clock = SystemClock(trusted=settings.clock.trusted)
    carried, left_out = choose_attachments(published, code)
    report = published.report
    return send_report(
        build_mail_settings(settings.mail),
        site=report.site.id,
        month=report.period.month,
        version=build_version(report),
        subject=build_subject(report, code),
        body=build_body(report, code, left_out),
        attachments=[
            Attachment(name=path.name, media_type=_TYPES[path.suffix], content=path.read_bytes())
            for path in carried
        ],
        date=format_datetime(datetime.fromtimestamp(clock.wall_ms() / 1000, UTC)),
        sent=BookedSentLog(DispatchBook(settings.store.path, clock.wall_ms)),
        sleep=sleep,
    )


def build_version(report: Report) -> str:
    """SHA-256 of the figures: the same for a report that is made anew and says the same."""
    plain = msgspec.structs.replace(report, generated_at="", evidence=Evidence())
    return hashlib.sha256(encode_report(plain)).hexdigest()


def build_subject(report: Report, code: LanguageCode) -> str:
    """The report's title and the site."""
    language = build_language(report, code)
    title = language.gettext("Availability report, %(month)s") % {
        "month": language.month(report.period.month)
    }
    return f"{title} – {report.site.name or report.site.id}"


def build_body(report: Report, code: LanguageCode, left_out: tuple[Path, ...] = ()) -> str:
    """The first page of the report as plain text."""
    summary = build_summary(report, build_language(report, code))
    lines = [build_subject(report, code), "", summary.headline]
    if summary.partial is not None:
        lines.append(summary.partial)
    lines += [*summary.findings, "", *summary.promises]
    if left_out:
        names = ", ".join(path.name for path in left_out)
        lines += ["", _LEFT_OUT[code].format(names=names)]
    return "\n".join(lines) + "\n"


def choose_attachments(
    published: Published, code: LanguageCode
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """What goes with the message, and what is too large: the page to read, then the evidence."""
    pages = [path for path in published.files if path.name == f"report.{code}.pdf"] or [
        path for path in published.files if path.name == f"report.{code}.html"
    ]
    carried: list[Path] = []
    left_out: list[Path] = []
    size = 0
    for path in (*pages, *([published.bundle] if published.bundle else [])):
        bytes_ = path.stat().st_size
        if size + bytes_ <= _LARGEST_BYTES:
            carried.append(path)
            size += bytes_
        else:
            left_out.append(path)
    return tuple(carried), tuple(left_out)


def build_mail_settings(settings: model.Mail) -> MailSettings:
    """The sender's settings, with the password out of its file."""
    password = None
    if settings.password_file is not None:
        try:
            password = read_password(Path(settings.password_file))
        except (OSError, UnicodeDecodeError) as error:
            raise NetwatchError(
                f"{settings.password_file}: the mail password cannot be read: {error}"
            ) from None
    return MailSettings(
        host=settings.host,
        sender=settings.sender,
        recipients=settings.recipients,
        port=settings.port,
        security=settings.security,
        user=settings.user,
        password=password,
        certificate_authority=settings.certificate_authority,
    )


def _key(dispatch: Dispatch) -> tuple[str, str, str, str]:
    return dispatch.site, dispatch.month, dispatch.version, dispatch.recipient
