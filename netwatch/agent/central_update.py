"""A newer configuration of the centre's: had, believed, judged and taken, in this order.

Rule of this file: each step may stop it, and until the last one what is in force stays so.

1. Fetched, unless it has not changed since it was dealt with (ETag).
2. Signed by the centre's key, over exactly these bytes.
3. For this site, and no older than any that was seen: an old file shown again is refused.
4. Accepted by what `netwatch check` reads a configuration with, over the device's own file.
5. Put beside the one in force, and then in its place, on trial until the agent is up.

It must not know who starts it, nor how the agent comes to run with it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from netwatch.agent.central_fetch import Door, fetch_file
from netwatch.config.central import LARGEST_BYTES, parse_public_key, read_published
from netwatch.config.central_state import (
    CentralState,
    Held,
    Refusal,
    StateKeeper,
    compute_digest,
    find_folder,
    hold_state,
    name_judge,
    read_held,
    read_state,
    shorten_problem,
)
from netwatch.config.load import load_under, parse_document
from netwatch.config.model import Central, Settings
from netwatch.config.notes import Refused, show_quoted
from netwatch.errors import CentralError, ConfigError, UsageError

_SIGNATURE_BYTES = 4_096
#: Two files that do not belong together may be in the midst of being published.
_PUBLISHING_S = 1.0


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    result: Literal["unchanged", "taken", "refused"]
    version: int | None  # of the centre's newest; None: it has none in force here
    problem: str | None = None  # why it is refused


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that is the centre's, for this site. Whether it is new is not asked yet."""

    content: bytes
    version: int
    etag: str | None


def update(config: Path, settings: Settings, *, now_ms: int) -> Update:
    """Bring what is in force up to date; ``settings`` are those of the device's own file.

    Raises:
        CentralError: it cannot be had, or is not believed; that is kept, for others to show.
        NetwatchError: the disk refuses.
    """
    assert settings.central is not None  # the caller's question
    folder = find_folder(settings)
    state = read_state(folder)
    judge = name_judge(config)
    url = build_url(settings.central, settings.site.id)
    try:
        fetched = fetch_newer(
            settings.central, settings.site.id, etag=_choose_etag(folder, state, url, judge)
        )
        with hold_state(folder) as keeper:
            if fetched is None:
                answered = keeper.change(
                    asked_ms=now_ms, answered_ms=now_ms, problem=None, problem_reason=None
                )
                return _describe(answered)
            check_version(fetched, keeper.state)
            return take(keeper, fetched, config, judge=judge, url=url, now_ms=now_ms)
    except CentralError as error:
        with hold_state(folder) as keeper:
            keeper.change(
                asked_ms=now_ms, problem=shorten_problem(str(error)), problem_reason=error.reason
            )
        raise


def build_url(central: Central, site_id: str) -> str:
    """Where a site's configuration lies.

    >>> build_url(Central(url="https://centre.example.fr/netwatch/"), "mairie")
    'https://centre.example.fr/netwatch/mairie.toml'
    """
    return f"{central.url.rstrip('/')}/{site_id}.toml"


def fetch_signed(central: Central, site_id: str) -> Fetched:
    """The site's configuration, signed by the centre. Raises CentralError."""
    fetched = fetch_newer(central, site_id, etag=None)
    assert fetched is not None  # nothing was said of what is known already
    return fetched


def fetch_newer(central: Central, site_id: str, *, etag: str | None) -> Fetched | None:
    """The same; None where it is the one of ``etag`` still."""
    keys = read_keys(central)
    url = build_url(central, site_id)
    door = Door(token_file=central.token_file, certificate_authority=central.certificate_authority)
    for last in (False, True):
        answer = fetch_file(url, door, limit_bytes=LARGEST_BYTES, etag=etag)
        if answer.unchanged:
            return None
        signature = fetch_file(f"{url}.sig", door, limit_bytes=_SIGNATURE_BYTES)
        try:
            check_signature(answer.body, signature.body, keys, url)
            break
        except CentralError:
            if last:
                raise
            time.sleep(_PUBLISHING_S)
    try:
        published = read_published(parse_document(answer.body.decode("utf-8"), url))
    except UnicodeDecodeError:
        raise CentralError(f"{url}: is signed, but is not UTF-8", "untrusted") from None
    except Refused as refused:
        raise CentralError(f"{url}: is signed, but {refused}", "untrusted") from None
    except ConfigError as error:
        raise CentralError(str(error), "untrusted") from None
    if published.site != site_id:
        raise CentralError(
            f"{url}: is signed, but for another site, {show_quoted(published.site)}", "untrusted"
        )
    return Fetched(content=answer.body, version=published.version, etag=answer.etag)


def read_keys(central: Central) -> list[bytes]:
    """The keys of which one must have signed, 32 bytes each. Raises CentralError."""
    keys = []
    if central.public_key is not None:
        keys.append(parse_public_key(central.public_key))
    if central.public_key_file is not None:
        from netwatch.report.sign import build_raw_public, read_public_key  # noqa: PLC0415 -- a library that only a key's file pays for

        try:
            keys.append(build_raw_public(read_public_key(Path(central.public_key_file))))
        except UsageError as error:
            raise CentralError(f"central.public_key_file: {error}", "untrusted") from None
    return keys


def check_signature(content: bytes, signature: bytes, keys: Sequence[bytes], url: str) -> None:
    """Raises CentralError unless one of the keys has signed exactly these bytes, for this use."""
    from netwatch.report.sign import (  # noqa: PLC0415 -- a library that only a fetched file pays for
        CONFIGURATION_NAMESPACE,
        is_signed_by,
        parse_signature,
    )

    try:
        parsed = parse_signature(signature, namespace=CONFIGURATION_NAMESPACE)
    except ValueError as error:
        raise CentralError(
            f"{url}.sig: is no signature of a configuration: {error}: does a portal answer in "
            "the centre's place?",
            "untrusted",
        ) from None
    if any(is_signed_by(content, parsed, key, namespace=CONFIGURATION_NAMESPACE) for key in keys):
        return
    if parsed.public_key not in keys:
        raise CentralError(
            f"{url}.sig: is by another key ({parsed.fingerprint}) than central.public_key",
            "untrusted",
        )
    raise CentralError(
        f"{url}: is not what its signature was made for: it was changed, or is being published",
        "untrusted",
    )


def check_version(fetched: Fetched, state: CentralState) -> None:
    """Raises CentralError for an older configuration than was seen, or another of its number."""
    if state.highest is None or fetched.version > state.highest:
        return
    if fetched.version < state.highest:
        raise CentralError(
            f"version {fetched.version} of the centre's configuration is older than "
            f"{state.highest}, which this agent has had: it is not taken back",
            "untrusted",
        )
    if state.highest_digest not in (None, compute_digest(fetched.content)):
        raise CentralError(
            f"version {fetched.version} of the centre's configuration is not the one that this "
            "agent has had under that number: publish it again",
            "untrusted",
        )


def _choose_etag(folder: Path, state: CentralState, url: str, judge: str) -> str | None:
    """None where the file is wanted though it has not changed."""
    if state.etag_url != url:
        return None
    if state.refused is not None and state.refused.judged_by != judge:
        return None
    if state.in_force is not None and read_held(folder, state.in_force) is None:
        return None
    return state.etag


def take(
    keeper: StateKeeper, fetched: Fetched, config: Path, *, judge: str, url: str, now_ms: int
) -> Update:
    """Judge what is signed and new, and put it in force, on trial; under the state's lock.

    Raises OSError, which `hold_state` words.
    """
    state, digest = keeper.state, compute_digest(fetched.content)
    heard = {
        "asked_ms": now_ms,
        "answered_ms": now_ms,
        "problem": None,
        "problem_reason": None,
        "etag": fetched.etag,
        "etag_url": url,
        "highest": fetched.version,
        "highest_digest": digest,
    }
    held = Held(digest=digest, version=fetched.version, taken_ms=now_ms)
    in_force = state.in_force
    if in_force is not None and in_force.digest == digest:
        keeper.keep_file(in_force, fetched.content)  # it may be missing or damaged
        return _describe(keeper.change(**heard))
    refused = state.refused
    if refused is not None and refused.digest == digest and refused.judged_by == judge:
        return _describe(keeper.change(**heard))
    try:
        year = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC).year
        judge_content(config, fetched, year=year)
    except ConfigError as error:
        problem = shorten_problem(str(error))
        refusal = Refusal(
            digest=digest,
            version=fetched.version,
            why="check",
            problem=problem,
            judged_by=judge,
            at_ms=now_ms,
        )
        keeper.change(**heard, refused=refusal)
        return Update(result="refused", version=fetched.version, problem=problem)
    keeper.keep_file(held, fetched.content)
    keeper.change(
        **heard,
        in_force=held,
        previous=in_force if state.trial_starts is None else state.previous,
        trial_starts=0,
        trial_problem=None,
        refused=None,
    )
    keeper.sweep()
    return Update(result="taken", version=fetched.version)


def judge_content(config: Path, fetched: Fetched, *, year: int) -> None:
    """What `netwatch check` says of it without asking the network. Raises ConfigError."""
    name = f"version {fetched.version} of the centre's configuration"
    settings = load_under(config, fetched.content, name)
    from netwatch.report.holidays_calendar import read_holidays  # noqa: PLC0415 -- a fetched file alone pays for it

    # Without the report's library there is nothing to say of holidays, as with check.
    with contextlib.suppress(ModuleNotFoundError):
        read_holidays(settings.site.holidays, [year])


def _describe(state: CentralState) -> Update:
    refused = state.refused
    if refused is not None:
        return Update(result="refused", version=refused.version, problem=refused.problem)
    return Update(
        result="unchanged", version=None if state.in_force is None else state.in_force.version
    )
