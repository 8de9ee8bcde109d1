"""The agent's configuration in the lab.

Rule of this file: it writes TOML from plain values, and knows the lab's addresses, not
its namespaces.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.netlab import topology


def build_config(
    store: str,
    port: int,
    *,
    first_hop: str = "auto",
    ipv6: bool = True,
    targets: Sequence[Mapping[str, object]] = (),
    **sections: Mapping[str, object],
) -> str:
    """A configuration for an agent in the school.

    ``sections`` are laid over the lab's own (``latency={"interval": "1s"}``,
    ``circuit={"contract": {"max_loss": 0.01}}``); ``targets`` are added to the lab's;
    without ``ipv6`` no target is IPv6.
    """
    listed: list[Mapping[str, object]] = [
        {"name": "gateway", "role": "gateway"},
        {"name": "first-hop", "role": "first_hop", "address": first_hop},
        {"name": "resolver", "role": "resolver"},
    ]
    hosts = {**topology.HOSTS, **(topology.HOSTS_IPV6 if ipv6 else {})}
    listed += [{"name": n, "role": "internet", "address": a} for n, a in hosts.items()]
    document: dict[str, Any] = {
        "site": {"id": "lab", "name": "Lab school"},
        "circuit": {"operator": "Lab operator"},
        "store": {"path": store},
        "http": {"listen": f"127.0.0.1:{port}"},
        "clock": {"trusted": True},
    }
    for name, section in sections.items():
        document[name] = {**document.get(name, {}), **section}
    text = "".join(build_table(name, section) for name, section in document.items())
    tables = "".join("[[target]]\n" + build_keys(target) + "\n" for target in [*listed, *targets])
    return text + tables


def build_table(name: str, section: Mapping[str, object]) -> str:
    r"""One TOML table, its sub-tables after it.

    >>> print(build_table("a", {"b": {"c": True}, "d": "5s"}), end="")
    [a]
    d = "5s"
    <BLANKLINE>
    [a.b]
    c = true
    <BLANKLINE>
    """
    below = {key: value for key, value in section.items() if isinstance(value, Mapping)}
    own = {key: value for key, value in section.items() if key not in below}
    text = f"[{name}]\n{build_keys(own)}\n" if own else ""
    return text + "".join(build_table(f"{name}.{key}", value) for key, value in below.items())


def build_keys(values: Mapping[str, object]) -> str:
    """Lines ``key = value``; strings, numbers, booleans and lists are written as in JSON."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
