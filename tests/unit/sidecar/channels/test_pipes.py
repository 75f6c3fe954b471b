"""Pipes on the event loop, where a process is not needed to show it."""

from __future__ import annotations

import asyncio
import os

import pytest

from sidecar.channels.pipes import Writer, write_pipe
from tests.support.fake_server import until, within


async def test_write_after_a_full_pipe_was_closed() -> None:
    """Who writes to a pipe that was full when its reader died is told so at once, those in turn included."""
    reading, writing = os.pipe()
    writer = await write_pipe(writing, lambda: None)
    assert await writer.write(b"x" * (4 * Writer.HIGH))
    waiting = asyncio.create_task(writer.write(b"in turn"))
    await asyncio.sleep(0)
    os.close(reading)
    await until(writer.closed.done)
    assert [await within(writer.write(b"late"), 2), await within(waiting, 2)] == [False, False]


async def test_what_is_written_together() -> None:
    """What is given in one turn of the loop is one write; what is alone is written at once; what has to wait is not."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    writer = await write_pipe(writing, lambda: None)
    assert writer.offer(b"a")
    assert writer.offer(b"b")
    with pytest.raises(BlockingIOError):
        os.read(reading, 9)
    assert writer.offer(b"c", at_once=True)
    assert os.read(reading, 9) == b"abc"
    await asyncio.sleep(0)
    assert await writer.write(b"x" * (4 * Writer.HIGH))
    assert not writer.offer(b"no room")
    writer.abort()
    await writer.closed
    assert not writer.offer(b"closed")
    os.close(reading)
