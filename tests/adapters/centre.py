"""A town's centre on loopback: signed configurations handed out over HTTPS by nginx.

Rule of this file: it publishes what it is told, true or false; it judges nothing.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from netwatch.config.central import show_public_key
from netwatch.report.sign import (
    CONFIGURATION_NAMESPACE,
    build_raw_public,
    build_signature,
    read_private_key,
)
from tests.adapters.hostile import free_port
from tests.adapters.servers import Authority, nginx

SITE = "ecole-jaures"


class Centre:
    """``folder`` gets the key, the certificates and ``www``, what is published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.www = folder / "www"
        self.www.mkdir()
        self.key_path = folder / "centre"
        self.key = make_key(self.key_path)
        self.public_key = show_public_key(build_raw_public(self.key.public_key()))
        self.authority = Authority(folder)
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/netwatch"

    @contextlib.contextmanager
    def serve(self, *, begins: str = "+0d", rules: str = "") -> Iterator[None]:
        """HTTPS on loopback; ``begins`` moves the certificate's five days, ``rules`` are nginx's."""
        certificate, key = self.authority.sign("server", begins=begins)
        block = (
            f"listen 127.0.0.1:{self.port} ssl; ssl_certificate {certificate}; "
            f"ssl_certificate_key {key}; location /netwatch/ {{ {rules} alias {self.www}/; }}"
        )
        with nginx(self.folder, self.port, block):
            yield

    def publish(
        self,
        version: int,
        settings: str = "",
        *,
        site: str = SITE,
        name: str | None = None,
        signer: Ed25519PrivateKey | None = None,
        namespace: bytes = CONFIGURATION_NAMESPACE,
    ) -> bytes:
        """A signed file of these settings, as SITE.toml; the bytes of it."""
        text = f'[published]\nversion = {version}\n\n[site]\nid = "{site}"\n\n{settings}'
        content = text.encode()
        path = self.www / f"{name or site}.toml"
        path.write_bytes(content)
        os.utime(path, (1_700_000_000 + version,) * 2)  # nginx makes the ETag of it
        signature = build_signature(content, signer or self.key, namespace=namespace)
        path.with_name(f"{path.name}.sig").write_bytes(signature)
        return content

    def write_agent(self, folder: Path, more: str = "", *, central: str = "") -> Path:
        """A device's own file with this centre, its books beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "agent.toml"
        path.write_text(
            f'[site]\nid = "{SITE}"\n[store]\npath = "netwatch.db"\n'
            f'[central]\nurl = "{self.url}"\npublic_key = "{self.public_key}"\n'
            f'certificate_authority = "{self.authority.path}"\n{central}\n{more}',
            encoding="utf-8",
        )
        return path


def make_key(path: Path) -> Ed25519PrivateKey:
    """A key as a town's administrator makes it."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)],
        check=True,
        capture_output=True,
    )
    return read_private_key(path)
