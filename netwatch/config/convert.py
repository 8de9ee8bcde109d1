"""From a TOML tree to the settings' types, every mistake noted.

Rule of this file: it reads the types that `model` declares, through msgspec, and
knows no single setting. What a value may be beyond its type comes in as rules.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from netwatch.config.model import ByteCount, BytesPerSecond, Milliseconds, Money
from netwatch.config.notes import Notes, Path, Refused, show_quoted, show_value
from netwatch.config.units import parse_duration, parse_money, parse_rate, parse_size

#: By (struct, attribute): what a value must meet, raising Refused; of a list, each element.
Rules = Mapping[tuple[type, str], Callable[[object], None]]
#: By (struct, attribute): another way to write the value, brought to the usual one.
Spellings = Mapping[tuple[type, str], Callable[[object], object]]

_T = TypeVar("_T", bound=msgspec.Struct)
_LONGEST_LIST = 500

_READERS: Mapping[object, Callable[[object], object]] = {
    Milliseconds: parse_duration,
    BytesPerSecond: parse_rate,
    ByteCount: parse_size,
    Money: parse_money,
}
_WORDS: Mapping[object, str] = {
    str: 'text in quotation marks, like "this"',
    int: "a whole number",
    bool: "true or false",
}


class Converter:
    """Walks the tree along the declared types."""

    def __init__(
        self,
        notes: Notes,
        *,
        rules: Rules,
        spellings: Spellings,
        longest_list: int = _LONGEST_LIST,
    ) -> None:
        self._notes = notes
        self._rules = rules
        self._spellings = spellings
        self._longest_list = longest_list

    def convert_table(self, value: object, wanted: type[_T], at: Path) -> _T | None:
        """The struct that a table describes; None when it is no table.

        Where a key was refused, or is missing though required, the struct holds its
        default or None, and `notes.sound` is False there: such a struct is only good
        for looking for further mistakes.
        """
        if not isinstance(value, dict):
            self._notes.refuse(at, f"must be a table, got {show_value(value)}")
            return None
        infos = {info.encode_name: info for info in msgspec.structs.fields(wanted)}
        for key in value:
            if key not in infos:
                hint = self._notes.suggest(key, list(infos))
                self._notes.refuse(
                    (*at, key),
                    f"unknown key{hint}" if hint else f"unknown key: known are {', '.join(infos)}",
                )
        attributes: dict[str, object] = {}
        for key, info in infos.items():
            if key in value:
                converted = self._convert_key(value[key], wanted, info, (*at, key))
                if converted is not None or info.required:
                    attributes[info.name] = converted
            elif info.required:
                attributes[info.name] = None
                example = show_example(key, info.type, within=at)
                self._notes.refuse((*at, key), f"is missing: write {example}")
        return wanted(**attributes)

    def _convert_key(self, value: object, owner: type, info: FieldInfo, at: Path) -> object:
        which = (owner, info.name)
        try:
            if which in self._spellings:
                value = self._spellings[which](value)
            return self._convert(value, info.type, at, self._rules.get(which))
        except Refused as refused:
            self._notes.refuse(at, str(refused))
            return None

    def _convert(
        self, value: object, hint: object, at: Path, rule: Callable[[object], None] | None
    ) -> object:
        """One value; raises Refused for itself, notes what is wrong inside it."""
        hint = choose_variant(value, hint)
        if get_origin(hint) is tuple:
            return self._convert_list(value, hint, at, rule)
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct) and hint is not Money:
            return self.convert_table(value, hint, at)
        converted = self._convert_leaf(value, hint)
        if rule is not None:
            rule(converted)
        return converted

    def _convert_list(
        self, value: object, hint: object, at: Path, rule: Callable[[object], None] | None
    ) -> tuple[object, ...]:
        """The list as long as it was; None where an element was refused."""
        first, *others = get_args(hint)
        if not isinstance(value, list):
            remedy = f"write [[{at[-1]}]]" if isinstance(value, dict) else "put it in [ ]"
            raise Refused(f"must be a list, got {show_value(value)}: {remedy}")
        if others != [...] and len(value) != 1 + len(others):
            raise Refused(f"must be a list of {1 + len(others)}, got {len(value)}")
        if len(value) > self._longest_list:
            raise Refused(f"must have at most {self._longest_list} elements, got {len(value)}")
        elements: list[object] = []
        for index, element in enumerate(value):
            try:
                elements.append(self._convert(element, first, (*at, index), rule))
            except Refused as refused:
                self._notes.refuse((*at, index), str(refused))
                elements.append(None)
        return tuple(elements)

    def _convert_leaf(self, value: object, hint: object) -> object:
        if hint in _READERS:
            return _READERS[hint](value)
        if hint is Decimal or hint is float:
            return _convert_number(value, hint)
        choices = list_choices(hint)
        try:
            return msgspec.convert(value, hint)
        except msgspec.ValidationError as error:
            if not choices:
                raise Refused(f"must be {_WORDS[hint]}, got {show_value(value)}") from error
        near = self._notes.suggest(value, choices) if isinstance(value, str) else ""
        known = ", ".join(f'"{choice}"' for choice in choices)
        raise Refused(f"must be one of {known}, got {show_value(value)}{near}")


def choose_variant(value: object, hint: object) -> object:
    """The one type of a union that a TOML value is meant for; TOML has no null.

    >>> choose_variant(["a"], str | tuple[str, ...] | None)
    tuple[str, ...]
    """
    if get_origin(hint) not in {Union, types.UnionType}:
        return hint
    variants = [variant for variant in get_args(hint) if variant is not type(None)]
    lists = [variant for variant in variants if get_origin(variant) is tuple]
    return lists[0] if lists and isinstance(value, list) else variants[0]


def list_choices(hint: object) -> list[str]:
    """The words that a Literal or an enumeration allows; empty for other types.

    >>> list_choices(Literal["up", "down"])
    ['up', 'down']
    """
    if get_origin(hint) is Literal:
        return [str(choice) for choice in get_args(hint)]
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return [member.value for member in hint]
    return []


def show_example(key: str, hint: object, *, within: Path = ()) -> str:
    """The line that is missing from the table at the path ``within``.

    >>> show_example("name", str), show_example("role", Literal["up", "down"])
    ('name = "…"', 'role = "up"')
    """
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"[{'.'.join(part for part in (*within, key) if isinstance(part, str))}]"
    choices = list_choices(hint)
    return f"{key} = {show_quoted(choices[0] if choices else '…')}"


def _convert_number(value: object, hint: object) -> Decimal | float:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Refused(f"must be a number, got {show_value(value)}")
    # Beyond these bounds no setting has a meaning, and exact arithmetic takes for ever.
    small = abs(value) < 10**12 if isinstance(value, int) else value.is_finite()
    number = Decimal(value) if small else Decimal("NaN")
    if not small or not -12 <= number.adjusted() <= 12:
        raise Refused(f"must be a usable number, got {show_value(value)}")
    return float(number) if hint is float else number
