"""Bringing Grafana to what was planned.

Rule of this file: first all that can be known beforehand, then the writes, each over the very
version that was read. A failure on the way says what is written and what is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from netwatch.errors import GrafanaFailed
from netwatch.fleet.grafana.client import GrafanaClient
from netwatch.fleet.grafana.compare import build_mark
from netwatch.fleet.grafana.data_sources import build_request
from netwatch.fleet.grafana.plan import FOLDER_UID, DashboardPlan, Plan, SourcePlan
from netwatch.fleet.grafana.refusals import WANTED_ROLE, Conflict

#: kept: edited by the town, left as it is · conflict: edited while this ran, left as it is.
Result = Literal["created", "updated", "unchanged", "kept", "provisioned", "conflict"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each part, by its uid."""

    folder: Result
    sources: dict[str, Result]
    dashboards: dict[str, Result]

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        results = (self.folder, *self.sources.values(), *self.dashboards.values())
        return any(result in ("created", "updated") for result in results)


class _Task(msgspec.Struct, frozen=True, kw_only=True):
    what: str  # for a person
    key: tuple[str, str]
    write: Callable[[], None]
    result: Result
    needs: tuple[str, bool]  # the right, and whether the token has it


def push(
    client: GrafanaClient, plan: Plan, rights: frozenset[str], *, overwrite: bool = False
) -> Outcome:
    """Write what is new or outdated, and with ``overwrite`` what the town edited.

    Raises GrafanaFailed: before the first write where the token lacks a right; on the way with
    what is written by then, which stays: the next push goes on from there.
    """
    tasks = list(_list_tasks(client, plan, rights, overwrite=overwrite))
    _check_rights(client, tasks)
    results: dict[tuple[str, str], Result] = {}
    done: list[str] = []
    for number, task in enumerate(tasks):
        try:
            task.write()
        except Conflict as conflict:
            if task.result == "created":
                missing = [each.what for each in tasks[number:]]
                raise _halfway(client.failed(f"{task.what}: {conflict}"), done, missing) from None
            results[task.key] = "conflict"
        except GrafanaFailed as error:
            missing = [each.what for each in tasks[number:]]
            raise _halfway(error, done, missing) from None
        except KeyboardInterrupt:
            missing = [each.what for each in tasks[number:]]
            stopped = client.failed("interrupted", unanswered=True)
            raise _halfway(stopped, done, missing) from None
        else:
            results[task.key] = task.result
            done.append(task.what)
    return Outcome(
        folder=results.get(("folder", FOLDER_UID), _leave(plan.folder.state)),
        sources={
            each.wanted.uid: results.get(("source", each.wanted.uid), _leave(each.state))
            for each in plan.sources
        },
        dashboards={
            each.page.uid: results.get(("dashboard", each.page.uid), _leave(each.state))
            for each in plan.dashboards
        },
    )


def _leave(state: str) -> Result:
    results: dict[str, Result] = {"edited": "kept", "provisioned": "provisioned"}
    return results.get(state, "unchanged")


def _list_tasks(
    client: GrafanaClient, plan: Plan, rights: frozenset[str], *, overwrite: bool
) -> Iterator[_Task]:
    replaced = {"outdated", "edited"} if overwrite else {"outdated"}
    folder = plan.folder
    if folder.state == "new":
        yield _Task(
            what=f'folder "{folder.title}"',
            key=("folder", FOLDER_UID),
            write=lambda: client.create_folder(FOLDER_UID, folder.title),
            result="created",
            needs=("folders:create", "folders:create" in rights),
        )
    elif folder.state in replaced and folder.held is not None:
        version = int(folder.held.get("version") or 0)
        yield _Task(
            what=f'folder "{folder.title}"',
            key=("folder", FOLDER_UID),
            write=lambda: client.rename_folder(FOLDER_UID, folder.title, version),
            result="updated",
            needs=("folders:write", folder.may_save),
        )
    for source in plan.sources:
        if source.state == "new" or source.state in replaced:
            yield _plan_source_task(client, source, rights)
    for each in plan.dashboards:
        if each.state == "new":
            granted = "dashboards:create" in rights and (folder.held is None or folder.may_save)
            yield _plan_dashboard_task(client, each, ("dashboards:create", granted))
        elif each.state in replaced and each.stored is not None:
            yield _plan_dashboard_task(client, each, ("dashboards:write", each.stored.may_save))


def _plan_source_task(client: GrafanaClient, plan: SourcePlan, rights: frozenset[str]) -> _Task:
    wanted, held = plan.wanted, plan.held
    request = build_request(wanted, held)
    right = "datasources:create" if held is None else "datasources:write"

    def write() -> None:
        if held is None:
            client.create_data_source(request)
        else:
            client.update_data_source(wanted.uid, request)

    return _Task(
        what=f'data source "{wanted.name}"',
        key=("source", wanted.uid),
        write=write,
        result="created" if held is None else "updated",
        needs=(right, right in rights),
    )


def _plan_dashboard_task(
    client: GrafanaClient, plan: DashboardPlan, needs: tuple[str, bool]
) -> _Task:
    page, stored = plan.page, plan.stored
    document = {**page.document, "id": None}
    folder_uid = FOLDER_UID
    if stored is not None:
        # Where the town moved it, it stays.
        document |= {"id": stored.document.get("id"), "version": stored.version}
        folder_uid = stored.folder_uid
    mark = build_mark(page.fingerprint)
    return _Task(
        what=f"dashboard {page.uid}",
        key=("dashboard", page.uid),
        write=lambda: client.save_dashboard(document, folder_uid, mark),
        result="created" if stored is None else "updated",
        needs=needs,
    )


def _check_rights(client: GrafanaClient, tasks: list[_Task]) -> None:
    missing = list(dict.fromkeys(task.needs[0] for task in tasks if not task.needs[1]))
    if not missing:
        return
    about_sources = any(right.startswith("datasources:") for right in missing)
    raise client.failed(
        f"the token of {client.token_file} lacks {', '.join(missing)}: give its service account "
        f"the role {WANTED_ROLE if about_sources else 'Editor'}; nothing was written"
    )


def _halfway(error: GrafanaFailed, done: list[str], missing: list[str]) -> GrafanaFailed:
    parts = [str(error), f"written: {', '.join(done) if done else 'nothing'}"]
    if error.unanswered:
        parts.append(f"perhaps written: {missing.pop(0)}")
    if missing:
        parts.append(f"not written: {', '.join(missing)}")
    return GrafanaFailed("; ".join([*parts, "`netwatch fleet dashboards push` goes on from there"]))
