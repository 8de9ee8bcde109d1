"""The command `netwatch`: laziness, exit codes, errors as sentences."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from netwatch import __version__
from netwatch.cli.main import COMMANDS, main, run_group
from netwatch.cli.options import config_option
from netwatch.errors import AgentUnreachable, ConfigError, NetwatchError, UsageError


def make_group(act: Callable[[], object]) -> click.Group:
    group = click.Group()

    @group.command()
    def do() -> object:
        return act()

    return group


def fail(error: BaseException) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(["a.toml: site: is missing"]), 2),
        (UsageError("no such month"), 2),
        (AgentUnreachable("nobody answers"), 1),
        (NetwatchError("it cannot be"), 1),
    ],
)
def test_an_error_is_its_sentence_and_its_code(
    error: NetwatchError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, with nothing else on either stream."""
    assert run_group(make_group(fail(error)), ["do"]) == code
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"{error}\n")


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1)])
def test_what_a_command_returns_is_the_exit_code(returned: int | None, code: int) -> None:
    """A command that returns nothing went well."""
    assert run_group(make_group(lambda: returned), ["do"]) == code


def test_an_unknown_command_or_option_is_a_mistake_of_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, and click's own words."""
    assert main(["nonsense"]) == 2
    assert main(["check", "--nonsense"]) == 2
    assert "No such command 'nonsense'" in capsys.readouterr().err


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """`netwatch --version`."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"netwatch {__version__}\n"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_of_the_table_is_there(name: str) -> None:
    """Its module exists, has it, and tells its help."""
    assert main([name, "--help"]) == 0


def test_a_missing_configuration_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """The first thing that goes wrong on a new machine, and what to do about it."""
    assert main(["check", "--config", "/nowhere/agent.toml"]) == 2
    assert capsys.readouterr().err == (
        "/nowhere/agent.toml: does not exist: "
        "`netwatch init --output /nowhere/agent.toml` writes one\n"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["--config", "a.toml"], "a.toml"), ([], "b.toml")],
)
def test_the_option_goes_before_the_environment(
    arguments: list[str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """--config, else $NETWATCH_CONFIG."""
    monkeypatch.setenv("NETWATCH_CONFIG", "b.toml")

    @click.command()
    @config_option
    def show(config: Path) -> None:
        click.echo(config)

    group = click.Group(commands={"show": show})
    assert run_group(group, ["show", *arguments]) == 0
    assert capsys.readouterr().out == f"{expected}\n"


def test_listing_the_commands_imports_none_of_them() -> None:
    """What is not asked for is not in memory: neither rich nor a command's module."""
    code = (
        "import sys; from netwatch.cli.main import main; main(['--help'])\n"
        "loaded = [n for n in sys.modules if n.startswith(('rich', 'netwatch.cli.', 'netwatch.config'))]\n"
        "assert loaded == ['netwatch.cli.main'], loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    """`netwatch … | head -1` ends without a word."""
    code = (
        "import click, sys\n"
        "from netwatch.cli.main import main\n"
        "@click.command()\n"
        "def flood():\n"
        "    for _ in range(100_000): click.echo('x' * 100)\n"
        "sys.exit(main(['flood'], click.Group(commands={'flood': flood})))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 141


def test_an_interruption_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C: 130, as shells have it, whether click or the command meets it."""
    assert main(["do"], make_group(fail(KeyboardInterrupt()))) == 130
    assert main(["do"], make_group(fail(click.Abort()))) == 130
    assert capfd.readouterr().err == ""
