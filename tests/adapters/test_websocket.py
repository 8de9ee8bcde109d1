"""Our WebSocket client side against an implementation of others (wsproto), and cut anywhere."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    Request,
    TextMessage,
)

from netwatch.bandwidth.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameReader,
    ProtocolBroken,
    build_control,
    build_header,
    build_upgrade,
    check_upgrade,
    parse_upgrade_answer,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.2
MASKS = st.binary(min_size=4, max_size=4)


def accept() -> tuple[WSConnection, bytes]:
    """The other side after our upgrade request, and what it answered."""
    server = WSConnection(ConnectionType.SERVER)
    server.receive_data(
        build_upgrade(
            host="a.example:80", resource="/x?y=1", key=KEY, subprotocol="p", user_agent="u"
        )
    )
    (request,) = server.events()
    assert isinstance(request, Request)
    assert (request.host, request.target) == ("a.example:80", "/x?y=1")
    return server, server.send(AcceptConnection(subprotocol=request.subprotocols[0]))


def test_the_other_side_takes_our_upgrade_and_we_its_answer() -> None:
    _, head = accept()
    answer = parse_upgrade_answer(head)
    assert answer.status == 101
    check_upgrade(answer, KEY, "p")


@pytest.mark.parametrize(
    ("key", "subprotocol", "message"),
    [
        ("AAAAAAAAAAAAAAAAAAAAAA==", "p", "the upgrade is not an answer to our key"),
        (KEY, "q", "the server did not choose the subprotocol q"),
    ],
)
def test_an_answer_to_another_request_is_refused(key: str, subprotocol: str, message: str) -> None:
    _, head = accept()
    with pytest.raises(ProtocolBroken, match=message):
        check_upgrade(parse_upgrade_answer(head), key, subprotocol)


@given(content=st.binary(max_size=70_000), mask=MASKS)
def test_the_same_bytes_under_any_key_are_a_message_to_the_other_side(
    content: bytes, mask: bytes
) -> None:
    """What it reads is those bytes unmasked by that key: as random as they were."""
    server, _ = accept()
    server.receive_data(build_header(BINARY, len(content), mask) + content)
    got = b"".join(
        bytes(event.data) for event in server.events() if isinstance(event, BytesMessage)
    )
    repeated = mask * (len(content) // 4 + 1)
    unmasked = int.from_bytes(content, "big") ^ int.from_bytes(repeated[: len(content)], "big")
    assert got == unmasked.to_bytes(len(content), "big")


@given(payload=st.binary(max_size=125), mask=MASKS)
def test_the_other_side_reads_our_control_frames(payload: bytes, mask: bytes) -> None:
    server, _ = accept()
    server.receive_data(build_control(PONG, payload, mask))
    server.receive_data(build_control(CLOSE, b"\x03\xe8", mask))
    pong, close = server.events()
    assert isinstance(pong, Pong)
    assert bytes(pong.payload) == payload
    assert isinstance(close, CloseConnection)
    assert close.code == 1_000


@given(
    parts=st.lists(
        st.one_of(
            st.binary(max_size=300).map(lambda data: BytesMessage(data=data)),
            st.binary(max_size=100).map(
                lambda data: BytesMessage(data=data, message_finished=False)
            ),
            st.text(max_size=80).map(lambda data: TextMessage(data=data)),
            st.binary(max_size=125).map(lambda data: Ping(payload=data)),
        ),
        max_size=12,
    ),
    cuts=st.lists(st.integers(1, 400), min_size=1, max_size=20),
)
def test_frames_of_the_other_side_are_counted_wherever_the_stream_is_cut(
    parts: list[BytesMessage | TextMessage | Ping], cuts: list[int]
) -> None:
    """Binary payload counted, texts and pings whole and in order, however TCP cuts."""
    server, _ = accept()
    stream, expected, binary = b"", [], 0
    open_message = False
    for part in parts:
        if isinstance(part, TextMessage) and open_message:
            continue  # wsproto would send it as a fragment of what is open
        stream += server.send(part)
        if isinstance(part, BytesMessage):
            binary += len(part.data)
            open_message = not part.message_finished
        elif isinstance(part, TextMessage):
            expected.append((TEXT, part.data.encode()))
        else:
            expected.append((PING, bytes(part.payload)))
    reader = FrameReader(limit_bytes=2**24, text_limit_bytes=65_536)
    found, index = [], 0
    while stream:
        size = cuts[index % len(cuts)]
        found += reader.feed(memoryview(stream[:size]))
        stream, index = stream[size:], index + 1
    assert found == expected
    assert reader.binary_bytes == binary


def test_payload_may_be_dropped_unread_and_is_counted_all_the_same() -> None:
    reader = FrameReader(limit_bytes=2**24, text_limit_bytes=10)
    assert reader.feed(memoryview(b"\x82\x7f" + (2**20).to_bytes(8, "big") + b"abc")) == []
    assert reader.binary_left == 2**20 - 3
    reader.skip(2**20 - 3)
    assert (reader.binary_left, reader.binary_bytes) == (0, 2**20)
    assert reader.feed(memoryview(b"\x81\x02{}")) == [(TEXT, b"{}")]


@given(st.binary(max_size=2_000))
def test_any_bytes_whatever_are_frames_or_a_broken_protocol(noise: bytes) -> None:
    """Nothing else is raised, and no more is kept than a text may have."""
    reader = FrameReader(limit_bytes=1_000, text_limit_bytes=100)
    with contextlib.suppress(ProtocolBroken):
        for _, payload in reader.feed(memoryview(noise)):
            assert len(payload) <= 125
