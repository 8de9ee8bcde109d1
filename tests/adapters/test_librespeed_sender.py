"""The thread that sends an upload: what it hands over, and that it ends when it is told to."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest

from netwatch.bandwidth.base import Plan
from netwatch.bandwidth.http_sender import RANDOM_BYTES, Noise, Sender
from tests.adapters.test_librespeed_hostile import measure, saying, serving, wait

pytestmark = pytest.mark.timeout(60)

UP = Plan(directions=("up",), streams=2, warm_up_ms=200, measure_ms=5_000, grace_ms=2_500)
#: More than any buffer takes.
ENDLESS = 2**34


class Pair:
    """A TCP connection on loopback, both of its ends here, and noise to send."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.near = socket.create_connection(listener.getsockname())
            self.far, _ = listener.accept()
        self.noise = Noise()

    def close(self) -> None:
        self.near.close()
        self.far.close()
        self.noise.close()

    def read(self, count: int) -> bytes:
        said = bytearray()
        while len(said) < count and (piece := self.far.recv(min(1 << 20, count - len(said)))):
            said += piece
        return bytes(said)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def test_heads_and_bodies_go_out_in_the_order_given(pair: Pair) -> None:
    """Each head whole, each body as long as was said, from the noise and round again."""
    noise = os.pread(pair.noise.descriptor, RANDOM_BYTES, 0)
    sender = Sender(pair.near, pair.noise)
    sender.give(b"first.", 1_000)
    sender.give(b"second.", RANDOM_BYTES + 10)
    said = pair.read(6 + 1_000 + 7 + RANDOM_BYTES + 10)
    assert sender.stop()
    assert said == b"first." + noise[:1_000] + b"second." + noise + noise[:10]
    assert (sender.begun, sender.heads_bytes, sender.failure) == (2, 13, None)


def test_it_ends_in_the_middle_of_a_body_that_nobody_reads(pair: Pair) -> None:
    """Blocked in the kernel with the buffers full, and its thread gone all the same."""
    sender = Sender(pair.near, pair.noise)
    sender.give(b"head", ENDLESS)
    assert pair.read(4) == b"head"
    assert sender.stop()
    assert isinstance(sender.failure, BrokenPipeError)


def test_it_ends_while_it_has_nothing_to_send(pair: Pair) -> None:
    sender = Sender(pair.near, pair.noise)
    assert sender.stop()
    assert (sender.begun, sender.failure) == (0, None)


def test_it_ends_by_itself_when_the_far_side_does(pair: Pair) -> None:
    """And stopping it afterwards is no fault."""
    sender = Sender(pair.near, pair.noise)
    sender.give(b"head", ENDLESS)
    assert pair.read(4) == b"head"
    pair.far.close()  # with bytes unread: a reset
    assert sender.stop()
    assert isinstance(sender.failure, OSError)


def await_reset(stream: socket.socket) -> None:
    """Read nothing until the far side has ended the connection."""
    poll = select.poll()
    poll.register(stream, 0)
    poll.poll()


def test_a_refusal_in_the_middle_of_a_body_is_heard_while_it_is_sent() -> None:
    """The server reads no further and leaves the connection open."""
    refusal = b"HTTP/1.1 302 Found\r\nLocation: http://192.168.1.1/\r\nContent-Length: 0\r\n\r\n"

    def refuse(stream: socket.socket, _request: str, _fields: dict[str, str]) -> None:
        stream.recv(30_000)
        stream.sendall(refusal)
        await_reset(stream)

    found = measure(serving(refuse), UP)
    assert (found.reason, found.bytes_per_second) == ("login_page", None), found


def test_no_thread_is_left_of_an_upload_that_stalled() -> None:
    """Nothing is read for ever; the test ends, and so do its senders."""

    def stall(stream: socket.socket, _request: str, _fields: dict[str, str]) -> None:
        stream.recv(1_000)
        await_reset(stream)

    found = measure(serving(stall), UP)
    left = [each for each in threading.enumerate() if each.name == "upload"]
    assert (found.reason, left) == ("stalled", [])


def test_an_answer_to_a_body_that_was_not_begun_is_invalid() -> None:
    """However many are waiting to be sent."""
    empty = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    found = measure(serving(saying(empty * 40, wait)), msgspec.structs.replace(UP, streams=1))
    assert (found.reason, found.detail) == (
        "answer_invalid",
        "127.0.0.1 answers what was not asked",
    )


def test_what_waits_to_be_sent_is_dropped_at_the_end() -> None:
    """The connection is reset: nothing of it goes out after the test."""
    ends: list[str] = []

    def stall(stream: socket.socket, _request: str, _fields: dict[str, str]) -> None:
        stream.recv(1_000)
        await_reset(stream)
        try:
            wait(stream)
        except ConnectionResetError:
            ends.append("reset")
        else:
            ends.append("closed")

    measure(serving(stall), msgspec.structs.replace(UP, measure_ms=300))
    assert ends == ["reset", "reset"]
