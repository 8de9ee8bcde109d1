"""The list of all settings, as the documentation must have it.

Rule of this file: it reads the model's types and says them in words. It reads no
file and checks nothing.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from decimal import Decimal
from typing import TypeGuard, Union, get_args, get_origin

import msgspec

from netwatch.config.convert import list_choices
from netwatch.config.model import ByteCount, BytesPerSecond, Milliseconds, Money, Settings, Target
from netwatch.config.rules import TARGET_ROLES
from netwatch.config.units import format_duration, format_rate, format_size

_WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Decimal: "number",
    Milliseconds: "duration",
    BytesPerSecond: "rate",
    ByteCount: "size",
    Money: "amount",
}


def list_settings(root: type[msgspec.Struct] = Settings) -> list[tuple[str, str, str | None]]:
    """Every setting as (path, type in words, default as TOML); ``[]`` marks list elements.

    The default is ``"required"`` where the file must give it, None where absent
    means that there is none.

    >>> list_settings()[0]
    ('site.id', 'text', 'required')
    >>> dict((path, default) for path, _, default in list_settings())["latency.interval"]
    '"5s"'
    """
    return list(_walk(root, "", set()))


def _walk(
    struct: type[msgspec.Struct], prefix: str, told: set[type]
) -> Iterator[tuple[str, str, str | None]]:
    """A kind of table that stands in a second place too is told in the first one alone."""
    told.add(struct)
    for info in msgspec.structs.fields(struct):
        path = f"{prefix}{info.encode_name}"
        inner = _strip_none(info.type)
        element = get_args(inner)[0] if get_origin(inner) is tuple else None
        if is_table(inner):
            yield from _walk(inner, f"{path}.", told)
        elif is_table(element) and element in told:
            yield path, "list of tables", _show_default(info.default)
        elif is_table(element):
            yield from _walk(element, f"{path}[].", told)
        else:
            default = "required" if info.required else _show_default(info.default)
            yield path, _say_type(inner, struct, info.name), default


def is_table(hint: object) -> TypeGuard[type[msgspec.Struct]]:
    """Whether a type is a section of the file rather than a value.

    >>> is_table(Settings), is_table(Money)
    (True, False)
    """
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct) and hint is not Money


def _strip_none(hint: object) -> object:
    if get_origin(hint) not in {Union, types.UnionType}:
        return hint
    variants = [variant for variant in get_args(hint) if variant is not type(None)]
    return variants[0] if len(variants) == 1 else hint


def _say_type(hint: object, owner: type, name: str) -> str:
    if (owner, name) == (Target, "role"):
        return "one of " + ", ".join(TARGET_ROLES)
    choices = list_choices(hint)
    if choices:
        return "one of " + ", ".join(choices)
    if get_origin(hint) is tuple:
        element, *others = get_args(hint)
        said = _say_type(element, owner, name)
        return f"list of {said}" if others == [...] else f"pair of {said}"
    if get_origin(hint) in {Union, types.UnionType}:
        return " or ".join(_say_type(variant, owner, name) for variant in get_args(hint))
    return _WORDS[hint]  # type: ignore[index] # every type that the model uses is there


def _show_default(value: object) -> str | None:
    match value:
        case None:
            return None
        case Milliseconds():
            return f'"{format_duration(value)}"'
        case BytesPerSecond():
            return f'"{format_rate(value)}"'
        case ByteCount():
            return f'"{format_size(value)}"'
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(str(_show_default(element)) for element in value)}]"
        case str():
            return f'"{value}"'
        case _:
            return str(value)
