"""Extensions through the hub: declared, routed to the server that has them, with the workspace's names and URIs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import Field

from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import ResourceUnknown, ServerUnavailable, TaskUnknown, ToolUnknown
from sidecar.input_errors import ClientFeatureMissing
from sidecar.protocol import eras as era
from sidecar.protocol import jsonrpc
from sidecar.protocol.extensions import SHARED_CONNECTION, SKILLS, TASKS, UI
from sidecar.workspaces import declaration
from tests.support.fake_server import FakeServer, RpcError, echo, settle, text, until
from tests.support.inprocess import Recorder, World, space, world
from tests.support.peers import connected

pytestmark = pytest.mark.outside

FOO, BAR = "com.example/foo", "org.example/bar"
TAKES_TASKS = {"extensions": {TASKS: {}}}
LINK = {"type": "resource_link", "uri": "note://1", "name": "n"}
MISSING = -32021
BOTH_ERAS = pytest.mark.parametrize("client", ["legacy", "modern"])
SERVERS = pytest.mark.parametrize("server", ["legacy", "modern"])
TRANSPORTS = pytest.mark.parametrize("transport", ["sse", "http"])


def modern(**capabilities: Any) -> dict[str, Any]:
    """The params of a modern client's request."""
    envelope = {era.VERSION_KEY: era.MODERN_VERSION, era.CLIENT_INFO_KEY: {"name": "c"}}
    return {"_meta": {**envelope, era.CAPABILITIES_KEY: capabilities}}


def legacy(**capabilities: Any) -> Recorder:
    """A legacy client."""
    client = Recorder()
    client.capabilities = capabilities
    return client


def declared_by(frame: dict[str, Any]) -> dict[str, Any]:
    """The extensions of which the client of a request says that it has them."""
    found: dict[str, Any] = frame["params"]["_meta"][era.CAPABILITIES_KEY].get("extensions", {})
    return found


class Tasker(FakeServer):
    """A server with the tasks extension (SEP-2663): a call is a task where its client takes tasks.

    In the legacy era that is known from the handshake, in the modern one from each request.
    """

    def __init__(self, name: str = "tasker", era: str = "legacy", transport: str = "stdio") -> None:
        super().__init__(name, era, transport=transport)
        self.capabilities["extensions"] = {TASKS: {}}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.fresh: Iterator[int] = iter(range(1, 1000))
        self.always = False
        self.handlers |= {
            "tools/call": self._begin,
            "tasks/get": self._about,
            "tasks/update": self._update,
            "tasks/cancel": self._cancel,
        }

    def _takes(self, channel: Any, frame: Any) -> bool:
        if self.era == "modern":
            return TASKS in declared_by(frame)
        return TASKS in channel.got("initialize")[0]["params"]["capabilities"].get("extensions", {})

    def _begin(self, channel: Any, frame: Any) -> dict[str, Any]:
        if not (self.always or self._takes(channel, frame)):
            return self._complete(text("at once"))
        task_id = str(next(self.fresh))
        self.tasks[task_id] = {"taskId": task_id, "status": "working", "ttlMs": 60_000, "channel": channel}
        return {"resultType": "task", **self._shown(task_id)}

    def _shown(self, task_id: str) -> dict[str, Any]:
        return {key: value for key, value in self.tasks[task_id].items() if key != "channel"}

    def _found(self, channel: Any, frame: Any) -> str:
        task_id: str = frame["params"]["taskId"]
        if not (self.always or self._takes(channel, frame)):
            raise RpcError(MISSING, "Missing required client capability")
        if task_id not in self.tasks or self.tasks[task_id]["channel"] is not channel:
            raise RpcError(-32602, "no such task here")
        return task_id

    def _about(self, channel: Any, frame: Any) -> dict[str, Any]:
        return {"resultType": "complete", **self._shown(self._found(channel, frame))}

    def _update(self, channel: Any, frame: Any) -> dict[str, Any]:
        task = self.tasks[self._found(channel, frame)]
        task |= {"status": "completed", "result": {"content": [LINK], "given": frame["params"]["inputResponses"]}}
        return {"resultType": "complete"}

    def _cancel(self, channel: Any, frame: Any) -> dict[str, Any]:
        self.tasks[self._found(channel, frame)]["status"] = "cancelled"
        return {"resultType": "complete"}


# --- what is declared ------------------------------------------------------------------------------------------------

NEEDED = {
    "tools": ("tools/list", "tools/call"),
    "prompts": ("prompts/list", "prompts/get"),
    "resources": ("resources/list", "resources/templates/list", "resources/read"),
    "completions": ("completion/complete",),
}
"""What each capability stands for, in both eras (MCP, Capabilities)."""
ONLY = {
    "legacy": {
        "resources": ("resources/subscribe", "resources/unsubscribe"),
        "logging": ("logging/setLevel",),
        "tasks": ("tasks/list", "tasks/get", "tasks/result", "tasks/cancel"),
    },
    "modern": {"logging": ()},  # levels are named in requests, messages come with answers
}
EXTENDING = {
    UI: (),
    SKILLS: ("skills/list", "skills/get", "resources/directory/read"),
    TASKS: ("tasks/get", "tasks/update", "tasks/cancel"),
    FOO: ("foo/anything",),
}


@BOTH_ERAS
async def test_what_is_declared_is_served(tmp_path: Path, client: str) -> None:
    """Each capability has its methods, and no method is there without its capability, in either era."""
    one, two = FakeServer("one"), FakeServer("two")
    one.capabilities = {"tools": {}, "extensions": {UI: {}, SKILLS: {"directoryRead": True}, FOO: {"x": 1}}}
    two.capabilities = {"tools": {}, "extensions": {TASKS: {}}}
    is_modern = client == "modern"
    async with world(tmp_path, one, two) as made:
        made.put(space(), one.spec("a"), two.spec("b"))
        bare = declaration.of(made.workspace().declared(), modern=is_modern)
        assert set(bare) == {*NEEDED, *ONLY[client]}
        assert "extensions" not in bare
        relay = made.endpoint().relay
        core = {method for table in (NEEDED, ONLY[client]) for methods in table.values() for method in methods}
        every = core | {method for methods in EXTENDING.values() for method in methods}
        every |= {method for methods in ONLY["legacy"].values() for method in methods} | {"ping", "server/discover"}
        assert {method for method in every if relay.handles(method, is_modern)} == core
        made.put(space("a", "b"))
        await made.settled()
        told = declaration.of(made.workspace().declared(), modern=is_modern)
        assert told == {**bare, "extensions": {UI: {}, SKILLS: {"directoryRead": True}, FOO: {"x": 1}, TASKS: {}}}
        extended = {method for methods in EXTENDING.values() for method in methods}
        taken = {method for method in every if relay.handles(method, is_modern)}
        assert taken >= core | extended
        assert not taken & {"ping", "server/discover", "initialize", "subscriptions/listen"}


@BOTH_ERAS
@TRANSPORTS
async def test_declared_on_the_wire(tmp_path: Path, client: Any, transport: Any) -> None:
    """The handshake of either era has the extensions of the servers that there are now, and `logging`."""
    one, two = FakeServer("one"), FakeServer("two", "modern")
    one.capabilities = {"tools": {}, "extensions": {UI: {"mimeTypes": ["x"]}}, "experimental": {"e": {"y": 1}}}
    two.capabilities = {"tools": {}, "extensions": {FOO: {}}, "experimental": {}}
    async with world(tmp_path, one, two, serve=True) as made:
        made.put(one.spec("a"), two.spec("b"), space("a", "b"))
        await made.settled()
        async with connected(f"{made.base}/mcp/w", transport, client) as peer:
            told = peer.greeting["capabilities"]
            assert told["extensions"] == {UI: {"mimeTypes": ["x"]}, FOO: {}}
            assert told["experimental"] == {"e": {"y": 1}}
            assert told["logging"] == {}
            assert ("tasks" in told) == (client == "legacy")
            two.handlers["foo/get"] = lambda _, frame: {"was": frame["params"]["x"]}
            assert (await peer.request("foo/get", {"x": 7})).result["was"] == 7
            assert (await peer.request("bar/get", {"x": 7})).answer["error"]["code"] == -32601
        made.put(space("a"))
        async with connected(f"{made.base}/mcp/w", transport, client) as peer:
            assert peer.greeting["capabilities"]["extensions"] == {UI: {"mimeTypes": ["x"]}}
            assert (await peer.request("foo/get", {"x": 7})).answer["error"]["code"] == -32601


async def test_a_server_of_each_clients_own(tmp_path: Path) -> None:
    """What it declared last is declared, also while no client is there; a change of its definition forgets it."""
    own = FakeServer("own")
    own.capabilities = {"tools": {}, "extensions": {UI: {}, FOO: {}}}
    async with world(tmp_path, own) as made:
        made.put(own.spec("a", session="per_client"), space("a"))
        assert made.workspace().declared().members() == {}
        client = legacy()
        made.workspace().join(client)
        await made.tools(client)
        made.workspace().leave(client)
        await until(lambda: own.open == 0)
        assert made.workspace().declared().extensions == {UI: {}, FOO: {}}
        made.put(own.spec("a", session="per_client", args=("changed",)))
        assert made.workspace().declared().members() == {}


# --- what servers are told -------------------------------------------------------------------------------------------


@SERVERS
async def test_what_a_shared_server_is_told(tmp_path: Path, server: str) -> None:
    """Of the hub's own: views. In a modern client's request: what that client declares and the hub carries."""
    one = FakeServer("one", server)
    one.capabilities["extensions"] = {FOO: {}}
    async with world(tmp_path, one) as made:
        made.put(one.spec("a"), space("a"))
        await made.settled()
        if server == "legacy":
            assert one.channel.received[0]["params"]["capabilities"] == {"extensions": SHARED_CONNECTION}
            return
        assert declared_by(one.channel.got("tools/list")[0]) == SHARED_CONNECTION
        declares = {"sampling": {}, "extensions": {UI: {"mimeTypes": ["m"]}, FOO: {"x": 1}, BAR: {}}}
        await made.ask(Recorder(), "tools/call", {"name": "a_echo", **modern(**declares)})
        await made.ask(legacy(**declares), "tools/call", {"name": "a_echo"})
        await made.ask(Recorder(), "resources/read", {"uri": "x://a/y", **modern(extensions={TASKS: {}})})
        await made.ask(Recorder(), "tools/call", {"name": "a_echo", **modern()})
        calls = [*one.channel.got("tools/call"), *one.channel.got("resources/read")]
        kept = {UI: {"mimeTypes": ["m"]}, FOO: {"x": 1}}
        assert [declared_by(frame) for frame in calls] == [kept, kept, {}, {TASKS: {}}]
        assert not [frame for frame in calls if "sampling" in frame["params"]["_meta"][era.CAPABILITIES_KEY]]


@SERVERS
@BOTH_ERAS
async def test_what_a_clients_own_server_is_told(tmp_path: Path, server: str, client: str) -> None:
    """Its client's features, and of the rest what is carried to it: nothing that two servers have, or nobody."""
    one, two = FakeServer("one", server), FakeServer("two", server)
    one.capabilities["extensions"] = {FOO: {}, "both": {}}
    two.capabilities |= {"extensions": {"both": {}}, "experimental": {"e": {}}}
    declares = {
        "roots": {},
        "extensions": {UI: {}, TASKS: {}, FOO: {}, BAR: {}, "both": {}},
        "experimental": {"e": {}, "f": {}},
    }
    async with world(tmp_path, one, two) as made:
        made.put(one.spec("a", session="per_client"), two.spec("b", session="per_client"), space("a", "b"))
        for _ in range(2):  # with the first client it becomes known what the servers declare
            session = legacy(**declares) if client == "legacy" else Recorder()
            made.workspace().join(session)
            params = {} if client == "legacy" else modern(**declares)
            for name in ("a_echo", "b_echo"):
                await made.ask(session, "tools/call", {"name": name, **params})
            made.workspace().leave(session)
        known = {UI: {}, TASKS: {}}
        told = []
        for each in (one, two):
            if server == "legacy":
                told += [frame.received[0]["params"]["capabilities"] for frame in each.channels[-1:]]
            else:
                told += [each.channel.got("tools/call")[-1]["params"]["_meta"][era.CAPABILITIES_KEY]]
        expected = (
            {"roots": {}, "extensions": {**known, FOO: {}}},
            {"roots": {}, "extensions": known, "experimental": {"e": {}}},
        )
        assert tuple(told) == expected


# --- tasks -----------------------------------------------------------------------------------------------------------


@SERVERS
@BOTH_ERAS
@TRANSPORTS
@pytest.mark.parametrize("session", ["shared", "per_client"])
async def test_tasks(tmp_path: Path, server: str, client: Any, transport: Any, session: str) -> None:
    """A call that becomes a task is followed, answered and read where it runs, under the workspace's URIs.

    A shared legacy server is told of no client's tasks, and answers at once.
    """
    one = Tasker("one", server)
    async with world(tmp_path, one, serve=True) as made:
        made.put(one.spec("a", session=session), space("a"))
        await made.settled()
        async with connected(f"{made.base}/mcp/w", transport, client, TAKES_TASKS) as peer:
            began = (await peer.request("tools/call", {"name": "a_echo"})).result
            if (server, session) == ("legacy", "shared"):
                assert began["content"][0]["text"] == "at once"
                return
            assert (began["resultType"], began["taskId"], began["status"]) == ("task", "1", "working")
            async with connected(f"{made.base}/mcp/w", transport, client) as other:
                at_once = (await other.request("tools/call", {"name": "a_echo"})).result
                assert at_once["content"][0]["text"] == "at once"
                refused = (await other.request("tasks/get", {"taskId": "1"})).answer["error"]
                assert refused["code"] in (MISSING, -32602)
            assert (await peer.request("tasks/get", {"taskId": "1"})).result["status"] == "working"
            answers = {"q": {"action": "accept"}}
            await peer.request("tasks/update", {"taskId": "1", "inputResponses": answers})
            done = (await peer.request("tasks/get", {"taskId": "1"})).result
            assert done["status"] == "completed"
            assert done["result"] == {"content": [{**LINK, "uri": "note://a/1"}], "given": answers}
            assert done.get("resultType") == ("complete" if client == "modern" else None)
            await peer.request("tools/call", {"name": "a_echo"})
            await peer.request("tasks/cancel", {"taskId": "2"})
            assert one.tasks["2"]["status"] == "cancelled"
            assert (await peer.request("tasks/get", {"taskId": "3"})).answer["error"]["data"]["code"] == "TASK_UNKNOWN"


async def test_a_task_of_a_leased_process(tmp_path: Path) -> None:
    """Clients that can be asked have a process a call: each task is followed in the one that runs it."""
    one = Tasker("one")
    params = modern(elicitation={}, **TAKES_TASKS)
    async with world(tmp_path, one) as made:
        made.put(one.spec("a", session="per_client"), space("a"))
        client = made.workspace().sessionless

        async def ask(method: str, **more: Any) -> Any:
            return await made.endpoint().serve(client, jsonrpc.request(0, method, {**more, **params}), client.notify)

        begin = one.handlers["tools/call"]
        reached: list[Any] = []

        async def meeting(channel: Any, frame: Any) -> Any:
            reached.append(channel)
            await until(lambda: len(reached) == 2)
            return begin(channel, frame)

        one.handlers["tools/call"] = meeting
        results = await asyncio.gather(*(ask("tools/call", name="a_echo") for _ in range(2)))
        ids = [result["taskId"] for result in results]
        assert len({id(channel) for channel in reached}) == 2
        for task_id in ids:
            assert (await ask("tasks/get", taskId=task_id))["status"] == "working"


async def test_tasks_of_the_same_name(tmp_path: Path) -> None:
    """Two servers that use the same id are told apart, also in what they tell of the tasks by themselves."""
    one, two, client = Tasker("one", "modern"), Tasker("two", "modern"), legacy(**TAKES_TASKS)
    async with world(tmp_path, one, two) as made:
        made.put(one.spec("a"), two.spec("b"), space("a", "b"))
        await made.settled()
        made.workspace().join(client)
        ids = [(await made.ask(client, "tools/call", {"name": name}))["taskId"] for name in ("a_echo", "b_echo")]
        assert ids == ["1", "1-2"]
        await made.ask(client, "tasks/cancel", {"taskId": "1-2"})
        assert (one.tasks["1"]["status"], two.tasks["1"]["status"]) == ("working", "cancelled")
        client.took()
        two.channel.notify("notifications/tasks", {"taskId": "1", "status": "completed", "result": {"content": [LINK]}})
        one.channel.notify("notifications/tasks", {"taskId": "5", "status": "completed"})
        await settle()
        shown = {"content": [{**LINK, "uri": "note://b/1"}]}
        assert client.notes == [("notifications/tasks", {"taskId": "1-2", "status": "completed", "result": shown})]


@BOTH_ERAS
async def test_a_task_that_was_not_wanted(tmp_path: Path, client: str) -> None:
    """A server that answers with a task to a client that takes none: an error, not a result that says nothing."""
    one = Tasker("one", "modern")
    one.always = True
    async with world(tmp_path, one) as made:
        made.put(one.spec("a"), space("a"))
        await made.settled()
        params = {} if client == "legacy" else modern(extensions={UI: {}})
        with pytest.raises(ClientFeatureMissing) as caught:
            await made.ask(legacy(), "tools/call", {"name": "a_echo", **params})
        assert caught.value.rpc()["data"]["requiredCapabilities"] == {"extensions": {TASKS: {}}}
        with pytest.raises(TaskUnknown):
            await made.ask(legacy(), "tasks/get", {"taskId": "1", **params})


@TRANSPORTS
async def test_a_task_by_the_short_way(tmp_path: Path, transport: Any) -> None:
    """A shared legacy server was told of no tasks: one that answers with a task is refused there too."""
    one = Tasker("one")
    one.always = True
    async with world(tmp_path, one, serve=True) as made:
        made.put(one.spec("a"), space("a"))
        await made.settled()
        async with connected(f"{made.base}/mcp/w", transport, "legacy") as peer:
            for _ in range(3):  # from the second on by the direct way
                error = (await peer.request("tools/call", {"name": "a_echo"})).answer["error"]
                assert error["data"]["code"] == "CLIENT_FEATURE_MISSING"


@TRANSPORTS
async def test_tasks_are_not_listened_to(tmp_path: Path, transport: Any) -> None:
    """A listener's `taskIds` are left out of what is acknowledged (SEP-2663, Task Status Notifications): it polls."""
    one = Tasker("one", "modern")
    async with world(tmp_path, one, serve=True) as made:
        made.put(one.spec("a"), space("a"))
        await made.settled()
        async with connected(f"{made.base}/mcp/w", transport, "modern", TAKES_TASKS) as peer:
            listening = asyncio.create_task(peer._listen({"toolsListChanged": True, "taskIds": ["1"]}))
            acknowledged = await peer.wait_note("notifications/subscriptions/acknowledged")
            assert acknowledged["params"]["notifications"] == {"toolsListChanged": True}
            listening.cancel()
            await asyncio.wait([listening])


async def test_headers_of_a_task(tmp_path: Path) -> None:
    """Over Streamable HTTP the task is named in a header (SEP-2663, Routing Headers), under the server's id."""
    one, two = Tasker("one", "modern", "http"), Tasker("two", "modern", "http")
    client = legacy(**TAKES_TASKS)
    async with world(tmp_path, one, two) as made:
        made.put(one.spec("a"), two.spec("b"), space("a", "b"))
        await made.settled()
        for name in ("a_echo", "b_echo"):
            await made.ask(client, "tools/call", {"name": name})
        for method, more in (("get", {}), ("update", {"inputResponses": {}}), ("cancel", {})):
            await made.ask(client, f"tasks/{method}", {"taskId": "1-2", **more})
            assert two.channel.headers[-1] is not None
            assert (two.channel.headers[-1]["mcp-method"], two.channel.headers[-1]["mcp-name"]) == (
                f"tasks/{method}",
                "1",
            )


class Created(types.Result):
    """A call's result that is a task."""

    result_type: Literal["task"] = Field("task", alias="resultType")
    task_id: str = Field(alias="taskId")


class Followed(types.Result):
    """What `tasks/get` tells of a task."""

    status: str
    result: dict[str, Any] | None = None


class Named(types.RequestParams):
    """The task that is asked about."""

    task_id: str = Field(serialization_alias="taskId")


class GetTask(types.Request[Named, Literal["tasks/get"]]):
    """`tasks/get`."""

    method: Literal["tasks/get"] = "tasks/get"
    params: Named


class Following(ClientExtension):
    """The client's side of the tasks extension, as the SDK wants it: a call returns when its task is completed."""

    identifier = TASKS

    def claims(self) -> tuple[ResultClaim[Created]]:
        """Tasks are taken in place of results."""
        return (ResultClaim(result_type="task", model=Created, resolve=self._resolve),)

    async def _resolve(self, created: Created, context: ClaimContext) -> types.CallToolResult:
        while True:
            found = await context.session.send_request(GetTask(params=Named(task_id=created.task_id)), Followed)
            if found.status == "completed":
                return types.CallToolResult.model_validate(found.result, by_name=False)


@TRANSPORTS
@pytest.mark.parametrize("session", ["shared", "per_client"])
async def test_the_sdks_client(tmp_path: Path, transport: str, session: str) -> None:
    """The SDK's client takes tasks only where the workspace declares them, and follows them to the result."""
    one = Tasker("one", "modern")
    about = one.handlers["tasks/get"]

    def completing(channel: Any, frame: Any) -> dict[str, Any]:
        found: dict[str, Any] = about(channel, frame)
        one.tasks[found["taskId"]] |= {"status": "completed", "result": {"resultType": "complete", **text("at last")}}
        return found

    one.handlers["tasks/get"] = completing
    async with world(tmp_path, one, serve=True) as made:
        made.put(one.spec("a", session=session), space("a"))
        await made.settled()
        url = f"{made.base}/mcp/w"
        for extensions, expected in (([Following()], "at last"), ([], "at once")):
            wire: Any = sse_client(f"{url}/sse") if transport == "sse" else streamable_http_client(url)
            async with Client(wire, mode="auto", extensions=extensions) as client:
                result: Any = await client.call_tool("a_echo")
                assert result.content[0].text == expected


# --- skills ----------------------------------------------------------------------------------------------------------


class Skilled(FakeServer):
    """A server with skills (SEP-2640), one a page."""

    def __init__(self, name: str, *skills: str, era: str = "modern") -> None:
        super().__init__(name, era)
        self.skills = skills
        self.capabilities["extensions"] = {SKILLS: {"directoryRead": True}}
        self.handlers |= {
            "skills/list": self._list,
            "skills/get": self._get,
            "resources/directory/read": self._children,
        }

    def entry(self, skill: str) -> dict[str, Any]:
        """A skill as its server shows it."""
        uri = f"skill://{skill}/SKILL.md"
        frontmatter = {"name": skill, "description": uri, "allowed-tools": "echo"}
        return {"uri": uri, "frontmatter": frontmatter, "resources": [{"uri": uri, "digest": "sha256:0", "size": 1}]}

    def _list(self, _: Any, frame: Any) -> dict[str, Any]:
        place = int(frame["params"].get("cursor", 0)) if frame.get("params") else 0
        page = {"skills": [self.entry(skill) for skill in self.skills[place : place + 1]]}
        return page | ({"nextCursor": str(place + 1)} if place + 1 < len(self.skills) else {})

    def _get(self, _: Any, frame: Any) -> dict[str, Any]:
        found = [skill for skill in self.skills if frame["params"]["uri"] == f"skill://{skill}/SKILL.md"]
        if not found:
            raise RpcError(-32602, "No such skill.")
        return {"skill": self.entry(found[0])}

    def _children(self, _: Any, frame: Any) -> dict[str, Any]:
        return {"resources": [{"uri": f"{frame['params']['uri']}/{self.name}.md", "name": "x"}]}


@BOTH_ERAS
async def test_skills(tmp_path: Path, client: str) -> None:
    """The skills of all servers are one list, under URIs that lead back; frontmatter stays as its author wrote it."""
    one, two, plain = Skilled("one", "x", "y"), Skilled("two", "x", era="legacy"), FakeServer("plain")
    params = {} if client == "legacy" else modern()
    async with world(tmp_path, one, two, plain, page_size=2) as made:
        made.put(plain.spec("p"), one.spec("a"), two.spec("b"), space("p", "a", "b"))
        await made.settled()
        first = await made.ask(Recorder(), "skills/list", params)
        rest = await made.ask(Recorder(), "skills/list", {"cursor": first["nextCursor"], **params})
        assert "nextCursor" not in rest
        skills = first["skills"] + rest["skills"]
        assert [skill["uri"] for skill in skills] == [f"skill://{path}/SKILL.md" for path in ("a/x", "a/y", "b/x")]
        assert skills[2]["resources"][0]["uri"] == "skill://b/x/SKILL.md"
        assert skills[2]["frontmatter"] == two.entry("x")["frontmatter"]
        assert ("ttlMs" in first, "cacheScope" in first) == ((client == "modern",) * 2)
        got = await made.ask(Recorder(), "skills/get", {"uri": "skill://a/y/SKILL.md", **params})
        assert got["skill"] == skills[1]
        read = await made.ask(Recorder(), "resources/directory/read", {"uri": "skill://b/x", **params})
        assert read["resources"] == [{"uri": "skill://b/x/two.md", "name": "x"}]
        with pytest.raises(ErrorResponse, match="No such skill"):
            await made.ask(Recorder(), "skills/get", {"uri": "skill://a/z/SKILL.md", **params})
        with pytest.raises(ResourceUnknown):
            await made.ask(Recorder(), "skills/get", {"uri": "skill://nowhere/z/SKILL.md", **params})


@BOTH_ERAS
async def test_skills_that_are_switched_off(tmp_path: Path, client: str) -> None:
    """They are in no list, and cannot be read by any way; those that no rule is about stay."""
    rules = [{"match": "skill://y/*", "on": False}, {"match": "*/one.md", "on": False}]
    curation = {"servers": {"a": {"resources": {"new": "ask", "rules": rules}}}}
    params = {} if client == "legacy" else modern()
    async with world(tmp_path, one := Skilled("one", "x", "y")) as made:
        made.put(one.spec("a"), space("a", curation=curation))
        await made.settled()
        listed = await made.ask(Recorder(), "skills/list", params)
        assert [skill["uri"] for skill in listed["skills"]] == ["skill://a/x/SKILL.md"]
        got = await made.ask(Recorder(), "skills/get", {"uri": "skill://a/x/SKILL.md", **params})
        assert got["skill"] == listed["skills"][0] and got["skill"]["resources"]
        read = await made.ask(Recorder(), "resources/directory/read", {"uri": "skill://a/x", **params})
        assert read["resources"] == []
        for method in ("skills/get", "resources/read"):
            with pytest.raises(ResourceUnknown):
                await made.ask(Recorder(), method, {"uri": "skill://a/y/SKILL.md", **params})


async def test_skills_without_labels(tmp_path: Path) -> None:
    """With an empty prefix a skill is looked for at each server that has skills."""
    plain, one, two = FakeServer("plain"), Skilled("one", "x"), Skilled("two", "y")
    async with world(tmp_path, plain, one, two) as made:
        made.put(plain.spec("p"), one.spec("a"), two.spec("b"), space("p", "a", "b", template="{name}"))
        await made.settled()
        for skill, server in (("x", one), ("y", two)):
            got = await made.ask(Recorder(), "skills/get", {"uri": f"skill://{skill}/SKILL.md"})
            assert got["skill"] == server.entry(skill)
        one.handlers["skills/get"] = _failing
        with pytest.raises(ErrorResponse, match="broken"):
            await made.ask(Recorder(), "skills/get", {"uri": "skill://y/SKILL.md"})


def _failing(*_: Any) -> None:
    raise RpcError(-32603, "broken")


async def test_skills_of_a_server_that_fails(tmp_path: Path) -> None:
    """It is left out; where none is left, its error is the answer."""
    one, two = Skilled("one", "x"), Skilled("two", "y")
    one.handlers["skills/list"] = _failing
    async with world(tmp_path, one, two) as made:
        made.put(one.spec("a"), two.spec("b"), space("a", "b"))
        await made.settled()
        assert [skill["uri"] for skill in (await made.ask(Recorder(), "skills/list"))["skills"]] == [
            "skill://b/y/SKILL.md"
        ]
        two.handlers["skills/list"] = _failing
        with pytest.raises(ErrorResponse, match="broken"):
            await made.ask(Recorder(), "skills/list")


# --- unknown extensions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("session", ["shared", "per_client"])
async def test_unknown_methods(tmp_path: Path, session: str) -> None:
    """They go to the server whose extension they belong to, as they are, errors included; and nowhere if it is away."""
    one, two, client = FakeServer("one"), FakeServer("two"), legacy(extensions={FOO: {}, BAR: {}})
    one.capabilities["extensions"], two.capabilities["extensions"] = {FOO: {}}, {BAR: {}}
    for server in (one, two):
        name = server.name
        server.handlers |= {
            f"{each}/get": lambda _, frame, name=name: {"by": name, **frame["params"]} for each in ("foo", "bar")
        }
    async with world(tmp_path, one, two) as made:
        made.put(one.spec("a", session=session), two.spec("b", session=session), space("a", "b"))
        await made.settled()
        made.workspace().join(client)
        await made.tools(client)
        relay = made.endpoint().relay
        assert [relay.handles(f"{name}/get", False) for name in ("foo", "bar", "baz")] == [True, True, False]
        assert await made.ask(client, "foo/get", {"x": 1}) == {"by": "one", "x": 1}
        assert await made.ask(client, "bar/get", {"x": 1}) == {"by": "two", "x": 1}
        with pytest.raises(ErrorResponse, match="foo/other is unknown"):
            await made.ask(client, "foo/other")
        await relay.extension_calls.pass_notification(
            client, "notifications/foo/done", {"x": 2, "_meta": {era.LOG_LEVEL_KEY: "x"}}
        )
        assert [frame["params"] for frame in one.channel.got("notifications/foo/done")] == [{"x": 2}]
        assert two.channel.got("notifications/foo/done") == []
        await relay.extension_calls.pass_notification(client, "notifications/else", {})
        assert not one.channel.got("notifications/else") + two.channel.got("notifications/else")


async def test_unknown_method_of_a_server_that_is_away(tmp_path: Path) -> None:
    """What was declared is still the server's: the error says that it is not ready, not that the method is unknown."""
    one = FakeServer("one")
    one.capabilities["extensions"] = {FOO: {}}
    async with world(tmp_path, one) as made:
        made.put(one.spec("a"), space("a"))
        await made.settled()
        upstream = made.workspace().members["a"].upstream
        assert upstream is not None
        upstream.catalog = None
        made.workspace().refresh()
        with pytest.raises(ServerUnavailable, match="'a'"):
            await made.ask(Recorder(), "foo/get")


@TRANSPORTS
async def test_a_clients_notification(tmp_path: Path, transport: Any) -> None:
    """One that the protocol does not know reaches the client's own server, and nobody else's."""
    own, shared = FakeServer("own"), FakeServer("shared")
    async with world(tmp_path, own, shared, serve=True) as made:
        made.put(own.spec("a", session="per_client"), shared.spec("b"), space("a", "b"))
        await made.settled()
        base = f"{made.base}/mcp/w"
        async with connected(base, transport, "legacy") as peer, connected(base, transport, "legacy") as other:
            for each in (peer, other):
                await each.request("tools/list")
            await peer.notify("notifications/custom", {"x": 1})
            await until(lambda: any(channel.got("notifications/custom") for channel in own.channels))
            got = [[frame["params"] for frame in channel.got("notifications/custom")] for channel in own.channels]
            assert [each for each in got if each] == [[{"x": 1}]]
            assert shared.channel.got("notifications/custom") == []


# --- views (MCP Apps) ------------------------------------------------------------------------------------------------


def with_view(name: str, uri: str, **meta: Any) -> FakeServer:
    """A server whose tool `show` has a view, which calls `refresh`, a tool for the view alone."""
    server = FakeServer(name, tools={"echo": echo})
    server.extra_tools = [
        {"name": "show", "inputSchema": {"type": "object"}, "_meta": {"ui": {"resourceUri": uri}, **meta}},
        {"name": "refresh", "inputSchema": {"type": "object"}, "_meta": {"ui": {"visibility": ["app"]}}},
    ]
    server.handlers["tools/call"] = lambda _, frame: text(f"{name}: {frame['params']['name']}")
    server.capabilities["extensions"] = {UI: {}}
    return server


async def called(made: World, name: str) -> Any:
    """The text of a call's result."""
    return (await made.ask(Recorder(), "tools/call", {"name": name}))["content"][0]["text"]


@pytest.mark.parametrize("template", ["{namespace}_{name}", "{name}"])
async def test_a_view_calls_its_servers_tools(tmp_path: Path, template: str) -> None:
    """By the server's own name, whoever may see the tool; a server without views is not meant."""
    one, plain = with_view("one", "ui://one/app"), FakeServer("plain", tools={"refresh": echo, "other": echo})
    async with world(tmp_path, one, plain) as made:
        made.put(one.spec("a"), plain.spec("b"), space("a", "b", template=template))
        await made.settled()
        assert await called(made, "refresh") == "one: refresh"
        assert await called(made, "show") == "one: show"
        if template != "{name}":
            with pytest.raises(ToolUnknown):
                await called(made, "other")


async def test_views_of_several_servers(tmp_path: Path) -> None:
    """Where it is not clear whose tool is meant the error says which there are."""
    one, two = with_view("one", "ui://one/app"), with_view("two", "ui://two/app")
    async with world(tmp_path, one, two) as made:
        made.put(one.spec("a"), two.spec("b"), space("a", "b"))
        await made.settled()
        with pytest.raises(ToolUnknown, match=r"no tool 'refresh'.*: a_refresh, b_refresh\."):
            await called(made, "refresh")
        with pytest.raises(ToolUnknown, match=r"no tool 'gone'\."):
            await called(made, "gone")
        assert await called(made, "b_refresh") == "two: refresh"


async def test_a_servers_own_uris(tmp_path: Path) -> None:
    """A URI without the label is understood where one server alone lists it, even if it looks like one with a label."""
    one, two = with_view("one", "ui://a/app"), with_view("two", "ui://two/app")
    one.resources = [{"uri": "note://both"}, {"uri": "note://mine"}]
    two.resources = [{"uri": "note://both"}, {"uri": "note://a/mine"}]
    one.handlers["resources/read"] = lambda _, frame: {"contents": [{"uri": frame["params"]["uri"], "text": "one"}]}
    two.handlers["resources/read"] = lambda _, frame: {"contents": [{"uri": frame["params"]["uri"], "text": "two"}]}
    async with world(tmp_path, one, two) as made:
        made.put(one.spec("a"), two.spec("b"), space("a", "b"))
        await made.settled()

        async def read(uri: str) -> tuple[str, str]:
            content = (await made.ask(Recorder(), "resources/read", {"uri": uri}))["contents"][0]
            return content["text"], content["uri"]

        assert await read("ui://a/app") == ("one", "ui://a/a/app")
        assert await read("ui://two/app") == ("two", "ui://b/two/app")
        assert await read("note://mine") == ("one", "note://a/mine")
        assert await read("note://a/mine") == ("one", "note://a/mine"), "what is listed under that name"
        assert await read("note://a/unlisted") == ("one", "note://a/unlisted")
        for uri in ("note://both", "note://nobodys"):
            with pytest.raises(ResourceUnknown):
                await read(uri)


async def test_uris_without_labels(tmp_path: Path) -> None:
    """With an empty prefix a URI leads to the first server that lists it; what none lists, to the first."""
    one, two = FakeServer("one"), FakeServer("two")
    one.resources, two.resources = [{"uri": "note://1"}], [{"uri": "note://1"}, {"uri": "note://2"}]
    async with world(tmp_path, one, two) as made:
        made.put(one.spec("a"), two.spec("b"), space("a", "b", template="{name}"))
        await made.settled()
        for uri, expected in (("note://1", "one"), ("note://2", "two"), ("note://3", "one")):
            assert (await made.ask(Recorder(), "resources/read", {"uri": uri}))["contents"][0]["text"] == expected
