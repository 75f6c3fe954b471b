"""A workspace that is switched off and on: sessions stay, calls under way finish, and it is remembered."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import httpx2
import pytest

from tests.acceptance.steps import ask, call, code, pids, signal_to, tools, until
from tests.support import peers
from tests.support.hub import running
from tests.support.peers import Era, Transport
from tests.support.run import hubctl
from tests.support.yamcp import mock

KINDS: list[tuple[Transport, Era]] = [("sse", "legacy"), ("http", "legacy"), ("sse", "modern"), ("http", "modern")]
NOTE = "notifications/tools/list_changed"


@pytest.mark.parametrize("kinds", [KINDS[:2], KINDS[2:]], ids=["legacy", "modern"])
async def test_off_and_on(kinds: list[tuple[Transport, Era]]) -> None:
    """Switched off: calls under way finish, lists are empty, calls and connections are told; then on again."""
    providers = {"mine": mock("mine"), "both": mock("both")}
    async with (
        running(providers, {"w": ["mine", "both"], "other": ["both"]}, HUB_DRAIN_TIMEOUT="200") as hub,
        contextlib.AsyncExitStack() as stack,
    ):
        before = await pids(hub)
        clients = [await stack.enter_async_context(peers.connected(hub.http("w"), *kind)) for kind in kinds]
        for peer in clients:
            await stack.enter_async_context(peer.listening({"toolsListChanged": True}))
        listed = await tools(clients[0])
        signal_to(before["mine"], signal.SIGSTOP)  # so that they are under way for as long as the test wants
        under_way = [asyncio.create_task(ask(peer, "mine_echo", text="in time")) for peer in clients]
        await until(lambda: hub.server("mine"), lambda server: server.calls_in_flight == len(kinds))

        assert await hubctl(hub.env, "disable", "w") == (0, "Workspace w is off.\n", "")
        for peer in clients:
            await peer.wait_note(NOTE)
            peer.notes.clear()
            assert await tools(peer) == set()
            assert code(await ask(peer, "both_echo", text="x")) == "WORKSPACE_OFF"
        assert not any(call.done() for call in under_way)
        await refused(hub.http("w"))
        signal_to(before["mine"], signal.SIGCONT)
        assert {(await call).result["content"][0]["text"] for call in under_way} == {"in time"}
        await until(lambda: pids(hub), lambda found: found == {"mine": (), "both": before["both"]})

        assert (await hubctl(hub.env, "enable", "w"))[0] == 0
        for peer in clients:
            await peer.wait_note(NOTE)
            await until(lambda peer=peer: tools(peer), lambda found: found == listed)
            assert await call(peer, "mine_echo", text="back") == "back"
        assert (await pids(hub))["both"] == before["both"]


async def refused(url: str) -> None:
    """New connections get a 404 that says which workspaces there are."""
    hello = {"protocolVersion": peers.LEGACY, "capabilities": {}, "clientInfo": peers.CLIENT}
    frame = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    async with httpx2.AsyncClient(timeout=100) as http:
        for response in (
            await http.get(f"{url}/sse"),
            await http.post(url, json=frame, headers={"accept": "application/json, text/event-stream"}),
        ):
            assert response.status_code == 404
            error = response.json()["error"]
            assert (error["data"]["code"], error["data"]["workspaces"]) == ("WORKSPACE_OFF", ["other"])
            assert "other" in error["message"]


async def test_off_stays_off() -> None:
    """A restart of either process, and of both, keeps the switch; so does an edit of the workspace."""
    providers = {"a": mock("a"), "b": mock("b")}
    async with running(providers, {"w": ["a"], "other": ["b"]}) as hub:
        assert (await hubctl(hub.env, "disable", "w"))[0] == 0
        await hub.wait_settled()

        async def off() -> None:
            await hub.wait_settled()
            found = {each.name: each.enabled for each in (await hub.status()).workspaces}
            assert found == {"w": False, "other": True}
            assert (await pids(hub))["a"] == ()
            await refused(hub.http("w"))

        await hub.restart("adapter")
        await off()
        await hub.restart("sidecar")
        await off()
        await asyncio.gather(hub.restart("adapter"), hub.restart("sidecar"))
        await off()
        hub.write(workspaces={"w": ["a", "b"], "other": ["b"]})
        await off()
        assert (await hubctl(hub.env, "enable", "w"))[0] == 0
        await hub.wait_settled()
        async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
            assert await call(peer, "a_echo", text="on") == "on"
