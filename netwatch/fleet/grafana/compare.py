"""Whether two dashboards are the same, and if not, what a person would say differs.

Rule of this file: pure; documents in, words out. What Grafana itself writes into a dashboard
(its number, its version) is no difference.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from netwatch import __version__

Document = Mapping[str, Any]

#: Grafana's own, in every dashboard that it holds.
_ITS_OWN = ("id", "version", "iteration")
_MARK = re.compile(r"netwatch \S+ sha256:([0-9a-f]{32})", re.ASCII)
#: Attribute of a panel -> the word for it; any other goes by its own name.
_WORDS = {
    "targets": "query",
    "gridPos": "place",
    "fieldConfig": "display",
    "options": "display",
    "datasource": "data source",
    "type": "kind",
}
_LISTS = {"templating": "variable", "annotations": "annotation"}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What Grafana has otherwise than netwatch; nothing in it: the same."""

    only_here: tuple[str, ...] = ()  # titles of panels that Grafana has not
    only_there: tuple[str, ...] = ()  # titles of panels that Grafana alone has
    changed: tuple[tuple[str, tuple[str, ...]], ...] = ()  # title of a panel, and what of it
    settings: tuple[str, ...] = ()  # of the dashboard as a whole

    def __bool__(self) -> bool:
        return bool(self.only_here or self.only_there or self.changed or self.settings)


def build_fingerprint(document: Document) -> str:
    """128 bits of SHA-256 over what a dashboard shows, as hexadecimal digits.

    >>> build_fingerprint({"title": "a", "version": 1}) == build_fingerprint({"title": "a"})
    True
    """
    text = json.dumps(_plain(_strip(document)), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def build_mark(fingerprint: str) -> str:
    """The message of the version that netwatch saves: by it the next push knows its own work."""
    return f"netwatch {__version__} sha256:{fingerprint}"


def parse_mark(message: object) -> str | None:
    """The fingerprint in a version's message; None for what netwatch has not saved.

    >>> parse_mark(build_mark("0" * 32)) == "0" * 32, parse_mark("nicer colours")
    (True, None)
    """
    found = _MARK.fullmatch(message) if isinstance(message, str) else None
    return found[1] if found else None


def is_same(one: Document, other: Document) -> bool:
    """Whether the two show the same.

    >>> is_same({"id": 7, "y": 1.0}, {"y": 1})
    True
    """
    return bool(_plain(_strip(one)) == _plain(_strip(other)))


def compare(here: Document, there: Document) -> Difference:
    """What ``there`` (Grafana's) has otherwise than ``here`` (netwatch's).

    >>> mine = {"panels": [{"title": "State", "id": 1, "targets": ["up"]}]}
    >>> compare(mine, {"panels": [{"title": "State", "id": 1, "targets": ["down"]}]}).changed
    (('State', ('query',)),)
    """
    mine, theirs = _by_title(here), _by_title(there)
    changed = []
    for title in mine.keys() & theirs.keys():
        keys = _differing(mine[title], theirs[title]) - {"id", "panels"}
        if keys:
            changed.append((title, tuple(sorted({_WORDS.get(key, key) for key in keys}))))
    return Difference(
        only_here=tuple(title for title in mine if title not in theirs),
        only_there=tuple(title for title in theirs if title not in mine),
        changed=tuple(sorted(changed)),
        settings=tuple(_compare_settings(_strip(here), _strip(there))),
    )


def _compare_settings(here: Document, there: Document) -> Iterable[str]:
    for key in sorted(_differing(here, there) - {"panels"}):
        if key not in _LISTS:
            yield key
            continue
        mine, theirs = (_by_name(each.get(key)) for each in (here, there))
        for name in sorted(mine.keys() | theirs.keys()):
            if _plain(mine.get(name)) != _plain(theirs.get(name)):
                yield f"{_LISTS[key]} {name}"


def _by_title(document: Document) -> dict[str, Document]:
    """Panels by title, those in folded rows too; of equal titles the later have a number."""
    panels: dict[str, Document] = {}
    for panel in _list_panels(document.get("panels")):
        title = stem = str(panel.get("title") or f"panel {panel.get('id')}")
        number = 1
        while title in panels:
            number += 1
            title = f"{stem} ({number})"
        panels[title] = panel
    return panels


def _list_panels(panels: object) -> Iterable[Document]:
    for panel in panels if isinstance(panels, list) else ():
        if isinstance(panel, dict):
            yield panel
            yield from _list_panels(panel.get("panels"))


def _by_name(holder: object) -> dict[str, object]:
    entries = holder.get("list") if isinstance(holder, dict) else None
    found = [entry for entry in entries or () if isinstance(entry, dict)]
    return {str(entry.get("name")): entry for entry in found}


def _differing(one: Document, other: Document) -> set[str]:
    return {
        key for key in one.keys() | other.keys() if _plain(one.get(key)) != _plain(other.get(key))
    }


def _strip(document: Document) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in _ITS_OWN}


def _plain(value: object) -> object:
    """The same value, whole numbers as integers: a store of JSON need not tell 1 from 1.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
