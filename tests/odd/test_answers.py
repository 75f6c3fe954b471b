"""Whatever a server answers, over whichever transport: the caller gets the right answer or a coded error, at once."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bridge.models import RemoteLaunch, StdioLaunch
from sidecar.channels import output
from sidecar.channels.connections import Connections
from sidecar.channels.remote import open_remote
from sidecar.channels.stdio import open_stdio
from sidecar.errors import SidecarError
from sidecar.protocol.channel import Channel, OnFrame
from sidecar.spawner.client import Spawner
from sidecar.upstream.mux import Mux
from tests.integration.channels.peers import Exchange, Transport, scripted
from tests.odd import answers
from tests.odd.answers import ALL, BYTES, LIMIT, MEMBERS, Wanted
from tests.support.yamcp import ROOT

AT_ONCE = 5.0
"""Seconds that an answer may take on a busy machine."""

Open = Callable[[OnFrame, AsyncExitStack], Any]


def event(data: bytes) -> bytes:
    """An event of a stream; a newline begins another line of its data."""
    return b"event: message\n" + b"".join(b"data: %b\n" % line for line in data.split(b"\n")) + b"\n"


async def write(exchange: Exchange, data: bytes) -> None:
    """Write bytes of a response."""
    exchange.writer.write(data)
    await exchange.writer.drain()


def posted(exchange: Exchange) -> bytes:
    """The answer to the request in the body."""
    request = json.loads(exchange.body)
    return answers.answer(request["params"]["name"], request["id"])


async def as_json(exchange: Exchange) -> None:
    """Streamable HTTP, answered with JSON."""
    data = posted(exchange)
    await exchange.head("200 OK", "application/json", content_length=str(len(data)))
    await write(exchange, data)


async def as_stream(exchange: Exchange) -> None:
    """Streamable HTTP, answered with a stream that stays open."""
    await exchange.head("200 OK", "text/event-stream")
    await write(exchange, event(posted(exchange)))
    await asyncio.Event().wait()


class Sse:
    """An HTTP+SSE server."""

    def __init__(self) -> None:
        self.stream: Exchange | None = None

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.method == "GET":
            self.stream = exchange
            await exchange.head("200 OK", "text/event-stream")
            await write(exchange, b"event: endpoint\ndata: /messages\n\n")
            await asyncio.Event().wait()
        assert self.stream is not None
        await exchange.reply("202 Accepted")
        await write(self.stream, event(posted(exchange)))


async def over_websocket(socket: ServerConnection) -> None:
    """A WebSocket server."""
    async for message in socket:
        request = json.loads(message)
        data = answers.answer(request["params"]["name"], request["id"])
        await socket.send(data, text=True)


async def over_http(on_frame: OnFrame, stack: AsyncExitStack, script: Any, transport: Transport) -> Channel:
    """A channel to a scripted server."""
    url = await stack.enter_async_context(scripted(script))
    return await remote(on_frame, stack, url, transport)


async def remote(on_frame: OnFrame, stack: AsyncExitStack, url: str, transport: Transport) -> Channel:
    """A channel to a remote server."""
    connections = await stack.enter_async_context(Connections())
    opening = open_remote(RemoteLaunch(url=url), on_frame=on_frame, transport=transport, connections=connections)
    return await stack.enter_async_context(opening)


async def websocket(on_frame: OnFrame, stack: AsyncExitStack) -> Channel:
    """A channel to a WebSocket server."""
    server = await stack.enter_async_context(serve(over_websocket, "127.0.0.1", 0))
    port = next(iter(server.sockets)).getsockname()[1]
    return await remote(on_frame, stack, f"ws://127.0.0.1:{port}/mcp", "websocket")


async def stdio(on_frame: OnFrame, stack: AsyncExitStack) -> Channel:
    """A channel to a process."""
    runtime = Path(tempfile.mkdtemp(prefix="hub-"))
    stack.callback(shutil.rmtree, runtime)
    spawner = await stack.enter_async_context(Spawner(runtime))
    launch = StdioLaunch(command=sys.executable, args=("-S", "-m", "tests.odd.answers"), cwd=str(ROOT))
    return await stack.enter_async_context(
        open_stdio(spawner, launch, on_frame=on_frame, redact=str, line_limit=LIMIT, grace=0.2)
    )


CHANNELS: dict[str, Open] = {
    "stdio": stdio,
    "websocket": websocket,
    "sse": lambda on_frame, stack: over_http(on_frame, stack, Sse(), "sse"),
    "http, JSON": lambda on_frame, stack: over_http(on_frame, stack, as_json, "http"),
    "http, stream": lambda on_frame, stack: over_http(on_frame, stack, as_stream, "http"),
}


class Caller:
    """Asks over one channel, as a connection does."""

    def __init__(self, start: Callable[[Any], object]) -> None:
        self.channel: Channel
        self.mux = Mux(self._send, lambda *_: False, start, lambda *_: None, lambda *_: None)

    async def _send(self, frame: Any, headers: Any) -> None:
        await self.channel.send(frame, headers)

    async def call(self, name: str) -> Wanted:
        """What comes of a call: the result, the server's error, or the code of the hub's."""
        try:
            frame = await self.mux.request("tools/call", {"name": name}, timeout=AT_ONCE)
        except SidecarError as error:
            return error.code
        return frame["result"] if "result" in frame else frame["error"]


@asynccontextmanager
async def caller(open_channel: Open) -> AsyncIterator[Caller]:
    """A caller on an open channel."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        made = Caller(tasks.create_task)
        made.channel = await open_channel(made.mux.on_frame, stack)
        yield made


@pytest.mark.parametrize("channel", CHANNELS)
async def test_odd_answers(channel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has what it must have, one after the other on one connection, and nothing is left that waits."""
    monkeypatch.setattr(output, "QUOTED_ANSWER_WAIT", 0.2)
    names = ALL if channel == "stdio" else (*MEMBERS, *BYTES)
    wanted, found = {name: ALL[name][1] for name in names}, {}
    async with caller(CHANNELS[channel]) as made:
        for name in names:
            found[name] = await made.call(name)
            if found[name] != "CALL_TIMEOUT":
                assert await made.call("good") == answers.GOOD, f"after {name}"
        assert (made.mux._pending, made.mux._unmatched) == ({}, [])
    assert found == wanted


async def test_unreadable_beside_others() -> None:
    """Of several calls under way on one stream, only the one whose answer it is fails."""
    async with caller(CHANNELS["stdio"]) as made:
        names = ["deep", "good", "long_integer", "error_null", "cut", "good"]
        found = await asyncio.gather(*map(made.call, names))
    assert found == [ALL[name][1] for name in names]
