"""Settings from one process to the next, checked already.

Rule of this file: pure; what goes in comes out. It exists because reading and checking a
configuration takes memory that an agent which runs for years need not hold: `netwatch
run` checks, and a fresh process measures.
"""

from __future__ import annotations

from typing import cast

import msgspec

from netwatch.config.model import ByteCount, BytesPerSecond, Milliseconds, Settings

#: Names the descriptor from which the new process reads.
HANDOVER_VARIABLE = "NETWATCH_HANDOVER_FD"
#: The command line that the process was started with, as JSON, for beginning again.
COMMAND_VARIABLE = "NETWATCH_COMMAND"
#: The digest of the centre's configuration that was in force then; empty where none was.
DIGEST_VARIABLE = "NETWATCH_CENTRAL_DIGEST"


def encode_settings(settings: Settings) -> bytes:
    """The settings as bytes for `decode_settings` of the same version."""
    return msgspec.msgpack.encode(settings, enc_hook=_to_plain)


def decode_settings(data: bytes) -> Settings:
    """What `encode_settings` was given. Raises msgspec.DecodeError for anything else.

    >>> from netwatch.config.model import Site
    >>> settings = Settings(site=Site(id="a"))
    >>> decode_settings(encode_settings(settings)) == settings
    True
    """
    return msgspec.msgpack.decode(data, type=Settings, dec_hook=_from_plain)


def _to_plain(value: object) -> int:
    if isinstance(value, Milliseconds | BytesPerSecond | ByteCount):
        return int(value)
    raise NotImplementedError(f"a setting of {type(value).__name__} cannot be handed over")


def _from_plain(kind: type, value: object) -> object:
    if issubclass(kind, Milliseconds | BytesPerSecond | ByteCount):
        return kind(cast("int", value))
    raise NotImplementedError(f"a setting of {kind.__name__} cannot be taken over")
