"""What is written to a server's pipe: together where it can be, in order always."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from sidecar.spawner.pipes import Writer, write_pipe

BIG = b"b" * (Writer.MAX_BATCHED + 1)


class Pipe:
    """A pipe whose one end a Writer has; `writes` are the kernel's calls on it."""

    def __init__(self, reading: int, writer: Writer) -> None:
        self.reading, self.writer = reading, writer
        self.writes: list[bytes] = []

    async def read(self, count: int) -> bytes:
        """That many bytes."""
        data = b""
        while len(data) < count:
            data += await asyncio.to_thread(os.read, self.reading, count - len(data))
        return data


@pytest.fixture
async def pipe(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pipe]:
    """An open pipe."""
    reading, writing = os.pipe()
    writer = await write_pipe(writing, lambda: None)
    made, write = Pipe(reading, writer), os.write

    def counted(fd: int, data: bytes) -> int:
        if fd == writing:
            made.writes.append(data)
        return write(fd, data)

    monkeypatch.setattr("sidecar.spawner.pipes.os.write", counted)
    yield made
    writer.abort()
    await writer.closed
    os.close(reading)


async def test_what_is_given_in_one_turn_of_the_loop_goes_out_in_one_write(pipe: Pipe) -> None:
    """And what is given in the next goes out by itself."""
    assert [await pipe.writer.write(data) for data in (b"one\n", b"two\n", b"three\n")] == [True, True, True]
    assert await pipe.read(14) == b"one\ntwo\nthree\n"
    await pipe.writer.write(b"four\n")
    assert await pipe.read(5) == b"four\n"
    assert pipe.writes == [b"one\ntwo\nthree\n", b"four\n"]


async def test_big_message_does_not_wait_and_keeps_its_place(pipe: Pipe) -> None:
    """What was given before goes out with it, before it."""
    await pipe.writer.write(b"before\n")
    await pipe.writer.write(BIG)
    assert pipe.writes == [b"before\n" + BIG]
    await pipe.writer.write(b"after\n")
    assert await pipe.read(7 + len(BIG) + 6) == b"before\n" + BIG + b"after\n"


async def test_order_is_kept_while_the_other_side_does_not_read(pipe: Pipe) -> None:
    """Small and big messages, some of which have to wait for their turn."""
    messages = [(b"%06d" % number) * (1 if number % 3 else 10_000) for number in range(60)]
    writing = asyncio.gather(*(pipe.writer.write(message) for message in messages))
    await asyncio.sleep(0)
    expected = b"".join(messages)
    assert len(expected) > Writer.HIGH_WATER
    assert await pipe.read(len(expected)) == expected
    assert await writing == [True] * len(messages)


async def test_close_writes_what_waits(pipe: Pipe) -> None:
    """The server sees the whole input before its end."""
    await pipe.writer.write(b"last\n")
    pipe.writer.close()
    assert await pipe.read(5) == b"last\n"
    await asyncio.wait_for(pipe.writer.closed, 100)
    assert await asyncio.to_thread(os.read, pipe.reading, 1) == b""


async def test_nothing_is_written_once_it_is_closed(pipe: Pipe) -> None:
    """And who writes is told."""
    await pipe.writer.write(b"lost\n")
    pipe.writer.abort()
    await asyncio.wait_for(pipe.writer.closed, 100)
    assert await pipe.writer.write(b"more\n") is False
