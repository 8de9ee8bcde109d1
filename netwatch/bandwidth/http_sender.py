"""What an upload sends, and the thread that lets the kernel wait for room to send it in.

Rule of this file: it hands bytes to one connected socket until it is stopped, and judges
nothing. A blocking ``sendfile`` of a whole file in memory returns to Python a few tens of
times a second at a gigabit; waking for each bit of room costs twice as much CPU. It reads no
answer and knows no HTTP but the heads that it is given.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading

RANDOM_BYTES = 4_194_304
#: Drawn anew for each test, and repeated: no compressor looks back so far.
_DRAWN_BYTES = 1_048_576
#: Enough for a few frames of Python; the ordinary 8 MiB count against the child's bound.
_STACK_BYTES = 262_144
_STOP_S = 1.0


class Noise:
    """Incompressible bytes: a file in memory to send from, and the same mapped for TLS."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("netwatch-noise", os.MFD_CLOEXEC)
        drawn = os.urandom(_DRAWN_BYTES)
        for _ in range(RANDOM_BYTES // _DRAWN_BYTES):
            os.write(self.descriptor, drawn)
        self._mapped: memoryview | None = None

    def read_mapped(self) -> memoryview:
        """The same bytes to be copied from; kept until the process ends."""
        if self._mapped is None:
            import mmap  # noqa: PLC0415 -- TLS alone needs it

            self._mapped = memoryview(mmap.mmap(self.descriptor, RANDOM_BYTES, prot=mmap.PROT_READ))
        return self._mapped

    def close(self) -> None:
        """Give the memory back, once no sender is left."""
        os.close(self.descriptor)


class Sender:
    """Sends on one blocking socket, in a thread of its own, what it is given, in that order.

    ``begun`` requests, ``done`` of them whole, and ``heads_bytes`` of their heads have been
    handed to the kernel so far;
    ``failure`` is what the kernel said when it took no more. The socket stays the caller's,
    who closes it only after `stop`.
    """

    def __init__(self, stream: socket.socket, noise: Noise) -> None:
        self._socket, self._noise = stream, noise
        self._given: queue.SimpleQueue[tuple[bytes, int] | None] = queue.SimpleQueue()
        self.begun = 0
        self.done = 0
        self.heads_bytes = 0
        self.failure: OSError | None = None
        self._thread = threading.Thread(target=self._send, name="upload", daemon=True)
        before = threading.stack_size(_STACK_BYTES)
        try:
            self._thread.start()
        finally:
            threading.stack_size(before)

    def give(self, head: bytes, body_bytes: int) -> None:
        """One more request to send, after those that were given before."""
        self._given.put((head, body_bytes))

    def stop(self) -> bool:
        """End the sending at once, in the middle of a call too; whether the thread is gone."""
        self._given.put(None)
        with contextlib.suppress(OSError):  # the far side has ended it already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(_STOP_S)
        return not self._thread.is_alive()

    def _send(self) -> None:
        number = self._socket.fileno()
        try:
            while (given := self._given.get()) is not None:
                head, left = given
                self.begun += 1
                self._socket.sendall(head, socket.MSG_MORE)
                self.heads_bytes += len(head)
                while left:
                    left -= os.sendfile(number, self._noise.descriptor, 0, min(left, RANDOM_BYTES))
                self.done += 1
        except OSError as error:
            self.failure = error
