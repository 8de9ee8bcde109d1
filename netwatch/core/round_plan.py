"""Where in its round each target's probe stands: spread when all is well, close when not.

Rule of this file: offsets only, from targets and an interval. Pure; it knows no instant,
and not when a round is called for: that is `cadence`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from netwatch.records import Role

#: Between two probes of a burst round: enough that they do not queue behind each
#: other on a 1 Mbit/s line, little enough that three rounds fit into a cut of 3 s.
BURST_SPACING_MS = 20


class CadenceTarget(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    role: Role


def plan_steady(targets: Sequence[CadenceTarget], interval_ms: int) -> list[tuple[str, int]]:
    """Each target's offset within a steady round: internet evenly, the others between.

    >>> plan_steady([CadenceTarget(id="gw", role=Role.GATEWAY),
    ...              CadenceTarget(id="a", role=Role.INTERNET),
    ...              CadenceTarget(id="b", role=Role.INTERNET)], 1000)
    [('a', 0), ('b', 500), ('gw', 250)]
    """
    internet = [target for target in targets if target.role is Role.INTERNET]
    others = [target for target in targets if target.role is not Role.INTERNET]
    plan = [
        (target.id, index * interval_ms // len(internet)) for index, target in enumerate(internet)
    ]
    step = interval_ms // (2 * max(1, len(internet)))  # half a step: never beside an internet probe
    for index, target in enumerate(others):
        place = index * max(1, len(internet)) // max(1, len(others))
        shift = (
            index % max(1, -(-len(others) // max(1, len(internet)))) * step // max(1, len(others))
        )
        plan.append((target.id, (place * 2 * step + step + shift) % interval_ms))
    return plan


def plan_burst(targets: Sequence[CadenceTarget], burst_interval_ms: int) -> list[tuple[str, int]]:
    """Each target's offset within a burst round: close together, an internet target last.

    So whoever along the path answers has answered between two probes that nobody did.

    >>> plan_burst([CadenceTarget(id="gw", role=Role.GATEWAY),
    ...             CadenceTarget(id="a", role=Role.INTERNET),
    ...             CadenceTarget(id="b", role=Role.INTERNET)], 1000)
    [('a', 0), ('gw', 20), ('b', 40)]
    """
    path = [target for target in targets if target.role in (Role.GATEWAY, Role.FIRST_HOP)]
    internet = [target for target in targets if target.role is Role.INTERNET]
    rest = [target for target in targets if target not in path and target not in internet]
    ordered = [*internet[:-1], *path, *internet[-1:], *rest]
    spacing_ms = min(BURST_SPACING_MS, burst_interval_ms // max(1, 2 * len(ordered)))
    return [(target.id, index * spacing_ms) for index, target in enumerate(ordered)]
