"""What Grafana has and what it should have: a state for the folder, each source, each dashboard.

Rule of this file: reads, and writes nothing. By its own mark in the history netwatch knows
what it saved itself; whatever anybody saved after that is the town's, and stays.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from netwatch.fleet.grafana.client import GrafanaClient, StoredDashboard
from netwatch.fleet.grafana.compare import Difference, compare, is_same, parse_mark
from netwatch.fleet.grafana.data_sources import DataSource, is_edited, list_changes
from netwatch.fleet.grafana.refusals import parse_version
from netwatch.fleet.grafana.shipped import Page

FOLDER_UID = "netwatch"
#: From here on Grafana takes two dashboards of one title in one folder.
_EQUAL_TITLES_SINCE = (12, 0)

#: new: not there · current: as netwatch has it · outdated: as an earlier push left it ·
#: edited: changed in Grafana since, or never pushed · provisioned: Grafana reads it from a file.
State = Literal["new", "current", "outdated", "edited", "provisioned"]


class FolderPlan(msgspec.Struct, frozen=True, kw_only=True):
    title: str  # as configured
    state: State
    held: dict[str, Any] | None = None

    @property
    def held_title(self) -> str | None:
        """What Grafana calls it."""
        return None if self.held is None else str(self.held.get("title"))

    @property
    def may_save(self) -> bool:
        """Whether the token may put dashboards into it."""
        return self.held is not None and bool(self.held.get("canSave"))


class SourcePlan(msgspec.Struct, frozen=True, kw_only=True):
    wanted: DataSource
    state: State
    changes: tuple[str, ...] = ()  # names of fields
    held: dict[str, Any] | None = None


class DashboardPlan(msgspec.Struct, frozen=True, kw_only=True):
    page: Page
    state: State
    difference: Difference = Difference()
    stored: StoredDashboard | None = None
    edited_by: str | None = None
    edited_at: str | None = None
    remark: str | None = None  # what the editor wrote beside it


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    version: str  # Grafana's
    folder: FolderPlan
    sources: tuple[SourcePlan, ...]
    dashboards: tuple[DashboardPlan, ...]

    @property
    def differs(self) -> bool:
        """Whether anything in Grafana is otherwise than netwatch has it."""
        states = [self.folder.state]
        states += [each.state for each in self.sources]
        states += [each.state for each in self.dashboards]
        return any(state != "current" for state in states)


def read_plan(
    client: GrafanaClient,
    version: str,
    folder_title: str,
    sources: tuple[DataSource, ...],
    pages: tuple[Page, ...],
) -> Plan:
    """The present state of all that would be pushed.

    Raises GrafanaFailed where it cannot be read, and where a name is taken by something else.
    """
    folder = _plan_folder(client, folder_title)
    planned = _plan_sources(client, sources) if sources else ()
    dashboards = tuple(_plan_dashboard(client, page) for page in pages)
    parsed = parse_version(version)
    if folder.held is not None and parsed is not None and parsed < _EQUAL_TITLES_SINCE:
        _check_titles(client, dashboards)
    return Plan(version=version, folder=folder, sources=planned, dashboards=dashboards)


def _plan_folder(client: GrafanaClient, title: str) -> FolderPlan:
    held = client.find_folder(FOLDER_UID)
    if held is not None:
        state: State = "current" if held.get("title") == title else "edited"
        return FolderPlan(title=title, state=state, held=held)
    for other in client.list_folders():
        if other.get("title") == title:
            raise client.failed(
                f'a folder "{title}" is there already, under another uid ({other.get("uid")}): '
                "rename it, or give fleet.grafana.folder another title"
            )
    return FolderPlan(title=title, state="new")


def _plan_sources(client: GrafanaClient, sources: tuple[DataSource, ...]) -> tuple[SourcePlan, ...]:
    listed = client.list_data_sources()
    planned = []
    for wanted in sources:
        namesakes = [each for each in listed if each.get("name") == wanted.name]
        if any(each.get("uid") != wanted.uid for each in namesakes):
            raise client.failed(
                f'a data source "{wanted.name}" is there already, under another uid '
                f"({namesakes[0].get('uid')}): rename it, or give it the uid {wanted.uid}"
            )
        held = None
        if any(each.get("uid") == wanted.uid for each in listed):
            held = client.find_data_source(wanted.uid)
        planned.append(_judge_source(wanted, held))
    return tuple(planned)


def _judge_source(wanted: DataSource, held: dict[str, Any] | None) -> SourcePlan:
    if held is None:
        return SourcePlan(wanted=wanted, state="new")
    changes = tuple(list_changes(wanted, held))
    state: State = "outdated"
    if held.get("readOnly"):
        state, changes = "provisioned", tuple(each for each in changes if each != "secret")
    elif not changes:
        state = "current"
    elif is_edited(held):
        state = "edited"
    if state == "provisioned" and not changes:
        state = "current"
    return SourcePlan(wanted=wanted, state=state, changes=changes, held=held)


def _plan_dashboard(client: GrafanaClient, page: Page) -> DashboardPlan:
    stored = client.find_dashboard(page.uid)
    if stored is None:
        return DashboardPlan(page=page, state="new")
    if is_same(page.document, stored.document):
        return DashboardPlan(page=page, state="current", stored=stored)
    difference = compare(page.document, stored.document)
    if stored.provisioned:
        return DashboardPlan(page=page, state="provisioned", difference=difference, stored=stored)
    versions = client.list_versions(page.uid)
    newest = versions[0] if versions else None
    if newest is not None and parse_mark(newest.message) == page.fingerprint:
        # What was sent is this very page: Grafana keeps it in a form of its own.
        return DashboardPlan(page=page, state="current", stored=stored)
    ours = next((each for each in versions if parse_mark(each.message)), None)
    if ours is not None and newest is not None:
        untouched = ours is newest
        if not untouched:  # saved again, or moved, without a change of what it shows?
            saved = client.read_version_of(page.uid, ours.version)
            untouched = saved is not None and is_same(saved, stored.document)
        if untouched:
            return DashboardPlan(page=page, state="outdated", difference=difference, stored=stored)
    return DashboardPlan(
        page=page,
        state="edited",
        difference=difference,
        stored=stored,
        edited_by=newest.author or None if newest else None,
        edited_at=newest.saved_at or None if newest else None,
        remark=newest.message or None if newest else None,
    )


def _check_titles(client: GrafanaClient, dashboards: tuple[DashboardPlan, ...]) -> None:
    taken = client.list_titles(FOLDER_UID)
    for plan in dashboards:
        other = taken.get(plan.page.title)
        if plan.state in ("new", "outdated") and other not in (None, plan.page.uid):
            raise client.failed(
                f'a dashboard "{plan.page.title}" is in the folder already, under another uid '
                f"({other}): rename it"
            )
