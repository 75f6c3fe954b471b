"""What is written to an event stream, and when its writing ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sidecar.downstream import event_stream
from sidecar.downstream.event_stream import EventStream
from tests.support.fake_server import settle


class Wire:
    """The client's end: keeps what was sent; while `door` is closed, it does not read."""

    def __init__(self) -> None:
        self.door = asyncio.Event()
        self.door.set()
        self.messages: list[Any] = []
        self.overflowed = 0
        self.error: Exception | None = None
        self.outbox = EventStream(self.send, self.overflow, [(b"x-more", b"1")])

    async def send(self, message: Any) -> None:
        await self.door.wait()
        if self.error:
            raise self.error
        self.messages.append(message)

    def overflow(self) -> None:
        self.overflowed += 1

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


async def test_frames_in_order() -> None:
    """The response begins with the first frame; all come in order, those that wait together at once; then it ends."""
    wire = Wire()
    assert wire.messages == []
    for number in range(3):
        wire.outbox.put({"n": number})
    await wire.outbox.close()
    start, body, end = wire.messages
    assert start["status"] == 200
    assert dict(start["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert dict(start["headers"])[b"x-more"] == b"1"
    assert body["body"] == b"".join(b'event: message\r\ndata: {"n":%d}\r\n\r\n' % number for number in range(3))
    assert (body["more_body"], end) == (True, {"type": "http.response.body", "body": b""})
    wire.outbox.put({"late": 1})
    await wire.outbox.close()
    await settle()
    assert len(wire.messages) == 3


async def test_no_task_while_there_is_nothing_to_write() -> None:
    """An idle stream costs no task."""
    wire = Wire()
    wire.outbox.open()
    await settle()
    assert [message["type"] for message in wire.messages] == ["http.response.start"]
    assert len(asyncio.all_tasks()) == 1
    wire.outbox.put_raw(event_stream.PING)
    await settle()
    assert (wire.body, len(asyncio.all_tasks())) == (event_stream.PING, 1)


async def test_a_client_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much for a client that does not read: the stream ends, once, and nothing is kept."""
    monkeypatch.setattr(event_stream, "MAX_WAITING_BYTES", 1000)
    wire = Wire()
    wire.door.clear()
    for _ in range(100):
        wire.outbox.put_raw(b"x" * 30)
        await settle(1)
    assert (wire.overflowed, wire.outbox.size, wire.messages) == (1, 0, [])
    assert len(asyncio.all_tasks()) == 1


async def test_close_waits_for_the_reader() -> None:
    """What waits is written before the end; who gives up waiting leaves no task behind."""
    wire = Wire()
    wire.door.clear()
    wire.outbox.put({"n": 1})
    closing = asyncio.create_task(wire.outbox.close())
    await settle()
    assert not closing.done()
    wire.door.set()
    await closing
    assert b'{"n":1}' in wire.body

    other = Wire()
    other.door.clear()
    other.outbox.put({"n": 1})
    other.outbox.abort()
    await settle()
    assert (other.messages, len(asyncio.all_tasks())) == ([], 1)


async def test_a_response_that_was_ended_elsewhere() -> None:
    """Where the server says that the response is over, nothing more is written, and nothing is logged as a fault."""
    wire = Wire()
    wire.error = RuntimeError("Unexpected ASGI message")
    wire.outbox.put({"n": 1})
    await settle()
    wire.error = None
    wire.outbox.put({"n": 2})
    await settle()
    assert wire.messages == []


async def test_nothing_but_an_end() -> None:
    """A stream that ends before anything was written is a whole response all the same."""
    wire = Wire()
    await wire.outbox.close()
    assert [message["type"] for message in wire.messages] == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize(
    "text", ["\u2028", "a\u2029b", "\u0085", "\\\u2028", "\u2028\u2029\u0085é", "\x0b\x0c\x1c\x1d\x1e\x1f\r\n"]
)
async def test_one_event_is_one_line_to_every_client(text: str) -> None:
    """What ends a line anywhere in Unicode is escaped: clients that split lines by Unicode get the same value."""
    wire = Wire()
    wire.outbox.put({text: [text]})
    await wire.outbox.close()
    name, data, *rest = wire.body.decode().splitlines()
    assert (name, rest) == ("event: message", [""])
    assert json.loads(data.removeprefix("data: ")) == {text: [text]}


async def test_other_text_is_written_as_it_is() -> None:
    """Characters beyond ASCII are not escaped: they would only be longer."""
    wire = Wire()
    wire.outbox.put({"text": "é€…😀\x80"})
    await wire.outbox.close()
    assert 'data: {"text":"é€…😀\x80"}\r\n' in wire.body.decode()
