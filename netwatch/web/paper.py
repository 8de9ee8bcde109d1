"""From the page's view to HTML.

Rule of this file: the only one that knows the template engine, which is loaded with
the first page and not before (11 MB that an agent whose page nobody reads does
without). Everything is escaped; nothing is fetched from elsewhere; no script.
"""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from netwatch.web.page import PageView
from netwatch.web.speech import say

if TYPE_CHECKING:
    from jinja2 import Template

_FAVICON_COLOURS = {"up": "1c7a4a", "degraded": "e08e12", "down": "c62f28", "unknown": "7d8998"}
_FAVICON_MARKS = {
    "up": "M9 17l5 5 9-11",
    "degraded": "M16 7v11M16 23v1",
    "down": "M10 10l12 12M22 10L10 22",
    "unknown": "M12 12a4 4 0 1 1 5.5 4c-1 .6-1.5 1.2-1.5 3M16 23v1",
}


class Paper:
    """The template, its style sheet and the policy that allows just that."""

    def __init__(self) -> None:
        folder = files("netwatch.web") / "templates"
        self._css = (folder / "page.css").read_text(encoding="utf-8")
        self._source = (folder / "page.html").read_text(encoding="utf-8")
        self._template: Template | None = None
        digest = base64.b64encode(hashlib.sha256(self._css.encode()).digest()).decode()
        #: Content-Security-Policy of the page.
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )

    def render(self, page: PageView, *, month: str | None = None, refresh: bool = True) -> bytes:
        """The page as UTF-8, asking to be fetched anew after 30 s if ``refresh``.

        The links to the other language and to a page that stands still keep the rest.
        """
        from markupsafe import Markup  # noqa: PLC0415 -- comes with the engine: 11 MB that a page nobody reads does without

        kept = {"month": month} if month else {}
        still = {"refresh": "no"}
        return (
            self._load()
            .render(
                page=page,
                say=partial(say, page.lang),
                css=Markup(self._css),  # noqa: S704 -- our own file, and the policy's hash is of these bytes
                favicon=_build_favicon(page.headline.verdict),
                refresh=refresh,
                language_link=_build_link(
                    {"lang": page.other_lang} | kept | ({} if refresh else still)
                ),
                refresh_link=_build_link({"lang": page.lang} | kept | (still if refresh else {})),
            )
            .encode()
        )

    def _load(self) -> Template:
        if self._template is None:
            from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 -- 11 MB that a page nobody reads does without

            environment = Environment(
                autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
            )
            self._template = environment.from_string(self._source)
            self._source = ""
        return self._template


def _build_link(query: dict[str, str]) -> str:
    return f"?{urlencode(query)}"


def _build_favicon(verdict: str) -> str:
    """The verdict as a data address, so that even the tab tells it, by colour and by mark."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<circle cx="16" cy="16" r="16" fill="#{_FAVICON_COLOURS[verdict]}"/>'
        f'<path d="{_FAVICON_MARKS[verdict]}" fill="none" stroke="#fff" stroke-width="3.5" '
        'stroke-linecap="round"/></svg>'
    )
    return "data:image/svg+xml," + quote(svg)
