"""Clients that misbehave, as faults: each function returns when its client is gone. Times in seconds."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from bench.session import HttpSession, SessionError, SseSession
from tests.faults.scene import Scene

INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "hostile", "version": "1"},
}


def body_of(number: int | None, method: str, params: Mapping[str, Any]) -> bytes:
    """The body of a JSON-RPC request, or of a notification if it has no number."""
    identity = {} if number is None else {"id": number}
    return json.dumps({"jsonrpc": "2.0", **identity, "method": method, "params": params}).encode()


def post(path: str, body: bytes, **headers: str) -> bytes:
    """The bytes of a POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += ["Accept: application/json, text/event-stream", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextlib.asynccontextmanager
async def connection(at: Scene) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the public port, which is aborted in the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", at.hub.settings.port, limit=1 << 16)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _never_reads(at: Scene) -> None:
    """Four clients ask for 10 MB each over SSE and over Streamable HTTP, and read nothing of it."""
    async with contextlib.AsyncExitStack() as stack:
        session = SseSession(at.hub.sse("w"))
        await session.open()
        stack.push_async_callback(session.close)
        assert session._stream is not None
        assert session._stream.transport is not None
        session._stream.transport.pause_reading()
        large = {"name": "a_echo", "arguments": {"text": "x" * 1_000_000}}
        for number in range(10):
            for path in (session.path, "/mcp/w"):
                _, writer = await stack.enter_async_context(connection(at))
                writer.write(post(path, body_of(100 + number, "tools/call", large)))
                await writer.drain()
        await asyncio.sleep(1)


async def _many_calls(at: Scene) -> None:
    """One client sends 1,000 calls to one server at once."""
    session = HttpSession(at.hub.http("w"))
    await session.open()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(session.close)
        headers = {name.replace("-", "_"): value for name, value in session.headers.items()}
        answers = []
        for number in range(40):
            reader, writer = await stack.enter_async_context(connection(at))
            params = {"name": "a_echo", "arguments": {"text": str(number)}}
            calls = [
                post("/mcp/w", body_of(1000 + 25 * number + n, "tools/call", params), **headers) for n in range(25)
            ]
            writer.write(b"".join(calls))
            answers.append(asyncio.create_task(_read_answers(reader, 25)))
        async with asyncio.timeout(100):
            assert sum(await asyncio.gather(*answers)) == 1000


async def _read_answers(reader: asyncio.StreamReader, count: int) -> int:
    """Read so many responses of HTTP; returns how many there were."""
    found = 0
    while found < count:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length[15:]))
        found += 1
    return found


async def _many_sessions(at: Scene) -> None:
    """One client opens sessions up to the limit and beyond it, and never ends one."""
    initialize = post("/mcp/w", body_of(1, "initialize", INITIALIZE))
    async with connection(at) as (reader, writer):
        for _ in range(300):
            writer.write(initialize)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length[15:]))
            assert head[9:12] in (b"200", b"503"), head


async def _half_open(at: Scene) -> None:
    """300 connections send half a head each and stay; 100 half a body."""
    async with contextlib.AsyncExitStack() as stack:
        for number in range(400):
            _, writer = await stack.enter_async_context(connection(at))
            half = b"POST /mcp/w HTTP/1.1\r\nHost: 127." if number % 4 else post("/mcp/w", b"x" * 1000)[:-500]
            writer.write(half)
        await asyncio.sleep(1)


async def _pipelines_and_leaves(at: Scene) -> None:
    """50 connections send two calls each, and close at once (R9)."""
    session = HttpSession(at.hub.http("w"))
    await session.open()
    headers = {name.replace("-", "_"): value for name, value in session.headers.items()}
    params = {"name": "a_echo", "arguments": {"text": "x"}}
    for number in range(50):
        async with connection(at) as (_, writer):
            calls = [post("/mcp/w", body_of(n, "tools/call", params), **headers) for n in (2 * number, 2 * number + 1)]
            writer.write(b"".join(calls))
            await writer.drain()
    await session.close()


async def _cancels(at: Scene) -> None:
    """A client calls 200 times and cancels each call."""
    session = SseSession(at.hub.sse("w"))
    await session.open()
    params = {"name": "a_echo", "arguments": {"text": "x"}}
    async with connection(at) as (_, writer):
        for number in range(1000, 1200):
            writer.write(post(session.path, body_of(number, "tools/call", params)))
            writer.write(post(session.path, body_of(None, "notifications/cancelled", {"requestId": number})))
        await writer.drain()
        with contextlib.suppress(SessionError):
            await session.request("ping")
    await session.close()


async def _subscribes(at: Scene) -> None:
    """A client subscribes to 300 resources that there are not."""
    session = HttpSession(at.hub.http("w"))
    await session.open()
    headers = {name.replace("-", "_"): value for name, value in session.headers.items()}
    async with connection(at) as (reader, writer):
        for start in range(0, 300, 100):
            for number in range(start, start + 100):
                params = {"uri": f"x://{number}"}
                writer.write(post("/mcp/w", body_of(number, "resources/subscribe", params), **headers))
            await _read_answers(reader, 100)
    await session.close()


async def _floods_notifications(at: Scene) -> None:
    """A client sends 2,000 notifications and answers to nothing."""
    session = SseSession(at.hub.sse("w"))
    await session.open()
    async with connection(at) as (_, writer):
        for number in range(1000):
            writer.write(post(session.path, body_of(None, "notifications/progress", {"progressToken": number})))
            answer = json.dumps({"jsonrpc": "2.0", "id": number, "result": {}}).encode()
            writer.write(post(session.path, answer))
        await writer.drain()
        with contextlib.suppress(SessionError):
            await session.request("ping")
    await session.close()


CLIENT_FAULTS: Mapping[str, Callable[[Scene], Awaitable[None]]] = {
    "a client never reads": _never_reads,
    "a client with 1,000 calls at once": _many_calls,
    "a client with 300 sessions": _many_sessions,
    "400 half-open connections": _half_open,
    "pipelined calls and a close": _pipelines_and_leaves,
    "a client cancels 200 calls": _cancels,
    "a client with 300 subscriptions": _subscribes,
    "a client floods notifications": _floods_notifications,
}
