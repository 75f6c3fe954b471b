"""One connection from handshake to close."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any, ClassVar

import pytest

from bridge.models import ServerSettings
from sidecar.errors import CallTimeout, ConnectionLost, HandshakeFailed, ServerExited, SidecarError, StartTimeout
from sidecar.protocol import eras
from sidecar.protocol.catalog import Catalog
from sidecar.protocol.channel import Frame
from sidecar.protocol.extensions import SHARED_CONNECTION
from sidecar.supervision.expected_tools import ExpectedTools
from sidecar.upstream import changes, list_reader, server_requests
from sidecar.upstream import connection as module
from sidecar.upstream.connection import Connection
from sidecar.upstream.list_reader import UndeclaredLists
from tests.support.fake_server import ANYTHING, FakeChannel, FakeServer, RpcError, settle, until, within


class ConnectionOwner:
    """Remembers what it is told."""

    def __init__(self, *uris: str) -> None:
        self.uris = uris
        self.log_level: str | None = None
        self.rename: Callable[[str], str] = lambda uri: uri.replace("a://", "a://label/")
        self.owned: Callable[[], Collection[str]] = tuple
        self.catalogs: list[Catalog] = []
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.refused: list[str] = []
        self.undeclared = UndeclaredLists()
        self.expected = ExpectedTools()
        self.in_flight = 0

    def catalog_read(self, connection: Connection) -> None:
        self.catalogs.append(connection.catalog)

    def subscribed(self) -> tuple[str, ...]:
        return self.uris

    def notified(self, method: str, params: dict[str, Any]) -> None:
        self.notes.append((method, params))

    def feature_refused(self, method: str) -> None:
        self.refused.append(method)


class Port:
    """A client that answers each request with its name; `sampling/createMessage` never."""

    capabilities: ClassVar[dict[str, Any]] = {"sampling": {}, "roots": {"listChanged": True}}
    log_level: str | None = None
    waiting = 0
    waits = True

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []

    def notified(self, method: str, params: dict[str, Any]) -> None:
        pass

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        if method == "sampling/createMessage" and self.waits:
            self.waiting += 1
            self.given.append(params)
            try:
                await asyncio.Event().wait()
            finally:
                self.waiting -= 1
        if method == "broken":
            raise RuntimeError("a fault")
        return {"jsonrpc": "2.0", "id": 0, "result": {"asked": method, "with": params}}


class Life:
    """A connection that runs."""

    def __init__(self, server: FakeServer, owner: ConnectionOwner | None = None, **settings: Any) -> None:
        self.server = server
        self.owner = owner or ConnectionOwner()
        self.port = settings.pop("port", None)
        self.connection = Connection(ServerSettings(**settings), self.owner, self.port)
        self.end = asyncio.Event()
        self.task: asyncio.Task[SidecarError | None]

    @property
    def channel(self) -> FakeChannel:
        return self.server.channel

    async def ready(self) -> Catalog:
        await until(lambda: self.owner.catalogs or self.task.done())
        return self.owner.catalogs[-1]

    async def over(self) -> SidecarError | None:
        return await within(self.task)


@contextlib.asynccontextmanager
async def living(server: FakeServer, owner: ConnectionOwner | None = None, **settings: Any) -> AsyncIterator[Life]:
    """Connect; disconnect at the end."""
    life = Life(server, owner, **settings)
    async with server.connect(life.connection.on_frame) as channel:
        life.task = asyncio.create_task(life.connection.run(channel, life.end))
        try:
            yield life
        finally:
            life.end.set()
            await within(life.task)


# --- handshake ---------------------------------------------------------------------------------------------------


async def test_legacy() -> None:
    """`initialize`, `initialized`, then the lists, the declared ones first; without client features when shared."""
    server = FakeServer()
    server.capabilities = {"tools": {}}
    server.instructions = "Use it well."
    async with living(server) as life:
        catalog = await life.ready()
        sent = [frame["method"] for frame in life.channel.received]
    assert sent[:3] == ["initialize", "notifications/initialized", "tools/list"]
    assert set(sent[3:]) <= {"prompts/list", "resources/list", "resources/templates/list"}
    hello = life.channel.received[0]["params"]
    assert (hello["protocolVersion"], hello["capabilities"]) == ("2025-11-25", {"extensions": SHARED_CONNECTION})
    assert "params" not in life.channel.received[2]
    assert [tool["name"] for tool in catalog.tools] == ["echo"]
    greeting = catalog.greeting
    assert (greeting.era, greeting.instructions, greeting.server_info["name"]) == ("legacy", "Use it well.", "fake")
    assert life.channel.headers[:3] == [None, None, None]


async def test_client_features() -> None:
    """With a client of its own, the server is told what that client can do."""
    async with living(FakeServer(), port=Port()) as life:
        await life.ready()
        assert life.channel.received[0]["params"]["capabilities"] == Port.capabilities


@pytest.mark.parametrize("setting", ["auto", "modern"])
async def test_modern(setting: str) -> None:
    """Where `initialize` is refused, `server/discover` is tried; every request names version and client."""
    server = FakeServer(era="modern")
    server.instructions = "Modern."
    async with living(server, era=setting) as life:
        catalog = await life.ready()
        methods = [frame["method"] for frame in life.channel.received]
        discover = life.channel.got("server/discover")[0]
    assert ("initialize" in methods) == (setting == "auto")
    assert discover["params"]["_meta"][eras.VERSION_KEY] == "2026-07-28"
    assert "notifications/initialized" not in methods
    assert (catalog.greeting.era, catalog.greeting.instructions) == ("modern", "Modern.")
    assert catalog.greeting.server_info["name"] == "fake"
    listen = life.channel.got("subscriptions/listen")[0]["params"]
    assert listen["notifications"] == {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourcesListChanged": True,
    }


async def test_legacy_forced() -> None:
    """With `era: legacy`, a refusal is final."""
    async with living(FakeServer(era="modern"), era="legacy") as life:
        reason = await life.over()
    assert isinstance(reason, HandshakeFailed)
    assert not life.channel.got("server/discover")


async def test_neither_era() -> None:
    """A server that refuses both handshakes fails with what it said to the first."""
    async with living(FakeServer(era="none")) as life:
        reason = await life.over()
    assert isinstance(reason, HandshakeFailed)
    assert "`initialize` was answered with error -32601: initialize is unknown" in reason.message


@pytest.mark.parametrize("answer", [{}, {"protocolVersion": 5}, "text", {"protocolVersion": None}])
async def test_answer_that_is_no_handshake(answer: Any) -> None:
    """An answer that is not MCP is told so."""
    server = FakeServer()
    server.handlers["initialize"] = lambda *_: answer
    async with living(server) as life:
        reason = await life.over()
    assert isinstance(reason, HandshakeFailed)
    assert "something that is not MCP" in reason.message


async def test_sloppy_handshake() -> None:
    """Members of the wrong type are taken for absent."""
    server = FakeServer()
    server.handlers["initialize"] = lambda *_: {
        "protocolVersion": "2024-11-05",
        "capabilities": [],
        "serverInfo": 1,
        "instructions": None,
    }
    async with living(server) as life:
        catalog = await life.ready()
    assert catalog.greeting.version == "2024-11-05"
    assert (catalog.greeting.capabilities, catalog.greeting.server_info) == ({}, {})


async def test_discover_of_another_version() -> None:
    """A modern server of a version that the hub does not speak is refused."""
    server = FakeServer(era="modern")
    server.handlers["server/discover"] = lambda *_: {"supportedVersions": ["2099-01-01"]}
    async with living(server, era="modern") as life:
        assert isinstance(await life.over(), HandshakeFailed)


async def test_start_timeout() -> None:
    """A server that hangs in the handshake has the start timeout, and no longer."""
    server = FakeServer()
    server.handlers["initialize"] = lambda *_: asyncio.Event().wait()
    async with living(server, start_timeout=0.02) as life:
        reason = await life.over()
    assert isinstance(reason, StartTimeout)
    assert "0.02 s" in reason.message
    assert not life.channel.got("notifications/cancelled")


async def test_start_timeout_in_lists() -> None:
    """What does not answer the request for its tools is used without them after the start timeout, and says so."""
    server = FakeServer()
    server.prompts = [{"name": "p"}]
    server.handlers["tools/list"] = lambda *_: asyncio.Event().wait()
    async with living(server, start_timeout=0.05) as life:
        catalog = await life.ready()
        assert (catalog.tools, catalog.prompts) == ((), ({"name": "p"},))
        [trouble] = life.connection.troubles
        assert (trouble.code, trouble.data) == ("SERVER_LIST_TIMEOUT", {"list": "tools/list"})


async def test_close_during_handshake() -> None:
    """The reason of the close is what is reported, not that a request failed."""
    server = FakeServer()
    server.handlers["initialize"] = lambda channel, _: channel.close(ServerExited("It exited with code 3."))
    async with living(server) as life:
        reason = await life.over()
    assert isinstance(reason, ServerExited)


async def test_close_noticed_by_sending() -> None:
    """A server that is gone when the hub writes: its end is the reason, though it is learnt a little later."""
    server = FakeServer()

    async def leave(channel: FakeChannel, frame: Frame) -> Any:
        async def refuse(frame: Frame, headers: Any = None) -> None:
            asyncio.get_running_loop().call_later(0.01, channel.close, ServerExited("It exited with code 3."))
            raise ConnectionLost("The server closed its input.")

        channel.send = refuse  # type: ignore[method-assign]
        return server._welcome(frame["params"])

    server.handlers["initialize"] = leave
    async with living(server) as life:
        reason = await life.over()
    assert isinstance(reason, ServerExited)


async def test_close_later() -> None:
    """The reason of a later close is reported, and requests under way fail with it."""
    server = FakeServer(tools={"hang": lambda: asyncio.Event().wait()})
    async with living(server) as life:
        await life.ready()
        call = asyncio.create_task(life.connection.request("tools/call", {"name": "hang"}))
        await life.channel.sent("tools/call")
        life.channel.close(ServerExited("It was killed by SIGKILL."))
        with pytest.raises(ConnectionLost, match="SIGKILL"):
            await within(call)
        assert isinstance(await life.over(), ServerExited)


async def test_before_it_is_connected() -> None:
    """Nothing can be sent before there is a channel."""
    with pytest.raises(ConnectionLost):
        await Connection(ServerSettings(), ConnectionOwner(), None).notify("notifications/x")


# --- lists -------------------------------------------------------------------------------------------------------


def pages(*pages: tuple[list[str], Any]) -> Any:
    """A tools/list in pages: names, and the next cursor."""
    by_cursor: dict[Any, tuple[list[str], Any]] = {}
    cursor: Any = None
    for names, following in pages:
        by_cursor[cursor] = (names, following)
        cursor = following

    def answer(_: FakeChannel, frame: Frame) -> dict[str, Any]:
        names, following = by_cursor[(frame.get("params") or {}).get("cursor")]
        listed: dict[str, Any] = {"tools": [{"name": name} for name in names]}
        return listed if following is None else {**listed, "nextCursor": following}

    return answer


@pytest.mark.parametrize(
    "list_of",
    [
        pages((["a"], "2"), (["b"], "3"), (["c"], None)),
        pages((["a", "b"], "2"), (["c"], "")),
        pages((["a", "b"], "2"), (["c"], "2")),
        pages((["a", "b", "c"], "")),
    ],
    ids=["three pages", "empty cursor at the end", "the same cursor again", "empty cursor at once"],
)
async def test_paging(list_of: Any) -> None:
    """All pages are read, each once."""
    server = FakeServer()
    server.handlers["tools/list"] = list_of
    async with living(server) as life:
        catalog = await life.ready()
    assert [tool["name"] for tool in catalog.tools] == ["a", "b", "c"]


async def test_an_empty_cursor_in_the_modern_era() -> None:
    """It is a cursor as any other (MCP 2026-07-28): only a missing one ends the list."""
    server = FakeServer(era="modern")
    server.handlers["tools/list"] = pages((["a"], ""), (["b"], None))
    async with living(server, era="modern") as life:
        catalog = await life.ready()
    assert [tool["name"] for tool in catalog.tools] == ["a", "b"]


async def test_cursors_in_a_circle() -> None:
    """A list whose cursors come again ends there."""
    server = FakeServer()
    server.handlers["tools/list"] = pages((["a"], "2"), (["b"], "3"), (["c"], "2"))
    async with living(server) as life:
        catalog = await life.ready()
    assert [tool["name"] for tool in catalog.tools] == ["a", "b", "c"]


async def test_endless_paging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that never ends is an error, not an endless loop."""
    monkeypatch.setattr(list_reader, "MAX_PAGES", 5)
    server = FakeServer()
    server.handlers["tools/list"] = lambda channel, _: {"tools": [], "nextCursor": str(len(channel.received))}
    async with living(server) as life:
        await life.ready()
        assert "5 pages" in life.connection.troubles[0].message


async def test_list_unknown_after_all() -> None:
    """A list that the server declared but does not know is empty, and so is null; neither is a trouble."""
    server = FakeServer()

    def unknown(*_: Any) -> None:
        raise RpcError(-32601, "no")

    server.handlers["prompts/list"] = unknown
    server.handlers["resources/list"] = lambda *_: {"resources": None}
    async with living(server) as life:
        catalog = await life.ready()
        assert (catalog.prompts, catalog.resources, life.connection.troubles) == ((), (), ())


async def test_items_left_out() -> None:
    """Items that clients refuse are left out and told of, and the others are there."""
    server = FakeServer()
    server.extra_tools = [{"name": "a"}, {"name": "b", "inputSchema": "text"}, "text"]  # type: ignore[list-item]
    async with living(server) as life:
        catalog = await life.ready()
        assert [tool["name"] for tool in catalog.tools] == ["echo", "a"]
        assert catalog.tools[1] == {"name": "a", "inputSchema": ANYTHING}
        first, second = life.connection.troubles
    assert (first.code, first.data) == ("SERVER_ITEM_LEFT_OUT", {"list": "tools/list", "item": "b"})
    assert second.data["item"] == "number 4"


ALL_LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")


def _refuse(*_: Any) -> None:
    raise RpcError(-32000, "no database")


ODD_LISTS: dict[str, Any] = {
    "error": _refuse,
    "error without a code": lambda channel, frame: channel.push(
        {"jsonrpc": "2.0", "id": frame["id"], "error": {"message": "no database"}}
    ),
    "a bare array": lambda *_: [],
    "an object of items": lambda *_: {key: {"a": 1} for key in ("tools", "prompts", "resources", "resourceTemplates")},
    "null": lambda *_: None,
}


@pytest.mark.parametrize("era_of_server", ["legacy", "modern"])
@pytest.mark.parametrize("odd", ODD_LISTS)
@pytest.mark.parametrize("method", ALL_LISTS)
async def test_one_list_that_fails(method: str, odd: str, era_of_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other lists are served; the one is told of, asked for again, and there when it can be read."""
    monkeypatch.setattr(list_reader, "FIRST_RETRY", 0.01)
    server = FakeServer(era=era_of_server)
    server.prompts, server.resources = [{"name": "p"}], [{"uri": "a://b", "name": "b"}]
    server.templates = [{"uriTemplate": "a://{b}", "name": "t"}]
    server.handlers[method] = ODD_LISTS[odd]
    async with living(server, era=era_of_server) as life:
        catalog = await life.ready()
        counts = [len(each) for each in (catalog.tools, catalog.prompts, catalog.resources, catalog.templates)]
        assert counts == [int(each != method) for each in ALL_LISTS]
        [trouble] = life.connection.troubles
        assert (trouble.code, trouble.data) == ("SERVER_LIST_FAILED", {"list": method})
        assert f"`{method}` was answered with" in trouble.message
        assert trouble.hint
        await life.channel.sent(method, 3)
        del server.handlers[method]
        await until(lambda: not life.connection.troubles)
        last = life.owner.catalogs[-1]
        assert all((last.tools, last.prompts, last.resources, last.templates))


async def test_all_lists_fail() -> None:
    """A server that shook hands is used even then, with nothing in it."""
    server = FakeServer()
    server.handlers = dict.fromkeys(ALL_LISTS, _refuse)
    async with living(server) as life:
        catalog = await life.ready()
        assert (catalog.tools, catalog.prompts, catalog.resources, catalog.templates) == ((), (), (), ())
        assert [each.data["list"] for each in life.connection.troubles] == list(ALL_LISTS)


async def test_a_list_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not keep the tools from being used for long, and is shown when it comes after all."""
    monkeypatch.setattr(list_reader, "OTHER_LISTS_SECONDS", 0.02)
    server, door = FakeServer(), asyncio.Event()

    async def late(*_: Any) -> Any:
        await door.wait()
        return {"resources": [{"uri": "a://b", "name": "b"}]}

    server.handlers["resources/list"] = late
    async with living(server) as life:
        catalog = await life.ready()
        assert len(catalog.tools) == 1
        [trouble] = life.connection.troubles
        assert (trouble.code, trouble.data) == ("SERVER_LIST_TIMEOUT", {"list": "resources/list"})
        door.set()
        await until(lambda: not life.connection.troubles)
        assert len(life.owner.catalogs[-1].resources) == 1
        assert len(life.channel.got("resources/list")) == 1


async def test_lists_that_were_not_declared() -> None:
    """They are listed where the server has them; where it has not, nothing is told of that."""
    server = FakeServer()
    server.capabilities = {}
    server.handlers["prompts/list"] = _refuse
    async with living(server) as life:
        catalog = await life.ready()
        assert [tool["name"] for tool in catalog.tools] == ["echo"]
        assert life.connection.troubles == ()
        server.tools["more"] = dict
        life.channel.notify("notifications/tools/list_changed")
        await until(lambda: len(life.owner.catalogs[-1].tools) == 2)


async def test_undeclared_lists_hold_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer what it does not know is used as soon as its own lists are there."""
    monkeypatch.setattr(list_reader, "UNDECLARED_TOOLS_SECONDS", 600)
    server = FakeServer()
    server.capabilities = {"tools": {}}
    for method in ALL_LISTS[1:]:
        server.handlers[method] = lambda *_: asyncio.Event().wait()
    async with living(server) as life:
        await life.ready()
        assert life.connection.troubles == ()


async def test_undeclared_lists_that_end_the_connection() -> None:
    """A server that such a request ends is not asked again."""
    server, owner = FakeServer(), ConnectionOwner()
    server.capabilities = {"tools": {}}
    server.handlers["prompts/list"] = lambda channel, _: channel.close(ServerExited("It exited with code 1."))
    async with living(server, owner) as life:
        assert isinstance(await life.over(), ServerExited)
    owner.catalogs.clear()
    async with living(server, owner) as life:
        await life.ready()
        await settle()
        assert [frame["method"] for frame in life.channel.received][2:] == ["tools/list"]


async def test_list_changed() -> None:
    """A changed list is read again, that list alone."""
    server = FakeServer()
    async with living(server) as life:
        await life.ready()
        server.tools["new"] = dict
        life.channel.notify("notifications/tools/list_changed")
        await until(lambda: len(life.owner.catalogs) == 2)
        assert [tool["name"] for tool in life.owner.catalogs[-1].tools] == ["echo", "new"]
        assert len(life.channel.got("prompts/list")) == 1
        server.resources.append({"uri": "a://b"})
        life.channel.notify("notifications/resources/list_changed")
        await until(lambda: len(life.owner.catalogs) == 3)
        assert len(life.channel.got("resources/templates/list")) == 2


async def test_many_changes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of a burst of notices is heeded at once, all the others together, when it is quiet again."""
    monkeypatch.setattr(changes, "MAX_DEBOUNCE_SECONDS", 5.0)
    server = FakeServer()
    async with living(server) as life:
        await life.ready()
        for number in range(50):
            server.tools[f"t{number}"] = dict
            life.channel.notify("notifications/tools/list_changed")
            await settle(3)
        await until(lambda: life.owner.catalogs and len(life.owner.catalogs[-1].tools) == 51)
        assert len(life.channel.got("tools/list")) == 3
        assert len(life.owner.catalogs) == 3


async def test_changes_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never stops announcing has its list read again and again nevertheless."""
    monkeypatch.setattr(changes, "QUIET_SECONDS", 0.02)
    monkeypatch.setattr(changes, "MAX_DEBOUNCE_SECONDS", 0.05)
    server = FakeServer()
    async with living(server) as life:
        await life.ready()

        async def announce() -> None:
            while True:
                life.channel.notify("notifications/tools/list_changed")
                await asyncio.sleep(0.001)

        announcing = asyncio.create_task(announce())
        await life.channel.sent("tools/list", 5)
        announcing.cancel()


async def test_list_changed_but_unreadable() -> None:
    """When the new list cannot be read, the old one stays and that is told; the next notice is heeded."""
    server = FakeServer()
    async with living(server, start_timeout=0.05) as life:
        before = await life.ready()
        answers = iter([RpcError(-32000, "busy"), asyncio.Event().wait()])

        def fail(*_: Any) -> Any:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        server.handlers["tools/list"] = fail
        for code in ("SERVER_LIST_FAILED", "SERVER_LIST_TIMEOUT"):
            life.channel.notify("notifications/tools/list_changed")
            await until(lambda code=code: [each.code for each in life.connection.troubles] == [code])
        await life.channel.sent("notifications/cancelled")
        assert life.connection.catalog is before
        del server.handlers["tools/list"]
        life.channel.notify("notifications/tools/list_changed")
        await until(lambda: not life.connection.troubles)
        assert life.owner.catalogs[-1].tools == before.tools


async def test_one_notice_for_two_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notice that was true of resources was not false because the templates are as before."""
    monkeypatch.setattr(changes, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(changes, "MAX_DEBOUNCE_SECONDS", 0.01)
    monkeypatch.setattr(changes, "MAX_SPACING_SECONDS", 60.0)
    server = FakeServer()
    async with living(server) as life:
        await life.ready()
        for number in range(20):  # the templates, unchanged, would be spaced by hours
            server.resources.append({"uri": f"a://{number}", "name": "n"})
            life.channel.notify("notifications/resources/list_changed")
            await until(lambda number=number: len(life.owner.catalogs[-1].resources) == number + 1)
        server.templates.append({"uriTemplate": "a://{b}", "name": "t"})
        life.channel.notify("notifications/resources/list_changed")
        await until(lambda: len(life.owner.catalogs[-1].templates) == 1)


async def test_false_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that announces a change whenever a list is read is read ever more rarely; a true change is shown."""
    monkeypatch.setattr(changes, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(changes, "MAX_DEBOUNCE_SECONDS", 0.01)
    server = FakeServer()

    def answer(channel: FakeChannel, _: Frame) -> Any:
        times.append(asyncio.get_running_loop().time())
        channel.notify("notifications/tools/list_changed")
        return {"tools": server._items("tools/list")}

    times: list[float] = []
    server.handlers["tools/list"] = answer
    async with living(server) as life:
        await until(lambda: len(times) == 8)
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert gaps[6] >= 0.32, gaps
        assert len(life.owner.catalogs) == 1
        server.tools["new"] = dict
        await until(lambda: len(life.owner.catalogs[-1].tools) == 2)
        count = len(times)
        await until(lambda: len(times) == count + 2)
        assert times[-1] - times[-2] < gaps[6]


# --- requests ----------------------------------------------------------------------------------------------------


async def test_headers() -> None:
    """Over Streamable HTTP requests name version, method and subject, the way their era has it."""
    server = FakeServer(era="modern", transport="http")
    async with living(server, era="modern") as life:
        await life.ready()
        await life.channel.sent("subscriptions/listen")
        await life.connection.request("tools/call", {"name": "echo"})
        assert life.channel.headers[-1] == {
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": "echo",
        }
        await life.connection.request("resources/read", {"uri": "größe:x"})
        assert (life.channel.headers[-1] or {})["mcp-name"].startswith("=?base64?")
        await life.connection.request("tools/list", {})
        assert "mcp-name" not in (life.channel.headers[-1] or {})


async def test_legacy_headers() -> None:
    """The legacy era names the version only, after the handshake."""
    server = FakeServer(transport="http")
    async with living(server) as life:
        await life.ready()
        assert life.channel.headers[0] is None
        assert set(map(str, life.channel.headers[1:])) == {"{'mcp-protocol-version': '2025-11-25'}"}


async def test_request_timeout() -> None:
    """A deadline is told to the server."""
    server = FakeServer(tools={"hang": lambda: asyncio.Event().wait()})
    async with living(server) as life:
        await life.ready()
        with pytest.raises(CallTimeout):
            await life.connection.request("tools/call", {"name": "hang"}, timeout=0.01)
        call = life.channel.got("tools/call")[0]
        cancelled = await life.channel.sent("notifications/cancelled")
        assert cancelled["params"]["requestId"] == call["id"]


# --- what the server asks ----------------------------------------------------------------------------------------


async def test_ping() -> None:
    """A ping is answered by the hub."""
    async with living(FakeServer()) as life:
        await life.ready()
        assert (await life.channel.ask("ping"))["result"] == {}
        assert life.owner.refused == []


async def test_shared_has_no_client() -> None:
    """A shared connection refuses client features, and the owner learns of it."""
    async with living(FakeServer()) as life:
        await life.ready()
        answer = await life.channel.ask("sampling/createMessage", {})
        assert answer["error"]["code"] == -32601
        assert life.owner.refused == ["sampling/createMessage"]


async def test_forwarded_to_the_client() -> None:
    """With a client of its own, the server's requests are the client's to answer, each under its own id."""
    async with living(FakeServer(), port=Port()) as life:
        await life.ready()
        roots, elicitation = await asyncio.gather(
            life.channel.ask("roots/list"), life.channel.ask("elicitation/create", {"message": "?"})
        )
        assert roots["result"]["asked"] == "roots/list"
        block = {"type": "tool_result", "content": [{"type": "resource_link", "uri": "a://x"}]}
        shown = {"type": "tool_result", "content": [{"type": "resource_link", "uri": "a://label/x"}]}
        sampled = await life.channel.ask("sampling/tools", {"messages": [{"role": "user", "content": [block]}]})
        assert "label" not in str(sampled), "only in what the protocol has"
        life.port.waits = False
        sampled = await life.channel.ask("sampling/createMessage", {"messages": [{"role": "user", "content": block}]})
        assert sampled["result"]["with"]["messages"][0]["content"] == shown
        assert elicitation["result"]["with"] == {"message": "?"}


async def test_client_that_fails() -> None:
    """A fault in asking the client is answered as an error, and ends nothing."""
    async with living(FakeServer(), port=Port()) as life:
        await life.ready()
        assert (await life.channel.ask("broken"))["error"]["code"] == -32603
        assert not life.task.done()


async def test_client_that_does_not_answer() -> None:
    """A request that the client never answers does not keep a closed connection alive."""
    async with living(FakeServer(), port=Port()) as life:
        await life.ready()
        asking = asyncio.create_task(life.channel.ask("sampling/createMessage", {}))
        await settle()
        life.channel.close(ServerExited("It exited with code 0."))
        assert isinstance(await life.over(), ServerExited)
        asking.cancel()


async def test_client_reports_progress() -> None:
    """What the client reports of a server's request reaches that server under its own token, and no other."""
    port = Port()
    async with living(FakeServer("one"), port=port) as one, living(FakeServer("two"), port=port) as two:
        for life in (one, two):
            await life.ready()
            params = {"_meta": {"progressToken": 7, "more": 1}}
            life.channel.push({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": params})
        await until(lambda: port.waiting == 2)
        first, second = (params["_meta"] for params in port.given)
        assert first["more"] == 1
        assert first["progressToken"] != second["progressToken"]
        for life in (one, two):
            await life.connection.client_reported({"progressToken": first["progressToken"], "progress": 0.5})
            await life.connection.client_reported({"progressToken": 7, "progress": 1})
        assert [frame["params"] for frame in one.channel.got("notifications/progress")] == [
            {"progressToken": 7, "progress": 0.5}
        ]
        assert two.channel.got("notifications/progress") == []
        one.channel.notify("notifications/cancelled", {"requestId": 1})
        await until(lambda: port.waiting == 1)
        await one.connection.client_reported({"progressToken": first["progressToken"], "progress": 1})
        assert len(one.channel.got("notifications/progress")) == 1


async def test_question_taken_back() -> None:
    """A server that cancels what it asks the client gets no answer; its other questions go on."""
    port = Port()
    async with living(FakeServer(), port=port) as life:
        await life.ready()
        for request_id in (1, "1"):
            life.channel.push({"jsonrpc": "2.0", "id": request_id, "method": "sampling/createMessage", "params": {}})
        await until(lambda: port.waiting == 2)
        for unknown in ({}, {"requestId": "2"}, {"requestId": [1]}):
            life.channel.notify("notifications/cancelled", unknown)
        life.channel.notify("notifications/cancelled", {"requestId": "1"})
        await until(lambda: port.waiting == 1)
        assert (await life.channel.ask("roots/list"))["result"]["asked"] == "roots/list"
        assert [frame["id"] for frame in life.channel.received if "method" not in frame] == ["srv-1"]


async def test_more_questions_than_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that asks without end does not fill the hub's memory."""
    monkeypatch.setattr(server_requests, "MAX_SERVER_REQUESTS", 2)
    port = Port()
    async with living(FakeServer(), port=port) as life:
        await life.ready()
        for request_id in (1, 1, 2):
            life.channel.push({"jsonrpc": "2.0", "id": request_id, "method": "sampling/createMessage", "params": {}})
        await until(lambda: port.waiting == 2)
        assert (await life.channel.ask("roots/list"))["error"]["code"] == -32010


async def test_only_questions_to_the_client_hold_up_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of pings, of what is refused, or of more questions than can be kept delays no answer."""
    monkeypatch.setattr(server_requests, "MAX_SERVER_REQUESTS", 2)
    for port, method, held in ((None, "roots/list", 0), (Port(), "ping", 0), (Port(), "sampling/createMessage", 2)):
        async with living(FakeServer(), port=port) as life:
            await life.ready()
            holds = 0
            for number in range(50):
                life.channel.push({"jsonrpc": "2.0", "id": f"flood-{number}", "method": method})
                holds += life.connection._mux._held_back is not None
                await settle(2)
            assert holds == held


async def test_server_gone_before_the_answer() -> None:
    """An answer for a server that has left is dropped."""
    async with living(FakeServer()) as life:
        await life.ready()
        life.channel.push({"jsonrpc": "2.0", "id": "x", "method": "ping"})
        life.channel.close(ServerExited("gone"))
        assert isinstance(await life.over(), ServerExited)


async def test_notifications() -> None:
    """Notices go to the owner, except those about the connection itself."""
    async with living(FakeServer(era="modern")) as life:
        await life.ready()
        await life.channel.sent("subscriptions/listen")
        await settle()
        life.channel.notify("notifications/cancelled", {"requestId": 1})
        life.channel.notify("notifications/message", {"level": "info", "data": "x"})
        assert life.owner.notes == [("notifications/message", {"level": "info", "data": "x"})]


# --- subscriptions -----------------------------------------------------------------------------------------------


async def test_subscribe_legacy() -> None:
    """Subscriptions of the owner are made again on each connection; each is a request."""
    async with living(FakeServer(), ConnectionOwner("a://1")) as life:
        await life.ready()
        await life.channel.sent("resources/subscribe")
        await life.connection.subscribe("a://2")
        await life.connection.unsubscribe("a://2")
        sent = [(frame["method"], frame["params"]) for frame in life.channel.received if "ubscribe" in frame["method"]]
    assert sent == [
        ("resources/subscribe", {"uri": "a://1"}),
        ("resources/subscribe", {"uri": "a://2"}),
        ("resources/unsubscribe", {"uri": "a://2"}),
    ]


async def test_subscribe_modern() -> None:
    """A modern server is listened to, once for each resource, until it is unsubscribed from."""
    async with living(FakeServer(era="modern"), ConnectionOwner("a://1")) as life:
        await life.ready()
        assert "result" in await life.connection.subscribe("a://1")
        await life.channel.sent("subscriptions/listen", 2)
        listen = life.channel.got("subscriptions/listen")[1]
        assert listen["params"]["notifications"] == {"resourceSubscriptions": ["a://1"]}
        assert "result" in await life.connection.unsubscribe("a://1")
        cancelled = await life.channel.sent("notifications/cancelled")
        assert cancelled["params"]["requestId"] == listen["id"]
        assert "result" in await life.connection.unsubscribe("a://never")


async def test_listen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that the server ends is opened again; one that it refuses is not."""
    monkeypatch.setattr(module, "LISTEN_RETRY_SECONDS", 0)
    server = FakeServer(era="modern")
    ends = iter([{}, {}])

    def end(*_: Any) -> dict[str, Any]:
        try:
            return next(ends)
        except StopIteration:
            raise RpcError(-32601, "no") from None

    server.handlers["subscriptions/listen"] = end
    async with living(server) as life:
        await life.ready()
        await life.channel.sent("subscriptions/listen", 3)
        await settle()
        assert len(life.channel.got("subscriptions/listen")) == 3


async def test_listen_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends every stream at once is asked again at a bounded rate."""
    monkeypatch.setattr(module, "LISTEN_RETRY_SECONDS", 3600.0)
    server = FakeServer(era="modern")
    server.handlers["subscriptions/listen"] = lambda *_: {}
    async with living(server) as life:
        await life.ready()
        await life.channel.sent("subscriptions/listen")
        await settle(300)
        assert len(life.channel.got("subscriptions/listen")) == 1


async def test_subscription_not_renewed() -> None:
    """A subscription that cannot be renewed leaves the rest alone."""
    server = FakeServer()
    server.handlers["resources/subscribe"] = lambda *_: asyncio.Event().wait()
    async with living(server, ConnectionOwner("a://1", "a://2"), call_timeout=0.01) as life:
        await life.ready()
        await life.channel.sent("resources/subscribe", 2)
        server.tools["new"] = dict
        life.channel.notify("notifications/tools/list_changed")
        await until(lambda: len(life.owner.catalogs) == 2)
