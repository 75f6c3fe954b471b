"""Small servers of raw bytes that leave no connection behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from ssl import SSLContext

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(answer: Answer, at: int | Path, *, ssl: SSLContext | None = None) -> AsyncIterator[None]:
    """Serve at a port of loopback or a Unix socket; `answer` need neither close nor mind a client that leaves.

    At the end every connection is closed, those that are still being answered too: asyncio's own server leaves these to
    the collector, which warns in whatever test comes next.
    """
    async with asyncio.TaskGroup() as tasks:
        open_now: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = tasks.create_task(_served(answer, reader, writer))
            open_now.add(task)
            task.add_done_callback(open_now.discard)

        if isinstance(at, Path):
            server = await asyncio.start_unix_server(connected, at, ssl=ssl)
        else:
            server = await asyncio.start_server(connected, "127.0.0.1", at, ssl=ssl)
        async with server:
            yield
        for task in open_now:
            task.cancel()


async def _served(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await answer(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
