"""Pipes on the event loop, where a process is not needed to show it."""

from __future__ import annotations

import asyncio
import os

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
