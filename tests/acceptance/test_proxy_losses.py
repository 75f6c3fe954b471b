"""What a plain FastMCP proxy loses, and the hub does not: a test a row of the table, over SSE and Streamable HTTP.

Rows that other files test at length are touched here once: names and URIs in test_prefix, exact schemas and results in
test_transparency, who is asked in test_per_client, crashes in test_failing_servers and test_restarts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import CreateMessageResult, ImageContent

from tests.acceptance.steps import ask, call, code, until
from tests.support import clients, peers, sidecar
from tests.support.peers import Era, Json, Peer, SsePeer, Transport
from tests.support.people import Person
from tests.support.sidecar import Sidecar

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings(f"ignore::{MCPDeprecationWarning.__module__}.MCPDeprecationWarning"),
]

SHARED = sidecar.mock("shared", "--shy", "--instructions", "Shared: be brief.")
OWN = sidecar.mock("own", "--shy", "--instructions", "Own: ask first.", session="per_client")
PLAIN = sidecar.mock("plain", "--instructions", "Plain: never mind.")
BOTH = pytest.mark.parametrize("transport", ["sse", "http"])
EACH_ERA = pytest.mark.parametrize(
    ("transport", "era"), [(transport, era) for transport in ("sse", "http") for era in ("legacy", "modern")]
)
PIXEL = "iVBORw0KGgo="
PATIENCE = 100.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """A workspace of a shared and a per-client server, a second one that has the shared one too."""
    spaces = [sidecar.workspace("w", SHARED, OWN), sidecar.workspace("second", PLAIN, SHARED)]
    async with sidecar.running(SHARED, OWN, PLAIN, *spaces) as running:
        yield running


async def known(peer: Peer, server: str) -> Json:
    """What a server knows of its connection."""
    found: Json = (await ask(peer, f"{server}_connection")).result["structuredContent"]
    return found


# --- sampling, elicitation, roots --------------------------------------------------------------------------------


@BOTH
async def test_an_image_answers_sampling(hub: Sidecar, transport: Transport) -> None:
    """What the client's model says arrives as it is, an image too; an elicitation and its refusal likewise."""

    async def sample(*_: Any) -> CreateMessageResult:
        image = ImageContent(data=PIXEL, mime_type="image/png")
        return CreateMessageResult(role="assistant", content=image, model="m", stop_reason="endTurn")

    person = Person("ada")
    person.sample = sample  # type: ignore[method-assign]
    async with person.sdk(hub.http("w"), transport) as client:
        answer = (await client.call_tool("own_sampling", {})).structured_content["answer"]
        assert answer["content"] == {"type": "image", "data": PIXEL, "mimeType": "image/png"}
        assert (answer["model"], answer["stopReason"]) == ("m", "endTurn")
        form = (await client.call_tool("own_elicit", {"message": "?"})).structured_content["answer"]
        assert form == {"action": "accept", "content": {"name": "ada"}}


@BOTH
async def test_roots_are_those_of_who_calls(hub: Sidecar, transport: Transport) -> None:
    """Each client's roots, whoever came first; and a client that changes them is asked again."""
    ada, alan = Person("ada"), Person("alan")
    async with ada.sdk(hub.http("w"), transport) as first, alan.sdk(hub.http("w"), transport) as second:
        for client, name in ((second, "alan"), (first, "ada"), (second, "alan")):
            assert (await client.call_tool("own_roots", {})).structured_content["answer"]["roots"][0]["name"] == name
        ada.name = "grace"
        await first.session.send_roots_list_changed()
        assert (await first.call_tool("own_roots", {})).structured_content["answer"]["roots"][0]["name"] == "grace"


# --- log messages, progress --------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("server", ["shared", "own"])
async def test_log_level_reaches_the_server(hub: Sidecar, transport: Transport, server: str) -> None:
    """`logging/setLevel` reaches the server, whose messages reach the client; after it has left, not any more."""
    async with peers.connected(hub.http("w"), transport, "legacy") as peer:
        await call(peer, f"{server}_echo", text="start it")
        await peer.request("logging/setLevel", {"level": "info"})
        await until(lambda: known(peer, server), lambda found: found["log_level"] == "info")
        await call(peer, f"{server}_chatty", count=1)
        assert (await peer.wait_note("notifications/message"))["params"]["data"] == {"number": 1}
        await peer.request("logging/setLevel", {"level": "error"})
        await until(lambda: known(peer, server), lambda found: found["log_level"] == "error")
        told = len(peer.notes)
        await call(peer, f"{server}_chatty", count=1)
        assert [note for note in peer.notes[told:] if note["method"] == "notifications/message"] == []
    if server == "shared":
        async with peers.connected(hub.http("w"), transport, "legacy") as peer:
            await until(lambda: known(peer, server), lambda found: found["log_level"] == "info")


@EACH_ERA
@pytest.mark.parametrize("server", ["shared", "own"])
async def test_progress(hub: Sidecar, transport: Transport, era: Era, server: str) -> None:
    """Each report, in order, under the client's own token."""
    async with peers.connected(hub.http("w"), transport, era) as peer:
        params = {"name": f"{server}_chatty", "arguments": {"count": 3}, "_meta": {"progressToken": "mine"}}
        exchange = await peer.request("tools/call", params)
        reports = [note["params"] for note in exchange.notes if note["method"] == "notifications/progress"]
        assert [(report["progressToken"], report["progress"]) for report in reports] == [
            ("mine", 1),
            ("mine", 2),
            ("mine", 3),
        ]


# --- list_changed ------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def watching(hub: Sidecar) -> AsyncIterator[list[Peer]]:
    """A client of each kind in both workspaces, listening for changed tools."""
    async with contextlib.AsyncExitStack() as stack:
        found: list[Peer] = []
        for name in ("w", "second"):
            for transport, era in (("sse", "legacy"), ("http", "legacy"), ("sse", "modern"), ("http", "modern")):
                peer = await stack.enter_async_context(peers.connected(hub.http(name), transport, era))  # type: ignore[arg-type]
                await stack.enter_async_context(peer.listening({"toolsListChanged": True}))
                found.append(peer)
        yield found


async def test_a_burst_of_changes(hub: Sidecar) -> None:
    """50 changes in one breath: the server is asked once or twice, each client told once or twice, and has them all."""
    method = "notifications/tools/list_changed"
    async with watching(hub) as everybody:
        caller = everybody[0]
        before = await known(caller, "shared")
        starts = [len(peer.notes) for peer in everybody]
        await call(caller, "shared_burst", count=50)
        wanted = {tool["name"] for tool in (await caller.request("tools/list")).result["tools"]}
        total = before["requests"].get("tools/list", 0)

        async def names(peer: Peer) -> list[str]:
            return [tool["name"] for tool in (await peer.request("tools/list")).result["tools"]]

        for peer, start in zip(everybody, starts, strict=True):
            await peer.wait_note(method, start)
            wanted = set(await until(lambda peer=peer: names(peer), lambda got: _extra(got) >= 50))  # type: ignore[misc]
        new = next(name for name in sorted(wanted) if name.startswith("shared_extra_"))
        assert await call(caller, new) == "extra"
        assert (await known(caller, "shared"))["requests"]["tools/list"] - total in (1, 2)
        for peer, start in zip(everybody, starts, strict=True):
            await peer.request("tools/list")  # after it, nothing of the burst is still under way
            assert sum(note["method"] == method for note in peer.notes[start:]) in (1, 2)


def _extra(names: list[str]) -> int:
    return sum(name.startswith("shared_extra_") for name in names)


@BOTH
async def test_a_per_client_server_changes_for_its_client_alone(hub: Sidecar, transport: Transport) -> None:
    """A list that a session's own server changes changes for this session; the other is told nothing."""
    method = "notifications/tools/list_changed"
    async with (
        peers.connected(hub.http("w"), transport, "legacy") as one,
        peers.connected(hub.http("w"), transport, "legacy") as other,
    ):
        for peer in (one, other):
            await call(peer, "own_echo", text="start it")
        told, since = len(other.notes), len(one.notes)
        await call(one, "own_change_tools", name="only_mine")
        await one.wait_note(method, since)
        assert await call(one, "own_only_mine") == "extra"
        assert code(await ask(other, "own_only_mine")) == "TOOL_UNKNOWN"
        assert [note for note in other.notes[told:] if note["method"] == method] == []


# --- subscriptions, completions ----------------------------------------------------------------------------------


@EACH_ERA
@pytest.mark.parametrize("server", ["shared", "own"])
async def test_subscriptions_and_completions(hub: Sidecar, transport: Transport, era: Era, server: str) -> None:
    """An update comes to who subscribed, under the URI that they know; arguments of prompts and templates complete."""
    if (era, server) == ("modern", "own"):
        server = "shared"  # what a modern client's own servers do is its era's matter: test_eras
    uri = f"mock://{server}/counter"
    async with peers.connected(hub.http("w"), transport, era) as peer:
        await call(peer, f"{server}_echo", text="start it")
        if era == "legacy":
            assert (await peer.request("resources/subscribe", {"uri": uri})).result == {}
        async with peer.listening({"resourceSubscriptions": [uri]}):
            since = len(peer.notes)
            await call(peer, f"{server}_update_resource")
            assert (await peer.wait_note("notifications/resources/updated", since))["params"]["uri"] == uri
        for ref, argument, values in (
            ({"type": "ref/prompt", "name": f"{server}_greet"}, "name", ["Ada", "Alan"]),
            ({"type": "ref/resource", "uri": f"mock://{server}/item/{{id}}"}, "id", ["19", "190"]),
        ):
            typed = {"name": argument, "value": values[0][:2] if argument == "id" else "A"}
            found = (await peer.request("completion/complete", {"ref": ref, "argument": typed})).result
            assert found["completion"]["values"][:2] == values


# --- cancellation ------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("server", ["shared", "own"])
async def test_explicit_cancel(hub: Sidecar, transport: Transport, server: str) -> None:
    """A cancelled call ends at the server, in the hub, and for the client that still waits; the session goes on."""
    async with peers.connected(hub.http("w"), transport, "legacy") as peer:
        before = await known(peer, server)
        params = {"name": f"{server}_slow", "arguments": {"seconds": 60}}
        waiting = asyncio.create_task(
            peer._ask({"jsonrpc": "2.0", "id": "long", "method": "tools/call", "params": params})
        )
        await until(lambda: known(peer, server), lambda found: found["in_flight"] == 1)
        await peer.notify("notifications/cancelled", {"requestId": "long", "reason": "enough"})
        async with asyncio.timeout(PATIENCE):
            assert (await waiting).answer["error"]["code"] == -32800
        after = await until(lambda: known(peer, server), lambda found: found["in_flight"] == 0)
        assert after["cancelled"] == before["cancelled"] + 1
        await peer.notify("notifications/cancelled", {"requestId": "long"})
        assert await call(peer, f"{server}_echo", text="still there") == "still there"
        assert (await hub.server(server)).calls_in_flight == 0


@BOTH
async def test_a_question_is_taken_back(hub: Sidecar, transport: Transport) -> None:
    """A call that the client cancels while it is asked something: the server takes its question back at the client."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def think(*_: Any) -> CreateMessageResult:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        raise AssertionError

    person = Person("ada")
    person.sample = think  # type: ignore[method-assign]
    async with person.sdk(hub.http("w"), transport) as client, asyncio.timeout(PATIENCE):
        calling = asyncio.create_task(client.call_tool("own_sampling", {}))
        await asked.wait()
        calling.cancel()
        await gone.wait()
        assert (await client.call_tool("own_echo", {"text": "x"})).content[0].text == "x"


@EACH_ERA
@pytest.mark.parametrize("server", ["shared", "own"])
async def test_a_client_that_leaves_in_mid_call(hub: Sidecar, transport: Transport, era: Era, server: str) -> None:
    """A client that goes away ends its call at the server; nothing of it is left."""
    async with peers.connected(hub.http("w"), transport, "legacy") as witness:
        before = await known(witness, "shared")
        async with peers.connected(hub.http("w"), transport, era) as peer:
            calling = asyncio.create_task(ask(peer, f"{server}_slow", seconds=60))
            await hub.wait_status(lambda status: _in_flight(status, server) == 1, "the call is under way")
            if not isinstance(peer, SsePeer):
                calling.cancel()  # which closes the stream of the request
        await hub.wait_status(lambda status: _in_flight(status, server) == 0, "the call is over", PATIENCE)
        calling.cancel()
        await asyncio.wait([calling])
        if server == "shared":
            found = await until(lambda: known(witness, "shared"), lambda found: found["in_flight"] == 0)
            assert found["cancelled"] == before["cancelled"] + 1


def _in_flight(status: Any, key: str) -> int:
    return int(next(server.calls_in_flight for server in status.servers if server.key == key))


# --- processes ---------------------------------------------------------------------------------------------------


@EACH_ERA
@pytest.mark.parametrize("server", ["shared", "own"])
async def test_one_process_for_all_calls(hub: Sidecar, transport: Transport, era: Era, server: str) -> None:
    """Calls after one another reach one process."""
    async with peers.connected(hub.http("w"), transport, era) as peer:
        assert len({await call(peer, f"{server}_pid") for _ in range(5)}) == 1


@BOTH
@pytest.mark.parametrize("server", ["shared", "own"])
async def test_after_a_crash(hub: Sidecar, transport: Transport, server: str) -> None:
    """The call during which a server crashes fails with a reason; the next one reaches a new process."""
    async with peers.connected(hub.http("w"), transport, "legacy") as peer:
        before = await call(peer, f"{server}_pid")
        assert code(await ask(peer, f"{server}_crash")) == "SERVER_CONNECTION_LOST"
        assert await call(peer, f"{server}_pid") != before


# --- what is listed and said -------------------------------------------------------------------------------------


@EACH_ERA
async def test_schemas_are_as_the_server_wrote_them(hub: Sidecar, transport: Transport, era: Era) -> None:
    """`$defs` and `$ref` stay where they are: nothing is inlined, added or left out."""
    async with (
        peers.direct(SHARED.launch, "legacy") as direct,  # type: ignore[arg-type]
        peers.connected(hub.http("w"), transport, era) as peer,
    ):
        wanted = {tool["name"]: tool for tool in (await direct.request("tools/list")).result["tools"]}
        found = {tool["name"]: tool for tool in (await peer.request("tools/list")).result["tools"]}
    assert "$defs" in wanted["nested"]["inputSchema"]
    for name, tool in wanted.items():
        assert found[f"shared_{name}"] == {**tool, "name": f"shared_{name}"}


@BOTH
async def test_a_foreign_host_is_refused(hub: Sidecar, transport: Transport) -> None:
    """DNS rebinding: another Host or Origin than the hub's own gets nothing."""
    url = clients.url_of(hub.http("w"), transport)
    async with peers.client() as http:
        for header in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            answer = await (http.get(url, headers=header) if transport == "sse" else http.post(url, headers=header))
            assert (answer.status_code, answer.json()["error"]["data"]["code"]) == (403, "HOST_REFUSED")


@EACH_ERA
async def test_instructions_of_all_servers(hub: Sidecar, transport: Transport, era: Era) -> None:
    """The handshake has what each server says of itself, under its name."""
    async with peers.connected(hub.http("second"), transport, era) as peer:
        told = peer.greeting["instructions"]
    assert told == "# plain\n\nPlain: never mind.\n\n# shared\n\nShared: be brief."


@EACH_ERA
@pytest.mark.parametrize("server", ["shared", "own"])
async def test_links_read_back(hub: Sidecar, transport: Transport, era: Era, server: str) -> None:
    """A link in a result or a prompt, and a resource embedded in one, are read under the URI that they have."""
    async with peers.connected(hub.http("w"), transport, era) as peer:
        link = (await ask(peer, f"{server}_resource_link")).result["content"][0]["uri"]
        messages = (await peer.request("prompts/get", {"name": f"{server}_pictures"})).result["messages"]
        blocks = {message["content"]["type"]: message["content"] for message in messages}
        for uri in (link, blocks["resource"]["resource"]["uri"], blocks["resource_link"]["uri"]):
            assert uri.startswith(f"mock://{server}/")
            contents = (await peer.request("resources/read", {"uri": uri})).result["contents"]
            assert [content["uri"] for content in contents] == [uri]


@BOTH
async def test_only_what_the_client_can_use_is_offered(hub: Sidecar, transport: Transport) -> None:
    """Tools that need a client's features are listed for a client that has them, by a server of its own, and by none
    that is shared; that the shared one would offer more is a hint in its status."""
    asking = {"sampling", "elicit", "roots"}
    features = {"sampling": {}, "elicitation": {}, "roots": {}}
    async with (
        peers.connected(hub.http("w"), transport, "legacy", features) as able,
        peers.connected(hub.http("w"), transport, "legacy") as plain,
    ):
        offered = [tool["name"] for tool in (await able.request("tools/list")).result["tools"]]
        less = [tool["name"] for tool in (await plain.request("tools/list")).result["tools"]]
        assert set(offered) - set(less) == {f"own_{name}" for name in asking}
        await hub.wait_status(lambda status: _hints(status, "shared"), "the shared server has a hint", PATIENCE)
    (hint,) = _hints(await hub.status(), "shared")
    assert all(name in hint for name in (*asking, "`per_client`", "elicitation, roots and sampling")), hint
    assert _hints(await hub.status(), "own") == _hints(await hub.status(), "plain") == ()


def _hints(status: Any, key: str) -> tuple[str, ...]:
    found: tuple[str, ...] = next(server.hints for server in status.servers if server.key == key)
    return found


# --- beyond the table --------------------------------------------------------------------------------------------


@EACH_ERA
async def test_lists_in_pages(transport: Transport, era: Era) -> None:
    """With HUB_PAGE_SIZE lists come in pages, whose cursors are good until the list changes."""
    async with (
        sidecar.running(PLAIN, sidecar.workspace("w", PLAIN), HUB_PAGE_SIZE="4") as paged,
        peers.connected(paged.http("w"), transport, era) as peer,
    ):
        first = (await peer.request("tools/list")).result
        assert len(first["tools"]) == 4
        whole = (await peer.whole_list("tools/list", "tools")).result["tools"]
        assert len(whole) == len({tool["name"] for tool in whole}) > 20
        assert first["tools"] == whole[:4]
        assert "nextCursor" not in (await peer.request("prompts/list")).result
        await call(peer, "plain_change_tools", name="new")
        stale = {"cursor": first["nextCursor"]}
        answer = await until(lambda: peer.request("tools/list", stale), lambda exchange: "error" in exchange.answer)
        error = answer.answer["error"]
        assert (error["code"], error["data"]["code"]) == (-32602, "PARAMS_INVALID")
        assert "from its beginning" in json.dumps(error)


@BOTH
async def test_tasks(hub: Sidecar, transport: Transport) -> None:
    """A call that runs as a task of the server: its status, its result, its end; for the session that began it."""
    everything = sidecar.everything(f"everything-{transport}")
    await hub.put(everything, sidecar.workspace(f"tasks-{transport}", everything, template="{name}"))
    base = hub.http(f"tasks-{transport}")
    try:
        async with (
            peers.connected(base, transport, "legacy") as peer,
            peers.connected(base, transport, "legacy") as other,
        ):
            assert "call" in peer.greeting["capabilities"]["tasks"]["requests"]["tools"]
            begin = {"name": "simulate-research-query", "arguments": {"topic": "x"}, "task": {"ttl": 60_000}}
            task = (await peer.request("tools/call", begin)).result["task"]
            by_id = {"taskId": task["taskId"]}
            assert (await peer.request("tasks/get", by_id)).result["taskId"] == task["taskId"]
            assert [each["taskId"] for each in (await peer.request("tasks/list")).result["tasks"]] == [task["taskId"]]
            assert (await other.request("tasks/list")).result == {"tasks": []}
            for method in ("tasks/get", "tasks/result", "tasks/cancel"):
                assert code(await other.request(method, by_id)) == "TASK_UNKNOWN"
            assert (await peer.request("tasks/result", by_id)).result["content"][0]["type"] == "text"
            assert (await peer.request("tasks/get", by_id)).result["status"] == "completed"
            second = (await peer.request("tools/call", begin)).result["task"]["taskId"]
            assert (await peer.request("tasks/cancel", {"taskId": second})).result["status"] == "cancelled"
    finally:
        await hub.remove(f"tasks-{transport}")
