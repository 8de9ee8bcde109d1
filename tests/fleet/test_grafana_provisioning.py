"""What Grafana reads by itself (deploy/central/grafana) is what `push` would bring it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from dashboards.stores import STORES
from netwatch.fleet.grafana.compare import is_same
from netwatch.fleet.grafana.data_sources import SOURCE_UIDS, build_data_sources
from netwatch.fleet.grafana.plan import FOLDER_UID
from netwatch.fleet.grafana.shipped import read_pages
from netwatch.fleet.model import FleetOptions, GrafanaSettings, PointStore

ROOT = Path(__file__).parents[2]
PROVISIONING = ROOT / "deploy" / "central" / "grafana" / "provisioning"
#: Where the centre mounts the repository's dashboards.
MOUNTED = PurePosixPath("/var/lib/grafana/dashboards")
#: The keys that Grafana reads of a data source and a provider (its documentation of provisioning).
SOURCE_KEYS = {"name", "uid", "type", "access", "url", "basicAuth", "basicAuthUser", "isDefault",
               "editable", "jsonData", "secureJsonData", "orgId", "version"}  # fmt: skip
PROVIDER_KEYS = {"name", "orgId", "folder", "folderUid", "type", "disableDeletion",
                 "updateIntervalSeconds", "allowUiUpdates", "options"}  # fmt: skip


def load(kind: str, key: str) -> list[dict[str, Any]]:
    """Every entry of every file."""
    entries = []
    for path in sorted((PROVISIONING / kind).glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert document["apiVersion"] == 1
        assert set(document) == {"apiVersion", key}
        entries += document[key]
    assert entries
    return entries


def test_the_data_sources_are_those_that_push_makes(tmp_path: Path) -> None:
    """Uid, kind, language, interval: all but where they are and what only a file can say."""
    (tmp_path / "t").write_text("x")
    options = FleetOptions(
        influx=PointStore(token_file=str(tmp_path / "t")),
        grafana=GrafanaSettings(sources=("prometheus", "influx"), prometheus_url="http://prometheus:9090",
                                influx_url="http://influxdb:8086"),
    )  # fmt: skip
    pushed = {each.uid: each for each in build_data_sources(options)}
    read = {each["uid"]: each for each in load("datasources", "datasources")}
    assert read.keys() == pushed.keys()
    for uid, source in read.items():
        assert set(source) <= SOURCE_KEYS
        assert source["editable"] is False
        shared = {key: source[key] for key in pushed[uid].document}
        assert shared == pushed[uid].document
        assert set(source.get("secureJsonData", {})) == set(pushed[uid].secrets)


def test_no_secret_stands_in_a_file() -> None:
    """A token is in a file of its own, which Grafana reads as it starts."""
    for source in load("datasources", "datasources"):
        for secret in source.get("secureJsonData", {}).values():
            assert "$__file{/run/secrets/" in secret


def test_the_uids_are_those_that_the_dashboards_begin_with() -> None:
    """Of the build program, of the committed files, of push."""
    assert {name: store.uid for name, store in STORES.items()} == SOURCE_UIDS
    for path in (ROOT / "dashboards").glob("*/*/*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        (variable,) = [
            each for each in document["templating"]["list"] if each["type"] == "datasource"
        ]
        assert variable["current"]["value"] == SOURCE_UIDS[path.parts[-3]]


def test_every_dashboard_has_one_place_and_no_two_titles_meet() -> None:
    """Each folder of files is read once; French stands where push puts it."""
    providers = load("dashboards", "providers")
    folders = defaultdict(list)
    seen = []
    for provider in providers:
        assert set(provider) <= PROVIDER_KEYS
        assert provider["allowUiUpdates"] is False
        path = PurePosixPath(provider["options"]["path"]).relative_to(MOUNTED)
        files = sorted((ROOT / "dashboards" / path).glob("*.json"))
        assert files, path
        seen += files
        for file in files:
            title = json.loads(file.read_text(encoding="utf-8"))["title"]
            folders[provider["folderUid"]].append(title)
        if path.name == "fr":
            assert provider["folderUid"] == FOLDER_UID
    assert len({each["name"] for each in providers}) == len(providers)
    assert sorted(seen) == sorted((ROOT / "dashboards").glob("*/*/*.json"))
    for titles in folders.values():
        assert len(set(titles)) == len(titles)


def test_push_brings_the_very_files_of_the_repository() -> None:
    """Those inside the package are the built ones, of every source and language there is."""
    for source in SOURCE_UIDS:
        for language in ("fr", "en"):
            pages = {each.uid: each for each in read_pages([source], [language])}
            files = list((ROOT / "dashboards" / source / language).glob("*.json"))
            assert len(files) == len(pages) == 5
            for file in files:
                document = json.loads(file.read_text(encoding="utf-8"))
                assert is_same(pages[document["uid"]].document, document)
                assert len(document["uid"]) <= 40
