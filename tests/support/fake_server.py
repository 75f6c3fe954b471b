"""A scripted MCP server in memory: what an upstream connects to when a test needs no process and no socket."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from bridge.models import ServerSettings, ServerSpec, StdioLaunch
from sidecar.errors import METHOD_NOT_FOUND, ConnectionLost, SidecarError
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Channel, Frame, OnFrame

Json = dict[str, Any]
T = TypeVar("T")
DISCOVER_INFO = "io.modelcontextprotocol/serverInfo"
PATIENCE = 100.0
"""Seconds that a test waits for something that must happen."""

ANYTHING: Json = {"type": "object", "properties": {}}
"""The input schema of a tool that says nothing of its arguments."""
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}


class RpcError(Exception):
    """Raised in a handler: answered as this JSON-RPC error."""

    def __init__(self, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, **more}


class FakeChannel:
    """One connection to a fake server; `received` is every frame that the hub sent, `headers` what went with each."""

    def __init__(self, server: FakeServer, on_frame: OnFrame, tasks: asyncio.TaskGroup) -> None:
        self.server = server
        self.transport = server.transport
        self.received: list[Frame] = []
        self.headers: list[Mapping[str, str] | None] = []
        self.running: dict[Any, asyncio.Task[None]] = {}
        self._on_frame = on_frame
        self._tasks = tasks
        self._closed: asyncio.Future[SidecarError] = asyncio.get_running_loop().create_future()
        self.missed: set[int] = set()
        """Ids of requests that the server did not read before it ended."""
        self.on_slowed: Callable[[str], None] = lambda _: None
        self.slowed = False
        self._asks = 0
        self._asked: dict[Any, asyncio.Future[Frame]] = {}

    @property
    def pids(self) -> tuple[int, ...]:
        return self.server.pids

    def stderr(self) -> tuple[str, ...]:
        return self.server.stderr

    async def wait_closed(self) -> SidecarError:
        return await asyncio.shield(self._closed)

    def unread_ids(self) -> frozenset[int]:
        return frozenset(self.missed)

    async def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        if self._closed.done():
            raise ConnectionLost("The fake is closed.")
        self._take(frame, headers)

    def try_send(self, frame: Frame, alone: bool) -> bool:
        if self._closed.done():
            return False
        self._take(frame, None)
        return True

    def _take(self, frame: Frame, headers: Mapping[str, str] | None) -> None:
        self.received.append(frame)
        self.headers.append(headers)
        if "method" not in frame:
            if asked := self._asked.pop(frame["id"], None):  # None: a test pushed the request
                asked.set_result(frame)
        elif "id" in frame:
            # On stdio nothing ties what a server sends to the request that it is about, not even a task's context.
            context = contextvars.Context() if self.transport == "stdio" else None
            self.running[frame["id"]] = self._tasks.create_task(self._answer(frame), context=context)

    async def _answer(self, frame: Frame) -> None:
        try:
            value = self.server.answer(self, frame)
            value = await value if inspect.isawaitable(value) else value
            self.push(jsonrpc.result(frame["id"], value))
        except RpcError as error:
            self.push(jsonrpc.error(frame["id"], error.error))

    # --- what the server does on its own ---------------------------------------------------------------------------

    def push(self, frame: Frame) -> None:
        """Send any frame to the hub."""
        if not self._closed.done():
            self._on_frame(frame)

    def notify(self, method: str, params: Json | None = None) -> None:
        """Send a notification to the hub."""
        self.push(jsonrpc.notification(method, params))

    async def ask(self, method: str, params: Json | None = None) -> Frame:
        """Send a request to the hub (or, behind it, to the client), and wait for the response frame."""
        self._asks += 1
        request_id = f"srv-{self._asks}"
        future = self._asked[request_id] = asyncio.get_running_loop().create_future()
        self.push(jsonrpc.request(request_id, method, params))
        async with asyncio.timeout(PATIENCE):
            found: Frame = await future
            return found

    def close(self, reason: SidecarError | None = None) -> None:
        """End the connection, as a crash does."""
        if not self._closed.done():
            self._closed.set_result(reason or ConnectionLost("The fake went away."))

    def got(self, method: str) -> list[Frame]:
        """What the hub sent of this method."""
        return [frame for frame in self.received if frame.get("method") == method]

    async def sent(self, method: str, count: int = 1) -> Frame:
        """Wait until the hub sent this method `count` times; the last such frame."""
        await until(lambda: len(self.got(method)) >= count)
        return self.got(method)[count - 1]


Handler = Callable[[FakeChannel, Frame], Any]


class FakeServer:
    """A server in memory. `era` is what it speaks: `legacy`, `modern`, or `none` (every handshake is refused).

    Change the lists freely; `handlers` take over whole methods. A tool is a function of its arguments (and, if it has
    a parameter `channel` or `frame`, of these), sync or async, that returns a result or raises RpcError.
    """

    def __init__(
        self,
        name: str = "fake",
        era: str = "legacy",
        tools: Mapping[str, Callable[..., Any]] | None = None,
        transport: str = "stdio",
    ) -> None:
        self.name = name
        self.era = era
        self.transport = transport
        self.tools: dict[str, Callable[..., Any]] = dict(tools or {"echo": echo})
        self.extra_tools: list[Json] = []
        self.prompts: list[Json] = []
        self.resources: list[Json] = []
        self.templates: list[Json] = []
        self.capabilities: Json = {"tools": {}, "prompts": {}, "resources": {"subscribe": True}, "logging": {}}
        self.instructions = ""
        self.pids: tuple[int, ...] = ()
        self.stderr: tuple[str, ...] = ()
        self.handlers: dict[str, Handler] = {}
        self.refusal: BaseException | None = None
        self.door = asyncio.Event()
        """Connecting waits for it."""
        self.door.set()
        self.closing = asyncio.Event()
        """Clear it for connections that take until it is set to close."""
        self.closing.set()
        self.channels: list[FakeChannel] = []
        self.open = 0

    @property
    def channel(self) -> FakeChannel:
        """The newest connection."""
        return self.channels[-1]

    @contextlib.asynccontextmanager
    async def connect(self, on_frame: OnFrame) -> AsyncIterator[Channel]:
        """What an upstream calls to connect."""
        await self.door.wait()
        if self.refusal is not None:
            raise self.refusal
        async with asyncio.TaskGroup() as tasks:
            channel = FakeChannel(self, on_frame, tasks)
            self.channels.append(channel)
            self.open += 1
            try:
                yield channel
                await self.closing.wait()
            finally:
                self.open -= 1
                channel.close(ConnectionLost("The hub closed it."))
                for task in channel.running.values():
                    task.cancel()

    async def connected(self, count: int = 1) -> FakeChannel:
        """Wait for the connection of this number, its lists read."""
        await until(lambda: len(self.channels) >= count)
        return self.channels[count - 1]

    def spec(self, key: str = "", /, **settings: Any) -> ServerSpec:
        """A definition that leads here; `settings` are ServerSettings, or `namespace`, or `args`."""
        namespace = settings.pop("namespace", key or self.name)
        launch = StdioLaunch(command=self.name, args=settings.pop("args", ()))
        return ServerSpec(key=key or self.name, namespace=namespace, launch=launch, settings=ServerSettings(**settings))

    def answer(self, channel: FakeChannel, frame: Frame) -> Any:
        """The result for a request, or an awaitable of it. Raises RpcError."""
        method, params = frame["method"], frame.get("params") or {}
        if handler := self.handlers.get(method):
            return handler(channel, frame)
        if method == "initialize" and self.era == "legacy":
            return self._welcome(params)
        if method == "server/discover" and self.era == "modern":
            return self._discovered()
        if method in LISTS:
            return self._complete({LISTS[method]: self._items(method)})
        if method == "tools/call" and params["name"] in self.tools:
            return self._call(channel, frame)
        if method == "subscriptions/listen" and self.era == "modern":
            channel.notify("notifications/subscriptions/acknowledged", {"notifications": params["notifications"]})
            return asyncio.Event().wait()
        answers: dict[str, Callable[[], Any]] = {
            "prompts/get": lambda: {"messages": [], "description": params["name"], "given": params},
            "resources/read": lambda: {"contents": [{"uri": params["uri"], "text": self.name}]},
            "resources/subscribe": dict,
            "resources/unsubscribe": dict,
            "completion/complete": lambda: {"completion": {"values": [self.name]}, "ref": params["ref"]},
            "logging/setLevel": dict,
        }
        if method not in answers:
            raise RpcError(METHOD_NOT_FOUND, f"{method} is unknown")
        return self._complete(answers[method]())

    def _welcome(self, params: Json) -> Json:
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": self.capabilities,
            "serverInfo": {"name": self.name, "version": "1.2"},
            **({"instructions": self.instructions} if self.instructions else {}),
        }

    def _discovered(self) -> Json:
        return {
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": self.capabilities,
            "instructions": self.instructions,
            "_meta": {DISCOVER_INFO: {"name": self.name, "version": "1.2"}},
        }

    def _items(self, method: str) -> list[Json]:
        if method == "tools/list":
            return [*({"name": name, "inputSchema": dict(ANYTHING)} for name in self.tools), *self.extra_tools]
        return {"prompts/list": self.prompts, "resources/list": self.resources}.get(method, self.templates)

    def _complete(self, result: Json) -> Json:
        if self.era != "modern":
            return result
        return {"resultType": "complete", "ttlMs": 5, **result, "_meta": {DISCOVER_INFO: {"name": self.name}}}

    async def _call(self, channel: FakeChannel, frame: Frame) -> Json:
        tool = self.tools[frame["params"]["name"]]
        wanted = inspect.signature(tool).parameters
        given = {"channel": channel, "frame": frame}
        if not isinstance(frame["params"].get("arguments") or {}, dict):
            raise RpcError(-32602, "`arguments` is not an object")
        own = {key: value for key, value in given.items() if key in wanted}
        value = tool(**frame["params"].get("arguments") or {}, **own)
        value = await value if inspect.isawaitable(value) else value
        return self._complete(value)


def echo(**arguments: Any) -> Json:
    """The tool that gives back what it got."""
    return text(str(sorted(arguments.items())))


def text(value: str) -> Json:
    """A tool's result of one text."""
    return {"content": [{"type": "text", "text": value}]}


class Gate:
    """A tool that waits: `entered` tells how often it was called, `open` lets the calls go."""

    def __init__(self, answer: str = "through") -> None:
        self.entered = 0
        self.cancelled = 0
        self.door = asyncio.Event()
        self._answer = answer

    async def __call__(self) -> Json:
        self.entered += 1
        try:
            await self.door.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return text(self._answer)

    def open(self) -> None:
        """Let the calls go on."""
        self.door.set()

    async def reached(self, count: int = 1) -> None:
        """Wait until that many calls have come."""
        await until(lambda: self.entered >= count)


async def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Let the loop run until a condition holds; fails the test after `patience` seconds."""
    async with asyncio.timeout(patience):
        for turn in range(1_000_000):
            if condition():
                return
            await asyncio.sleep(0 if turn < 50 else 0.002)


async def settle(turns: int = 30) -> None:
    """Let everything happen that can happen without time passing."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def within(work: Awaitable[T], patience: float = PATIENCE) -> T:
    """The result of `work`, or a failed test."""
    async with asyncio.timeout(patience):
        return await work
