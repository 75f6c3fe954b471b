"""Between a client and a hub: passes every byte on, and tells in which protocol era the client spoke."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.support.peers import Era

DISCOVER, INITIALIZE = b'"server/discover"', b'"initialize"'
CHUNK = 65_536


class Tap:
    """What a client sent to one port."""

    def __init__(self, port: int) -> None:
        self.port = port
        """The hub's."""
        self._sent: list[bytearray] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on one connection; when either end closes it, it is closed at the other."""
        try:
            hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.close()
            raise
        sent = bytearray()
        self._sent.append(sent)
        await asyncio.gather(_pass(reader, hub_writer, sent), _pass(hub_reader, writer, None))

    @property
    def era(self) -> Era:
        """A client that falls back to `initialize` is of the legacy era, whatever it tried first."""
        methods = {word for word in (DISCOVER, INITIALIZE) if any(word in sent for sent in self._sent)}
        assert methods, "the client said nothing"
        return "legacy" if INITIALIZE in methods else "modern"


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None) -> None:
    try:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(CHUNK):
                if kept is not None:
                    kept += chunk
                writer.write(chunk)
                await writer.drain()
    finally:
        writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def tapped(port: int) -> AsyncIterator[tuple[int, Tap]]:
    """A port of this machine that leads to another one, and what was sent there."""
    tap = Tap(port)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(tap.connected(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], tap
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
