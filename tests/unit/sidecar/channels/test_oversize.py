"""Streams in which an event is too long."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sidecar.channels.oversize import TOO_LARGE, EndlessEvent, cut, id_in

LIMIT = 1000
LONG = b"x" * 3000


async def through(stream: bytes, size: int) -> bytes:
    """What is passed on of a stream that comes in pieces of this size."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(stream), size):
            yield stream[start : start + size]

    return b"".join([part async for part in cut(pieces(), LIMIT)])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 5000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_events_within_the_limit(size: int, end: bytes) -> None:
    """They pass as they are, many after each other."""
    stream = (b"event: message" + end + b"data: " + b"y" * 900 + end + end) * 5
    assert await through(stream, size) == stream


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_an_event_that_is_too_long(size: int, end: bytes) -> None:
    """Its middle is dropped, and what comes before and after it is not touched."""
    good = b"data: good" + end + end
    stream = good + b'data: {"result":"' + LONG + b'","id":5}' + end + end + good
    found = await through(stream, size)
    assert found.startswith(good + b'data: {"result":"xxx')
    assert found.endswith(b'","id":5}\n\n' + good)
    assert b"\nevent: " + TOO_LARGE.encode() + b"\ndata: " in found
    assert len(found) < LIMIT + 700 + 2 * len(good)


async def test_an_event_without_end() -> None:
    """It is given up."""
    with pytest.raises(EndlessEvent):
        await through(b"data: " + b"x" * (5 * LIMIT), 100)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('{"jsonrpc":"2.0","id":3,"result":{"a":"x', 3),
        ('{"jsonrpc":"2.0","id":3,"error":{"code":1', 3),
        ('{"jsonrpc": "2.0", "id": 3, "result":', 3),
        ('{"id":3,"jsonrpc":"2.0","result":', 3),
        ('{"result":{"a":"x\nxx"},"jsonrpc":"2.0","id":4}', 4),
        ('{"result":{"a":"x\nxx"},"id": 4 , "jsonrpc": "2.0" }', 4),
        ('{"result":{"id":7,"a":"x\nxx"}}', None),
        ('{"jsonrpc":"2.0","method":"m","params":{"id":3}}', None),
        ('{"jsonrpc":"2.0","id":3,"method":"m","params":{"a":"x', None),
        ('{"method":"m","params":{"a":"x\nxx"},"id":3}', None),
        ('{"jsonrpc":"2.0","id":"3","result"', None),
        ("", None),
    ],
)
def test_whose_answer_it_was(data: str, expected: int | None) -> None:
    """Only an id that is certainly the response's: at its start, or at its very end."""
    assert id_in(data) == expected
