"""The dashboards that come with netwatch, as they are to be in Grafana.

Rule of this file: reads the package's own files, changes no content but two equal titles.
The folders below ``pages`` are those that `python -m dashboards` writes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import msgspec

from netwatch.errors import NetwatchError
from netwatch.fleet.grafana.compare import build_fingerprint


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One dashboard in one language."""

    uid: str
    title: str
    source: str  # prometheus or influx
    language: str
    document: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Of what it shows."""
        return build_fingerprint(self.document)


def read_pages(sources: Sequence[str], languages: Sequence[str]) -> tuple[Page, ...]:
    """The dashboards over these sources in these languages, in that order.

    Raises NetwatchError where this netwatch has none for one of them.
    """
    pages = []
    for source in sources:
        for language in languages:
            folder = resources.files(__package__) / "pages" / source / language
            found = _list_files(folder)
            if not found:
                raise NetwatchError(
                    f'this netwatch has no dashboards over "{source}" in "{language}": '
                    "leave it out of fleet.grafana"
                )
            for file in found:
                document = json.loads(file.read_text(encoding="utf-8"))
                pages.append(
                    Page(
                        uid=document["uid"],
                        title=document["title"],
                        source=source,
                        language=language,
                        document=document,
                    )
                )
    return tuple(_tell_apart(pages))


def _list_files(folder: Traversable) -> list[Traversable]:
    if not folder.is_dir():
        return []
    files = (file for file in folder.iterdir() if file.name.endswith(".json"))
    return sorted(files, key=lambda file: file.name)


def _tell_apart(pages: Sequence[Page]) -> list[Page]:
    """Equal titles get their language: before version 12 Grafana refuses two in one folder."""
    count = Counter(page.title for page in pages)
    told = []
    for page in pages:
        if count[page.title] > 1:
            title = f"{page.title} ({page.language})"
            told.append(
                msgspec.structs.replace(
                    page, title=title, document={**page.document, "title": title}
                )
            )
        else:
            told.append(page)
    return told
