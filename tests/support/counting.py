"""A TCP proxy that counts the connections made through it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass
class Counting:
    """What went through. `url` is that of an MCP server at /mcp behind it; `most` is the highest number of connections
    that were open at once, which does not depend on how long idle ones are kept."""

    port: int = 0
    open: int = 0
    most: int = 0

    @property
    def url(self) -> str:
        """The server's address through the proxy."""
        return f"http://127.0.0.1:{self.port}/mcp"


@contextlib.asynccontextmanager
async def counting(port: int) -> AsyncIterator[Counting]:
    """A proxy in front of a port of this machine."""
    proxy = Counting()
    tasks: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy.open += 1
        proxy.most = max(proxy.most, proxy.open)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            with contextlib.suppress(asyncio.CancelledError, OSError):
                there, back = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.wait(
                    [asyncio.ensure_future(_copy(reader, back)), asyncio.ensure_future(_copy(there, writer))]
                )
        finally:
            proxy.open -= 1

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
