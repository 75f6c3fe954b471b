"""`kill -9` of the sidecar under clients of the legacy era: over Streamable HTTP they go on with their sessions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import httpx2

from tests.support import clients
from tests.support.clients import Call, Json
from tests.support.hub import Hub, running
from tests.support.peers import LEGACY
from tests.support.yamcp import mock


@contextlib.asynccontextmanager
async def typescript(base: str) -> AsyncIterator[Call]:
    """The TypeScript SDK's client, version 1."""
    async with clients.watching(base, "http") as (watcher, _):

        async def call(tool: str, arguments: Json) -> str:
            reply = await watcher.ask(call=tool, arguments=arguments)
            assert "result" in reply, reply
            return str(reply["result"]["content"][0]["text"])

        yield call


CLIENTS: dict[str, Callable[[str], AbstractAsyncContextManager[Call]]] = {
    "typescript": typescript,
    "mcp 1": partial(clients.lining, "mcp1_client.py", transport="http"),
    "smolagents": partial(clients.lining, "smolagents_client.py", transport="http"),
}


async def calling(hub: Hub, stack: contextlib.AsyncExitStack) -> dict[str, Call]:
    """The clients, connected to the front's port, and but for the slowest to the sidecar's own, too."""
    opened = [(name, f"http://127.0.0.1:{hub.settings.port}/mcp/w") for name in CLIENTS]
    opened += [(name, hub.http("w")) for name in CLIENTS if name != "smolagents"]
    async with asyncio.TaskGroup() as tasks:
        entered = {
            f"{name} at {base}": tasks.create_task(stack.enter_async_context(CLIENTS[name](base)))
            for name, base in opened
        }
    return {name: task.result() for name, task in entered.items()}


async def first_answer(hub: Hub) -> httpx2.Response:
    """What the first request is answered to which somebody listens."""
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    headers = {"accept": "application/json, text/event-stream"}
    async with asyncio.timeout(100), httpx2.AsyncClient(timeout=100) as http:
        while True:
            with contextlib.suppress(httpx2.ConnectError):
                return await http.post(hub.http("w"), json=body, headers=headers)
            await asyncio.sleep(0.01)


async def test_kill_of_the_sidecar() -> None:
    """The TypeScript SDK 1, mcp 1 and smolagents call on, through both ports, without a new handshake."""
    async with running({"a": mock("a")}, {"w": ["a"]}, front=True) as hub, contextlib.AsyncExitStack() as stack:
        found = await calling(hub, stack)
        for number in range(2):
            texts = await asyncio.gather(
                *(call("a_echo", {"text": f"{name} {number}"}) for name, call in found.items())
            )
            assert texts == [f"{name} {number}" for name in found]
            if number == 0:
                await hub.kill("sidecar")
                await hub.start("sidecar")
                answer = await first_answer(hub)
                assert (answer.status_code, "result" in answer.json()) == (200, True), answer.text
                await hub.wait_settled()
                await hub.wait_front()
        sessions = {each.name: each.sessions for each in (await hub.status()).workspaces}
        assert sessions == {"w": len(found) + 1}
        assert hub.log("sidecar").count("a session was resumed") == len(found)
