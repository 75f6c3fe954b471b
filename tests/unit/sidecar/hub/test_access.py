"""What access.json hides from a principal does not exist for it: it is not listed, not called, and never named."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.hub.reconciler import load, save
from tests.support.fake_server import FakeServer, Gate, settle, text, until, within
from tests.support.guarded import Guarded, guarded, short_directory
from tests.support.inprocess import space
from tests.support.peers import Peer, client

pytestmark = pytest.mark.outside

WAYS = [(transport, era) for transport in ("sse", "http") for era in ("legacy", "modern")]
HINTS = {"readOnlyHint": True}
SKILLS = "io.modelcontextprotocol/skills"
UI = "io.modelcontextprotocol/ui"

RULES: tuple[dict[str, Any], ...] = (
    {"effect": "allow", "subject": "key:all"},
    {"effect": "allow", "subject": "key:some", "workspaces": ["w", "plain"], "servers": ["a"], "tools": ["open*"]},
    {"effect": "allow", "subject": "key:some", "servers": ["a"], "prompts": ["open"], "workspaces": ["w", "plain"]},
    {
        "effect": "allow",
        "subject": "key:some",
        "servers": ["a"],
        "resources": ["note://*"],
        "workspaces": ["w", "plain"],
    },
    {"effect": "allow", "subject": "key:some", "servers": ["a"], "resources": ["ui://view"], "workspaces": ["w"]},
    {"effect": "deny", "subject": "key:some", "resources": ["note://secret/*"]},
    {"effect": "allow", "subject": "key:some", "servers": ["a"], "annotations": HINTS, "workspaces": ["w"]},
)


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with short_directory() as root:
        yield root


def server_a(era: str = "legacy") -> FakeServer:
    """A server with something to see, and something to hide, of each kind."""
    server = FakeServer("one", era, {"open": lambda: text("opened"), "secret": lambda: text("told")})
    server.extra_tools = [
        {"name": "reads", "inputSchema": {"type": "object"}, "annotations": HINTS},
        {"name": "writes", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": False}},
    ]
    server.prompts = [{"name": "open"}, {"name": "secret"}]
    server.resources = [
        {"uri": "note://open/1"},
        {"uri": "note://secret/1"},
        {"uri": "ui://view"},
        {"uri": "ui://hidden"},
    ]
    server.templates = [{"uriTemplate": "note://{id}"}, {"uriTemplate": "note://secret/{id}"}]
    server.instructions = "Of the first."
    server.capabilities = {
        **server.capabilities,
        "completions": {},
        "experimental": {"own/thing": {}},
        "extensions": {SKILLS: {}, UI: {}, "com.example/own": {}},
    }
    server.handlers["own/run"] = lambda channel, frame: {"ran": True}
    server.handlers["skills/list"] = lambda channel, frame: server._complete(
        {"skills": [skill("open"), skill("secret")]}
    )
    server.handlers["skills/get"] = lambda channel, frame: server._complete({"skill": skill("open")})
    return server


def skill(name: str) -> dict[str, Any]:
    """A skill with two files, one of which is secret."""
    files = [{"uri": f"note://{name}/1"}, {"uri": "note://secret/2"}]
    return {"uri": f"note://{name}/SKILL.md", "frontmatter": {"name": name}, "resources": files}


def server_b() -> FakeServer:
    """A server that `some` may not see at all."""
    server = FakeServer("two")
    server.instructions = "Of the second."
    server.prompts, server.resources = [{"name": "b"}], [{"uri": "note://1"}]
    return server


@contextlib.asynccontextmanager
async def filled(root: Path, era: str = "legacy") -> AsyncIterator[tuple[Guarded, FakeServer, FakeServer]]:
    """Workspaces `w` of both servers, `plain` of the first without prefixes, and `other` of the second."""
    one, two = server_a(era), server_b()
    async with guarded(root, one, two) as hub:
        plain = space("a", name="plain", template="{name}")
        hub.made.put(one.spec("a"), two.spec("b"), space("a", "b"), plain, space("b", name="other"))
        hub.made.allow(*RULES, keys="rules")
        await hub.made.settled()
        yield hub, one, two


async def listed(peer: Peer, kind: str, field: str = "name") -> list[str]:
    """The names, or URIs, in a list."""
    key = {"resources/templates": "resourceTemplates"}.get(kind, kind)
    return [item[field] for item in (await peer.request(f"{kind}/list")).result[key]]


def blurred(answer: Any, name: str) -> str:
    """An answer in which a name cannot be seen, nor the number of the request."""
    if isinstance(data := answer.get("error", {}).get("data"), dict):
        data.pop("correlation", None)
    return json.dumps(answer, sort_keys=True).replace(name, "NAME")


async def test_servers_that_are_not_seen_are_not_started(short: Path) -> None:
    """Each principal has its own processes, of the servers of which it may see something."""
    async with filled(short) as (hub, one, two):
        common = (one.open, two.open)
        async with hub.peer("some", "http", "legacy"):
            assert (one.open, two.open) == (common[0] + 1, common[1])
        async with hub.peer("all", "http", "legacy"):
            assert (one.open, two.open) == (common[0] + 2, common[1] + 1)


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_lists(short: Path, transport: Any, era: Any) -> None:
    """Lists have what is allowed; so have instructions, declared extensions and skills."""
    async with filled(short, "modern") as (hub, _, _):
        able = {"extensions": {SKILLS: {}}}
        async with hub.peer("all", transport, era, able) as everything, hub.peer("some", transport, era, able) as part:
            assert await listed(everything, "tools") == ["a_open", "a_secret", "a_reads", "a_writes", "b_echo"]
            assert await listed(part, "tools") == ["a_open", "a_reads"]
            assert await listed(everything, "prompts") == ["a_open", "a_secret", "b_b"]
            assert await listed(part, "prompts") == ["a_open"]
            assert len(await listed(everything, "resources", "uri")) == 5
            assert await listed(part, "resources", "uri") == ["note://a/open/1", "ui://a/view"]
            assert await listed(part, "resources/templates", "uriTemplate") == ["note://a/{id}"]
            assert "Of the first." in everything.greeting["instructions"]
            assert "Of the second." in everything.greeting["instructions"]
            assert part.greeting["instructions"] == "Of the first."
            declared = [set(peer.greeting["capabilities"]["extensions"]) for peer in (everything, part)]
            assert declared == [{SKILLS, UI, "com.example/own"}, {SKILLS, UI}]
            assert "experimental" not in part.greeting["capabilities"]
            assert len((await everything.request("skills/list")).result["skills"]) == 2
            [shown] = (await part.request("skills/list")).result["skills"]
            assert shown["uri"] == "note://a/open/SKILL.md"
            assert [file["uri"] for file in shown["resources"]] == ["note://a/open/1"]
            got = (await part.request("skills/get", {"uri": "note://a/open/SKILL.md"})).result["skill"]
            assert got == shown


PAIRS: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("tools/call", {"name": "@"}, "a_secret", "a_nothing"),
    ("tools/call", {"name": "@"}, "a_writes", "a_nothing"),
    ("tools/call", {"name": "@"}, "secret", "nothing"),
    ("tools/call", {"name": "@"}, "b_echo", "b_nothing"),
    ("prompts/get", {"name": "@"}, "a_secret", "a_nothing"),
    ("resources/read", {"uri": "@"}, "note://a/secret/1", "note://a/secret/none"),
    ("resources/read", {"uri": "@"}, "note://a/secret/1", "note://none/secret/1"),
    ("resources/read", {"uri": "@"}, "note://a/%73ecret/1", "note://none/%73ecret/1"),
    ("resources/read", {"uri": "@"}, "note://a/open/../../secret/1", "note://none/open/../../secret/1"),
    ("resources/read", {"uri": "@"}, "ui://a/hidden", "ui://none/hidden"),
    ("resources/read", {"uri": "@"}, "note://b/1", "note://none/1"),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "@"}}, "a_secret", "a_nothing"),
    ("completion/complete", {"ref": {"type": "ref/resource", "uri": "@"}}, "note://a/secret/{id}", "note://none/{id}"),
    ("skills/get", {"uri": "@"}, "note://a/secret/SKILL.md", "note://none/SKILL.md"),
    ("resources/directory/read", {"uri": "@"}, "note://a/secret/x", "note://none/secret/x"),
    ("@", {}, "own/run", "xyz/run"),
)
"""A method, its params with a place for a name, a name that is hidden from `some`, and one that nobody knows."""


def filled_in(params: Any, name: str) -> Any:
    """The params with the name in its place."""
    return json.loads(json.dumps(params).replace("@", name))


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_what_is_hidden_is_answered_as_what_never_was(short: Path, transport: Any, era: Any) -> None:
    """By code, text and data, whatever method asks for it; and the server is not asked."""
    async with filled(short, "modern") as (hub, one, two):
        able = {"extensions": {SKILLS: {}, UI: {}}}
        async with hub.peer("some", transport, era, able) as part, hub.peer("all", transport, era, able) as whole:
            before = [len(channel.received) for channel in (*one.channels, *two.channels)]
            pairs = [*PAIRS]
            if era == "legacy":
                pairs.append(("resources/subscribe", {"uri": "@"}, "note://a/secret/1", "note://none/1"))
            for method, params, hidden, unknown in pairs:
                answers = []
                for name in (hidden, unknown):
                    answer = (await part.request(method.replace("@", name), filled_in(params, name))).answer
                    assert "error" in answer, (method, name, answer)
                    answers.append(blurred(answer, name))
                assert answers[0] == answers[1], method
            assert [len(channel.received) for channel in (*one.channels, *two.channels)] == before
            said = (await whole.request("tools/call", {"name": "a_secret"})).result
            assert said["content"] == text("told")["content"]
            assert (await whole.request("own/run")).result["ran"]


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_what_is_allowed_is_served(short: Path, transport: Any, era: Any) -> None:
    """The part that may be used is served as ever, by each method, also on the direct way."""
    async with filled(short) as (hub, _, _), hub.peer("some", transport, era) as part:
        for _ in range(3):
            assert (await part.request("tools/call", {"name": "a_open"})).result["content"] == text("opened")["content"]
        for name in ("open", "a_open"):
            assert "result" in (await part.request("tools/call", {"name": name})).answer
        assert (await part.request("prompts/get", {"name": "a_open"})).result["description"] == "open"
        for uri in ("note://a/open/1", "note://a/any"):
            assert (await part.request("resources/read", {"uri": uri})).result["contents"][0]["uri"] == uri
        template = {"type": "ref/resource", "uri": "note://a/{id}"}
        assert (await part.request("completion/complete", {"ref": template, "argument": {}})).result
        if era == "legacy":
            assert (await part.request("resources/subscribe", {"uri": "note://a/open/1"})).result == {}


async def test_without_prefixes(short: Path) -> None:
    """A workspace without prefixes hides by the same rules, also URIs that no server lists."""
    async with filled(short) as (hub, one, _), hub.peer("some", "http", "legacy", workspace="plain") as part:
        assert await listed(part, "tools") == ["open"]
        assert (await part.request("resources/read", {"uri": "note://any"})).result
        assert (await part.request("skills/get", {"uri": "note://open/SKILL.md"})).result
        hidden = ("note://secret/1", "note://secret/none", "ui://view", "file:///etc/passwd", "NOTE://secret/1")
        for uri in hidden:
            for method in ("resources/read", "skills/get", "resources/subscribe"):
                refused = (await part.request(method, {"uri": uri})).answer["error"]["data"]
                assert refused["code"] == "RESOURCE_UNKNOWN", (method, uri)
        own = one.channels[1]
        assert [len(own.got(method)) for method in ("resources/read", "skills/get")] == [1, 1]


async def test_a_batch(short: Path) -> None:
    """Each request of a batch is decided on its own."""
    async with filled(short) as (hub, _, _), hub.peer("some", "http", "legacy", version="2025-03-26") as part:
        frames = [
            {"jsonrpc": "2.0", "id": name, "method": "tools/call", "params": {"name": name}}
            for name in ("a_open", "a_secret", "a_none")
        ]
        response = await part.http.post(part.url, json=frames, headers=part._headers({"method": ""}))
        found = {answer["id"]: answer for answer in response.json()}
        assert "result" in found["a_open"]
        assert blurred(found["a_secret"], "a_secret") == blurred(found["a_none"], "a_none")


async def test_workspaces(short: Path) -> None:
    """A workspace of which nothing may be used is answered as one that never was, and named nowhere."""
    async with filled(short) as (hub, _, _):
        hidden, unknown = await hub.status("some", "other"), await hub.status("some", "nowhere")
        assert hidden[0] == unknown[0] == 404
        assert blurred(hidden[1], "other") == blurred(unknown[1], "nowhere")
        assert hidden[1]["error"]["data"]["workspaces"] == ["w", "plain"]
        assert (await hub.status("all", "nowhere"))[1]["error"]["data"]["workspaces"] == ["w", "plain", "other"]


# --- changes ----------------------------------------------------------------------------------------------------------


def notices(peer: Peer, since: int) -> list[str]:
    """The notifications since then, without `notifications/`."""
    return [note["method"].removeprefix("notifications/") for note in peer.notes[since:]]


ALL_LISTS = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_rules_change(short: Path, transport: Any, era: Any) -> None:
    """Sessions are told of the lists that changed for them, and of no others; calls of what is gone are refused."""
    async with (
        filled(short) as (hub, one, _),
        hub.peer("some", transport, era) as part,
        hub.peer("all", transport, era) as whole,
        part.listening(ALL_LISTS),
        whole.listening(ALL_LISTS),
    ):
        assert (await part.request("tools/call", {"name": "a_open"})).result
        begun, since = len(part.notes), len(whole.notes)
        version = hub.made.hub.config_version
        hub.made.allow(*RULES, {"effect": "deny", "subject": "key:some", "tools": ["open"]}, keys="rules")
        assert hub.made.hub.config_version > version
        await part.wait_note("notifications/tools/list_changed", begun)
        assert await listed(part, "tools") == ["a_reads"]
        refused = (await part.request("tools/call", {"name": "a_open"})).answer
        assert blurred(refused, "a_open") == blurred(
            (await part.request("tools/call", {"name": "a_none"})).answer, "a_none"
        )
        assert len(one.channels[1].got("tools/call")) == 1
        hub.made.allow(*RULES, keys="rules")
        hub.made.allow({"effect": "allow", "subject": "*"}, keys="rules")
        await part.wait_note("notifications/prompts/list_changed", begun)
        await part.wait_note("notifications/resources/list_changed", begun)
        await hub.made.settled()
        assert await listed(part, "tools") == await listed(whole, "tools")
        await until(lambda: len(one.channels) == 3)  # the processes of the two, and the hub's own
        await settle()
        assert notices(whole, since) == [], "nothing changed for it"


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_a_call_in_flight_gets_its_answer(short: Path, transport: Any, era: Any) -> None:
    """What a rule forbids from now on is not cut off in the middle."""
    gate = Gate("in time")
    server = FakeServer(tools={"gate": gate})
    async with guarded(short, server) as hub:
        hub.made.put(server.spec("a"), space("a"))
        async with hub.peer("some", transport, era) as part:
            calling = asyncio.create_task(part.request("tools/call", {"name": "a_gate"}))
            await gate.reached()
            hub.made.allow({"effect": "deny", "subject": "key:some", "tools": ["gate"]})
            assert (await part.request("tools/call", {"name": "a_gate"})).answer["error"]["data"]["code"] == (
                "TOOL_UNKNOWN"
            )
            gate.open()
            assert (await within(calling)).result["content"] == text("in time")["content"]


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_annotations_are_the_current_ones(short: Path, transport: Any, era: Any) -> None:
    """A tool that is no longer read-only is not allowed any more by a rule about read-only tools."""
    async with (
        filled(short) as (hub, one, _),
        hub.peer("some", transport, era) as part,
        part.listening(ALL_LISTS),
    ):
        assert await listed(part, "tools") == ["a_open", "a_reads"]
        since = len(part.notes)
        one.extra_tools[0]["annotations"] = {"readOnlyHint": False}
        one.extra_tools[1]["annotations"] = HINTS
        one.channels[1].notify("notifications/tools/list_changed")
        await part.wait_note("notifications/tools/list_changed", since)
        assert await listed(part, "tools") == ["a_open", "a_writes"]


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_hidden_changes_are_not_told(short: Path, transport: Any, era: Any) -> None:
    """A server's list of which only the hidden part changed did not change for the principal."""
    async with (
        filled(short) as (hub, one, _),
        hub.peer("some", transport, era) as part,
        part.listening(ALL_LISTS),
    ):
        since = len(part.notes)
        one.extra_tools.append({"name": "hidden", "inputSchema": {"type": "object"}})
        one.prompts.append({"name": "open2"})
        one.channels[1].notify("notifications/tools/list_changed")
        one.channels[1].notify("notifications/prompts/list_changed")
        [tenant] = hub.made.hub.key_workspaces
        await until(lambda: len(tenant.members["a"].upstream.catalog.prompts) == 3)  # type: ignore[union-attr]
        one.extra_tools.append({"name": "open2", "inputSchema": {"type": "object"}})
        one.channels[1].notify("notifications/tools/list_changed")
        await part.wait_note("notifications/tools/list_changed", since)
        assert notices(part, since) == ["tools/list_changed"]


async def test_workspace_is_taken_away(short: Path) -> None:
    """Sessions in a workspace end of which nothing may be used any more; another principal's go on."""
    async with filled(short) as (hub, one, _), hub.peer("all", "sse", "legacy") as whole:
        async with (
            client(hub.keys.tokens["some"], hub.made.settings.sidecar_socket) as http,
            http.stream("GET", "http://hub/mcp/w/sse") as stream,
        ):
            assert stream.status_code == 200
            await until(lambda: len(list(hub.made.hub.key_workspaces)) == 2)
            hub.made.allow(RULES[0], keys="rules")
            await stream.aread()  # it ends
        assert (await hub.status("some", "w"))[0] == 404
        assert (await whole.request("tools/call", {"name": "a_open"})).result
        await until(lambda: one.open == 2)


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_subscriptions_end_with_the_right(short: Path, era: Any) -> None:
    """No update comes of a resource that may no longer be used; a listener gets them again with the right."""
    uri = "note://a/open/1"
    wanted = {"resourceSubscriptions": [uri]}
    async with filled(short) as (hub, one, _), hub.peer("some", "sse", era) as part, part.listening(wanted):
        if era == "legacy":
            assert (await part.request("resources/subscribe", {"uri": uri})).result == {}
        own = one.channels[1]
        await own.sent("resources/subscribe")
        changed = {"uri": "note://open/1"}
        since = len(part.notes)
        own.notify("notifications/resources/updated", changed)
        await part.wait_note("notifications/resources/updated", since)
        since = len(part.notes)
        hub.made.allow(*RULES, {"effect": "deny", "subject": "*", "resources": ["note://open/*"]}, keys="rules")
        own.notify("notifications/resources/updated", changed)
        await own.sent("resources/unsubscribe")
        hub.made.allow(*RULES, keys="rules")
        if era == "modern":
            await own.sent("resources/subscribe", 2)
            own.notify("notifications/resources/updated", changed)
            await part.wait_note("notifications/resources/updated", since)
        await part.request("tools/list")
        assert notices(part, since).count("resources/updated") == (1 if era == "modern" else 0)


# --- servers of single clients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_per_client(short: Path, transport: Any, era: Any) -> None:
    """A server of each client's own is filtered for it; when nothing of it may be used any more, its process ends."""
    server = server_a()
    async with guarded(short, server) as hub:
        hub.made.put(server.spec("a", session="per_client"), space("a"))
        hub.made.allow(*RULES, keys="rules")
        able = {"elicitation": {}}
        async with hub.peer("some", transport, era, able) as part:
            assert "instructions" not in part.greeting, "it is not known yet whether anything is visible"
            assert await listed(part, "tools") == ["a_open", "a_reads"]
            assert (await part.request("tools/call", {"name": "a_open"})).result
            hidden = (await part.request("tools/call", {"name": "a_secret"})).answer
            unknown = (await part.request("tools/call", {"name": "a_none"})).answer
            assert blurred(hidden, "a_secret") == blurred(unknown, "a_none")
            assert server.open >= 1
            async with hub.peer("some", transport, era, able) as second:
                assert second.greeting["instructions"] == "Of the first."
            hub.made.allow(*RULES, {"effect": "deny", "subject": "*", "tools": ["open"]}, keys="rules")
            assert await listed(part, "tools") == ["a_reads"]
            await part.notify("notifications/own/thing")
            others = {"effect": "deny", "subject": "key:some", "servers": ["a"]}
            hub.made.allow({"effect": "allow", "subject": "*"}, others, keys="rules")
            await until(lambda: server.open == 0)
        assert [channel.got("notifications/own/thing") for channel in server.channels] == [[] for _ in server.channels]


async def test_a_part_of_a_server_takes_no_extension_from_others(short: Path) -> None:
    """What a server's own clients declare is passed to it, also while somebody may use only a part of the server."""
    async with filled(short) as (hub, _, _), hub.peer("all", "http", "legacy"), hub.peer("some", "http", "legacy"):
        owned = {upstream: hub.made.hub._owned(upstream) for upstream in hub.made.hub.pool}
        a = [found for upstream, found in owned.items() if upstream.spec.key == "a"]
        assert a == [{"com.example/own", "own/thing"}, {"com.example/own", "own/thing"}, set()]


async def test_rules_survive_a_restart(short: Path) -> None:
    """The policy is a part of the snapshot that the next sidecar applies without an adapter."""
    async with filled(short) as (hub, _, _):
        snapshot = hub.made.hub.snapshot
        assert snapshot is not None
        save(short / "applied.json", snapshot)
        kept = load(short / "applied.json")
        assert kept == snapshot
        assert kept.access is not None
        assert kept.access.rules[0].subject == "key:all"
