"""`netwatch report`: the monthly report and its evidence, as files and by mail.

Rule of this file: options in, what was written told. What is not installed is said in one
sentence; nothing of the report is loaded before it is asked for.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from netwatch.cli.civil_time import parse_month, show_instant
from netwatch.cli.options import config_option, json_option
from netwatch.clock import SystemClock
from netwatch.config.load import load_settings
from netwatch.config.secrets import place_secrets
from netwatch.errors import NetwatchError, UsageError

if TYPE_CHECKING:
    from netwatch.report.publish import Published

_FORMATS = ("html", "pdf", "csv", "json")
_LANGUAGES = ("fr", "en")
#: What the report loads that the agent does without.
_NEEDED = ("babel", "holidays")


@click.command()
@config_option
@json_option
@click.option("--month", metavar="YYYY-MM", help="The civil month; else the last that is over.")
@click.option(
    "--format", "formats", default=",".join(_FORMATS), show_default=True, help="With commas."
)
@click.option(
    "--lang", "languages", default=",".join(_LANGUAGES), show_default=True, help="With commas."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to; else ./netwatch-SITE-MONTH.",
)
@click.option(
    "--sign", type=click.Path(path_type=Path), metavar="KEY", help="An Ed25519 private key."
)
@click.option("--mail", is_flag=True, help="Send it to the recipients of [mail], once.")
@click.option(
    "--scheduled",
    is_flag=True,
    help="As the timer does: into reports/ beside the store, and mailed if there is a [mail].",
)
def report(
    *,
    config: Path,
    as_json: bool,
    month: str | None,
    formats: str,
    languages: str,
    output: Path | None,
    sign: Path | None,
    mail: bool,
    scheduled: bool,
) -> int:
    """Write the monthly report and the evidence that it follows from.

    The bundle netwatch-SITE-MONTH.zip is made when csv and json are among the formats.
    """
    wanted = split_choices(formats, _FORMATS, "--format")
    spoken = split_choices(languages, _LANGUAGES, "--lang")
    asked = None if month is None else parse_month(month)
    settings = place_secrets(load_settings(config), os.environ)
    mail = mail or (scheduled and settings.mail is not None)
    if mail and settings.mail is None:
        raise UsageError("--mail: the configuration has no [mail]: write host, sender, recipients")
    if mail and not {"csv", "json"} <= set(wanted):
        raise UsageError("--mail: sends the evidence, so csv and json must be among --format")
    load_needed(
        (
            *_NEEDED,
            *(("weasyprint",) if "pdf" in wanted else ()),
            *(("cryptography",) if sign is not None else ()),
        )
    )
    from netwatch.agent.monthly import find_last_month, gather_inputs
    from netwatch.report.publish import publish_report
    from netwatch.report.rtt_table import RttTable

    key = None
    if sign is not None:
        from netwatch.report.sign import read_private_key

        key = read_private_key(sign)
    zone = ZoneInfo(settings.site.timezone)
    now_ms = SystemClock().wall_ms()
    year, number = asked or find_last_month(now_ms, zone)
    place = Path(settings.store.path).with_name("reports") if scheduled else Path()
    folder = output or place / f"netwatch-{settings.site.id}-{year:04}-{number:02}"
    try:
        with RttTable(folder) as table:
            inputs = gather_inputs(settings, (year, number), now_ms, table)
            published = publish_report(
                folder,
                inputs,
                table,
                languages=spoken,  # type: ignore[arg-type]  # split_choices lets only known words through
                formats=wanted,  # type: ignore[arg-type]  # split_choices lets only known words through
                key=key,
            )
    except OSError as error:
        raise UsageError(
            f"{error.filename or folder}: cannot be written: {error.strerror or error}"
        ) from None
    if as_json:
        _print_json(published)
    else:
        _print(published, zone)
    if not mail:
        return 0
    from netwatch.agent.monthly_mail import mail_report

    deliveries = mail_report(settings, published, spoken[0])
    for delivery in deliveries:
        click.echo(delivery.sentence, err=as_json)
    return 0 if all(each.state in {"sent", "already_sent"} for each in deliveries) else 1


def split_choices(text: str, known: Sequence[str], option: str) -> list[str]:
    """The words of a list with commas, each once, in the order given.

    >>> split_choices("html, json", ("html", "json"), "--format")
    ['html', 'json']

    Raises UsageError for a word that is not known, and for none.
    """
    words = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for word in words:
        if word not in known:
            raise UsageError(f"{option}: must be of {', '.join(known)}, got {word!r}")
    if not words:
        raise UsageError(f"{option}: must name at least one of {', '.join(known)}")
    return words


def load_needed(names: Sequence[str]) -> None:
    """Load what a report needs beyond the agent; raises NetwatchError with the remedy."""
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            hint = ", or leave pdf out of --format" if name == "weasyprint" else ""
            raise NetwatchError(
                f"{name} is not installed, which the report needs: "
                f"pip install 'netwatch[report]'{hint}"
            ) from None
        except OSError as error:
            # WeasyPrint is there, the libraries of the system that it draws with are not.
            raise NetwatchError(
                f"{name} cannot be loaded ({str(error).splitlines()[0]}): apt install "
                "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0, or leave pdf out of --format"
            ) from None


def _print(published: Published, zone: ZoneInfo) -> None:
    model = published.report
    from netwatch.report.tables import parse_instant_ms

    if not model.period.complete:
        until = show_instant(parse_instant_ms(model.period.until), zone)
        click.echo(f"{model.period.month} is not over: a partial report, up to {until}.", err=True)
    figures = model.availability
    click.echo(
        f"{model.period.month}: available {_share(figures.measured)} of the time watched, "
        f"{_share(figures.coverage)} of the contract's hours watched, "
        f"{model.incident_summary.count} incidents"
    )
    if figures.target is not None:
        word = {True: "kept", False: "not kept", None: "cannot be told"}[figures.met]
        click.echo(
            f"promised {_share(figures.target)}, by the contract {_share(figures.contractual)}: {word}"
        )
    for path in published.files:
        if path.suffix in {".html", ".pdf"} or path.name == "report.json":
            click.echo(str(path))
    if published.bundle is not None:
        click.echo(str(published.bundle))


def _print_json(published: Published) -> None:
    import msgspec

    model = published.report
    answer = {
        "month": model.period.month,
        "complete": model.period.complete,
        "until": model.period.until,
        "files": [str(path) for path in published.files],
        "bundle": None if published.bundle is None else str(published.bundle),
    }
    click.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())


def _share(share: object) -> str:
    from netwatch.cli.status import render_share

    return render_share(None if share is None else float(share))  # type: ignore[arg-type]  # a fraction
