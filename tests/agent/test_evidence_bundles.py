"""A month's bundle for whoever asks the agent: made elsewhere, one at a time, and kept."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from netwatch.agent.evidence_bundles import EvidenceBundles
from netwatch.config.model import Settings, Site, StoreSettings
from netwatch.report.recompute import recompute_report
from netwatch.report.verify import verify_bundle
from netwatch.store.annals import Annals
from netwatch.store.db import open_database
from netwatch.store.journal import Journal
from netwatch.web.evidence_route import (
    PATH,
    EvidenceBundle,
    FindEvidence,
    NoBundle,
    answer_evidence,
)
from netwatch.web.request import Request
from tests.adapters.store_samples import anchor, answered, batch, check

NOW_MS = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp() * 1000)
#: A child that never ends.
HANGS = [sys.executable, "-c", "import time; time.sleep(600)"]


def make_settings(folder: Path) -> Settings:
    path = folder / "netwatch.db"
    opened = open_database(path, set_aside=lambda: "never")
    with closing(opened.connection):
        journal = Journal(opened.connection)
        journal.begin_run("boot-a", 1, "0.1.0", 0, anchor())
        journal.append(batch(60_000, observations=[answered("box", 1_000)], checks=[check("box")]))
    return Settings(site=Site(id="school"), store=StoreSettings(path=str(path)))


def wait_for(find: FindEvidence, year: int, month: int) -> EvidenceBundle | NoBundle:
    """Ask until there is another answer than "come again"."""
    while isinstance(found := find(year, month), NoBundle) and found.retry_after_s is not None:
        time.sleep(0.05)
    return found


def test_a_month_is_made_once_and_kept_until_something_is_entered(tmp_path: Path) -> None:
    """The first is told to come again; the bundle is sound; an exclusion makes it another."""
    settings = make_settings(tmp_path)
    bundles = EvidenceBundles(settings, wall_ms=lambda: NOW_MS)
    assert bundles.find(2026, 10) == NoBundle(
        status=503, sentence="the bundle is being made: ask again in 10 s", retry_after_s=10
    )
    assert bundles.find(2026, 9) == NoBundle(
        status=503, sentence="a bundle is being made: ask again in 10 s", retry_after_s=10
    )
    found = wait_for(bundles.find, 2026, 10)
    assert isinstance(found, EvidenceBundle)
    assert found.name == "netwatch-school-2026-10.zip"
    copy = tmp_path / found.name
    copy.write_bytes(found.body)
    result = verify_bundle(copy, recompute_report)
    assert (result.problems, result.month) == ((), "2026-10")
    later = EvidenceBundles(settings, wall_ms=lambda: NOW_MS + 1, command=HANGS)
    assert later.find(2026, 10) == found
    Annals(settings.store.path).enter_exclusion(
        from_ms=1_791_000_000_000,
        to_ms=1_791_003_600_000,
        reason="works",
        author="town",
        entered_ms=NOW_MS,
    )
    assert isinstance(later.find(2026, 10), NoBundle)
    later.stop()
    assert isinstance(wait_for(later.find, 2026, 10), NoBundle)


def test_few_bundles_are_kept(tmp_path: Path) -> None:
    """The newest three; the folder does not grow with the months that are asked for."""
    settings = make_settings(tmp_path)
    touch = [sys.executable, "-c", "import sys; open(sys.argv[3], 'w').write(sys.argv[2])"]
    bundles = EvidenceBundles(settings, wall_ms=lambda: NOW_MS, command=touch)
    for month in range(1, 8):
        found = wait_for(bundles.find, 2026, month)
        assert isinstance(found, EvidenceBundle)
        assert found.body == str(month).encode()
    folder = Path(f"{settings.store.path}.evidence")
    while len(names := sorted(path.name[:7] for path in folder.iterdir())) > 3:
        time.sleep(0.02)
    assert names == ["2026-05", "2026-06", "2026-07"]


def test_a_month_that_is_not_over_is_made_anew_after_a_quarter_of_an_hour(tmp_path: Path) -> None:
    """Until then the one that was made answers."""
    now_ms = [NOW_MS]
    touch = [sys.executable, "-c", "import sys; open(sys.argv[3], 'w').close()"]
    bundles = EvidenceBundles(make_settings(tmp_path), wall_ms=lambda: now_ms[0], command=touch)
    assert isinstance(wait_for(bundles.find, 2026, 11), EvidenceBundle)
    now_ms[0] += 600_000
    assert isinstance(bundles.find(2026, 11), EvidenceBundle)
    now_ms[0] += 300_000
    assert isinstance(bundles.find(2026, 11), NoBundle)
    wait_for(bundles.find, 2026, 11)


def test_a_month_to_come_is_refused(tmp_path: Path) -> None:
    bundles = EvidenceBundles(make_settings(tmp_path), wall_ms=lambda: NOW_MS)
    assert bundles.find(2026, 12) == NoBundle(
        status=404, sentence="2026-12: that month has not begun"
    )


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            [sys.executable, "-c", "import sys; sys.exit('babel is not installed')"],
            "2026-10: the bundle could not be made: babel is not installed",
        ),
        (HANGS, "2026-10: the bundle could not be made: it was not made within 0.3 s"),
        (["/nonexistent/python"], "2026-10: the bundle cannot be made: No such file or directory"),
    ],
)
def test_a_failure_is_told_and_tried_again_later(
    tmp_path: Path, command: list[str], sentence: str
) -> None:
    """In one sentence; not again with every question."""
    now_ms = [NOW_MS]
    bundles = EvidenceBundles(
        make_settings(tmp_path), wall_ms=lambda: now_ms[0], command=command, longest_s=0.3
    )
    assert wait_for(bundles.find, 2026, 10) == NoBundle(status=500, sentence=sentence)
    if command[0] == sys.executable:
        assert bundles.find(2026, 10) == NoBundle(status=500, sentence=sentence)
        now_ms[0] += 60_000
        assert bundles.find(2026, 10).status == 503  # type: ignore[union-attr]  # it is none yet
        wait_for(bundles.find, 2026, 10)


def test_the_end_of_the_agent_ends_what_is_under_way(tmp_path: Path) -> None:
    """No process is left behind."""
    bundles = EvidenceBundles(make_settings(tmp_path), wall_ms=lambda: NOW_MS, command=HANGS)
    bundles.find(2026, 10)
    bundles.stop()
    assert wait_for(bundles.find, 2026, 10) == NoBundle(
        status=500, sentence="2026-10: the bundle could not be made: it ended without a word"
    )


@pytest.mark.parametrize("asked", ["", "2026", "2026-13", "2026-1", "0000-01", "2026-10.zip"])
def test_what_is_no_month_is_refused_in_a_sentence(asked: str) -> None:
    def never(year: int, month: int) -> NoBundle:
        raise AssertionError((year, month))

    answer = answer_evidence(Request(method="GET", path=PATH + asked), never)
    assert answer.status == 400
    assert msgspec.json.decode(answer.body) == {
        "error": f"must be a month like /api/v1/evidence/2026-10, got {asked!r}"
    }


def test_a_bundle_is_sent_as_a_file_and_a_delay_with_its_header() -> None:
    """As downloads are, and as clients that try again expect it."""
    request = Request(method="GET", path=f"{PATH}2026-10")
    sent = answer_evidence(request, lambda *_: EvidenceBundle(name="a-2026-10.zip", body=b"PK"))
    assert (sent.status, sent.body, sent.content_type) == (200, b"PK", "application/zip")
    assert sent.headers == (("Content-Disposition", 'attachment; filename="a-2026-10.zip"'),)
    later = answer_evidence(
        request, lambda *_: NoBundle(status=503, sentence="later", retry_after_s=10)
    )
    assert (later.status, later.headers) == (503, (("Retry-After", "10"),))


def test_an_agent_without_what_makes_a_bundle_says_so(tmp_path: Path) -> None:
    """No process is begun for it, and the answer names what is missing."""
    bundles = EvidenceBundles(
        make_settings(tmp_path), wall_ms=lambda: NOW_MS, command=HANGS, is_able=lambda: False
    )
    assert bundles.find(2026, 10) == NoBundle(
        status=501, sentence="2026-10: this agent makes no bundles: pip install 'netwatch[report]'"
    )
