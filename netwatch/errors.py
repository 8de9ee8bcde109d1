"""The errors that netwatch raises on purpose, and what becomes of each.

Rule of this file: classes only; it imports nothing of netwatch.

    NetwatchError                a sentence for a person: where, what, what was given, what would do
    ├── ConfigError              configuration refused; holds every problem of the file (exit 2)
    ├── UsageError               the command line asks for what cannot be (exit 2)
    ├── StoreError               the database cannot be opened or written
    │   ├── StoreCorrupt         it is not a sound database: set aside, a new one begun
    │   ├── StoreFailing         the disk refuses for now: measuring goes on in memory
    │   └── StoreTooNew          written by a later netwatch: refused, untouched
    ├── RightsError              the kernel refuses what a probe needs (ICMP sockets)
    ├── EvidenceError            an evidence bundle is refused unread (exit 1)
    ├── SourceFailed             a site's month cannot be had from where the fleet keeps it (exit 1)
    ├── GrafanaFailed            a Grafana that cannot be used, or refuses (exit 1)
    ├── CentralError             the centre's configuration cannot be had, or is not believed (exit 1)
    └── AgentUnreachable         `netwatch status` found no agent to ask (exit 1)

Nothing else may reach a user; a traceback is a defect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal


class NetwatchError(Exception):
    """Base of all; ``str()`` is ready to be shown."""


class ConfigError(NetwatchError):
    """A configuration that cannot be used.

    ``problems`` has one line for each mistake, in the order of the file:
    ``agent.toml: latency.timeout: must be shorter than interval (5s), got 45s``.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class UsageError(NetwatchError):
    """A command that cannot be carried out as asked."""


class StoreError(NetwatchError):
    """The database cannot be opened, read or written."""


class StoreCorrupt(StoreError):
    """The file is not a sound database."""


class StoreFailing(StoreError):
    """The disk refuses, and may obey again without anybody touching the configuration.

    ``kind`` is a `netwatch.records.StoreFault` in plain text: full, read_only, io_error.
    """

    def __init__(self, message: str, kind: str) -> None:
        self.kind = kind
        super().__init__(message)


class StoreTooNew(StoreError):
    """A later version wrote it, and this one cannot know what it means."""


class RightsError(NetwatchError):
    """The kernel refuses; the message gives the remedies."""


class EvidenceError(NetwatchError):
    """An evidence bundle that is not safe or not whole; nothing of it was believed."""


class AgentUnreachable(NetwatchError):
    """No agent answers on the configured address."""


class CentralError(NetwatchError):
    """The centre's configuration; ``reason`` is unreachable (ours to wait) or untrusted."""

    def __init__(self, message: str, reason: Literal["unreachable", "untrusted"]) -> None:
        self.reason = reason
        super().__init__(message)


class SourceFailed(NetwatchError):
    """A site's month that cannot be read, or not believed; the sentence goes beside its name.

    ``silent``: nobody answered, as the next site would find too where all are in one store.
    """

    def __init__(self, message: str, *, silent: bool = False) -> None:
        self.silent = silent
        super().__init__(message)


class GrafanaFailed(NetwatchError):
    """Grafana cannot be reached, is too old, or refuses; the sentence begins with its address.

    ``unanswered``: what was asked may have been done nevertheless.
    """

    def __init__(self, message: str, *, unanswered: bool = False) -> None:
        self.unanswered = unanswered
        super().__init__(message)
