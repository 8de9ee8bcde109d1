"""What the package carries, as CycloneDX 1.6 JSON: `sbom.py LIBRARIES VERSION EPOCH > FILE`.

Rule of this file: every library is told from its own *.dist-info/METADATA, netwatch itself
is what the list is of. The same folder gives the same bytes. Standard library only.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path


def describe_library(metadata: Path) -> dict[str, object]:
    """One component: name, version, package URL, and the licence where it is an SPDX expression."""
    told = HeaderParser().parsestr(metadata.read_text(encoding="utf-8"))
    name, version = told["Name"].lower().replace("_", "-"), told["Version"]
    purl = f"pkg:pypi/{name}@{version}"
    component: dict[str, object] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }
    if expression := told["License-Expression"]:
        component["licenses"] = [{"expression": expression}]
    else:
        prefix = "License :: OSI Approved :: "
        words = [
            each.removeprefix(prefix)
            for each in told.get_all("Classifier") or []
            if each.startswith(prefix)
        ]
        if words:
            component["licenses"] = [{"license": {"name": word}} for word in words]
    return component


def build_bom(libraries: Path, version: str, epoch: int) -> dict[str, object]:
    """The whole list, sorted by name."""
    components = [describe_library(path) for path in libraries.glob("*.dist-info/METADATA")]
    own = [each for each in components if each["name"] == "netwatch"]
    others = [each for each in components if each["name"] != "netwatch"]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {**own[0], "type": "application", "version": version},
        },
        "components": sorted(others, key=lambda each: str(each["name"])),
    }


if __name__ == "__main__":
    bom = build_bom(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    sys.stdout.write(json.dumps(bom, indent=1, sort_keys=True) + "\n")
