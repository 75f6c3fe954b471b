"""Whose processes a principal uses (`tenancy`), and what stays separate where several principals use one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.keys import Principal
from bridge.models import ListSessions
from sidecar.errors import TooManySessions
from sidecar.hub import session_list
from tests.support.fake_server import FakeServer, settle, text, until
from tests.support.grants import Grants
from tests.support.guarded import Guarded, guarded, short_directory
from tests.support.inprocess import World, space, world
from tests.support.keys import HUB_TOKEN
from tests.support.peers import client

pytestmark = pytest.mark.outside

WAYS = [(transport, era) for transport in ("sse", "http") for era in ("legacy", "modern")]
FORM = {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {"type": "object"}}}
ABLE = {"elicitation": {}}


def user(number: int, *groups: str) -> Principal:
    """A user in these groups."""
    return Principal(f"u{number:015x}", f"user {number}", subjects=frozenset(f"group:{group}" for group in groups))


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with short_directory() as root:
        yield root


async def used_by(stack: contextlib.AsyncExitStack, made: World, *principals: Principal) -> None:
    """The principals use the workspace until the stack is closed."""
    for principal in principals:
        await stack.enter_async_context(made.hub.key_workspaces.using(made.workspace(), principal))


@pytest.mark.parametrize(("tenancy", "processes"), [("own", 4), ("group", 3), ("all", 1)])
async def test_processes(tmp_path: Path, tenancy: str, processes: int) -> None:
    """Beside the hub's own one (used by all where all share): one each, or one a tenant; others have their own."""
    server = FakeServer()
    async with world(tmp_path, server) as made, contextlib.AsyncExitStack() as stack:
        made.put(server.spec("a", tenancy=tenancy), space("a"))
        made.allow({"effect": "allow", "subject": "*"}, tenants=["group:one", "group:two"])
        await made.settled()
        await used_by(stack, made, user(1, "one", "two"), user(2, "one"), user(3))
        assert server.open == processes
        assert (
            await _owners(made)
            == {
                "own": {"", user(1).id, user(2).id, user(3).id},
                "group": {"", "group:one", user(3).id},
                "all": {""},
            }[tenancy]
        )


async def _owners(made: World) -> set[str]:
    return {owner for _, owner in made.hub.pool._held}


async def test_a_principal_moves_to_another_tenant(tmp_path: Path) -> None:
    """Its processes are those of the new tenant, without a gap; the old tenant's end with its last member."""
    server = FakeServer()
    async with world(tmp_path, server) as made, contextlib.AsyncExitStack() as stack:
        made.put(server.spec("a", tenancy="group"), space("a"))
        made.allow({"effect": "allow", "subject": "*"}, tenants=["group:one"])
        await used_by(stack, made, user(1, "one", "two"))
        [workspace] = made.hub.key_workspaces
        made.allow({"effect": "allow", "subject": "*"}, tenants=["group:two"])
        assert list(workspace.view.tool_routes) == ["a_echo"], "the former process serves until the new one is ready"
        await until(lambda: [channel._closed.done() for channel in server.channels] == [False, True, False])
        assert await _owners(made) == {"", "group:two"}
        assert list(workspace.view.tool_routes) == ["a_echo"]


async def test_the_number_of_tenants_is_a_setting(tmp_path: Path) -> None:
    """HUB_MAX_TENANTS is the limit for workspaces of single principals."""
    async with world(tmp_path, max_tenants=1) as made, contextlib.AsyncExitStack() as stack:
        made.put(space())
        made.allow({"effect": "allow", "subject": "*"})
        await used_by(stack, made, user(1))
        with pytest.raises(TooManySessions, match="1 workspaces"):
            await used_by(stack, made, user(2))


async def test_a_user_gets_other_groups(tmp_path: Path) -> None:
    """With a new sign-in the view of the user is another one at once; when nothing may be used, it is closed."""
    server = FakeServer(tools={"one": lambda: text("1"), "two": lambda: text("2")})
    async with world(tmp_path, server) as made, contextlib.AsyncExitStack() as stack:
        made.put(server.spec("a"), space("a"))
        made.allow(*({"effect": "allow", "subject": f"group:{name}", "tools": [name]} for name in ("one", "two")))
        before, now = user(1, "one"), user(1, "two")
        await used_by(stack, made, before)
        [workspace] = made.hub.key_workspaces
        assert list(workspace.view.tool_routes) == ["a_one"]
        made.hub.keys_changed(lambda _: now)
        assert list(workspace.view.tool_routes) == ["a_two"]
        assert made.hub.key_workspaces.find(made.workspace(), now) is workspace
        assert made.hub.key_workspaces.find(made.workspace(), before) is None
        made.hub.keys_changed(lambda _: user(1))
        assert workspace.gone
        assert not list(made.hub.key_workspaces)
        await until(lambda: server.open == 1)


async def test_tokens_with_other_groups_have_other_rights(tmp_path: Path) -> None:
    """Two tokens of one user may name other groups (external issuer): neither has the rights of the other."""
    server = FakeServer(tools={"one": lambda: text("1"), "two": lambda: text("2")})
    async with world(tmp_path, server) as made, contextlib.AsyncExitStack() as stack:
        made.put(server.spec("a"), space("a"))
        made.allow(*({"effect": "allow", "subject": f"group:{name}", "tools": [name]} for name in ("one", "two")))
        await used_by(stack, made, user(1, "one"), user(1, "two"))
        seen = [list(each.view.tool_routes) for each in made.hub.key_workspaces]
        assert seen == [["a_one"], ["a_two"]]
        assert server.open == 2, "they share the user's processes"


async def test_users_without_rules(tmp_path: Path) -> None:
    """Without access.json a user may use nothing, a key what keys.json says; the hub's own principals everything."""
    async with world(tmp_path) as made:
        made.put(space(), space(name="v"))
        access, spec = made.hub.access, made.workspace().spec
        key = Principal("k0000001", "ci", frozenset({"w"}))
        assert not access.may_use(user(1, "dev"), spec)
        assert access.may_use(key, spec)
        assert not access.may_use(key, made.workspace("v").spec)
        assert access.rights(key, "w") is None
        for own in ("", "admin", "front"):
            assert access.may_use(Principal(own, own), spec)
        assert not access.may_use(Principal("admin", "admin", frozenset({"v"}), grant="g1"), spec)


async def test_admins_by_role(tmp_path: Path) -> None:
    """They see everything, in their own version of a workspace; pages about the hub are for their keys, not grants."""
    server = FakeServer()
    async with world(tmp_path, server) as made, contextlib.AsyncExitStack() as stack:
        made.put(server.spec("a"), space("a"))
        roles = [{"subject": subject, "role": "admin"} for subject in ("group:ops", "key:ci")]
        made.allow({"effect": "deny", "subject": "*"}, roles=roles)
        key, subjects = "k0000001", frozenset({"key:ci"})
        ops, ci = user(1, "ops"), Principal(key, "ci", subjects=subjects)
        await used_by(stack, made, ops)
        [workspace] = made.hub.key_workspaces
        assert list(workspace.view.tool_routes) == ["a_echo"]
        assert made.hub.access.is_admin(ci)
        assert made.hub.access.is_admin(Principal("admin", "admin", None, admin=True))
        for other in (
            user(2),
            Principal("k0000002", "x"),
            Principal(key, "ci", frozenset({"w"}), grant="g", subjects=subjects),
        ):
            assert not made.hub.access.is_admin(other)


# --- one process, several principals ----------------------------------------------------------------------------------


def shared_server(era: str) -> FakeServer:
    """A server with a resource, tasks, and a tool that asks."""
    server = FakeServer("one", era, {"echo": lambda: text("hi"), "count": _counter()})
    server.resources = [{"uri": "note://1"}]
    server.capabilities |= {"tasks": {"requests": {"tools": {"call": {}}}}}
    server.handlers["tasks/get"] = lambda channel, frame: {"taskId": frame["params"]["taskId"], "status": "working"}
    return server


def _counter() -> Any:
    calls = iter(range(1, 1000))
    return lambda: text(str(next(calls)))


@contextlib.asynccontextmanager
async def sharing(root: Path, server: FakeServer, **settings: Any) -> AsyncIterator[Guarded]:
    """The keys `all` and `some` use one process of the server."""
    async with guarded(root, server) as hub:
        hub.made.put(server.spec("a", tenancy="group", **settings), space("a"))
        hub.made.allow({"effect": "allow", "subject": "*"}, tenants=["*"])
        await hub.made.settled()
        yield hub


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_subscriptions_and_log_messages(short: Path, transport: Any, era: Any) -> None:
    """An update of a resource reaches who asked for it, a log message of a process that two use reaches nobody."""
    server = shared_server("legacy")
    wanted = {"resourceSubscriptions": ["note://a/1"]}
    async with (
        sharing(short, server) as hub,
        hub.peer("all", transport, era) as one,
        hub.peer("some", transport, era) as two,
        one.listening(wanted),
    ):
        assert server.open == 2
        if era == "legacy":
            await one.request("resources/subscribe", {"uri": "note://a/1"})
        await two.request("tools/call", {"name": "a_echo"})
        own = server.channels[1]
        await own.sent("resources/subscribe")
        since = len(two.notes)
        own.notify("notifications/message", {"level": "error", "data": "of one of them"})
        own.notify("notifications/resources/updated", {"uri": "note://1"})
        await one.wait_note("notifications/resources/updated")
        await settle()
        assert two.notes[since:] == []
        assert "notifications/message" not in [note["method"] for note in one.notes]


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_tasks(short: Path, transport: Any) -> None:
    """A task is that of the principal whose call it is: nobody else sees it, by its id or in the list."""
    server = shared_server("legacy")
    task = {"task": {"taskId": "t1", "status": "working", "ttl": 60_000}}
    server.handlers["tools/call"] = lambda channel, frame: task
    async with (
        sharing(short, server) as hub,
        hub.peer("all", transport, "legacy") as one,
        hub.peer("some", transport, "legacy") as two,
    ):
        began = (await one.request("tools/call", {"name": "a_echo", "task": {}})).result
        assert began["task"]["taskId"] == "t1"
        assert (await one.request("tasks/get", {"taskId": "t1"})).result["status"] == "working"
        refused = (await two.request("tasks/get", {"taskId": "t1"})).answer["error"]["data"]
        assert refused["code"] == "TASK_UNKNOWN"
        assert (await two.request("tasks/list")).result["tasks"] == []
        since = len(two.notes)
        server.channels[1].notify("notifications/tasks/status", {"taskId": "t1", "status": "completed"})
        await one.wait_note("notifications/tasks/status")
        await settle()
        assert two.notes[since:] == []


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_suspended_calls(short: Path, transport: Any) -> None:
    """What a server asked of one principal cannot be answered by another."""
    server = shared_server("modern")

    def ask(frame: dict[str, Any]) -> dict[str, Any]:
        if "inputResponses" in frame["params"]:
            return text("answered")
        return {"resultType": "input_required", "inputRequests": {"q": FORM}, "requestState": "s"}

    server.tools["ask"] = ask
    async with (
        sharing(short, server) as hub,
        hub.peer("all", transport, "modern", ABLE) as one,
        hub.peer("some", transport, "modern", ABLE) as two,
    ):
        assert server.open == 2
        params = {"name": "a_ask", "arguments": {}}
        asked = (await one.request("tools/call", params)).result
        answer = {"inputResponses": {"q": {"action": "accept"}}, "requestState": asked["requestState"]}
        stolen = (await two.request("tools/call", {**params, **answer})).answer["error"]["data"]
        assert stolen["code"] == "REQUEST_STATE_INVALID"
        assert (await one.request("tools/call", {**params, **answer})).result["content"] == text("answered")["content"]


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_kept_results(short: Path, transport: Any, era: Any) -> None:
    """Each principal has its own, though the process is one; who may not call the tool gets no kept result either."""
    server = shared_server("legacy")
    async with (
        sharing(short, server, cache={"count": 60}, cache_shared=transport == "http") as hub,
        hub.peer("all", transport, era) as one,
        hub.peer("some", transport, era) as two,
    ):
        said = [(await peer.request("tools/call", {"name": "a_count"})).result for peer in (one, two, one, two)]
        texts = [each["content"][0]["text"] for each in said]
        assert texts == (["1"] * 4 if transport == "http" else ["1", "2"] * 2)
        allowed = {"effect": "allow", "subject": "*"}
        hub.made.allow(allowed, {"effect": "deny", "subject": "key:some", "tools": ["count"]}, tenants=["*"])
        refused = (await two.request("tools/call", {"name": "a_count"})).answer["error"]["data"]
        assert refused["code"] == "TOOL_UNKNOWN"
        assert (await one.request("tools/call", {"name": "a_count"})).result["content"][0]["text"] == "1"


# --- users, and grants of the hub's token -----------------------------------------------------------------------------


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_a_user_signs_in_again(short: Path, transport: Any, era: Any) -> None:
    """A user sees what its groups may; with other groups after a new sign-in, its sessions see other tools at once."""
    server = FakeServer(tools={"one": lambda: text("1"), "two": lambda: text("2")})
    async with guarded(short, server) as hub:
        grants, made = Grants(short), hub.made
        made.put(server.spec("a"), space("a"))
        made.allow(*({"effect": "allow", "subject": f"group:{name}", "tools": [name]} for name in ("one", "two")))
        ada = grants.user("ada", groups=["one"])
        hub.keys.tokens["ada"] = grants.token(grants.of_user("ada"))
        wanted = {"toolsListChanged": True}
        async with hub.peer("ada", transport, era) as peer, peer.listening(wanted):
            assert [tool["name"] for tool in (await peer.request("tools/list")).result["tools"]] == ["a_one"]
            assert (await peer.request("tools/call", {"name": "a_one"})).result
            since = len(peer.notes)
            assert grants.user("ada", groups=["two"]) == ada
            async with asyncio.timeout(100):
                await peer.wait_note("notifications/tools/list_changed", since)
            assert [tool["name"] for tool in (await peer.request("tools/list")).result["tools"]] == ["a_two"]
            refused = (await peer.request("tools/call", {"name": "a_one"})).answer["error"]["data"]
            assert refused["code"] == "TOOL_UNKNOWN"
            assert (await peer.request("tools/call", {"name": "a_two"})).result
        listed = await made.reporter.status()
        assert listed.workspaces[0].name == "w"


async def test_sessions_and_uses_of_users(short: Path) -> None:
    """A user is listed by its name among the sessions; what is told of uses is by key and grant."""
    server = FakeServer()
    async with guarded(short, server) as hub:
        grants, made = Grants(short), hub.made
        made.put(server.spec("a"), space("a"))
        made.allow({"effect": "allow", "subject": "group:one"})
        grants.user("ada", groups=["one"])
        grant = grants.of_user("ada")
        hub.keys.tokens["ada"] = grants.token(grant)
        async with hub.peer("ada", "http", "legacy") as one, hub.peer("ada", "http", "modern") as two:
            await one.request("tools/call", {"name": "a_echo"})
            await two.request("tools/call", {"name": "a_echo"})
            listed = session_list.listed(made.hub, ListSessions())
            assert [each.principal for each in listed.sessions] == ["ada"]
            assert [each.principal for each in listed.sessionless] == ["ada"]
            before = made.gate.last_uses(made.hub.key_workspaces.last_uses())
            assert list(before) == [grant]
            await one.request("tools/call", {"name": "a_echo"})  # on the direct way, of which the gate does not hear
            assert made.gate.last_uses(made.hub.key_workspaces.last_uses())[grant] > before[grant]
            assert (await made.reporter.status()).workspaces[0].sessions == 1
            shown = b'yamcp_hub_sessions{transport="http",workspace="w"} 1.0'
            await until(lambda: shown in made.metrics.render()[0])


async def test_a_grant_of_the_hubs_token(short: Path) -> None:
    """It uses the common workspace, of the workspace that it is for, unfiltered; the hub's pages are not for it."""
    server = FakeServer()
    async with guarded(short, server) as hub:
        grants, made = Grants(short), hub.made
        made.put(server.spec("a"), space("a"), space("a", name="v"))
        made.allow({"effect": "deny", "subject": "*"})
        await made.settled()
        token = hub.keys.tokens["hub"] = grants.token(grants.of_key(HUB_TOKEN, "admin"))
        async with hub.peer("hub", "http", "legacy") as peer:
            assert (await peer.request("tools/call", {"name": "a_echo"})).result
        assert server.open == 1
        assert not list(made.hub.key_workspaces)
        assert (await hub.status("hub", "v"))[0] == 401
        async with client(token, made.settings.sidecar_socket) as http:
            assert (await http.get("http://hub/status")).status_code == 404
