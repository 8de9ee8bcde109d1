"""Network namespaces from Python: make, enter, run in, reach into, remove.

Rule of this file: each function does one thing to one namespace by name. It knows no
topology. Entering is done in a thread of its own, because a namespace belongs to a
thread: the caller stays where it is, and a socket made inside stays inside.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCETHTOOL = 0x8913, 0x8914, 0x8946
_IFF_UP = 0x1
#: ethtool(7): transmit checksums, scatter-gather, segmentation (TCP, generic), receive merging.
_OFFLOADS = (0x17, 0x19, 0x1F, 0x24, 0x2C)
_FOLDER = Path("/run/netns")
_ETC = Path("/etc/netns")

Result = TypeVar("Result")


class LabError(Exception):
    """The lab cannot be built or used; the message says which command said what."""


def run(*arguments: str, given: str | None = None) -> str:
    """Runs a program to its end and returns what it printed; LabError when it fails."""
    done = subprocess.run(arguments, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def add_namespace(name: str) -> None:
    run("ip", "netns", "add", name)


def configure(name: str, lines: Sequence[str]) -> None:
    """Runs ``ip`` command lines inside a namespace, all in one process."""
    run("ip", "-n", name, "-batch", "-", given="\n".join(lines) + "\n")


def popen(name: str, arguments: Sequence[str], **options: object) -> subprocess.Popen[str]:
    """Starts a program inside a namespace; its process id is the program's own.

    ``options`` go to :class:`subprocess.Popen` (text mode).
    """
    command = ["ip", "netns", "exec", name, *arguments]
    return subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload, no-any-return]  # options are the caller's


def call_in(name: str, function: Callable[[], Result]) -> Result:
    """Calls a function in a thread that has entered the namespace; its errors are raised here."""
    results: list[Result] = []
    failures: list[BaseException] = []

    def enter_and_call() -> None:
        try:
            handle = os.open(_FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET):
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number), name)
            finally:
                os.close(handle)
            results.append(function())
        except BaseException as error:  # noqa: BLE001 -- raised again in the caller's thread
            failures.append(error)

    thread = threading.Thread(target=enter_and_call, name=f"in-{name}")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def socket_in(
    name: str, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, protocol: int = 0
) -> socket.socket:
    """An unconnected socket that lives in the namespace, whoever uses it."""
    return call_in(name, lambda: socket.socket(family, kind, protocol))


def connect_in(name: str, address: tuple[str, int], timeout_s: float = 5.0) -> socket.socket:
    """A TCP connection made from inside the namespace; OSError as ``connect`` raises it."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    opened = socket_in(name, family)
    opened.settimeout(timeout_s)
    try:
        opened.connect(address)
    except OSError:
        opened.close()
        raise
    return opened


def set_sysctls(name: str, values: Mapping[str, str]) -> None:
    """Writes settings below ``/proc/sys/net`` of a namespace (``ipv4/ip_forward`` …)."""

    def write() -> None:
        for key, value in values.items():
            Path("/proc/sys/net", key).write_text(value, encoding="ascii")

    call_in(name, write)


def set_link(control: socket.socket, interface: str, *, up: bool) -> None:
    """Sets an interface up or down at once, without starting a program.

    ``control`` is any socket of the namespace (:func:`socket_in`).
    """
    request = struct.pack("16sh14x", interface.encode(), 0)
    (flags,) = struct.unpack_from("h", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)
    flags = flags | _IFF_UP if up else flags & ~_IFF_UP
    fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", interface.encode(), flags))


def disable_offloads(name: str, interface: str) -> None:
    """Makes an interface send whole frames with true checksums, as a real wire carries them."""
    with socket_in(name, socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in _OFFLOADS:
            value = array.array("I", [command, 0])
            address, _ = value.buffer_info()
            try:
                fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("16sP", interface.encode(), address))
            except OSError as error:
                raise LabError(f"{name}: {interface}: ethtool {command:#x}: {error}") from error


def write_resolv_conf(name: str, resolvers: Sequence[str]) -> None:
    """Gives programs started in the namespace their own ``/etc/resolv.conf``."""
    folder = _ETC / name
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(f"nameserver {resolver}\n" for resolver in resolvers)
    (folder / "resolv.conf").write_text(text, encoding="ascii")


def find_namespaces(prefix: str) -> list[str]:
    if not _FOLDER.is_dir():
        return []
    return sorted(path.name for path in _FOLDER.iterdir() if path.name.startswith(prefix))


def remove_namespace(name: str) -> None:
    """Ends what still runs inside, then removes it; nothing happens when it is not there."""
    shutil.rmtree(_ETC / name, ignore_errors=True)
    if not (_FOLDER / name).exists():
        return
    for pid in run("ip", "netns", "pids", name).split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            continue
    run("ip", "netns", "delete", name)
