"""Two clients at once, each with a nonce: what it is asked, told and answers. Nothing of one may reach the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import mcp
from mcp_types import (
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitResult,
    ImageContent,
    ListRootsResult,
    Root,
    TextContent,
)

from tests.conformance.fixture.contents import IMAGE
from tests.support import clients
from tests.support.clients import Mode
from tests.support.peers import Transport

PATIENCE = 100.0
NONCES = ("nonce-ada", "nonce-alan")


class Person:
    """One client. Questions wait until the other client is being asked too, before either answers."""

    def __init__(self, nonce: str, together: asyncio.Barrier) -> None:
        self.nonce = nonce
        self.asked: list[tuple[str, Any]] = []
        """Every question, and its parameters."""
        self.notes: list[tuple[str, Any]] = []
        """Every notification: method and parameters."""
        self.image = False
        """Answer sampling with a picture."""
        self.files = [f"file:///{nonce}"]
        self.client: mcp.Client
        self._together = together
        self._arrived = asyncio.Event()

    def connect(self, base: str, transport: Transport, mode: Mode, **options: Any) -> mcp.Client:
        """The SDK's client with this person behind it."""
        return clients.sdk(
            base, transport, mode,
            sampling_callback=self._sample, elicitation_callback=self._elicit, list_roots_callback=self._roots,
            message_handler=self._hear, cache=None, **options,
        )  # fmt: skip

    async def call(self, name: str, /, **arguments: Any) -> str:
        """The text that a tool answers."""
        result = await self.client.call_tool(name, arguments)
        assert not result.is_error, result
        text: str = result.content[0].text  # type: ignore[union-attr]
        return text

    async def told(self, method: str, count: int = 1) -> list[Any]:
        """What came with the first `count` notifications of a method, when they are there."""
        async with asyncio.timeout(PATIENCE):
            while len(found := [params for each, params in self.notes if each == method]) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return found

    def everything(self) -> str:
        """All that this client was asked and told."""
        return json.dumps([self.asked, self.notes])

    async def _ask(self, kind: str, params: Any) -> None:
        self.asked.append((kind, _plain(params)))
        async with asyncio.timeout(PATIENCE):
            await self._together.wait()

    async def _sample(self, _: Any, params: Any) -> CreateMessageResult:
        await self._ask("sampling", params)
        content = ImageContent(data=IMAGE, mime_type="image/png") if self.image else TextContent(text=self.nonce)
        return CreateMessageResult(role="assistant", content=content, model=self.nonce)

    async def _elicit(self, _: Any, params: Any) -> ElicitResult:
        await self._ask("elicitation", params)
        form = isinstance(params, ElicitRequestFormParams)
        wanted = list(params.requested_schema["properties"]) if form else []
        return ElicitResult(action="accept", content=dict.fromkeys(wanted[:1], self.nonce) if form else None)

    async def _roots(self, _: Any) -> ListRootsResult:
        await self._ask("roots", None)
        return ListRootsResult(roots=[Root(uri=uri) for uri in self.files])

    async def _hear(self, message: Any) -> None:
        assert not isinstance(message, Exception), message
        self.notes.append((message.method, _plain(message.params)))
        self._arrived.set()


def _plain(params: Any) -> Any:
    return None if params is None else params.model_dump(by_alias=True, mode="json", exclude_none=True)


class Pair:
    """Both, connected to one workspace."""

    def __init__(self, *people: Person) -> None:
        self.people = people

    async def each(self, work: Callable[[Person], Awaitable[Any]]) -> list[Any]:
        """Have both do something at the same time; what came of it."""
        return list(await asyncio.gather(*(work(person) for person in self.people)))

    def nonces(self, words: str = "{}") -> list[str]:
        """A text for each, with its nonce in place of `{}`."""
        return [words.replace("{}", person.nonce) for person in self.people]

    def asked(self, kind: str) -> list[list[Any]]:
        """The questions of a kind that each got."""
        return [[params for each, params in person.asked if each == kind] for person in self.people]


@contextlib.asynccontextmanager
async def pair(base: str, transport: Transport, mode: Mode, **options: Any) -> AsyncIterator[Pair]:
    """Two clients; at the end it is checked that neither got anything of the other's."""
    together = asyncio.Barrier(len(NONCES))
    people = [Person(nonce, together) for nonce in NONCES]
    async with contextlib.AsyncExitStack() as stack:
        for person in people:
            person.client = await stack.enter_async_context(person.connect(base, transport, mode, **options))
        yield Pair(*people)
    for person in people:
        for other in people:
            assert other is person or other.nonce not in person.everything()
