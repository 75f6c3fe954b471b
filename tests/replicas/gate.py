"""What stands between the replicas and PostgreSQL or Redis: it lets bytes through, until it is cut."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

PIECE = 1 << 16


class Gate:
    """Connects a port of loopback with a Unix socket. It has a loop of its own, so that thousands of clients in the
    program's do not make it slow."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._tasks)

    def cut(self) -> None:
        """As a network that is cut: no byte goes through any more, and nobody is told."""
        self.loop.call_soon_threadsafe(self._open.clear)

    def mend(self) -> None:
        """Let all bytes through again, also those that were sent meanwhile, as TCP does."""
        self.loop.call_soon_threadsafe(self._open.set)

    async def serve(self) -> asyncio.Server:
        """Listen."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def close(self, server: asyncio.Server) -> None:
        """End all connections."""
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._open.wait()
            far_reader, far_writer = await asyncio.open_unix_connection(str(self.socket))
            try:
                _, pending = await asyncio.wait(
                    [
                        asyncio.ensure_future(self._copy(reader, far_writer)),
                        asyncio.ensure_future(self._copy(far_reader, writer)),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in pending:
                    task.cancel()
            finally:
                far_writer.close()
        except OSError:
            pass
        finally:
            writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE):
                await self._open.wait()
                writer.write(data)
                await writer.drain()


@contextlib.asynccontextmanager
async def gate(socket: Path) -> AsyncIterator[Gate]:
    """One that listens."""
    made = Gate(socket)
    thread = threading.Thread(target=made.loop.run_forever)
    thread.start()
    try:
        server = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(made.serve(), made.loop))
        try:
            yield made
        finally:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(made.close(server), made.loop))
    finally:
        made.loop.call_soon_threadsafe(made.loop.stop)
        thread.join()
        made.loop.close()
