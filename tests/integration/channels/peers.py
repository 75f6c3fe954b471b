"""Both ends of a channel for tests: a client that speaks frames, servers in processes, and scripted servers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bridge.models import RemoteLaunch
from sidecar.channels.connections import Connections
from sidecar.channels.remote import detect, open_remote
from sidecar.large.outline import whole
from sidecar.protocol.channel import Channel, Frame
from sidecar.protocol.eras import CAPABILITIES_KEY, CLIENT_INFO_KEY, MODERN_VERSION, VERSION_KEY
from tests.support.hub import free_port

ROOT = Path(__file__).parents[3]
Transport = Literal["sse", "http", "websocket"]


class Client:
    """Speaks frames over a channel, as the sidecar's connection does."""

    def __init__(self) -> None:
        self.channel: Channel
        self.notices: asyncio.Queue[Frame] = asyncio.Queue()
        self._ids = itertools.count(1)
        self._answers: dict[Any, asyncio.Future[Frame]] = {}

    def on_frame(self, frame: Frame) -> None:
        """Sort what comes in."""
        if "method" in frame:
            self.notices.put_nowait(frame)
        else:
            self._answers[frame["id"]].set_result(frame)

    async def begin(self, method: str, params: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> int:
        """Send a request; returns its id."""
        request_id = next(self._ids)
        self._answers[request_id] = asyncio.get_running_loop().create_future()
        await self.channel.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": dict(params)}, headers)
        return request_id

    async def answer(self, request_id: int) -> Frame:
        """Wait for the response to a request."""
        return await self._answers[request_id]

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Frame:
        """Send a request and wait for its response."""
        return await self.answer(await self.begin(method, params or {}))

    async def handshake(self) -> Frame:
        """The legacy handshake."""
        info = {"name": "test", "version": "1"}
        found = await self.request(
            "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
        )
        await self.channel.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return found

    async def call(self, tool: str, **arguments: Any) -> str:
        """Call a tool; returns the text of the result."""
        frame = await self.request("tools/call", {"name": tool, "arguments": arguments})
        return str(whole(frame["result"])["content"][0]["text"])

    async def begin_modern(self, method: str, params: Mapping[str, Any], name: str = "") -> int:
        """Send a request as revision 2026-07-28 has it; returns its id."""
        meta = {VERSION_KEY: MODERN_VERSION, CLIENT_INFO_KEY: {"name": "t", "version": "1"}, CAPABILITIES_KEY: {}}
        headers = {"mcp-protocol-version": MODERN_VERSION, "mcp-method": method}
        if name:
            headers["mcp-name"] = name
        return await self.begin(method, {**params, "_meta": meta}, headers)


@asynccontextmanager
async def connected(url: str, transport: Transport, **headers: str) -> AsyncIterator[Client]:
    """A client on an open channel."""
    client = Client()
    launch = RemoteLaunch(url=url, headers=headers)
    async with (
        Connections() as connections,
        open_remote(launch, on_frame=client.on_frame, transport=transport, connections=connections) as channel,
    ):
        client.channel = channel
        yield client


@dataclass
class Process:
    """A FastMCP server in a process of its own."""

    transport: Transport
    options: tuple[str, ...]
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"{'ws' if self.transport == 'websocket' else 'http'}://127.0.0.1:{self.port}/mcp"

    async def start(self) -> None:
        """Start it, on the same port if it ran before; returns when it listens."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.integration.channels.server", self.transport, str(self.port), *self.options),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stdin=asyncio.subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        assert await self.process.stdout.readline(), "it did not start"

    async def kill(self) -> None:
        """Kill it, if it runs."""
        if self.process is not None and self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGKILL)
            await self.process.wait()


@asynccontextmanager
async def serving(transport: Transport, *options: str) -> AsyncIterator[Process]:
    """A running FastMCP server."""
    server = Process(transport, options)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


@dataclass
class Exchange:
    """One HTTP request, as a script sees it; a script writes the response and returns to end the connection."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    writer: asyncio.StreamWriter

    async def reply(self, status: str, body: str = "", content_type: str = "application/json", **headers: str) -> None:
        """Write a whole response."""
        await self.head(status, content_type, content_length=str(len(body.encode())), **headers)
        await self.write(body)

    async def head(self, status: str, content_type: str, **headers: str) -> None:
        """Write the head of a response whose body lasts until the connection ends."""
        lines = [f"HTTP/1.1 {status}", f"content-type: {content_type}", "connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.write("\r\n".join(lines) + "\r\n\r\n")

    async def write(self, text: str) -> None:
        """Write a part of the body."""
        await self.write_bytes(text.encode())

    async def write_bytes(self, data: bytes) -> None:
        """Write a part of the body that is no text."""
        self.writer.write(data)
        await self.writer.drain()


Script = Callable[[Exchange], Awaitable[None]]


@asynccontextmanager
async def scripted(script: Script, port: int = 0) -> AsyncIterator[str]:
    """An HTTP server that does what the script says; yields its URL, without a path."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await script(await _read(reader, writer))
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await server.wait_closed()


async def detected(url: str, transport: Literal["auto", "sse"] = "auto") -> Transport:
    """Which transport a URL is found to speak, where its definition says so."""
    async with Connections() as connections:
        return await detect(RemoteLaunch(url=url, transport=transport), connections)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Exchange(method, target, headers, body, writer)
