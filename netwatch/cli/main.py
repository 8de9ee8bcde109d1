"""The command `netwatch`: its sub-commands by name, and what becomes of errors.

Rule of this file: no command is imported before it is asked for, because what the
agent does not load it does not hold in memory. It knows nothing of what commands do.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence

import click

from netwatch import __version__
from netwatch.errors import ConfigError, NetwatchError, UsageError

#: Name -> (where, what it does in a line). A new command is one line here.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "init": ("netwatch.cli.configuration:init", "Write a configuration from what is detected."),
    "run": ("netwatch.cli.agent:run", "Run the agent in the foreground."),
    "once": ("netwatch.cli.agent:once", "Make every probe once, and show what it found."),
    "speedtest": ("netwatch.cli.speedtest:speedtest", "Make one bandwidth test, shown live."),
    "status": ("netwatch.cli.status:status", "Show what the agent on this machine knows."),
    "check": ("netwatch.cli.configuration:check", "Say what stands in the way of measuring."),
    "configure": (
        "netwatch.cli.configure:configure",
        "Take the configuration that the centre publishes.",
    ),
    "report": ("netwatch.cli.report:report", "Write the month's report and its evidence."),
    "verify": (
        "netwatch.cli.verify:verify",
        "Recompute a report from its evidence; check a database.",
    ),
    "maintenance": ("netwatch.cli.maintenance:maintenance", "Keep the ledger of exclusions."),
    "incident": ("netwatch.cli.incident:incident", "List failures; enter tickets and answers."),
    "campaign": ("netwatch.cli.campaign:campaign", "Plan a campaign of measurements; judge it."),
    "export": ("netwatch.cli.export:export", "Write raw records as CSV or JSON lines."),
    "simulate": ("netwatch.cli.simulate:simulate", "Fill a database from a described month."),
    "fleet": ("netwatch.cli.fleet:fleet", "The centre: many sites in one view."),
}

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_PIPE_CLOSED = 141  # 128 + SIGPIPE


class LazyGroup(click.Group):
    """A group that imports a command when it is called, and lists it without."""

    def __init__(self, commands: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(
            name="netwatch",
            help="Keeps the books of an internet line: every second up, degraded, down or "
            "unknown, with its cause.",
            params=[
                click.Option(
                    ["--version"],
                    is_flag=True,
                    is_eager=True,
                    expose_value=False,
                    callback=_show_version,
                    help="Show the version and exit.",
                )
            ],
        )
        self._table = commands

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in self._table:
            return None
        module, _, attribute = self._table[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self._table.items()])


def main(arguments: Sequence[str] | None = None, group: click.Group | None = None) -> int:
    """Run a command line; the exit code: 0 fine, 1 a problem was found, 2 usage or configuration.

    Errors that netwatch raises on purpose become their message on standard error.
    """
    try:
        return run_group(
            group or LazyGroup(COMMANDS), sys.argv[1:] if arguments is None else arguments
        )
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes once more on its way out: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED


def run_group(group: click.Group, arguments: Sequence[str]) -> int:
    """Parse and run, errors worded; interruptions and broken pipes pass through."""
    try:
        with group.make_context("netwatch", list(arguments)) as context:
            result = group.invoke(context)
            sys.stdout.flush()
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as refused:
        refused.show()
        return refused.exit_code
    except click.Abort:
        return _INTERRUPTED
    except NetwatchError as error:
        click.echo(str(error), err=True)
        return 2 if isinstance(error, ConfigError | UsageError) else 1
    return result if isinstance(result, int) else 0


def _show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"netwatch {__version__}")
        context.exit()


if __name__ == "__main__":
    sys.exit(main())
