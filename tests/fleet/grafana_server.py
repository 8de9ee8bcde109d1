"""A stand-in for Grafana's HTTP API, as far as dashboards, folders and data sources go.

Grafana is in no Debian release. Forms, codes and words follow the documentation of its HTTP API
and, where that is silent, its source: what it does with versions and equal titles, that it never
gives a secret back, that it keeps 20 versions, what each role may do.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.adapters.serving import serving

Json = Any
#: What each basic role may do (RBAC actions, as far as they matter here).
RIGHTS = {
    "Viewer": ("dashboards:read", "folders:read", "datasources:query"),
    "Editor": ("dashboards:read", "folders:read", "datasources:query", "dashboards:create",
               "dashboards:write", "folders:create", "folders:write"),
    "Admin": ("dashboards:read", "folders:read", "datasources:query", "dashboards:create",
              "dashboards:write", "folders:create", "folders:write", "datasources:read",
              "datasources:create", "datasources:write"),
}  # fmt: skip
_SECRET = "secureJsonData"


@dataclass
class Refusal(Exception):
    status: int
    body: Json


@dataclass
class Raw:
    """An answer that no Grafana gives, but what stands before one may."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drips: bool = False  # one byte now and then, and never an end
    cut_off: bool = False  # the connection ends without an answer


@dataclass
class GrafanaState:
    """What it holds, and what it was asked."""

    version: str = "11.6.0"
    roles: dict[str, str] = field(default_factory=lambda: {"glsa_admin": "Admin"})
    hides_version: bool = False
    prefix: str = ""  # as serve_from_sub_path has it
    database: str = "ok"
    folders: dict[str, Json] = field(default_factory=dict)
    sources: dict[str, Json] = field(default_factory=dict)
    dashboards: dict[str, Json] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)
    #: Called before each request with method and path; what it gives is the answer.
    before: Callable[[str, str], Raw | None] = lambda _method, _path: None
    lock: Lock = field(default_factory=Lock)

    @property
    def numbers(self) -> tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path, _ in self.asked if method != "GET"]

    def edit(self, uid: str, change: Callable[[Json], None], *, author: str = "marie",
             message: str = "") -> None:  # fmt: skip
        """Somebody changes a dashboard in the browser, and saves."""
        held = self.dashboards[uid]
        document = copy.deepcopy(held["document"])
        change(document)
        self.store(held, document, held["folder"], author, message)

    def store(self, held: Json, document: Json, folder: str, author: str, message: str) -> None:
        version = held["document"]["version"] + 1 if held["versions"] else 1
        held["document"] = {**document, "id": held["id"], "version": version}
        held["folder"] = folder
        held["versions"].append(
            {"version": version, "author": author, "message": message,
             "document": copy.deepcopy(held["document"])}
        )  # fmt: skip
        del held["versions"][:-20]


def _denied(action: str) -> Refusal:
    return Refusal(
        403,
        {
            "accessErrorId": "ACE0123456789",
            "message": "You'll need additional permissions to perform this action. "
            f"Permissions needed: {action}",
            "title": "Access denied",
        },
    )


class Handler(BaseHTTPRequestHandler):
    state: GrafanaState
    role = ""

    def do_GET(self) -> None:
        self._take("GET")

    def do_POST(self) -> None:
        self._take("POST")

    def do_PUT(self) -> None:
        self._take("PUT")

    def _take(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        split = urlsplit(self.path)
        path = split.path.removeprefix(self.state.prefix)
        if not split.path.startswith(f"{self.state.prefix}/"):
            path = "/nowhere"
        with self.state.lock:
            self.state.asked.append((method, self.path, self.headers.get("Authorization")))
            if method != "GET":
                self.state.bodies.append(body)
            raw = self.state.before(method, path)
            if raw is not None:
                self._answer_raw(raw)
                return
            try:
                answer = self._find(method, path, parse_qs(split.query), body)
                status = 200
            except Refusal as refusal:
                status, answer = refusal.status, refusal.body
        self._answer(status, json.dumps(answer).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer_raw(self, raw: Raw) -> None:
        if raw.cut_off:
            self.close_connection = True
            return
        self.send_response(raw.status)
        for name, value in raw.headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(raw.body)
            while raw.drips:
                self.wfile.write(b" ")
                self.wfile.flush()
                if self.server.leaving.wait(0.05):  # type: ignore[attr-defined] # set where it is made
                    return

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    # -- the API ---------------------------------------------------------------------------

    def _find(self, method: str, path: str, query: dict[str, list[str]], body: Json) -> Json:
        if path == "/api/health":  # asked before anybody has signed in
            health = {"commit": "83b9528bce", "database": self.state.database}
            if self.state.database != "ok":
                raise Refusal(503, health)
            return health | ({} if self.state.hides_version else {"version": self.state.version})
        given = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if given not in self.state.roles:
            raise Refusal(
                401,
                {"extra": None, "message": "Invalid API key", "messageId": "api-key.invalid",
                 "statusCode": 401, "traceID": ""},
            )  # fmt: skip
        self.role = self.state.roles[given]
        for pattern, asked, action, answer in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found and asked == method:
                if action:
                    self._need(action)
                return answer(self, *map(unquote, found.groups()), query=query, body=body)
        raise Refusal(404, {"message": "Not found"})

    def _need(self, action: str) -> None:
        if action not in RIGHTS[self.role]:
            raise _denied(action)

    def permissions(self, **_: Json) -> Json:
        return {action: [f"{action.partition(':')[0]}:*"] for action in RIGHTS[self.role]}

    def settings(self, **_: Json) -> Json:
        return {"buildInfo": {"version": self.state.version, "commit": "83b9528bce"}}

    def list_folders(self, query: Json, **_: Json) -> Json:
        limit = int(query.get("limit", ["1000"])[0])
        folders = [each for each in self.state.folders.values() if not each.get("parentUid")]
        return [{key: each[key] for key in ("id", "uid", "title")} for each in folders][:limit]

    def get_folder(self, uid: str, **_: Json) -> Json:
        if uid not in self.state.folders:
            raise Refusal(404, {"message": "folder not found", "status": "not-found"})
        writes = "folders:write" in RIGHTS[self.role]
        return self.state.folders[uid] | {"canSave": writes, "canEdit": writes}

    def create_folder(self, body: Json, **_: Json) -> Json:
        uid = body["uid"]
        titles = {each["title"] for each in self.state.folders.values()}
        if uid in self.state.folders or body["title"] in titles:
            raise Refusal(409, {"message": "a folder with the same name already exists"})
        self.state.folders[uid] = {
            "id": len(self.state.folders) + 1, "uid": uid, "title": body["title"], "version": 1,
            "url": f"/dashboards/f/{uid}/x", "hasAcl": False,
        }  # fmt: skip
        return self.get_folder(uid)

    def rename_folder(self, uid: str, body: Json, **_: Json) -> Json:
        folder = self.state.folders[uid]
        if not body.get("overwrite") and body.get("version") != folder["version"]:
            message = "The folder has been changed by someone else"
            raise Refusal(412, {"message": message, "status": "version-mismatch"})
        folder |= {"title": body["title"], "version": folder["version"] + 1}
        return self.get_folder(uid)

    def search(self, query: Json, **_: Json) -> Json:
        folders = query.get("folderUIDs", [""])
        return [
            {"id": each["id"], "uid": uid, "title": each["document"]["title"], "type": "dash-db",
             "folderUid": each["folder"]}
            for uid, each in self.state.dashboards.items()
            if each["folder"] in folders
        ]  # fmt: skip

    def list_sources(self, **_: Json) -> Json:
        hidden = (_SECRET, "version", "secureJsonFields")
        return [
            {key: value for key, value in each.items() if key not in hidden}
            for each in self.state.sources.values()
        ]

    def get_source(self, uid: str, **_: Json) -> Json:
        if uid not in self.state.sources:
            raise Refusal(404, {"message": "Data source not found", "messageId": "x"})
        held = self.state.sources[uid]
        shown = {key: value for key, value in held.items() if key != _SECRET}
        return shown | {"secureJsonFields": dict.fromkeys(held[_SECRET], True)}

    def create_source(self, body: Json, **_: Json) -> Json:
        for key, word in (("name", "name"), ("uid", "uid")):
            if any(each[key] == body.get(key) for each in self.state.sources.values()):
                message = f"data source with the same {word} already exists"
                raise Refusal(409, {"message": message, "traceID": ""})
        self.state.sources[body["uid"]] = {
            "id": len(self.state.sources) + 1, "orgId": 1, "typeLogoUrl": "", "user": "",
            "database": "", "basicAuth": False, "basicAuthUser": "", "withCredentials": False,
            "isDefault": False, "jsonData": {}, "readOnly": False, _SECRET: {},
        } | body | {"version": 1}  # fmt: skip
        shown = self.get_source(body["uid"])
        return {"datasource": shown, "id": shown["id"], "message": "Datasource added",
                "name": body["name"]}  # fmt: skip

    def update_source(self, uid: str, body: Json, **_: Json) -> Json:
        held = self.state.sources.get(uid)
        if held is None:
            raise Refusal(404, {"message": "Data source not found"})
        if held["readOnly"]:
            raise Refusal(403, {"message": "Cannot update read-only data source"})
        if body.get("version") and body["version"] < held["version"]:
            message = (
                "Datasource has already been updated by someone else. Please reload and try again"
            )
            raise Refusal(409, {"message": message})
        secrets = held[_SECRET] | body.get(_SECRET, {})  # those not given stay
        plain = {"basicAuthUser": "", "user": "", "database": "", "isDefault": False}
        held |= plain | body | {_SECRET: secrets, "version": held["version"] + 1}
        shown = self.get_source(uid)
        return {"datasource": shown, "id": shown["id"], "message": "Datasource updated",
                "name": held["name"]}  # fmt: skip

    def get_dashboard(self, uid: str, **_: Json) -> Json:
        held = self.state.dashboards.get(uid)
        if held is None:
            raise Refusal(404, {"message": "Dashboard not found"})
        writes = "dashboards:write" in RIGHTS[self.role]
        return {
            "dashboard": held["document"],
            "meta": {
                "type": "db", "canSave": writes, "canEdit": writes, "canAdmin": False,
                "slug": "x", "url": f"/d/{uid}/x", "version": held["document"]["version"],
                "folderUid": held["folder"], "folderTitle": "x",
                "provisioned": held["provisioned"], "provisionedExternalId": "",
            },
        }  # fmt: skip

    def list_versions(self, uid: str, query: Json, **_: Json) -> Json:
        if uid not in self.state.dashboards:
            raise Refusal(404, {"message": "Dashboard not found"})
        limit = int(query.get("limit", ["1000"])[0])
        held = self.state.dashboards[uid]
        found = [
            {"id": each["version"], "dashboardId": held["id"], "uid": uid,
             "parentVersion": each["version"] - 1, "restoredFrom": 0, "version": each["version"],
             "created": f"2026-11-{each['version']:02}T10:22:00Z", "createdBy": each["author"],
             "message": each["message"]}
            for each in reversed(held["versions"])
        ][:limit]  # fmt: skip
        return found if self.state.numbers < (11, 5) else {"continueToken": "", "versions": found}

    def get_version(self, uid: str, number: str, **_: Json) -> Json:
        held = self.state.dashboards[uid]
        for each in held["versions"]:
            if each["version"] == int(number):
                return {"id": each["version"], "version": each["version"], "uid": uid,
                        "message": each["message"], "data": each["document"]}  # fmt: skip
        raise Refusal(404, {"message": "Dashboard version not found"})

    def save_dashboard(self, body: Json, **_: Json) -> Json:
        document, folder = body["dashboard"], body.get("folderUid") or ""
        uid = document["uid"]
        if not document.get("title"):
            raise Refusal(
                400, {"message": "Dashboard title cannot be empty", "status": "empty-name"}
            )
        if len(uid) > 40:
            raise Refusal(400, {"message": "uid too long, max 40 characters"})
        if len(body.get("message", "")) > 500:
            raise Refusal(400, {"message": "message too long, max 500 characters"})
        if folder and folder not in self.state.folders:
            raise Refusal(400, {"message": "folder not found"})
        held = self.state.dashboards.get(uid)
        if held is not None and held["provisioned"]:
            raise Refusal(400, {"message": "Cannot save provisioned dashboard"})
        overwrites = bool(body.get("overwrite"))
        is_newest = held is None or document.get("version", 0) == held["document"]["version"]
        if not is_newest and not overwrites:
            message = "The dashboard has been changed by someone else"
            raise Refusal(412, {"message": message, "status": "version-mismatch"})
        if self.state.numbers < (12, 0):
            self._refuse_namesakes(uid, document["title"], folder)
        if held is None:
            number = len(self.state.dashboards) + 1
            held = {"id": number, "versions": [], "provisioned": False}
            self.state.dashboards[uid] = held
        elif not overwrites:
            assert document.get("id") in (None, held["id"])
        self.state.store(held, document, folder, "sa-netwatch", body.get("message", ""))
        return {"id": held["id"], "uid": uid, "url": f"/d/{uid}/x", "status": "success",
                "version": held["document"]["version"], "slug": "x"}  # fmt: skip

    def _refuse_namesakes(self, uid: str, title: str, folder: str) -> None:
        for other, each in self.state.dashboards.items():
            if other != uid and each["folder"] == folder and each["document"]["title"] == title:
                message = "A dashboard with the same name in the folder already exists"
                raise Refusal(412, {"message": message, "status": "name-exists"})


_ROUTES: tuple[tuple[str, str, str, Callable[..., Json]], ...] = (
    (r"/api/access-control/user/permissions", "GET", "", Handler.permissions),
    (r"/api/frontend/settings", "GET", "", Handler.settings),
    (r"/api/folders", "GET", "folders:read", Handler.list_folders),
    (r"/api/folders", "POST", "folders:create", Handler.create_folder),
    (r"/api/folders/([^/]+)", "GET", "folders:read", Handler.get_folder),
    (r"/api/folders/([^/]+)", "PUT", "folders:write", Handler.rename_folder),
    (r"/api/search", "GET", "", Handler.search),
    (r"/api/datasources", "GET", "datasources:read", Handler.list_sources),
    (r"/api/datasources", "POST", "datasources:create", Handler.create_source),
    (r"/api/datasources/uid/([^/]+)", "GET", "datasources:read", Handler.get_source),
    (r"/api/datasources/uid/([^/]+)", "PUT", "datasources:write", Handler.update_source),
    (r"/api/dashboards/uid/([^/]+)", "GET", "dashboards:read", Handler.get_dashboard),
    (r"/api/dashboards/uid/([^/]+)/versions", "GET", "dashboards:write", Handler.list_versions),
    (r"/api/dashboards/uid/([^/]+)/versions/(\d+)", "GET", "dashboards:write", Handler.get_version),
    (r"/api/dashboards/db", "POST", "dashboards:create", Handler.save_dashboard),
)


@contextlib.contextmanager
def fake_grafana(state: GrafanaState, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """One with this state, with ``tls`` behind this certificate and key; its address."""
    handler = type("Bound", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    leaving = Event()
    server.leaving = leaving  # type: ignore[attr-defined] # for answers that never end
    scheme = "http" if tls is None else "https"
    with serving(server, before_end=leaving.set) as port:
        yield f"{scheme}://127.0.0.1:{port}{state.prefix}"
