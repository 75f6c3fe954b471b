"""A protected hub, as clients with keys meet it: the real sidecar on its Unix socket, real servers behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from bridge.models import AddKey, Logs, RevokeKey
from tests.acceptance.steps import ask, call, code, known, mocks, tools, until
from tests.support import peers, sidecar
from tests.support.hub import Hub, running
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import Era, HttpPeer, Peer, SsePeer, Transport
from tests.support.sidecar import Sidecar
from tests.support.yamcp import mock

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = "http://hub"
A, B = sidecar.mock("alpha"), sidecar.mock("hush", "--instructions", "hush-instructions")
NOTES = sidecar.demo("notes")
COMMON = NOTES.model_copy(
    update={
        "key": "common",
        "namespace": "common",
        "settings": NOTES.settings.model_copy(update={"share_between_keys": True}),
        "launch": NOTES.launch.model_copy(update={"env": {"TEST_SERVER": "common"}}),  # a process of its own
    }
)
OWN = sidecar.mock("own", session="per_client")
WAYS = [("sse", "legacy"), ("sse", "modern"), ("http", "legacy"), ("http", "modern")]
EVERY = pytest.mark.parametrize(("transport", "era"), WAYS)
HIDDEN = ("hush", "hidden")
"""In every name that a key of workspace `a` must not learn."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """Workspaces `a` and `notes` for all to know, and `hidden`, with a server of its own."""
    spaces = [
        sidecar.workspace("a", A),
        sidecar.workspace("hidden", B, A),
        sidecar.workspace("notes", NOTES, COMMON, OWN),
    ]
    async with sidecar.running(A, B, NOTES, COMMON, OWN, *spaces, HUB_TOKEN=HUB_TOKEN) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keys(hub: Sidecar) -> KeyFile:
    """Two keys for all, and one of `a` alone."""
    made = KeyFile(hub.data_dir)
    made.add("ada")
    made.add("alan")
    await known(hub, made.add("narrow", ["a"]))
    return made


def connect(hub: Hub, token: str, space: str, transport: Transport = "sse", era: Era = "legacy") -> Any:
    """A client with a token, through the sidecar's socket."""
    uds = hub.settings.sidecar_socket
    return peers.connected(f"{URL}/mcp/{space}", transport, era, token=token, uds=uds)


def http(hub: Hub, token: str) -> httpx2.AsyncClient:
    """The same, without MCP."""
    made = peers.client(token, hub.settings.sidecar_socket)
    made.base_url = httpx2.URL(URL)
    return made


def told(peer: Peer, *answers: Any) -> str:
    """All that a client was told."""
    return json.dumps([peer.greeting, peer.notes, *answers]).lower()


async def everything(peer: Peer, foreign: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """What a client learns by listing all and by asking for what is another workspace's."""
    said: list[Any] = []
    for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
        said.append((await peer.request(method)).answer)
    for method, params in foreign:
        answer = (await peer.request(method, params)).answer
        assert "error" in answer, (method, params, answer)
        said.append(answer["error"])
    return said


FOREIGN: list[tuple[str, dict[str, Any]]] = [
    ("tools/call", {"name": "h_echo", "arguments": {"text": "x"}}),
    ("tools/call", {"name": "alpha_ech", "arguments": {"text": "x"}}),
    ("prompts/get", {"name": "h_greet"}),
    ("resources/read", {"uri": "mcp+h://mock://hello"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "h_greet"}, "argument": {"name": "n", "value": ""}}),
    ("completion/complete", {"ref": {"type": "ref/resource", "uri": "x://h"}, "argument": {"name": "n", "value": ""}}),
]
"""What is nowhere, in words that a text which makes proposals would complete to what is hidden."""


@EVERY
async def test_a_limited_key_learns_nothing(hub: Sidecar, keys: KeyFile, transport: Transport, era: Era) -> None:
    """Lists, errors, completions and greetings of a key of one workspace tell nothing of another, whatever it asks."""
    async with connect(hub, keys.tokens["narrow"], "a", transport, era) as peer:
        said = await everything(peer, FOREIGN)
        for tool in ("hush_echo", "hush_add"):
            assert code(await ask(peer, tool, text="x")) == "TOOL_UNKNOWN"
        assert await call(peer, "alpha_echo", text="mine") == "mine"
        assert not [word for word in HIDDEN if word in told(peer, said)]
        connection = (await ask(peer, "alpha_connection")).result
        assert "hush" not in json.dumps(connection)


async def test_another_workspace_does_not_exist(hub: Sidecar, keys: KeyFile) -> None:
    """Every way to another workspace answers as one to a workspace that never was, also while it is off or removed."""
    hello = {"protocolVersion": peers.LEGACY, "capabilities": {}, "clientInfo": peers.CLIENT}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    accept = {"accept": "application/json, text/event-stream"}
    off = sidecar.workspace("hidden", B, A).model_copy(update={"enabled": False})
    async with http(hub, keys.tokens["narrow"]) as client:

        async def answers() -> set[tuple[Any, ...]]:
            found = set()
            for name in ("hidden", "ahidde"):
                for rest in ("", "/sse", "/messages", "/messages?session_id=1", "/other"):
                    for method in ("GET", "POST", "DELETE", "PUT"):
                        reply = await client.request(method, f"/mcp/{name}{rest}", json=body, headers=accept)
                        found.add((reply.status_code, reply.text.replace(name, "NAME")))
            return found

        first = await answers()
        assert len(first) == 1
        status, text = first.pop()
        assert (status, json.loads(text)["error"]["data"]["workspaces"]) == (404, ["a"])
        await hub.put(off)
        assert await answers() == {(status, text)}
        await hub.remove("hidden")
        assert await answers() == {(status, text)}
        await hub.put(B, sidecar.workspace("hidden", B, A))
        for page in ("/status", "/readyz", "/metrics"):
            reply = await client.get(page)
            assert (reply.status_code, reply.content) == (404, (await client.get("/nothing")).content)


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_another_keys_session_is_unknown(hub: Sidecar, keys: KeyFile, transport: Transport) -> None:
    """The id of a session is worth nothing to another key, whichever method it tries; the session goes on."""
    ping = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
    async with connect(hub, keys.tokens["ada"], "a", transport) as peer:
        for token in (keys.tokens["alan"], keys.tokens["narrow"], HUB_TOKEN):
            async with http(hub, token) as other:
                if isinstance(peer, SsePeer):
                    reply = await other.post(await peer.message_url, json=ping)
                    assert (reply.status_code, reply.json()["error"]["data"]["code"]) == (404, "SESSION_UNKNOWN")
                    continue
                for method in ("POST", "GET", "DELETE"):
                    headers = {"accept": "application/json, text/event-stream", **peer.headers}
                    body = ping if method == "POST" else None
                    reply = await other.request(method, "/mcp/a", json=body, headers=headers)
                    assert (reply.status_code, reply.json()["error"]["data"]["code"]) == (404, "SESSION_UNKNOWN")
        assert await call(peer, "alpha_echo", text="still here") == "still here"


@EVERY
async def test_notes_are_a_keys_own(hub: Sidecar, keys: KeyFile, transport: Transport, era: Era) -> None:
    """What one key's clients leave in a server no other key's find; all of one key's do, whatever they speak."""
    mark = f"{transport}-{era}"
    async with (
        connect(hub, keys.tokens["ada"], "notes", transport, era) as one,
        connect(hub, keys.tokens["alan"], "notes", transport, era) as two,
        connect(hub, HUB_TOKEN, "notes", transport, era) as hubs,
        connect(hub, keys.tokens["ada"], "notes", "http", "modern") as again,
    ):
        for server in ("notes", "common"):
            await ask(one, f"{server}_add_note", title=mark, text="only mine")
            seen = [
                mark in json.dumps((await ask(each, f"{server}_list_notes")).result) for each in (one, again, two, hubs)
            ]
            assert seen == [True, True, server == "common", server == "common"]
            resources = [json.dumps((await each.request("resources/list")).result) for each in (two, hubs)]
            expected = server == "common"
            assert [mark in text for text in resources] == [expected, expected] or expected
        pids = {await call(each, "own_pid") for each in (one, two, hubs)}
        assert len(pids) == 3, "per_client servers are each session's, as ever"


async def test_nobody_hears_of_anothers(hub: Sidecar, keys: KeyFile) -> None:
    """List changes, log messages and resource updates of one key's server reach that key's clients alone."""
    async with (
        connect(hub, keys.tokens["ada"], "a") as one,
        connect(hub, keys.tokens["alan"], "a") as two,
        connect(hub, keys.tokens["narrow"], "a", "http", "modern") as three,
        connect(hub, HUB_TOKEN, "a", "http", "legacy") as hubs,
        three.listening({"toolsListChanged": True, "resourceSubscriptions": ["mock+alpha://counter"]}),
    ):
        others = (two, three, hubs)
        uris = [each["uri"] for each in (await one.request("resources/list")).result["resources"]]
        counter = next(uri for uri in uris if uri.endswith("counter"))
        for peer in (one, two, hubs):
            await peer.request("resources/subscribe", {"uri": counter})
        await call(one, "alpha_chatty", count=3)
        await one.wait_note("notifications/message")
        await ask(one, "alpha_change_tools", name="surprise")
        await one.wait_note("notifications/tools/list_changed")
        await ask(one, "alpha_update_resource")
        await one.wait_note("notifications/resources/updated")
        assert "alpha_surprise" in await tools(one)
        for peer in others:
            assert "alpha_surprise" not in await tools(peer)
            heard = {note["method"] for note in peer.notes}
            assert heard <= {"notifications/subscriptions/acknowledged"}, heard


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_a_revoked_keys_streams_end(hub: Sidecar, keys: KeyFile, transport: Transport) -> None:
    """An open stream of a revoked key ends, its servers with it; its token is refused from then on."""
    token = await known(hub, keys.add("short-lived"))
    before = (await hub.server("alpha")).instances
    with contextlib.suppress(httpx2.HTTPError):
        async with connect(hub, token, "a", transport) as peer:
            assert await call(peer, "alpha_echo", text="in") == "in"
            assert (await hub.server("alpha")).instances == before + 1
            keys.revoke("short-lived")
            await until(lambda: stream_ended(peer), bool)
    async with http(hub, token) as client:
        assert (await client.get("/mcp/a/sse")).status_code == 401
    await until(lambda: hub.server("alpha"), lambda server: server.instances == before)


async def stream_ended(peer: Peer) -> bool:
    """Whether the client's session is over."""
    assert isinstance(peer, SsePeer | HttpPeer)
    url = await peer.message_url if isinstance(peer, SsePeer) else peer.url
    headers = peer.headers if isinstance(peer, HttpPeer) else {}
    reply = await peer.http.post(url, json={"jsonrpc": "2.0", "method": "notifications/x"}, headers=headers)
    return reply.status_code == 401


async def test_a_keys_stream_closes(hub: Sidecar, keys: KeyFile) -> None:
    """The end of a revoked key's stream is an orderly one, and comes without anybody asking."""
    token = await known(hub, keys.add("reader"))
    async with http(hub, token) as client, client.stream("GET", "/mcp/a/sse") as stream:
        chunks = stream.aiter_bytes()
        assert b"event: endpoint" in await anext(chunks)
        keys.revoke("reader")
        async with asyncio.timeout(100):
            async for _ in chunks:
                pass


async def test_no_token_is_shown(hub: Sidecar, keys: KeyFile) -> None:
    """No token, good, revoked or wrong, is in the log, the status, the figures, an event or a process's arguments."""
    wrong = "wrong-token-Hd7sK2mQ9x"
    async with http(hub, wrong) as client:
        assert (await client.get("/status")).status_code == 401
    async with http(hub, HUB_TOKEN) as client:
        pages = [(await client.get(page)).text for page in ("/status", "/metrics", "/readyz")]
    records = (await hub.actual.request(Logs(limit=5000), timeout=100)).model_dump_json()
    events = "".join(event.model_dump_json() for _, event in hub.events)
    lines = "".join(" ".join(process.cmdline()) for process in hub.processes())
    shown = "".join((hub.log("sidecar"), *pages, records, events, lines))
    assert not [token for token in (HUB_TOKEN, wrong, *keys.tokens.values()) if token in shown]
    assert mocks(hub)
    assert not [found for found in mocks(hub).values() if HUB_TOKEN in str(found)], "no server inherits it"


async def test_keys_of_the_adapter() -> None:
    """A key that the adapter makes lets its client in, to its workspaces alone, and out again when it is revoked."""
    servers = {"one": mock("one"), "two": mock("two")}
    async with running(servers, {"first": ["one"], "second": ["two"]}, HUB_HOST="0.0.0.0") as hub:
        made = await hub.desired.request(AddKey(name="laptop", workspaces=("first",)), timeout=100)
        async with http(hub, made.token) as client:
            await known(hub, made.token)
            assert (await client.get("/mcp/second/sse")).status_code == 404
            async with connect(hub, made.token, "first") as peer:
                assert await call(peer, "one_echo", text="x") == "x"
            await hub.desired.request(RevokeKey(key="laptop"), timeout=100)
            await until(lambda: client.get("/mcp/first"), lambda reply: reply.status_code == 401)
