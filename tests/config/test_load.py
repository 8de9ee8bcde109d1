"""From a file to settings, and what no file can do to it."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatch.config.load import load_settings, parse_settings
from netwatch.config.model import Money, Settings
from netwatch.config.schema import list_settings
from netwatch.config.write import Detected, build_config
from netwatch.errors import ConfigError

SITE = '[site]\nid = "ecole-jaures"\n'
#: A file with every setting in it.
FULL = re.sub(r"(?m)^#(?=\S)", "", build_config(Detected(host_name="full")))


def refuse(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        parse_settings(text, "agent.toml")
    return refused.value.problems


def parse_or_refuse(text: str) -> None:
    """Holds what every input must meet: settings, or lines that begin with the file's name."""
    try:
        settings = parse_settings(text, "agent.toml")
    except ConfigError as error:
        problems = error.problems
    else:
        assert isinstance(settings, Settings)
        return
    assert problems
    for problem in problems:
        assert problem.startswith("agent.toml: ")
        assert problem.isprintable()


def test_a_file_with_the_site_id_alone_is_valid() -> None:
    """Everything else has a default that works."""
    settings = parse_settings(SITE, "agent.toml")
    assert settings.site.id == "ecole-jaures"
    assert settings.latency.interval_ms == 5_000
    assert settings.http.listen == "127.0.0.1:10779"


def test_quantities_are_exact() -> None:
    """Durations, rates, sizes, money and shares come out as integers and decimals."""
    settings = parse_settings(
        SITE
        + """
        [circuit]
        monthly_fee = "49.00 EUR"
        [circuit.contract]
        availability = 0.9985
        restore_within = "4h"
        guaranteed_down = "100 Mbit/s"
        [bandwidth]
        monthly_budget = "500 MiB"
        """,
        "agent.toml",
    )
    contract = settings.circuit.contract
    assert settings.circuit.monthly_fee == Money(amount=Decimal("49.00"), currency="EUR")
    assert str(contract.availability) == "0.9985"
    assert contract.restore_within_ms == 14_400_000
    assert contract.guaranteed_down == 12_500_000
    assert settings.bandwidth.monthly_budget == 524_288_000


def test_dates_may_stand_without_quotation_marks() -> None:
    """TOML's own dates are as good as text."""
    settings = parse_settings(
        SITE + "extra_holidays = [2026-12-24]\n[circuit.contract]\nstarts = 2026-03-01\n", "a"
    )
    assert settings.site.extra_holidays == ("2026-12-24",)
    assert settings.circuit.contract.starts == "2026-03-01"


def test_holidays_none_means_that_there_are_none() -> None:
    """TOML has no null, so a word says it."""
    assert parse_settings(SITE + 'holidays = "none"\n', "a").site.holidays is None


def test_tiers_by_duration_count_milliseconds() -> None:
    """A slice of a contract is written as a duration."""
    settings = parse_settings(
        SITE
        + '[circuit]\nmonthly_fee = "300.00 EUR"\n[[circuit.contract.penalty]]\n'
        + 'kind = "duration_slice"\ntiers = [["10m", 0.05], ["45m", 0.10]]\n',
        "agent.toml",
    )
    assert settings.circuit.contract.penalty[0].tiers == (
        (Decimal(600_000), Decimal("0.05")),
        (Decimal(2_700_000), Decimal("0.10")),
    )


def test_a_short_interval_shortens_the_defaults_that_it_would_contradict() -> None:
    """Setting the interval alone is enough."""
    latency = parse_settings(SITE + '[latency]\ninterval = "500ms"\n', "a").latency
    assert (latency.burst_interval_ms, latency.timeout_ms) == (500, 400)


def test_relative_paths_count_from_the_files_folder(tmp_path: Path) -> None:
    """So that a folder with its configuration, tokens and store can be moved."""
    file = tmp_path / "agent.toml"
    file.write_text(
        SITE + '[store]\npath = "n.db"\n[http]\ntoken_file = "t"\ncertificate = "/c"\nkey = "k"\n'
        '[influx]\nurl = "http://127.0.0.1:8086"\norg = "o"\nbucket = "b"\ntoken_file = "i"\n',
        encoding="utf-8",
    )
    settings = load_settings(file)
    assert settings.store.path == str(tmp_path / "n.db")
    assert settings.http.token_file == str(tmp_path / "t")
    assert settings.http.certificate == "/c"
    assert settings.http.key == str(tmp_path / "k")
    assert settings.influx is not None
    assert settings.influx.token_file == str(tmp_path / "i")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    file = tmp_path / "agent.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SITE.encode())
    assert load_settings(file).site.id == "ecole-jaures"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.toml", "does not exist: `netwatch init --output missing.toml` writes one"),
        ("folder", "is a folder: give the path of the file in it"),
        ("large.toml", "is larger than 1 MiB: this is no configuration of netwatch"),
        ("pipe", "is not a file: give the path of a TOML file"),
        ("a\0b", "cannot be read: embedded null byte"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, a folder, too large, no regular file, no path at all."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("large.toml").write_bytes(b"#" * 1_048_577)
    os.mkfifo("pipe")
    with pytest.raises(ConfigError) as refused:
        load_settings(name)
    shown = name.replace("\0", "\\x00")
    assert refused.value.problems == (f"{shown}: {message}",)


def test_a_missing_key_is_told_after_those_that_its_table_has() -> None:
    """The order of the file, and then what it lacks."""
    problems = refuse(
        '[site]\nname = 1\n[dns]\ninterval = 5\n[influx]\nurl = "http://a"\norg = 1\n'
    )
    paths = [problem.split(": ")[1] for problem in problems]
    assert paths == [
        "site.name",
        "site.id",
        "dns.interval",
        "influx.org",
        "influx.bucket",
        "influx.token_file",
    ]


def test_a_mistake_does_not_hide_another() -> None:
    """Each element of a list and each target is looked at, whatever the others are."""
    problems = refuse(
        SITE + 'opening_hours = ["x", "mon 08:00-09:00", 3]\n'
        '[[target]]\nname = 5\nrole = "service"\naddress = "auto"\n'
        "[[target]]\n[bandwidth]\nper_day = 99\n"
    )
    paths = [problem.split(": ")[1] for problem in problems]
    assert paths == [
        "site.opening_hours[0]",
        "site.opening_hours[2]",
        "target[0].name",
        "target[0].address",
        "target[1].name",
        "target[1].role",
        "bandwidth.per_day",
    ]


def test_a_file_of_nothing_but_mistakes_ends_soon_and_says_how_many_there_are() -> None:
    """A thousand lines are enough to begin with."""
    problems = refuse("".join(f"key{number} = 1\n" for number in range(5_000)))
    assert len(problems) == 1_001
    assert problems[-1] == "agent.toml: and 4001 further problems"


def test_the_file_name_is_shown_without_what_a_terminal_would_obey() -> None:
    """A name is input like any other."""
    with pytest.raises(ConfigError) as refused:
        parse_settings("", "a\x1b[31m\n.toml")
    assert refused.value.problems == ("a\\x1b[31m\\n.toml: site: is missing: write [site]",)


@settings(deadline=None)
@given(st.text())
def test_no_text_gives_anything_but_settings_or_the_refusal(text: str) -> None:
    """Arbitrary text: never a traceback."""
    parse_or_refuse(text)


@settings(deadline=None)
@given(st.data())
def test_no_mutation_of_a_full_file_gives_anything_else(data: st.DataObject) -> None:
    """A piece cut out, put elsewhere or replaced, in a file that has every setting."""
    start = data.draw(st.integers(0, len(FULL)))
    end = data.draw(st.integers(start, min(len(FULL), start + 200)))
    piece = data.draw(st.one_of(st.text(max_size=20), st.sampled_from(_PIECES)))
    parse_or_refuse(FULL[:start] + piece + FULL[end:])


_PIECES = [
    "",
    '"',
    "[",
    "]]",
    "= nan",
    "1e999",
    '"-1s"',
    "[[target]]\n",
    "0x" + "f" * 99,
    "\n#",
    "''",
]
_VALUES = st.recursive(
    st.one_of(
        st.booleans().map(lambda value: "true" if value else "false"),
        st.integers().map(str),
        st.decimals().map(lambda value: str(value).lower().removeprefix("s").removeprefix("-s")),
        st.sampled_from(
            ['"5s"', '"auto"', '"icmp"', '"internet"', '"100 Mbit/s"', '"1.00 EUR"', '"S2"', '""']
        ),
        st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8).map(
            lambda value: "'" + value.replace("'", "") + "'"
        ),
        st.dates().map(str),
        st.times().map(str),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: f"[{', '.join(values)}]"),
        st.dictionaries(st.sampled_from(["name", "role", "x"]), inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        ),
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([path for path, _, _ in list_settings()]), _VALUES)))
def test_no_value_of_any_setting_gives_anything_else(values: list[tuple[str, str]]) -> None:
    """Every known key with values of every TOML type, tables and lists among them."""
    tables: dict[str, dict[str, str]] = {}
    for path, value in values:
        table, _, key = path.rpartition(".")
        tables.setdefault(table, {})[key] = value
    text = SITE if "site" not in tables else ""
    for table, keys in tables.items():
        header = f"[[{table[:-2]}]]" if table.endswith("[]") else f"[{table}]"
        text += header + "\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
    parse_or_refuse(text)
