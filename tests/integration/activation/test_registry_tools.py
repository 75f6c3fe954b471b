"""The registry tools as agents use them, over both transports and in both eras: real npm and pip, no network."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import fastmcp
import httpx2
import mcp_types
import psutil
import pytest
from fastmcp.client.transports import StreamableHttpTransport

from bridge.models import AddKey, KeyMade, SetWorkspace
from bridge.models.catalog.activation import ReadInstalled
from bridge.models.catalog.approvals import Caller, ListProposals, RedeemSecretTicket
from tests.integration.activation.test_registry import API_KEY, DEAD, MODE, SECRET, TOKEN, added, files_with, offer
from tests.integration.upstream_auth.test_browser import user
from tests.support.clients import Mode, calling, fast, sdk, smolagents
from tests.support.hub import Hub, running
from tests.support.packages import entry, tarball, wheel
from tests.support.peers import Transport

pytestmark = pytest.mark.outside

PAIRS: tuple[tuple[Transport, Mode], ...] = (
    ("sse", "legacy"),
    ("http", "legacy"),
    ("sse", "2026-07-28"),
    ("http", "2026-07-28"),
)
ENTRY = "io.example/packed"
READING = {"registry_find", "registry_active", "registry_status"}
ALL = READING | {"registry_add", "registry_exec", "registry_remove", "registry_config_set"}


async def data(client: fastmcp.Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured result of a tool."""
    found = (await client.call_tool(tool, arguments)).structured_content
    assert found is not None
    return found


async def says(client: fastmcp.Client[Any], tool: str, wanted: str, **arguments: str) -> None:
    """Wait until a tool answers this: a changed server is started again."""
    async with asyncio.timeout(100):
        while True:
            result = await client.call_tool("registry_exec", {"tool": tool, "arguments": arguments})
            if result.content[0].text == wanted:
                return
            await asyncio.sleep(0.05)


async def nothing_left(hub: Hub) -> None:
    assert (await hub.desired.request(ReadInstalled())).servers == ()
    assert [path for path in (hub.data_dir / "servers").iterdir() if path.is_dir()] == []


async def used_whole(client: fastmcp.Client[Any]) -> None:
    """Find, add, call, set up, remove."""
    tools = {tool.name: tool for tool in await client.list_tools()}
    assert set(tools) == ALL
    annotations = tools["registry_add"].annotations
    assert annotations is not None
    assert (annotations.read_only_hint, annotations.open_world_hint) == (False, True)
    assert all(tool.output_schema for name, tool in tools.items() if name != "registry_exec")
    [found] = (await data(client, "registry_find", query="packed"))["servers"]
    assert (found["name"], [each["name"] for each in found["settings"]]) == (ENTRY, ["MODE"])
    added = await data(client, "registry_add", name=ENTRY)
    assert added["outcome"] == "done", added
    key = added["server"]
    assert f"{key}_greet" in added["tools"]
    assert f"{key}_greet" in {tool.name for tool in await client.list_tools()}
    assert (await client.call_tool(f"{key}_greet", {})).content[0].text == "hello from 1.0.0"
    [active] = (await data(client, "registry_active"))["servers"]
    assert (active["server"], active["added_by_agent"]) == (key, True)
    assert (await data(client, "registry_config_set", server=key, values={"MODE": "fancy"}))["outcome"] == "done"
    await says(client, f"{key}_env", "fancy", name="MODE")
    assert (await data(client, "registry_remove", server=key))["outcome"] == "done"
    assert {tool.name for tool in await client.list_tools()} == ALL


async def test_agents_of_all_kinds_find_add_call_set_up_and_remove(tmp_path: Path) -> None:
    async with running({}, {"w": []}, **DEAD) as hub:
        await hub.desired.request(SetWorkspace(name="w", registry="add"))
        await hub.wait_settled()
        for number, (transport, mode) in enumerate(PAIRS):
            build = wheel if number == 1 else tarball
            offer(hub, entry(build(tmp_path), ENTRY, environmentVariables=[MODE]))
            async with fast(hub.http("w"), transport, mode) as client:
                await used_whole(client)
            await nothing_left(hub)
        script: list[tuple[str, dict[str, Any]]] = [
            ("registry_find", {"query": "packed", "limit": 5}),
            ("registry_add", {"name": ENTRY, "values": {}, "version": "1.0.0", "source": "own", "reason": ""}),
            ("registry_exec", {"tool": "packed_greet", "arguments": {}}),
            ("registry_config_set", {"server": "packed", "values": {"MODE": "fancy"}, "secrets": [], "reason": ""}),
            ("registry_remove", {"server": "packed", "reason": ""}),
        ]
        answer = (await smolagents(hub.http("w"), "http", *calling(script)))["answer"]
        assert "hello from 1.0.0" in answer["registry_exec"], answer["registry_add"]
        await nothing_left(hub)


async def test_a_key_without_rights_proposes_and_nothing_is_started_or_written(tmp_path: Path) -> None:
    async with running({}, {"w": []}, front=True, HUB_TOKEN=TOKEN, **DEAD) as hub:
        offer(hub, entry(tarball(tmp_path), ENTRY))
        await hub.desired.request(SetWorkspace(name="w", registry="add"))
        key = await hub.desired.request(AddKey(name="bob", workspaces=("w",)))
        await hub.wait_settled()
        providers = hub.root / "yamcp/providers.json"
        before = providers.read_bytes(), {one.pid for one in psutil.Process().children(recursive=True)}
        transport = StreamableHttpTransport(hub.public_http("w"), headers={"Authorization": f"Bearer {key.token}"})
        async with fastmcp.Client(transport) as client:
            made = await data(client, "registry_add", name=ENTRY, reason="I need it")
            assert made["outcome"] == "proposed"
            assert (await data(client, "registry_status", change=made["id"]))["state"] == "pending"
            assert {tool.name for tool in await client.list_tools()} == ALL
        assert (providers.read_bytes(), {one.pid for one in psutil.Process().children(recursive=True)}) == before
        assert not (hub.data_dir / "servers").exists() or list((hub.data_dir / "servers").iterdir()) == []
        [proposal] = (await hub.desired.request(ListProposals())).proposals
        assert (proposal.id, proposal.reason) == (made["id"], "I need it")
        offer(hub, entry(tarball(tmp_path), ENTRY, environmentVariables=[API_KEY]))
        admin = await hub.desired.request(AddKey(name="ada", workspaces=None, admin=True))
        await secrets_are_entered_by_whom_they_are_asked(hub, admin, key.token)


async def secrets_are_entered_by_whom_they_are_asked(hub: Hub, owner: KeyMade, other: str) -> None:
    """After a login, in the page that the login led to; neither by a program with the token, nor by another user."""
    made = await added(hub, ENTRY, Caller(id=owner.id))
    assert made.ticket is not None
    path = "/secrets/" + made.ticket.url.rsplit("/", 1)[1]
    page, form = {"accept": "text/html"}, {"secret.API_KEY": SECRET}
    own = {"origin": hub.public}
    async with httpx2.AsyncClient(base_url=hub.public, timeout=100) as nobody:
        login = await nobody.get(path, headers=page)
        assert (login.status_code, login.headers["location"]) == (302, f"/login?next={quote(path, safe='')}")
        assert (await nobody.post(path, data=form, headers=own)).status_code == 401
        program = await nobody.get(path, headers={**page, "authorization": f"Bearer {owner.token}"})
        assert (program.status_code, "KEY_FORBIDDEN" in program.text) == (403, True)
    async with user(hub.public, other) as bob:
        for answer in (await bob.get(path, headers=page), await bob.post(path, data=form, headers=own)):
            assert (answer.status_code, "SECRET_LINK_INVALID" in answer.text) == (403, True)
    async with user(hub.public, owner.token) as ada:
        assert "Logged in to the hub as <strong>ada</strong>" in (await ada.get(path, headers=page)).text
        assert (await ada.post(path, data=form, headers={"origin": "http://evil.example"})).status_code == 403
        assert (await ada.post(path, data=form, headers=own)).status_code == 200
        assert (await ada.post(path, data=form, headers=own)).status_code == 403


async def test_secrets_are_asked_by_url_and_never_pass_through_the_agent(tmp_path: Path) -> None:
    """A client with URL elicitation is asked in the call, or by its result in the modern era; others get the link.
    Without the adapter the tools say so."""
    async with running({}, {"w": []}, **DEAD) as hub:
        offer(hub, entry(tarball(tmp_path), ENTRY, environmentVariables=[API_KEY]))
        await hub.desired.request(SetWorkspace(name="w", registry="add"))
        await hub.wait_settled()

        async def enter(url: str) -> None:
            ticket = url.rsplit("/", 1)[1]
            await hub.desired.request(RedeemSecretTicket(ticket=ticket, principal="", values={"API_KEY": SECRET}))

        async def elicited(context: Any, params: Any) -> Any:
            await enter(params.url)
            return mcp_types.ElicitResult(action="accept")

        modes: tuple[Mode, ...] = ("legacy", "2026-07-28")
        for mode in modes:
            async with sdk(hub.http("w"), "http", mode, elicitation_callback=elicited) as client:
                made = (await client.call_tool("registry_add", {"name": ENTRY})).structured_content
                assert made is not None
                assert made["outcome"] == "done", made
                said = await client.call_tool(f"{made['server']}_env", {"name": "API_KEY"})
                assert SECRET in str(said.content)
                await client.call_tool("registry_remove", {"server": made["server"]})
        async with fast(hub.http("w"), "http", "2026-07-28") as modern:
            needed = await data(modern, "registry_add", name=ENTRY)
            assert needed["outcome"] == "secrets_needed"
            assert SECRET not in str(needed)
            assert (await data(modern, "registry_status", change=needed["id"]))["state"] == "waiting"
            await hub.stop("adapter")
            with pytest.raises(fastmcp.exceptions.ToolError, match="REGISTRY_AWAY"):
                await modern.call_tool("registry_active", {})
        assert files_with(hub.root, SECRET) == set()
