"""A program that may not ask the kernel for its clock's state, as in a service with ProtectClock.

Rule of this file: it shuts adjtimex off for itself and becomes the program that it is
given: ``python sandboxed_clock.py PROGRAM ARGUMENT …``. It judges nothing.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # EPERM
#: adjtimex and clock_adjtime.
_CALLS = {"x86_64": (159, 305), "aarch64": (171, 266)}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def shut_off(calls: tuple[int, ...]) -> None:
    """From now on each of these system calls fails with EPERM, here and in what is executed."""
    last = len(calls)
    lines = [(_LOAD_WORD, 0, 0, 0)]
    lines += [(_JUMP_IF_EQUAL, last - index, 0, call) for index, call in enumerate(calls)]
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    held = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(lines), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    shut_off(_CALLS[platform.machine()])
    os.execv(sys.argv[1], sys.argv[1:])
