"""`session: per_client`: a server's questions are answered by the client on whose behalf it asks, by real clients."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

from tests.support import clients, sidecar
from tests.support.peers import Transport
from tests.support.people import Person
from tests.support.sidecar import Sidecar

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings(f"ignore::{MCPDeprecationWarning.__module__}.MCPDeprecationWarning"),
]

OWN = sidecar.mock("own", "--shy", session="per_client")
SHARED = sidecar.mock("shared", "--ask-anyway")
QUESTIONS = ("sampling", "elicit", "roots")
BOTH = pytest.mark.parametrize("transport", ["sse", "http"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """A workspace of both servers, and one of the shared one alone."""
    spaces = [sidecar.workspace("w", OWN, SHARED), sidecar.workspace("shared", SHARED)]
    async with sidecar.running(OWN, SHARED, *spaces) as running:
        yield running


@BOTH
@pytest.mark.parametrize("kind", ["sdk", "fastmcp"])
async def test_two_clients_answer_each_for_itself(hub: Sidecar, transport: Transport, kind: str) -> None:
    """Sampling, elicitation and roots, asked of two clients at the same time, are answered by the one that called."""
    barrier = asyncio.Barrier(2)
    people = [Person("ada", barrier), Person("alan", barrier)]
    async with contextlib.AsyncExitStack() as stack:
        connected = [
            await stack.enter_async_context(getattr(person, kind)(hub.http("w"), transport)) for person in people
        ]
        for question in QUESTIONS:
            calls = (client.call_tool(f"own_{question}", {}) for client in connected)
            answers = [result.structured_content["answer"] for result in await asyncio.gather(*calls)]
            assert [_who(answer) for answer in answers] == ["ada", "alan"], question
        pids = [(await client.call_tool("own_pid", {})).content[0].text for client in connected]
        assert len(set(pids)) == 2
        assert {str(pid) for pid in (await hub.server("own")).pids} >= set(pids)
        shared = {(await client.call_tool("shared_pid", {})).content[0].text for client in connected}
        assert len(shared) == 1
    await hub.wait_status(lambda status: _instances(status) == 0, "the sessions' own servers are gone")


def _who(answer: dict[str, Any]) -> str:
    """The name in an answer of any of the three kinds."""
    if "roots" in answer:
        return str(answer["roots"][0]["name"])
    content = answer["content"]
    return str(content.get("name") or content.get("text"))


def _instances(status: Any) -> int:
    return int(next(server.instances for server in status.servers if server.key == "own"))


@BOTH
async def test_a_client_without_features_is_offered_less(hub: Sidecar, transport: Transport) -> None:
    """What a server lists only to clients with a feature is in the list of such a client, and of no other."""
    async with (
        Person("ada").sdk(hub.http("w"), transport) as able,
        clients.sdk(hub.http("w"), transport, "legacy") as plain,
    ):
        offered = {tool.name for tool in (await able.list_tools()).tools}
        less = {tool.name for tool in (await plain.list_tools()).tools}
        assert offered - less == {f"own_{question}" for question in QUESTIONS}
        assert less < offered


@BOTH
async def test_log_messages_reach_the_right_client(hub: Sidecar, transport: Transport) -> None:
    """What a session's own server logs reaches its client alone; what a shared one logs reaches none of two."""
    ada, alan = Person("ada"), Person("alan")
    async with ada.sdk(hub.http("w"), transport) as first, alan.sdk(hub.http("w"), transport) as second:
        await first.call_tool("own_echo", {"text": "start it"})
        await second.call_tool("own_echo", {"text": "start it"})
        await first.call_tool("shared_chatty", {"count": 1})
        await first.call_tool("own_chatty", {"count": 2})
        assert await ada.has_logs(2) == [{"number": 1}, {"number": 2}]
        await second.call_tool("own_chatty", {"count": 1})
        assert await alan.has_logs(1) == [{"number": 1}]
        assert len(ada.logs) == 2


@BOTH
async def test_a_modern_client_has_the_rest(hub: Sidecar, transport: Transport) -> None:
    """The modern era has no requests of servers: its clients use a per-client server's other tools."""
    async with clients.sdk(hub.http("w"), transport, "auto") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert "own_echo" in names
        assert (await client.call_tool("own_echo", {"text": "x"})).content[0].text == "x"
        assert (await client.call_tool("shared_echo", {"text": "x"})).content[0].text == "x"


@BOTH
async def test_a_shared_server_that_asks_anyway_gets_a_hint(hub: Sidecar, transport: Transport) -> None:
    """A shared server's question is refused, whoever is connected, and its status says which setting would help."""
    async with Person("ada").sdk(hub.http("shared"), transport) as client:
        for question in QUESTIONS:
            with pytest.raises(MCPError, match="shared by several clients"):
                await client.call_tool(f"shared_{question}", {})
    hints = (await hub.server("shared")).hints
    assert [hint.split()[4] for hint in hints] == ["elicitation/create,", "roots/list,", "sampling/createMessage,"]
    assert all("per_client" in hint for hint in hints)
