"""A real Alertmanager that mails to a real SMTP server of the test's own.

Rule of this file: the configuration is the one that is delivered, as install.sh puts it in
place, hurried: only its waits are shortened.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.adapters.hostile import free_port
from tests.adapters.servers import started

CENTRAL = Path(__file__).parents[2] / "deploy" / "central"
PATIENCE_S = 60
#: The zone of the centre in these tests, an hour or two from UTC.
ZONE = "Europe/Paris"


class Mailbox:
    """What came in, in its order."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []

    async def handle_DATA(  # noqa: N802 -- aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        return "250 OK"

    def wait_for(self, count: int) -> list[EmailMessage]:
        """So many mails, or more."""
        wait_until(lambda: len(self.taken) >= count)
        return self.taken


class Alertmanager:
    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, alerts: Sequence[Mapping[str, object]]) -> None:
        """As Prometheus does."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts",
            data=json.dumps(alerts).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            assert answer.status == 200


def render_configuration(language: str, **settings: str) -> str:
    """What install.sh writes, by the script that it uses."""
    chosen = {"smtp": "localhost:25", "mail_from": "netwatch@centre.example",
              "mail_to": "it@town.example", "zone": ZONE, "smtp_user": "", "smtp_password": "",
              **settings}  # fmt: skip
    words = [f"{name}='{value}'" for name, value in chosen.items()]
    script = f"set -eu\nhere={CENTRAL}\nlanguage={language}\n" + "\n".join(words)
    return subprocess.run(
        ["sh", "-c", f"{script}\n. {CENTRAL}/common.sh\nrender_alertmanager"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


@contextlib.contextmanager
def post_office(folder: Path, language: str) -> Iterator[tuple[Alertmanager, Mailbox]]:
    """Both, from when Alertmanager answers; every wait a second, office hours at all hours."""
    mailbox = Mailbox()
    server = Controller(mailbox, hostname="127.0.0.1", port=free_port(), server_hostname="here")
    server.start()
    try:
        text = render_configuration(language, smtp=f"127.0.0.1:{server.port}")
        text = re.sub(r'(group_wait|group_interval): "\w+"', r'\1: "1s"', text)
        text = re.sub(r"( +)active_time_intervals: .*\n", "", text)
        (folder / "alertmanager.yml").write_text(text, encoding="utf-8")
        shutil.copytree(CENTRAL / "alertmanager" / "templates", folder / "templates")
        port = free_port()
        command = [
            "env", f"TZ={ZONE}", "prometheus-alertmanager",
            f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
            "--log.level=error",
        ]  # fmt: skip
        with started(command, "127.0.0.1", port):
            alertmanager = Alertmanager(f"http://127.0.0.1:{port}")
            yield alertmanager, mailbox
    finally:
        server.stop()


def wait_until(ready: Callable[[], bool]) -> None:
    """Until it is so; fails after a minute."""
    end_s = time.monotonic() + PATIENCE_S
    while not ready():
        assert time.monotonic() < end_s, "it did not come about"
        time.sleep(0.05)
