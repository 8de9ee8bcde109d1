"""What is asked of Grafana, and what its refusals mean.

Rule of this file: grafana-api's verbs, each answer of the form that the HTTP API's
documentation gives or a sentence with Grafana's address before it; the token is in none of
them. It decides nothing about dashboards.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import msgspec
import requests
from grafana_api.grafana_api import GrafanaException
from grafana_api.grafana_face import GrafanaFace

from netwatch.config.notes import show_quoted
from netwatch.errors import AgentUnreachable, GrafanaFailed, UsageError
from netwatch.fleet.address import parse_agent_address
from netwatch.fleet.asking import Patience, read_token
from netwatch.fleet.grafana.refusals import (
    Conflict,
    explain,
    is_conflict,
    message_of,
    parse_version,
    say,
)
from netwatch.fleet.grafana.wire import Wire
from netwatch.fleet.model import GrafanaSettings

#: The version whose schema the dashboards are of (grafana-foundation-sdk).
OLDEST = (10, 1)
#: No version of a dashboard that netwatch saved is looked for further back; Grafana keeps 20.
_MOST_VERSIONS = 50
_MOST_BYTES = 8_000_000

Document = dict[str, Any]


class StoredDashboard(msgspec.Struct, frozen=True, kw_only=True):
    """A dashboard as Grafana has it."""

    document: Document
    version: int
    folder_uid: str  # empty: outside of all folders
    provisioned: bool  # read from a file by Grafana itself, which refuses to save another
    may_save: bool


class SavedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a dashboard's history."""

    version: int
    message: str
    author: str
    saved_at: str


class GrafanaClient:
    """One Grafana under one token; to be closed."""

    def __init__(self, settings: GrafanaSettings, timeout_s: float = 30.0) -> None:
        self.url = settings.url.rstrip("/")
        self.token_file = settings.token_file
        if self.token_file is None:
            raise UsageError(
                "fleet.grafana.token_file is missing: make a token in Grafana under "
                "Administration, Service accounts, with the role Admin, and name the file that "
                "holds it"
            )
        try:
            self._token = read_token(Path(self.token_file))
        except AgentUnreachable as error:
            raise UsageError(f"fleet.grafana.{error}") from None
        address = parse_agent_address(settings.url)
        prefix = address.prefix.lstrip("/")
        self._face = GrafanaFace(
            self._token,
            host=f"[{address.host}]" if ":" in address.host else address.host,
            port=address.port,
            protocol=address.scheme,
            url_path_prefix=f"{prefix}/" if prefix else "",
        )
        session = self._face.api.s
        wire = Wire(address, settings.ca, Patience(timeout_s=timeout_s, limit_bytes=_MOST_BYTES))
        for scheme in ("http://", "https://"):
            session.mount(scheme, wire)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._face.api.s.close()

    # -- what there is ---------------------------------------------------------------------

    def read_version(self) -> str:
        """Grafana's version. Raises GrafanaFailed where it is none, or too old."""
        health = self._mapping(self._face.api.GET, "/health")
        if "database" not in health:
            raise self.failed("answers, but not as Grafana does: is fleet.grafana.url right?")
        if health["database"] != "ok":
            raise self.failed(f"its database fails ({say(health['database'])}): see Grafana's log")
        version = health.get("version")
        if not version:  # hidden from those who have not signed in
            built = self._mapping(self._face.api.GET, "/frontend/settings").get("buildInfo")
            version = built.get("version") if isinstance(built, dict) else None
        parsed = parse_version(version)
        if parsed is None:
            raise self.failed(f"tells no version that can be read, got {say(version)}")
        if parsed < OLDEST:
            raise self.failed(
                f"Grafana {say(version)} is too old: the dashboards need "
                f"{OLDEST[0]}.{OLDEST[1]} or later, update it"
            )
        return str(version)

    def read_rights(self) -> frozenset[str]:
        """The actions that the token may do, somewhere at least (docs: RBAC actions)."""
        granted = self._mapping(self._face.api.GET, "/access-control/user/permissions")
        return frozenset(granted)

    def find_folder(self, uid: str) -> Document | None:
        """The folder; None where there is none (or none that the token may see)."""
        return self._find(self._face.folder.get_folder, quote(uid, safe=""), unseen=(403, 404))

    def list_folders(self) -> list[Document]:
        """Those outside of any other, at most 1 000."""
        return self._list(self._face.api.GET, "/folders?limit=1000")

    def list_titles(self, folder_uid: str) -> dict[str, str]:
        """Title -> uid of the dashboards in a folder, at most 1 000."""
        path = f"/search?type=dash-db&limit=1000&folderUIDs={quote(folder_uid, safe='')}"
        found = self._list(self._face.api.GET, path)
        return {str(each.get("title")): str(each.get("uid")) for each in found}

    def list_data_sources(self) -> list[Document]:
        """All, without their secrets' fields."""
        return self._list(self._face.datasource.list_datasources)

    def find_data_source(self, uid: str) -> Document | None:
        """One, with the names of the secrets that it holds."""
        return self._find(self._face.api.GET, f"/datasources/uid/{quote(uid, safe='')}")

    def find_dashboard(self, uid: str) -> StoredDashboard | None:
        """The dashboard as it is now; None where there is none."""
        answer = self._find(self._face.dashboard.get_dashboard, quote(uid, safe=""))
        if answer is None:
            return None
        document, meta = answer.get("dashboard"), answer.get("meta")
        if not isinstance(document, dict) or not isinstance(meta, dict):
            raise self._odd(f"/dashboards/uid/{uid}")
        version = document.get("version", meta.get("version"))
        return StoredDashboard(
            document=document,
            version=version if isinstance(version, int) else 0,
            folder_uid=str(meta.get("folderUid") or ""),
            provisioned=bool(meta.get("provisioned")),
            may_save=bool(meta.get("canSave")),
        )

    def list_versions(self, uid: str) -> list[SavedVersion]:
        """The newest of its history, newest first."""
        path = f"/dashboards/uid/{quote(uid, safe='')}/versions?limit={_MOST_VERSIONS}"
        answer = self._ask(self._face.api.GET, path)
        # A list until Grafana 11, then an object round it.
        entries = answer.get("versions") if isinstance(answer, dict) else answer
        if not isinstance(entries, list):
            raise self._odd(path)
        found = [
            SavedVersion(
                version=entry["version"],
                message=str(entry.get("message") or ""),
                author=str(entry.get("createdBy") or ""),
                saved_at=str(entry.get("created") or ""),
            )
            for entry in entries
            if isinstance(entry, dict) and isinstance(entry.get("version"), int)
        ]
        return sorted(found, key=lambda entry: entry.version, reverse=True)

    def read_version_of(self, uid: str, version: int) -> Document | None:
        """The dashboard as that version had it; None where it is not kept."""
        path = f"/dashboards/uid/{quote(uid, safe='')}/versions/{version}"
        answer = self._find(self._face.api.GET, path)
        document = None if answer is None else answer.get("data")
        return document if isinstance(document, dict) else None

    # -- what is written -------------------------------------------------------------------

    def create_folder(self, uid: str, title: str) -> None:
        """Raises Conflict where there is one of the uid or title."""
        self._mapping(self._face.folder.create_folder, title, uid)

    def rename_folder(self, uid: str, title: str, version: int) -> None:
        """Raises Conflict where it was changed since."""
        self._mapping(self._face.folder.update_folder, quote(uid, safe=""), title, version)

    def create_data_source(self, document: Document) -> None:
        """Raises Conflict where there is one of the uid or name."""
        self._mapping(self._face.datasource.create_datasource, document)

    def update_data_source(self, uid: str, document: Document) -> None:
        """Raises Conflict where it was changed since."""
        path = f"/datasources/uid/{quote(uid, safe='')}"
        self._mapping(lambda: self._face.api.PUT(path, json=document))

    def save_dashboard(self, document: Document, folder_uid: str, message: str) -> None:
        """Create it, or put it in the place of the version that the document names.

        Never with ``overwrite``: by that word Grafana before version 12 replaces whatever else
        has the same title. Raises Conflict where the version is not the newest.
        """
        request = {
            "dashboard": document,
            "folderUid": folder_uid,
            "message": message,
            "overwrite": False,
        }
        self._mapping(self._face.dashboard.update_dashboard, request)

    # -- how answers are taken -------------------------------------------------------------

    def failed(self, reason: str, *, unanswered: bool = False) -> GrafanaFailed:
        """The sentence, without the token should Grafana have said it back."""
        said = reason.replace(self._token, "…")
        return GrafanaFailed(f"{self.url}: {said}", unanswered=unanswered)

    def _ask(self, call: Callable[..., Any], *arguments: Any, unseen: tuple[int, ...] = ()) -> Any:  # noqa: ANN401 - JSON
        try:
            return call(*arguments)
        except GrafanaException as error:
            if error.status_code in unseen:
                return None
            if is_conflict(error):
                raise Conflict(message_of(error)) from None
            raise self.failed(explain(error, str(self.token_file))) from None
        except AgentUnreachable as error:
            raise self.failed(str(error), unanswered=True) from None
        except requests.RequestException as error:
            raise self.failed(f"cannot be asked ({type(error).__name__})") from None

    def _find(
        self, call: Callable[..., Any], *arguments: object, unseen: tuple[int, ...] = (404,)
    ) -> Document | None:
        answer = self._ask(call, *arguments, unseen=unseen)
        if answer is not None and not isinstance(answer, dict):
            raise self._odd(str(arguments[0]))
        return answer

    def _mapping(self, call: Callable[..., Any], *arguments: object) -> Document:
        answer = self._ask(call, *arguments)
        if not isinstance(answer, dict):
            raise self._odd(str(arguments[0]) if arguments else "a request")
        return answer

    def _list(self, call: Callable[..., Any], *arguments: object) -> list[Document]:
        answer = self._ask(call, *arguments)
        if not isinstance(answer, list):
            raise self._odd(str(arguments[0]) if arguments else "a list")
        return [each for each in answer if isinstance(each, dict)]

    def _odd(self, what: str) -> GrafanaFailed:
        return self.failed(f"answers {show_quoted(what)} in a form that Grafana's API has not")
