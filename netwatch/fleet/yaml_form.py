"""Values as YAML that a person can read and Prometheus loads.

Rule of this file: pure; dicts, lists, texts, numbers and truths, nothing else. Every text
is quoted as JSON quotes it, which YAML 1.2 reads the same, so no word is taken for
something else; a text of several lines stands as a literal block.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence


def render_yaml(value: Mapping[str, object]) -> str:
    r"""The document's text, ending with a line break.

    >>> print(render_yaml({"groups": [{"name": "a", "rules": []}], "n": 3}), end="")
    groups:
      - name: "a"
        rules: []
    n: 3
    >>> print(render_yaml({"expr": "a\n+ b"}), end="")
    expr: |-
      a
      + b
    """
    return "\n".join(_lines(value, 0)) + "\n"


def _lines(value: Mapping[str, object], indent: int) -> list[str]:
    lines: list[str] = []
    for key, inner in value.items():
        lines += _entry(f"{' ' * indent}{key}:", inner, indent)
    return lines


def _entry(head: str, value: object, indent: int) -> list[str]:
    """A key with its value, on its line where it fits, below it otherwise."""
    if isinstance(value, Mapping) and value:
        return [head, *_lines(value, indent + 2)]
    if isinstance(value, str) and "\n" in value:
        block = [f"{' ' * (indent + 2)}{line}" for line in value.split("\n")]
        return [f"{head} |-", *block]
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return [head, *(line for each in value for line in _element(each, indent + 2))]
    return [f"{head} {json.dumps(value, ensure_ascii=False)}"]


def _element(value: object, indent: int) -> list[str]:
    if not isinstance(value, Mapping):
        return [f"{' ' * indent}- {json.dumps(value, ensure_ascii=False)}"]
    first, *others = _lines(value, indent + 2)
    return [f"{' ' * indent}- {first.lstrip()}", *others]
