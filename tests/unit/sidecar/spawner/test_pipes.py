"""Pipes on the event loop, where a process is not needed to show it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os

import pytest

from sidecar.spawner.pipes import RateLimitedReader, Reader, Writer, read_pipe, read_rate_limited, write_pipe
from tests.support.fake_server import until, within


async def test_write_after_a_full_pipe_was_closed() -> None:
    """Who writes to a pipe that was full when its reader died is told so at once, those in turn included."""
    reading, writing = os.pipe()
    writer = await write_pipe(writing, lambda: None)
    assert await writer.write(b"x" * (4 * Writer.HIGH_WATER))
    waiting = asyncio.create_task(writer.write(b"in turn"))
    await asyncio.sleep(0)
    os.close(reading)
    await until(writer.closed.done)
    assert [await within(writer.write(b"late")), await within(waiting)] == [False, False]


@pytest.mark.parametrize("read", [0, 5, 12, 17])
async def test_take_back(read: int) -> None:
    """What nobody has read is taken out of the pipe, so that nobody reads it; what was not written is with it."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    writer = await write_pipe(writing, lambda: None)
    writer.try_write(b"first line\n", at_once=True)
    writer.try_write(b"second\n", at_once=True)
    assert len(os.read(reading, read) if read else b"") == read
    writer.try_write(b"waits\n")
    assert writer.take_unread() == b"first line\nsecond\nwaits\n"[read:]
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)
    writer.abort()
    await writer.closed
    os.close(reading)


async def test_take_back_after_the_reader_has_left() -> None:
    """What it left is there, and what was written when it had gone; of a pipe that is closed nothing is told."""
    reading, writing = os.pipe()
    writer = await write_pipe(writing, lambda: None)
    writer.try_write(b"left\n", at_once=True)
    os.close(reading)
    writer.try_write(b"too late\n", at_once=True)
    await within(writer.closed)
    assert writer.take_unread() == b"left\ntoo late\n"
    assert not writer.try_write(b"closed\n")


async def test_nothing_is_taken_back_from_who_may_read_it() -> None:
    """What was written before the pipe was closed is for the other side, however late it reads."""
    reading, writing = os.pipe()
    writer = await write_pipe(writing, lambda: None)
    writer.try_write(b"last words\n", at_once=True)
    writer.close()
    await within(writer.closed)
    assert writer.take_unread() == b""
    assert os.read(reading, 99) == b"last words\n"
    os.close(reading)


async def test_what_is_written_together() -> None:
    """What is given in one turn of the loop is one write; what is alone is written at once; what has to wait is not."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    writer = await write_pipe(writing, lambda: None)
    assert writer.try_write(b"a")
    assert writer.try_write(b"b")
    with pytest.raises(BlockingIOError):
        os.read(reading, 9)
    assert writer.try_write(b"c", at_once=True)
    assert os.read(reading, 9) == b"abc"
    await asyncio.sleep(0)
    assert await writer.write(b"x" * (4 * Writer.HIGH_WATER))
    assert not writer.try_write(b"no room")
    writer.abort()
    await writer.closed
    assert not writer.try_write(b"closed")
    os.close(reading)


def written(pipe: int) -> int:
    """Fill a pipe; returns how many bytes it took."""
    os.set_blocking(pipe, False)
    taken = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            taken += os.write(pipe, b"x" * 65536)
    return taken


async def test_who_writes_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A paced reader pauses after so many bytes, goes on after its time, and reads the rest at the writer's end."""
    monkeypatch.setattr(RateLimitedReader, "BURST", 1)
    monkeypatch.setattr(RateLimitedReader, "RATE", 1e-9)
    reading, writing = os.pipe()
    data: list[bytes] = []
    ended = asyncio.Event()
    reader = await read_rate_limited(reading, data.append, ended.set)
    os.write(writing, b"a")
    await until(lambda: data)
    rest = written(writing)
    for _ in range(100):
        await asyncio.sleep(0)
    assert data == [b"a"]
    monkeypatch.setattr(RateLimitedReader, "BURST", rest)
    reader.read_rest()
    assert len(data[1]) == rest
    reader.read_rest()  # there is nothing
    reader._resume()  # as the timer would
    reader.read_rest()  # it reads by itself
    os.write(writing, b"b")
    os.close(writing)
    await ended.wait()
    assert data[2:] == [b"b"]
    await reader.closed


async def test_a_paced_reader_is_closed_while_it_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is left, and nothing is resumed that is closed."""
    monkeypatch.setattr(RateLimitedReader, "BURST", 1)
    reading, writing = os.pipe()
    data: list[bytes] = []
    reader = await read_rate_limited(reading, data.append, lambda: None)
    os.write(writing, b"a")
    await until(lambda: data)
    reader.close()
    reader._resume()
    await reader.closed
    os.close(writing)


async def test_a_pipe_that_was_full_is_enlarged() -> None:
    """What does not fit into a pipe takes several turns of its writer; the next one of that size finds room."""
    reading, writing = os.pipe()
    got: list[bytes] = []
    os.write(writing, b"small")
    reader = await read_pipe(reading, got.append, lambda: None)
    await until(lambda: got == [b"small"])
    assert fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ) == Reader.USUAL
    reader.set_reading(False)
    os.write(writing, b"x" * Reader.USUAL)
    reader.set_reading(True)
    await until(lambda: sum(map(len, got)) == 5 + Reader.USUAL)
    assert fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ) == Reader.ENLARGED
    reader.close()
    await within(reader.closed)
    os.close(writing)


async def test_a_pipe_that_may_not_be_enlarged_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system limits what the pipes of a user hold; what is written is read all the same."""

    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr("sidecar.spawner.pipes.fcntl.fcntl", refuse)
    reading, writing = os.pipe()
    os.write(writing, b"x" * Reader.USUAL)
    got: list[bytes] = []
    reader = await read_pipe(reading, got.append, lambda: None)
    await until(lambda: sum(map(len, got)) == Reader.USUAL)
    reader.close()
    await within(reader.closed)
    os.close(writing)
