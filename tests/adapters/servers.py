"""Real servers for the probes to ask: dnsmasq and nginx, on loopback, in the foreground."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_ENVIRONMENT = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}


@contextlib.contextmanager
def started(command: Sequence[str], address: str, port: int) -> Iterator[None]:
    """Runs a server from when its TCP port answers to the end of the block."""
    process = subprocess.Popen(
        command, env=_ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        with process:
            try:
                _wait(process, address, port)
                yield
            finally:
                process.terminate()
    finally:
        assert process.returncode is not None


def _wait(process: subprocess.Popen[bytes], address: str, port: int) -> None:
    while True:
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(process.stderr.read().decode())
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        time.sleep(0.02)


@contextlib.contextmanager
def dnsmasq(address: str, port: int, *options: str) -> Iterator[None]:
    """A resolver that knows what its options say, and refuses all else."""
    command = [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--pid-file=",
        "--user=root",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--except-interface=nothing",
        f"--listen-address={address}",
        f"--port={port}",
        *options,
    ]
    with started(command, address, port):
        yield


@contextlib.contextmanager
def nginx(folder: Path, port: int, server: str) -> Iterator[None]:
    """A web server with one ``server`` block's body."""
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"""
        daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            server {{ {server} }}
        }}
        """,
        encoding="ascii",
    )
    command = ["nginx", "-p", str(folder), "-c", str(configuration), "-e", "stderr"]
    with started(command, "127.0.0.1", port):
        yield


class Authority:
    """An authority of our own that signs certificates, made by openssl."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._name = name
        self.path = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        _openssl(
            *("req", "-x509", "-nodes", "-subj", f"/CN={name}", "-days", "10"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", str(self._key), "-out", str(self.path)),
        )

    def sign(
        self, name: str, subject: str = "IP:127.0.0.1", *, days: int = 5, begins: str = "+0d"
    ) -> tuple[Path, Path]:
        """A certificate and its key for a subject's alternative name (``IP:…``, ``DNS:…``)."""
        key, request, certificate = (
            self._folder / f"{name}.{ending}" for ending in ("key", "csr", "pem")
        )
        _openssl(
            *("req", "-nodes", "-subj", f"/CN={name}", "-addext", f"subjectAltName={subject}"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", str(key), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-days", str(days)),
            *("-CA", str(self.path), "-CAkey", str(self._key), "-CAcreateserial"),
            *("-copy_extensions", "copyall", "-out", str(certificate)),
            begins=begins,
        )
        return certificate, key


def _openssl(*arguments: str, begins: str = "+0d") -> None:
    command = ["openssl", *arguments]
    if begins != "+0d":
        command = ["faketime", "-f", begins, *command]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def namespace(name: str, *commands: str) -> Iterator[str]:
    """A network namespace, set up by ``ip`` command lines run inside it, and gone afterwards."""
    name = f"nw{os.getpid()}{name}"
    ip("netns", "add", name)
    try:
        for command in commands:
            ip("-n", name, *command.split())
        yield name
    finally:
        ip("netns", "del", name)


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
