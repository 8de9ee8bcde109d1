"""Where a secret lies for who runs as a service: its file, or systemd's copy of it.

Rule of this file: paths are chosen, nothing is read. The secrets of /etc/netwatch/secrets
belong to root alone; `LoadCredential=secrets:/etc/netwatch/secrets` (systemd.exec(5)) hands
the service a copy of each, in memory, as `secrets_NAME` below $CREDENTIALS_DIRECTORY.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from netwatch.config.model import Settings

#: What systemd names in the environment of a service that was given credentials.
VARIABLE = "CREDENTIALS_DIRECTORY"


def place_secrets(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """The same settings, every secret this process may not read replaced by its credential.

    Paths are absolute, as `netwatch.config.load` leaves them. A secret with neither a
    readable file nor a credential keeps its path, for whoever reads it to complain of.
    """
    if not environment.get(VARIABLE):
        return settings
    folder = Path(environment[VARIABLE])
    replace = msgspec.structs.replace
    http, influx, mail = settings.http, settings.influx, settings.mail
    bandwidth = settings.bandwidth
    if bandwidth.snmp is not None and bandwidth.snmp.community_file is not None:
        community = find_secret(bandwidth.snmp.community_file, folder)
        bandwidth = replace(bandwidth, snmp=replace(bandwidth.snmp, community_file=community))
    if http.token_file is not None:
        http = replace(http, token_file=find_secret(http.token_file, folder))
    if http.key is not None:
        http = replace(http, key=find_secret(http.key, folder))
    if influx is not None:
        influx = replace(influx, token_file=find_secret(influx.token_file, folder))
    if mail is not None and mail.password_file is not None:
        mail = replace(mail, password_file=find_secret(mail.password_file, folder))
    central = settings.central
    if central is not None and central.token_file is not None:
        central = replace(central, token_file=find_secret(central.token_file, folder))
    return replace(
        settings, bandwidth=bandwidth, http=http, influx=influx, mail=mail, central=central
    )


def find_secret(path: str, folder: Path) -> str:
    """The file if this process may read it, else its credential if there is one, else the file."""
    if os.access(path, os.R_OK):
        return path
    credential = folder / name_credential(path)
    return str(credential) if credential.is_file() else path


def name_credential(path: str) -> str:
    """What systemd names the copy of a file out of a folder that it was told to load.

    >>> name_credential("/etc/netwatch/secrets/influx.token")
    'secrets_influx.token'
    """
    return f"{Path(path).parent.name}_{Path(path).name}"
