"""The data sources that the dashboards read, as Grafana is to have them.

Rule of this file: settings in, documents out, and whether Grafana's is the same. It asks
nobody. Only what is set here is compared: what the town adds beside it is the town's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from netwatch.errors import AgentUnreachable, UsageError
from netwatch.fleet.asking import read_token
from netwatch.fleet.model import FleetOptions

Document = Mapping[str, Any]

#: The identities that the dashboards' variable ``datasource`` begins with.
SOURCE_UIDS = {"prometheus": "netwatch-prometheus", "influx": "netwatch-influx"}
#: As `fleet scrape` has it: what `$__rate_interval` rests on.
_SCRAPE_INTERVAL = "30s"
#: Where netwatch notes what it sent: in the data source's own settings.
_NOTE, _NOTE_SECRETS = "netwatchSent", "netwatchSecretsOf"
_PLAIN_FIELDS = ("name", "type", "access", "url", "basicAuth", "basicAuthUser")


class DataSource(msgspec.Struct, frozen=True, kw_only=True):
    """One data source as it is to be; ``secrets`` go with it, and never come back."""

    uid: str
    document: dict[str, Any]
    secrets: dict[str, str]
    secrets_of: str | None  # when the files with the secrets were last changed

    @property
    def name(self) -> str:
        """Its name in Grafana's list."""
        return str(self.document["name"])


def build_data_sources(options: FleetOptions) -> tuple[DataSource, ...]:
    """One for each of ``fleet.grafana.sources``.

    Raises UsageError for a file with a token, password or authority that cannot be used.
    """
    builders = {"prometheus": _build_prometheus, "influx": _build_influx}
    return tuple(builders[source](options) for source in options.grafana.sources)


def _build_prometheus(options: FleetOptions) -> DataSource:
    store, grafana = options.prometheus, options.grafana
    document: dict[str, Any] = {
        "name": "netwatch Prometheus",
        "type": "prometheus",
        "url": grafana.prometheus_url or store.url,
        "basicAuth": grafana.prometheus_user is not None,
        "jsonData": {"httpMethod": "POST", "timeInterval": _SCRAPE_INTERVAL},
    }
    if grafana.prometheus_user is not None:
        document["basicAuthUser"] = grafana.prometheus_user
    return _finish(
        SOURCE_UIDS["prometheus"],
        document,
        password_file=grafana.prometheus_password_file,
        token=("Bearer", store.token_file),
        ca=store.ca,
    )


def _build_influx(options: FleetOptions) -> DataSource:
    store, grafana = options.influx, options.grafana
    document = {
        "name": "netwatch InfluxDB",
        "type": "influxdb",
        "url": grafana.influx_url or store.url,
        "basicAuth": False,
        # The dashboards ask in InfluxQL, which InfluxDB 2 answers for a bucket as for a database.
        "jsonData": {"version": "InfluxQL", "dbName": store.bucket, "httpMode": "POST"},
    }
    return _finish(
        SOURCE_UIDS["influx"],
        document,
        password_file=None,
        token=("Token", store.token_file),
        ca=store.ca,
    )


def _finish(
    uid: str,
    document: dict[str, Any],
    *,
    password_file: str | None,
    token: tuple[str, str | None],
    ca: str | None,
) -> DataSource:
    secrets: dict[str, str] = {}
    scheme, token_file = token
    if password_file is not None:
        secrets["basicAuthPassword"] = _read_secret(Path(password_file))
    if token_file is not None:
        document["jsonData"]["httpHeaderName1"] = "Authorization"
        secrets["httpHeaderValue1"] = f"{scheme} {_read_secret(Path(token_file))}"
    if ca is not None:
        document["jsonData"]["tlsAuthWithCACert"] = True
        secrets["tlsCACert"] = _read_authority(Path(ca))
    files = [Path(name) for name in (password_file, token_file, ca) if name is not None]
    return DataSource(
        uid=uid,
        document={**document, "uid": uid, "access": "proxy"},
        secrets=secrets,
        secrets_of=_newest(files) if files else None,
    )


def list_changes(wanted: DataSource, held: Document) -> list[str]:
    """What Grafana's has otherwise, as names of its fields; ``secret`` where one is not sent yet."""
    mine, theirs = _flatten(wanted.document), _flatten(held)
    changes = [key for key, value in mine.items() if theirs.get(key) != value]
    changes += [key for key in _list_sent(held) if key not in mine and key in theirs]
    fields = held.get("secureJsonFields") or {}
    missing = any(not fields.get(name) for name in wanted.secrets)
    if missing or _notes(held).get(_NOTE_SECRETS) != wanted.secrets_of:
        changes.append("secret")
    return changes


def is_edited(held: Document) -> bool:
    """Whether what netwatch sent was changed since, or was never sent by it."""
    return _notes(held).get(_NOTE) != _build_note(_flatten(held), _list_sent(held))


def build_request(wanted: DataSource, held: Document | None = None) -> dict[str, Any]:
    """What is sent to create it, or over what Grafana holds: there, what is the town's stays."""
    flat = _flatten(wanted.document)
    notes = {_NOTE: _build_note(flat, list(flat))}
    if wanted.secrets_of is not None:
        notes[_NOTE_SECRETS] = wanted.secrets_of
    document = dict(wanted.document)
    kept: dict[str, Any] = {}
    if held is not None:
        sent = {*_list_sent(held), f"jsonData.{_NOTE_SECRETS}"}
        kept = {key: value for key, value in _notes(held).items()
                if f"jsonData.{key}" not in sent}  # fmt: skip
        own = {"isDefault", "withCredentials", "user", "database", "version"}
        document |= {key: held[key] for key in own if key in held}
    document["jsonData"] = {**kept, **wanted.document["jsonData"], **notes}
    if wanted.secrets:
        document["secureJsonData"] = wanted.secrets
    return document


def _list_sent(held: Document) -> list[str]:
    """The fields that netwatch sent when it last did."""
    keys = str(_notes(held).get(_NOTE, "")).partition(" ")[2]
    return keys.split(",") if keys else []


def _build_note(flat: Mapping[str, Any], keys: list[str]) -> str:
    """A fingerprint over these fields, and which they are."""
    text = json.dumps([[key, flat.get(key)] for key in sorted(keys)], ensure_ascii=False)
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]} {','.join(sorted(keys))}"


def _flatten(document: Document) -> dict[str, Any]:
    flat = {key: document[key] for key in _PLAIN_FIELDS if document.get(key) not in (None, "")}
    settings = document.get("jsonData") or {}
    flat |= {f"jsonData.{key}": value for key, value in settings.items()
             if key not in (_NOTE, _NOTE_SECRETS)}  # fmt: skip
    return flat


def _notes(held: Document) -> Mapping[str, Any]:
    settings = held.get("jsonData")
    return settings if isinstance(settings, dict) else {}


def _read_secret(path: Path) -> str:
    try:
        return read_token(path)
    except AgentUnreachable as error:
        raise UsageError(str(error).replace("token_file", "file", 1)) from None


def _read_authority(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no PEM file"
        raise UsageError(f"ca {path}: {reason}") from None


def _newest(files: list[Path]) -> str:
    """When the newest of the files was changed: tells that a secret is another, and not which."""
    newest_s = max(file.stat().st_mtime for file in files)
    return datetime.fromtimestamp(int(newest_s), UTC).isoformat()
