"""A person behind a client: answers what servers ask, and remembers what they say."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp_types import CreateMessageResult, ElicitResult, ListRootsResult, Root, TextContent

from tests.support import clients
from tests.support.peers import Transport


class Person:
    """What one client answers; and a barrier, so that both are asked before either answers."""

    def __init__(self, name: str, barrier: asyncio.Barrier | None = None) -> None:
        self.name = name
        self.barrier = barrier
        self.logs: list[Any] = []
        self._logged = asyncio.Event()

    async def _together(self) -> None:
        if self.barrier is not None:
            await self.barrier.wait()

    async def sample(self, *_: Any) -> CreateMessageResult:
        """Answer as the client's model."""
        await self._together()
        return CreateMessageResult(role="assistant", content=TextContent(text=self.name), model=self.name)

    async def elicit(self, *_: Any) -> ElicitResult:
        """Answer as the client's user."""
        await self._together()
        return ElicitResult(action="accept", content={"name": self.name})

    async def roots(self, *_: Any) -> ListRootsResult:
        """The client's roots."""
        await self._together()
        return ListRootsResult(roots=[Root(uri=f"file:///{self.name}", name=self.name)])

    async def log(self, message: Any) -> None:
        """Take a log message."""
        self.logs.append(message.data)
        self._logged.set()

    async def has_logs(self, count: int) -> list[Any]:
        """All log messages, when there are so many."""
        async with asyncio.timeout(100):
            while len(self.logs) < count:
                self._logged.clear()
                await self._logged.wait()
        return self.logs

    def sdk(self, base: str, transport: Transport, **options: Any) -> Any:
        """The Python SDK's client of this person."""
        return clients.sdk(
            base,
            transport,
            "legacy",
            sampling_callback=self.sample,
            elicitation_callback=self.elicit,
            list_roots_callback=self.roots,
            logging_callback=self.log,
            **options,
        )

    def fastmcp(self, base: str, transport: Transport) -> Any:
        """FastMCP's client of this person."""

        async def sample(*_: Any) -> str:
            await self._together()
            return self.name

        async def elicit(*_: Any) -> dict[str, str]:
            await self._together()
            return {"name": self.name}

        async def roots(*_: Any) -> list[Any]:
            await self._together()
            return [Root(uri=f"file:///{self.name}", name=self.name)]

        return clients.fast(base, transport, "legacy", sampling_handler=sample, elicitation_handler=elicit, roots=roots)
