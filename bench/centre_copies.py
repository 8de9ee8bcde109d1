"""From the model of a kind to all of its sites, and what is the same for every site.

Rule of this file: labels are those that targets and rules give to the sites of the inventory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.blocks import Labels
from bench.centre_sites import list_kinds
from netwatch.fleet.inventory_rules import build_hours, build_site_info
from netwatch.fleet.model import Inventory
from netwatch.fleet.recording_rules import build_recording_groups
from netwatch.fleet.series import JOINED, SITE
from netwatch.fleet.targets import build_labels

MONTH_DAYS = 33
MINUTE_S = 60
#: A label for the copies: which of a site's labels a series of a model gets.
OF = "of"


def list_constants(inventory: Inventory, now_s: int) -> Iterator[str]:
    """The inventory's own series: one site's as the model of all, and the contracts' terms."""
    instants = range(now_s - MONTH_DAYS * 86_400, now_s, MINUTE_S)
    for at_s in instants:
        yield f'{SITE}{{site="@every",{OF}="info"}} 1 {at_s}\n'
    groups = build_recording_groups(inventory, {}, range(1970, 1971))
    rules = next(each["rules"] for each in groups if each["name"] == "netwatch-inventory")
    for rule in rules:  # type: ignore[attr-defined] # a list of rules
        if rule["record"] != SITE:
            said = ",".join(f'{key}="{value}"' for key, value in rule["labels"].items())
            value = rule["expr"].removeprefix("vector(").rstrip(")")
            for at_s in instants:
                yield f"{rule['record']}{{{said}}} {value} {at_s}\n"


class Copier:
    """Labels of a model's series -> those of every site of its kind."""

    def __init__(self, inventory: Inventory) -> None:
        self._sites: dict[str, list[dict[str, dict[str, str]]]] = {}
        hours = build_hours(inventory, {})
        for site, kind in zip(inventory.sites, list_kinds(), strict=True):
            target = build_labels(site)
            line = {key: value for key, value in target.items() if key in {"site", *_JOINED}}
            info = build_site_info(site, hours[site.id])["labels"]
            assert isinstance(info, dict)
            each = {
                "target": target | {"instance": site.id, "job": "netwatch"},
                "site": {"site": site.id},
                "line": line,
                "info": info,
            }
            for model in (f"@{kind}", "@every"):
                self._sites.setdefault(model, []).append(each)

    def __call__(self, labels: Labels) -> Iterator[Labels]:
        said = dict(labels)
        of = said.pop(OF, None)
        if of is None:
            yield labels
            return
        for each in self._sites[said.pop("site")]:
            yield tuple((said | each[of]).items())


_JOINED: Sequence[str] = JOINED.split(", ")
