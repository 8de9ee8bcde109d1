"""Each mistake's exact message: tests/bad_config/NAME.toml and NAME.txt beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from netwatch.config.load import load_settings
from netwatch.errors import ConfigError

FOLDER = Path(__file__).parent.parent / "bad_config"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_file_is_refused_with_exactly_its_messages(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All problems of the file in one run, in its order, to the letter."""
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ConfigError) as refused:
        load_settings(f"{name}.toml")
    expected = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert list(refused.value.problems) == expected


def test_there_are_enough_of_them_and_none_is_an_orphan() -> None:
    """At least thirty mistakes, each file with its message and each message with its file."""
    assert len(NAMES) >= 30
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == NAMES
