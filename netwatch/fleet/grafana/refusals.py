"""What Grafana's refusals mean, and what would do.

Rule of this file: pure; what came back in, words out. It asks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from grafana_api.grafana_api import GrafanaException

from netwatch.config.notes import shorten, show_quoted, show_text

#: What the data sources ask for, and the way round it.
WANTED_ROLE = "Admin (or Editor, with fleet.grafana.data_sources = false)"


class Conflict(Exception):
    """Somebody else was faster: what was read is no longer what is there."""


def explain(error: GrafanaException, token_file: str) -> str:
    """The refusal as a sentence."""
    said = message_of(error)
    status = f"HTTP {error.status_code}" + (f": {said}" if said else "")
    if error.status_code == 401:
        return (
            f"the token of {token_file} is refused ({status}): make one in Grafana under "
            "Administration, Service accounts, and write it into that file"
        )
    if error.status_code == 403:
        return (
            f"the token of {token_file} may not do this ({status}): give its service account "
            "another role, Admin for the data sources, Editor for all else"
        )
    if error.status_code == 404:
        return f"does not know what was asked for ({status}): is fleet.grafana.url right?"
    if error.status_code >= 500:
        return f"{status}: see Grafana's log, or that of what stands before it"
    return status


def find_lack(
    rights: frozenset[str], token_file: str, *, sources: bool, writes: bool
) -> str | None:
    """What a token lacks that can be known before anything is read; None: nothing.

    ``sources``: data sources are compared too. ``writes``: something may have to be written.

    >>> find_lack(frozenset({"dashboards:read"}), "t", sources=False, writes=False)
    """
    role = WANTED_ROLE if sources else "Editor"
    changes = {
        right
        for right in rights
        if re.fullmatch("(dashboards|folders|datasources):(create|write)", right)
    }
    if writes and not changes:
        return (
            f"the token of {token_file} may only read: give its service account the role {role}; "
            "nothing was written"
        )
    needed = {"dashboards:read"} | ({"datasources:read"} if sources else set())
    missing = sorted(needed - rights)
    if not missing:
        return None
    return (
        f"the token of {token_file} lacks {', '.join(missing)}: give its service account the "
        f"role {role}"
    )


def is_conflict(error: GrafanaException) -> bool:
    """409, and of the 412s the one that is not about a name."""
    held: object = error.response
    status = held.get("status") if isinstance(held, Mapping) else None
    return error.status_code == 409 or (
        error.status_code == 412 and status in (None, "version-mismatch")
    )


def message_of(error: GrafanaException) -> str:
    """What Grafana said, short and fit to be shown."""
    held: object = error.response
    said = held.get("message") if isinstance(held, Mapping) else None
    return show_text(shorten(str(said or "")))


def parse_version(text: object) -> tuple[int, int] | None:
    """Major and minor.

    >>> parse_version("12.0.0+security-01"), parse_version("v10")
    ((12, 0), None)
    """
    if not isinstance(text, str):
        return None
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?!\d)", text, re.ASCII)
    return (int(found[1]), int(found[2])) if found else None


def say(value: object) -> str:
    """A value of Grafana's to be shown; a version without quotation marks."""
    if isinstance(value, str) and parse_version(value):
        return show_text(shorten(value))
    return show_quoted(str(value))
