"""200 concurrent calls of 20 sessions, each with a nonce: nothing reaches the wrong one, nothing is lost or left.

The sidecar runs in the test's loop, so that its tables can be looked at; clients are the SDK's, over real HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import mcp
import pytest
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import CreateMessageResult, ElicitResult, ListRootsResult, Root, TextContent

from sidecar.protocol.channel import Frame
from tests.support import clients
from tests.support.clients import Mode
from tests.support.fake_server import FakeChannel, FakeServer, RpcError, text, until
from tests.support.inprocess import World, space, world
from tests.support.peers import Transport

pytestmark = pytest.mark.filterwarnings(f"ignore::{MCPDeprecationWarning.__module__}.MCPDeprecationWarning")

SESSIONS, CALLS = 20, 200
EACH = CALLS // SESSIONS
GIVEN_UP = 2
"""How many of a session's calls are cancelled."""
ROUNDS = 3
IDLE = 5
"""Seconds until what modern clients used is let go: over Streamable HTTP they have no session that would end."""
KINDS: list[tuple[Transport, Mode]] = [("sse", "legacy"), ("http", "legacy"), ("sse", "auto"), ("http", "auto")]


class Call:
    """A call that has reached the server; it does what the test says, when it says so."""

    def __init__(self, channel: FakeChannel, frame: Frame, nonce: str) -> None:
        self.channel = channel
        self.id = frame["id"]
        self.token = frame["params"]["_meta"]["progressToken"]
        self.nonce = nonce
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def progress(self, number: int) -> None:
        """Report progress, with the nonce."""
        note = {"progressToken": self.token, "progress": number, "message": f"{self.nonce} {number}"}
        self.channel.notify("notifications/progress", note)

    @property
    def cancelled(self) -> bool:
        """Whether the hub has told the server so."""
        told = self.channel.got("notifications/cancelled")
        return any(frame["params"]["requestId"] == self.id for frame in told)


class Calls:
    """All calls of the tool `work` that have reached a server."""

    def __init__(self) -> None:
        self.by_nonce: dict[str, Call] = {}

    async def work(self, channel: FakeChannel, frame: Frame, nonce: str) -> dict[str, Any]:
        """The tool."""
        assert nonce not in self.by_nonce
        call = self.by_nonce[nonce] = Call(channel, frame, nonce)
        return await call.answer


class Client:
    """One session, and all that it is told and asked."""

    def __init__(self, number: int) -> None:
        self.name = f"client{number:02}"
        self.transport, self.mode = KINDS[number % len(KINDS)]
        self.told: list[str] = []
        self.asked: list[str] = []
        self.progress: dict[str, list[str]] = {nonce: [] for nonce in self.nonces()}
        self.mcp: mcp.Client

    def nonces(self) -> list[str]:
        """One for each of its calls."""
        return [f"{self.name}-call{number}" for number in range(EACH)]

    def given_up(self) -> list[str]:
        """Those that it cancels."""
        return self.nonces()[:GIVEN_UP]

    def connect(self, base: str, **options: Any) -> mcp.Client:
        """The SDK's client."""
        return clients.sdk(base, self.transport, self.mode, message_handler=self._hear, cache=None, **options)

    async def _hear(self, message: Any) -> None:
        assert not isinstance(message, Exception), message
        self.told.append(message.model_dump_json(by_alias=True))

    async def call(self, nonce: str) -> str:
        """Call `work`; the text of its answer."""

        async def heard(_done: float, _total: float | None, message: str | None) -> None:
            self.progress[nonce].append(str(message))

        result = await self.mcp.call_tool("work", {"nonce": nonce}, progress_callback=heard)
        return str(result.content[0].text)  # type: ignore[union-attr]

    async def ask(self, nonce: str) -> Any:
        """Call `question`; what it answers."""
        result = await self.mcp.call_tool("question", {"nonce": nonce})
        return json.loads(result.content[0].text)  # type: ignore[union-attr]

    async def sample(self, _: Any, params: Any) -> CreateMessageResult:
        """The client's model: says whose it is, and what it was asked."""
        asked = params.messages[0].content.text
        self.asked.append(asked)
        return CreateMessageResult(role="assistant", model="m", content=TextContent(text=f"{self.name} {asked}"))

    async def elicit(self, _: Any, params: Any) -> ElicitResult:
        """The client's user: so, too."""
        self.asked.append(params.message)
        return ElicitResult(action="accept", content={"who": f"{self.name} {params.message}"})

    async def roots(self, _: Any) -> ListRootsResult:
        """The client's roots: named for it."""
        return ListRootsResult(roots=[Root(uri=f"file:///{self.name}")])

    def check(self, clients: list[Client]) -> None:
        """Nothing that it was told or asked is another's."""
        everything = "\n".join((*self.told, *self.asked))
        assert [other.name for other in clients if other is not self and other.name in everything] == []


@contextlib.asynccontextmanager
async def connected(base: str, members: list[Client], *, able: bool = False) -> AsyncIterator[None]:
    """All connected; `able` ones answer what servers ask."""
    async with contextlib.AsyncExitStack() as stack:
        for client in members:
            options: dict[str, Any] = {}
            if able:
                options = {
                    "sampling_callback": client.sample,
                    "elicitation_callback": client.elicit,
                    "list_roots_callback": client.roots,
                }
            client.mcp = await stack.enter_async_context(client.connect(base, **options))
        yield


async def left(made: World, *channels: FakeChannel) -> None:
    """Wait until no table of the sidecar holds anything of a client or of a call."""
    workspace = made.workspace()
    await until(lambda: not workspace.clients())
    await until(lambda: not any(session.own for session in workspace.sessions))
    assert made.sse._sessions == {}
    for upstream in made.hub.pool:
        assert (upstream.in_flight, list(upstream.subscribed())) == (0, [])
        assert upstream.semaphore._free == upstream.spec.settings.max_inflight
        connection = upstream.connection
        assert connection is not None
        aside = {task for task in connection._background_tasks if task.get_coro().__name__ != "_keep_current"}  # type: ignore[union-attr]
        assert (connection._mux._pending, connection._mux._progress, aside) == ({}, {}, set())
    await until(lambda: not made.hub.pool._draining)
    for channel in channels:
        assert channel._asked == {}


async def test_over_one_shared_server(tmp_path: Path) -> None:
    """Progress of 200 calls, interleaved, and the cancellation of some reach whom they concern, and nobody else."""
    calls = Calls()
    server = FakeServer("fake", tools={"work": calls.work})
    members = [Client(number) for number in range(SESSIONS)]
    shuffled = random.Random(7)
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec(max_inflight=CALLS), space("fake", template="{name}"))
        await made.settled()
        async with connected(f"{made.base}/mcp/w", members):
            tasks = {nonce: asyncio.create_task(each.call(nonce)) for each in members for nonce in each.nonces()}
            await until(lambda: len(calls.by_nonce) == CALLS)
            assert len(server.channels) == 1
            given_up = [nonce for each in members for nonce in each.given_up()]
            for number in range(ROUNDS):
                for nonce in shuffled.sample(sorted(tasks), CALLS):
                    calls.by_nonce[nonce].progress(number)
                    if number == 1 and nonce in given_up:
                        tasks[nonce].cancel()
                    await asyncio.sleep(0)
            await until(lambda: all(calls.by_nonce[nonce].cancelled for nonce in given_up))
            for nonce in shuffled.sample(sorted(tasks), CALLS):  # the server answers those too, as some servers do
                calls.by_nonce[nonce].progress(ROUNDS)
                calls.by_nonce[nonce].answer.set_result(text(f"answer to {nonce}"))
            answers = await asyncio.gather(*tasks.values(), return_exceptions=True)
            for nonce, answer in zip(tasks, answers, strict=True):
                assert (
                    isinstance(answer, asyncio.CancelledError) if nonce in given_up else answer == f"answer to {nonce}"
                )
            for each in members:
                for nonce, heard in each.progress.items():
                    wanted = [f"{nonce} {number}" for number in range(ROUNDS + 1)]
                    assert heard == wanted[: len(heard)] if nonce in given_up else heard == wanted
                each.check(members)
            assert sum(len(channel.got("notifications/cancelled")) for channel in server.channels) == len(given_up)
        await left(made, *server.channels)


def _result(frame: Frame) -> Any:
    if "result" not in frame:
        raise RpcError(frame["error"]["code"], frame["error"]["message"])
    return frame["result"]


@pytest.mark.parametrize("modes", [("legacy",), ("legacy", "auto")], ids=["legacy", "both"])
async def test_over_servers_of_their_own(tmp_path: Path, modes: tuple[Mode, ...]) -> None:
    """200 calls, each asking model, user and roots, are answered by the client that made them."""
    together = asyncio.Barrier(CALLS)

    async def question(channel: FakeChannel, nonce: str) -> dict[str, Any]:
        await together.wait()
        prompt = {"messages": [{"role": "user", "content": {"type": "text", "text": nonce}}], "maxTokens": 1}
        schema = {"type": "object", "properties": {"who": {"type": "string"}}}
        sampled, elicited, roots = await asyncio.gather(
            channel.ask("sampling/createMessage", prompt),
            channel.ask("elicitation/create", {"message": nonce, "requestedSchema": schema}),
            channel.ask("roots/list"),
        )
        found = (
            _result(sampled)["content"]["text"],
            _result(elicited)["content"]["who"],
            _result(roots)["roots"][0]["uri"],
        )
        return text(json.dumps(found))

    server = FakeServer("fake", tools={"question": question})
    kinds = [number for number in range(2 * SESSIONS) if KINDS[number % len(KINDS)][1] in modes]
    members = [Client(number) for number in kinds[:SESSIONS]]
    async with world(tmp_path, server, serve=True, session_idle_timeout=IDLE) as made:
        made.put(server.spec(session="per_client", max_instances=CALLS), space("fake", template="{name}"))
        async with connected(f"{made.base}/mcp/w", members, able=True):
            wanted = {nonce: each for each in members for nonce in each.nonces()}
            answers = await asyncio.gather(*(each.ask(nonce) for nonce, each in wanted.items()))
            for (nonce, each), answer in zip(wanted.items(), answers, strict=True):
                said = f"{each.name} {nonce}"
                assert answer == [said, said, f"file:///{each.name}"]
            for each in members:
                assert sorted(each.asked) == sorted(2 * each.nonces())
                each.check(members)
            if modes == ("legacy",):
                assert len(server.channels) == SESSIONS + 1  # and the one that was asked for its instructions
        await left(made, *server.channels)
        await until(lambda: server.open == 0)
