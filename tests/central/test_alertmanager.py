"""Who is mailed what: the delivered configuration in a real Alertmanager, the mails as they come."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path

import pytest

from netwatch.cli.main import main
from netwatch.fleet.alert_words import WORDS
from tests.central.post_office import CENTRAL, post_office, render_configuration
from tests.fleet.prometheus_server import prometheus

GOLDEN = Path(__file__).parents[1] / "golden" / "mail"
FOLDER = CENTRAL / "alertmanager"


def alert(name: str, severity: str = "page", **labels: str) -> dict[str, object]:
    """One of site École Jean-Jaurès, as the rules make it: down since 10:42 by its local clock."""
    return {
        "labels": {"alertname": name, "severity": severity, "site": "ecole-jaures",
                   "name": "École Jean-Jaurès", "commune": "Trilport", "operator": "Opérateur A",
                   "circuit": "FTTH-0042", "technology": "ftth", "contract": "ftth", **labels},
        "annotations": {
            "summary": "École Jean-Jaurès: the line is down",
            "summary_fr": "École Jean-Jaurès : la ligne est coupée",
            "description": "in English", "description_fr": "en français",
            "runbook_url": "docs/alerts.md#x", "started": "2024-11-24T10:42:05+01:00",
            "restore_before": "2024-11-24T14:42:05+01:00", "restore_left": "3h 57m 0s",
            "cause": "access", "page": "https://10.77.1.2:10779/",
            "contact": "+33 1 99 00 00 00 · C-10042",
        },
        "startsAt": "2024-11-24T09:45:05Z", "endsAt": "2099-01-01T00:00:00Z",
    }  # fmt: skip


def end(one: Mapping[str, object]) -> dict[str, object]:
    return {**one, "endsAt": "2024-11-24T10:31:40Z"}


def part(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    assert body is not None
    return body.get_content().replace("\r\n", "\n")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_outage_is_one_mail_at_its_beginning_and_one_at_its_end(
    tmp_path: Path, language: str
) -> None:
    """In text and HTML, word for word; each in its language; instants as the town's clocks go."""
    down = alert("NetwatchLinkDown")
    with post_office(tmp_path, language) as (alertmanager, mailbox):
        alertmanager.post([down])
        mailbox.wait_for(1)
        # What Prometheus does every minute while it lasts.
        for _ in range(3):
            alertmanager.post([down])
        alertmanager.post([end(down)])
        first, last = mailbox.wait_for(2)
    for moment, message in (("begins", first), ("ends", last)):
        assert message["To"] == "it@town.example"
        assert message["From"] == "netwatch@centre.example"
        said = f"{message['Subject']}\n\n{part(message, 'plain')}"
        assert said == (GOLDEN / f"outage_{moment}.{language}.txt").read_text(encoding="utf-8")
        html = part(message, "html")
        assert html == (GOLDEN / f"outage_{moment}.{language}.html").read_text(encoding="utf-8")
        assert f'<html lang="{language}">' in html
    assert "10:42" in part(first, "html")
    assert "11:31" in part(last, "html")


INVENTORY = """\
[[operator]]
name = "Opérateur A"
phone = "+33 1 99 00 00 00"
customer = "C-10042"
[[site]]
id = "mairie"
name = "Mairie"
commune = "Trilport"
address = "127.0.0.1:1"
circuit = { operator = "Opérateur A", reference = "FTTH-0043" }
"""


def test_a_silent_agent_is_mailed_with_what_the_inventory_knows_of_it(tmp_path: Path) -> None:
    """Prometheus by the written files, Alertmanager, mail: nothing in between is made by hand."""
    inventory, written = tmp_path / "fleet.toml", tmp_path / "prometheus"
    inventory.write_text(INVENTORY, encoding="utf-8")
    written.mkdir()
    (tmp_path / "mail").mkdir()
    with post_office(tmp_path / "mail", "fr") as (alertmanager, mailbox):
        for command, output, options in (
            ("targets", "targets.json", ()), ("rules", "rules", ()),
            ("scrape", "written.yml", ("--alertmanager", alertmanager.url.removeprefix("http://"))),
        ):  # fmt: skip
            assert main(["fleet", command, "--config", str(inventory), "--output",
                         str(written / output), *options]) == 0  # fmt: skip
        for path in (written / "written.yml", *(written / "rules").iterdir()):
            text = path.read_text(encoding="utf-8")
            hurried = re.sub(r'"(30s|1m|10s)"', '"1s"', text)
            # Prometheus knows its Alertmanager five seconds after it began, and tells an alert
            # that was before that a minute later.
            path.write_text(hurried.replace('"3m"', '"9s"'), encoding="utf-8")
        with prometheus(written, (written / "written.yml").read_text(encoding="utf-8")):
            (mail,) = mailbox.wait_for(1)
    assert mail["Subject"] == "À traiter · Mairie : l’agent ne répond plus"
    said = part(mail, "plain")
    for line in (
        "Commune       : Trilport",
        "Ligne         : Opérateur A, FTTH-0043",
        "Opérateur     : +33 1 99 00 00 00 · C-10042",
        "Tableau       : http://localhost:3000/d/netwatch-site-fr?var-site=mairie",
        "Page de l’agent : http://127.0.0.1:1/",
    ):
        assert f"{line}\n" in said
    assert "GTR" not in said


def test_an_outage_of_the_operator_is_one_mail(tmp_path: Path) -> None:
    """Its sites' own alerts are held back, another operator's are not."""
    outage = alert("NetwatchOperatorOutage")
    labels = {"alertname": "NetwatchOperatorOutage", "severity": "page", "operator": "Opérateur A"}
    of_operator = {**outage, "labels": labels}
    with post_office(tmp_path, "fr") as (alertmanager, mailbox):
        # As in life: a minute of it is told, three minutes of a line.
        alertmanager.post([of_operator])
        mailbox.wait_for(1)
        alertmanager.post([
            alert("NetwatchLinkDown"), alert("NetwatchBudgetBurnFast"),
            alert("NetwatchAgentSilent", "ticket", site="mairie"),
            alert("NetwatchLinkDown", site="stade", operator="Opérateur B"),
        ])  # fmt: skip
        mailbox.wait_for(2)
        # Alertmanager looks at all its groups every second: what is held back had its turn.
        alertmanager.post([alert("NetwatchOperatorOutage", operator="Opérateur C")])
        mails = mailbox.wait_for(3)
    lines = sorted(
        found[1]
        for mail in mails
        if (found := re.search(r"^Ligne +: (.*)$", part(mail, "plain"), re.MULTILINE))
    )
    assert lines == ["Opérateur A", "Opérateur B, FTTH-0042, ftth", "Opérateur C, FTTH-0042, ftth"]


def test_what_follows_from_a_silent_agent_or_an_outage_is_held_back(tmp_path: Path) -> None:
    """Coverage, queue and clock of an agent that is off; a budget that burns by what was told."""
    with post_office(tmp_path, "en") as (alertmanager, mailbox):
        alertmanager.post([
            alert("NetwatchLineWasDown", "none", site="mairie"),
            alert("NetwatchAgentSilent", "ticket"),
        ])  # fmt: skip
        mailbox.wait_for(1)
        alertmanager.post([
            alert("NetwatchCoverageLow", "ticket"),
            alert("NetwatchClockNotSynchronised", "ticket"), alert("NetwatchNotice", "ticket"),
            alert("NetwatchBudgetBurn", site="mairie"), alert("NetwatchBudgetBurnFast", site="mairie"),
            alert("NetwatchBudgetBurnSlow", "ticket", site="mairie"),
            alert("NetwatchSpoolGrowing", "ticket", site="mairie"),
            alert("NetwatchCoverageLow", "ticket", site="stade"),
        ])  # fmt: skip
        mailbox.wait_for(2)
        # Held back meanwhile: every group has had its turn when the next one's mail is there.
        alertmanager.post([alert("NetwatchCoverageLow", "ticket", site="gymnase")])
        mails = mailbox.wait_for(3)
    assert [re.findall(r"var-site=(\S+)", part(mail, "plain")) for mail in mails] == [
        ["ecole-jaures"], ["stade"], ["gymnase"],
    ]  # fmt: skip


def test_the_sites_of_an_operator_share_a_mail_about_the_time_to_restore(tmp_path: Path) -> None:
    """Three sites at four fifths are one mail; its end is nobody's concern."""
    late = [alert("NetwatchRestoreNearlyUsed", site=site) for site in ("a", "b", "c")]
    with post_office(tmp_path, "fr") as (alertmanager, mailbox):
        alertmanager.post(late)
        mailbox.wait_for(1)
        alertmanager.post([end(each) for each in late])
        alertmanager.post([alert("NetwatchLinkDown")])
        mails = mailbox.wait_for(2)
    assert re.findall(r"var-site=(\S+)", part(mails[0], "plain")) == ["a", "b", "c"]
    assert "et 2 de plus" in mails[0]["Subject"]
    assert re.findall(r"var-site=(\S+)", part(mails[1], "plain")) == ["ecole-jaures"]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_alert_has_its_advice_and_only_known_ones(language: str) -> None:
    """The templates name each alert of the rules but the one that nobody is told of."""
    text = (FOLDER / "templates" / f"{language}.tmpl").read_text(encoding="utf-8")
    advice = text.split(f'define "netwatch.{language}.todo"')[1].split("{{ define")[0]
    named = set(re.findall(r'eq \$name "(\w+)"', advice))
    burns = {name for name in WORDS if name.startswith("NetwatchBudgetBurn")}
    assert named | burns | {"NetwatchLineWasDown"} == set(WORDS)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (["severity=page", "alertname=NetwatchLinkDown", "site=a"], "pages"),
        (["severity=ticket", "alertname=NetwatchAgentSilent", "site=a"], "tickets"),
        (["severity=ticket", "alertname=NetwatchRestoreHalfUsed", "site=a"], "pages-without-end"),
        (["severity=page", "alertname=NetwatchBudgetBurn", "site=a"], "pages-without-end"),
        (["severity=ticket", "alertname=NetwatchBudgetBurnSlow", "site=a"], "tickets"),
        (["severity=none", "alertname=NetwatchLineWasDown", "site=a"], "nobody"),
        (["alertname=Other"], "tickets"),
    ],
)
def test_each_alert_goes_its_way(labels: list[str], receivers: str) -> None:
    assert ask_routes("alertmanager.yml", labels) == receivers


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (["severity=page", "commune=Trilport", "operator=Opérateur A"], "trilport"),
        (["severity=page", "commune=Trilport", "operator=Opérateur B"], "provider-b,trilport"),
        (["severity=ticket", "commune=Trilport", "operator=Opérateur B"], "trilport"),
        (["severity=page", "commune=Meaux", "operator=Opérateur A"], "duty"),
        (["severity=ticket", "commune=Meaux", "operator=Opérateur A"], "agglomeration"),
        (["severity=none", "commune=Meaux", "operator=Opérateur A"], "nobody"),
    ],
)  # fmt: skip
def test_the_example_of_an_agglomeration_routes_by_commune_operator_and_severity(
    labels: list[str], receivers: str
) -> None:
    assert ask_routes("agglomeration.yml", labels) == receivers


def ask_routes(name: str, labels: list[str]) -> str:
    return subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={FOLDER / name}", *labels],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


@pytest.mark.parametrize("name", ["alertmanager.yml", "agglomeration.yml"])
def test_the_files_are_sound(name: str) -> None:
    done = subprocess.run(["amtool", "check-config", FOLDER / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_relay_beyond_this_machine_is_spoken_to_under_tls_with_its_password_from_a_file(
    tmp_path: Path,
) -> None:
    """What install.sh writes for a relay with a user; nothing marked is left."""
    text = render_configuration(
        "en", smtp="relay.example.org:587", mail_to="it@town.example", zone="Indian/Reunion",
        smtp_user="centre", smtp_password="/etc/netwatch/central/smtp.password",
    )  # fmt: skip
    for line in (
        '  smtp_smarthost: "relay.example.org:587"',
        "  smtp_require_tls: true",
        '  smtp_auth_username: "centre"',
        '  smtp_auth_password_file: "/etc/netwatch/central/smtp.password"',
        '        location: "Indian/Reunion"',
        '        to: "it@town.example"',
    ):
        assert f"{line}\n" in text
    assert 'example.org"' not in text.replace("netwatch@centre.example", "")
    assert "netwatch.fr." not in text
    shutil.copytree(FOLDER / "templates", tmp_path / "templates")
    (tmp_path / "alertmanager.yml").write_text(text, encoding="utf-8")
    subprocess.run(["amtool", "check-config", tmp_path / "alertmanager.yml"], check=True,
                   capture_output=True)  # fmt: skip
