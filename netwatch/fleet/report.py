"""The month of the whole fleet: each site's report, each operator's summary, in one folder.

Rule of this file: the order of the work. Sites go by one at a time, a few side by side, and
leave nothing in memory but their rows; a site that fails is a row too. Everything is written
beside the folder that was asked for, which then appears whole, or not at all.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from netwatch.errors import SourceFailed, UsageError
from netwatch.fleet.files import new_folder
from netwatch.fleet.model import FleetSite, Inventory
from netwatch.fleet.site_report import SiteOutcome, Wanted, find_period, make_site_report
from netwatch.fleet.sources.base import Source, SourceName
from netwatch.fleet.sources.registry import build_source
from netwatch.fleet.summary import OperatorSummary, build_summaries
from netwatch.fleet.summary_files import (
    encode_summary,
    render_page,
    render_shared_csv,
    render_sites_csv,
)
from netwatch.fleet.summary_tables import TABLES
from netwatch.report.identity import iso_utc
from netwatch.report.tables import build_schema

INDEX = "fleet.json"
#: Agents that make their bundles at one time: they do the work, the centre waits.
_DOWNLOADS = 16
#: A store that did not answer for so many sites in a row is not asked for the rest.
_MOST_SILENCES = 5


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet report as the command line asks for it."""

    wanted: Wanted
    source: SourceName
    sites: tuple[str, ...] = ()  # none: all
    timeout_s: float = 60.0
    longest_s: float = 900.0
    workers: int = 1  # processes; 1: this one alone


class IndexEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One operator in ``fleet.json``."""

    operator: str
    folder: str
    sites: int
    reported: int
    failed: tuple[str, ...]


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """``fleet.json``: what the folder holds, and what it could not."""

    schema_version: int = 1
    month: str
    generated_at: str
    source: SourceName
    operators: tuple[IndexEntry, ...]
    strangers: tuple[str, ...]  # sites that the source has and the inventory has not


class FleetReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    folder: Path
    index: Index
    summaries: tuple[OperatorSummary, ...]


Step = Callable[[SiteOutcome], None]


def choose_sites(inventory: Inventory, ids: Sequence[str]) -> tuple[FleetSite, ...]:
    """The sites of these ids, in the inventory's order; none: all. Raises UsageError."""
    known = {site.id for site in inventory.sites}
    for each in ids:
        if each not in known:
            raise UsageError(f"--site: the inventory has no site {each!r}")
    return tuple(site for site in inventory.sites if not ids or site.id in ids)


def report_fleet(
    inventory: Inventory, asked: Asked, output: Path, step: Step = lambda _: None
) -> FleetReport:
    """Write the fleet's month into ``output``; ``step`` is told of each site that is done.

    A fleet report that is there already is replaced; any other folder that is not empty is
    refused. Raises UsageError for that and for the disk, SourceFailed where the source as a
    whole does not answer: nothing is written then.
    """
    sites = choose_sites(inventory, asked.sites)
    source = build_source(
        asked.source, inventory, timeout_s=asked.timeout_s, longest_s=asked.longest_s
    )
    _keep_larger(output, asked)
    with new_folder(output, INDEX, "a fleet report") as staging:
        strangers = _find_strangers(inventory, source, sites[0], asked.wanted)
        outcomes = []
        for outcome in _make_all(inventory, asked, sites, staging):
            outcomes.append(outcome)
            step(outcome)
        month = f"{asked.wanted.year:04}-{asked.wanted.month:02}"
        summaries = build_summaries(inventory, sites, outcomes, month, asked.wanted.now_ms)
        index = _write_summaries(asked, summaries, strangers, staging)
    return FleetReport(folder=output, index=index, summaries=summaries)


def _keep_larger(output: Path, asked: Asked) -> None:
    """A report of chosen sites does not take the place of one that has others too."""
    path = output / INDEX
    if not asked.sites or not path.is_file():
        return
    try:
        sites = sum(
            each.sites for each in msgspec.json.decode(path.read_bytes(), type=Index).operators
        )
    except msgspec.DecodeError:
        return  # of another form: replaced, as it would be without --site
    held = {each.name for each in (output / "sites").glob("*")}
    if sites > len(asked.sites) or not held <= set(asked.sites):
        raise UsageError(
            f"{output}: holds the fleet report of {sites} {'site' if sites == 1 else 'sites'}, and "
            "--site would leave the chosen ones alone in it: give --output another folder"
        )


def _find_strangers(
    inventory: Inventory, source: Source, site: FleetSite, wanted: Wanted
) -> tuple[str, ...]:
    """Sites that the source has in this month and the inventory has not; asks it for the first time."""
    period = find_period(inventory, site, wanted)
    if wanted.now_ms < period.start_ms:
        raise UsageError(f"{period.name}: that month has not begun")
    known = {each.id for each in inventory.sites}
    found = source.list_sites(period.start_ms, period.until_ms)
    return tuple(each for each in found or () if each not in known)


# -- the sites -------------------------------------------------------------------------------


def _make_all(
    inventory: Inventory, asked: Asked, sites: Sequence[FleetSite], staging: Path
) -> Iterator[SiteOutcome]:
    """Each site's outcome as it comes. An agent's bundle is waited for beside the others'."""
    make = partial(_make_one, inventory, asked, staging=staging)
    with ExitStack() as stack:
        pool: Executor | None = None
        if asked.workers > 1:
            pool = stack.enter_context(
                ProcessPoolExecutor(
                    asked.workers,
                    # Nothing of this process' threads, and no memory that only grows.
                    mp_context=multiprocessing.get_context("spawn"),
                    max_tasks_per_child=100,
                )
            )
        if asked.source != "agents":
            yield from _run(pool, make, [site.id for site in sites])
            return
        stop = threading.Event()
        fetch = partial(_download, inventory, asked, staging, stop)
        downloads = stack.enter_context(ThreadPoolExecutor(min(_DOWNLOADS, len(sites))))
        # Entered last, so done first: an interruption does not wait for slow agents.
        stack.callback(downloads.shutdown, wait=False, cancel_futures=True)
        stack.callback(stop.set)
        waiting = {downloads.submit(fetch, site): site for site in sites}
        making: list[Future[SiteOutcome]] = []
        for done in as_completed(waiting):
            problem = done.result()
            site = waiting.pop(done)
            if problem is not None:
                yield SiteOutcome(site=site.id, problem=problem)
            elif pool is None:
                yield make(site.id)
            else:
                making.append(pool.submit(make, site.id))
        for made in as_completed(making):
            yield made.result()


def _run(
    pool: Executor | None, make: Callable[[str], SiteOutcome], ids: Sequence[str]
) -> Iterator[SiteOutcome]:
    """All sites of one store; when it has stopped answering, the rest are not waited for."""
    waiting = iter(ids)
    silences = 0
    running: set[Future[SiteOutcome]] = set()
    # A few ahead, so that no process waits; not all, so that the rest can be left out.
    ahead = 1 if pool is None else 2 * (os.cpu_count() or 1) + 2
    while silences < _MOST_SILENCES:
        for each in islice(waiting, ahead - len(running)):
            running.add(_settle(make, each) if pool is None else pool.submit(make, each))
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for one in done:
            outcome = one.result()
            silences = silences + 1 if outcome.silent else 0
            yield outcome
    for one in running:
        yield one.result()
    for each in waiting:
        yield SiteOutcome(
            site=each,
            problem=f"not asked: the store had not answered {_MOST_SILENCES} times running",
        )


def _settle(make: Callable[[str], SiteOutcome], site: str) -> Future[SiteOutcome]:
    """In this process, at once."""
    settled: Future[SiteOutcome] = Future()
    settled.set_result(make(site))
    return settled


def _make_one(inventory: Inventory, asked: Asked, site: str, *, staging: Path) -> SiteOutcome:
    """In a process of its own, perhaps: everything that it needs is handed over."""
    source = build_source(
        asked.source, inventory, timeout_s=asked.timeout_s, longest_s=asked.longest_s
    )
    return make_site_report(
        inventory, inventory.site(site), source, asked.wanted, staging / "sites" / site
    )


def _download(
    inventory: Inventory, asked: Asked, staging: Path, stop: threading.Event, site: FleetSite
) -> str | None:
    """Put the agent's bundle where the site's report is made; what went wrong, in words."""
    from netwatch.fleet.sources.agents import Agents  # noqa: PLC0415 -- only who asks agents

    folder = staging / "sites" / site.id
    folder.mkdir(parents=True)
    agents = Agents(timeout_s=asked.timeout_s, longest_s=asked.longest_s, pause=stop.wait)
    try:
        agents.download(site, find_period(inventory, site, asked.wanted), folder)
    except SourceFailed as error:
        shutil.rmtree(folder)
        return str(error)
    return None


# -- the summaries ---------------------------------------------------------------------------


def _write_summaries(
    asked: Asked,
    summaries: tuple[OperatorSummary, ...],
    strangers: tuple[str, ...],
    staging: Path,
) -> Index:
    wanted = asked.wanted
    for summary in summaries:
        folder = staging / "operators" / summary.slug
        folder.mkdir(parents=True)
        (folder / "summary.json").write_bytes(encode_summary(summary))
        (folder / "sites.csv").write_text(render_sites_csv(summary), encoding="utf-8")
        (folder / "shared.csv").write_text(render_shared_csv(summary), encoding="utf-8")
        for table in TABLES:
            (folder / table.schema_name).write_bytes(build_schema(table))
        for code in wanted.languages:
            page = render_page(summary, code, pages="html" in wanted.formats)
            (folder / f"summary.{code}.html").write_text(page, encoding="utf-8")
    index = Index(
        month=f"{wanted.year:04}-{wanted.month:02}",
        generated_at=iso_utc(wanted.now_ms),
        source=asked.source,
        operators=tuple(
            IndexEntry(
                operator=each.operator,
                folder=f"operators/{each.slug}",
                sites=each.totals.sites,
                reported=each.totals.reported,
                failed=tuple(one.site for one in each.failed),
            )
            for each in summaries
        ),
        strangers=strangers,
    )
    (staging / INDEX).write_bytes(msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n")
    return index


def count_processors() -> int:
    """How many processes of this machine may work at once."""
    return len(os.sched_getaffinity(0))
