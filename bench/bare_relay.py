"""The yardstick: a relay between HTTP clients and one stdio server that does nothing else, on what the hub runs on.

python -m bench.bare_relay [--floor] PORT    /sse (HTTP+SSE) and /mcp (Streamable HTTP), before bench.echo_server

uvicorn, uvloop, orjson. It gives each request an id of its own and its answer the client's again. No sessions to
speak of, no eras, no names, deadlines, limits, errors, metrics or logs. With --floor there is no HTTP server either:
heads that were seen are found in a dictionary, and each request must come in one piece.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import uvicorn
import uvloop

ECHO = str(Path(__file__).with_name("echo_server.py"))
STREAM = [(b"content-type", b"text/event-stream")]
JSON = [(b"content-type", b"application/json")]
Frame = dict[str, Any]


class Upstream(asyncio.SubprocessProtocol):
    """One stdio server; `ask` calls back with the answer."""

    def __init__(self) -> None:
        self._pending: dict[int, tuple[Any, Callable[[Frame], None]]] = {}
        self._rest = b""
        self._next = 0
        self._stdin: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stdin = transport.get_pipe_transport(0)  # type: ignore[attr-defined]

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            frame = orjson.loads(line)
            frame["id"], done = self._pending.pop(frame["id"])
            done(frame)

    def ask(self, frame: Frame, done: Callable[[Frame], None]) -> None:
        self._next += 1
        self._pending[self._next] = frame["id"], done
        frame["id"] = self._next
        self.tell(frame)

    def tell(self, frame: Frame) -> None:
        self._stdin.write(orjson.dumps(frame) + b"\n")


class Stream:
    """What waits to be written to one SSE client."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.wake = asyncio.Event()

    def put(self, frame: Frame) -> None:
        self.waiting.append(b"event: message\r\ndata: " + orjson.dumps(frame) + b"\r\n\r\n")
        self.wake.set()


class Relay:
    """The ASGI application."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._streams: dict[bytes, Stream] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "GET":
            await self._stream(receive, send)
            return
        frame = await _frame(receive)
        stream = self._streams.get(scope["query_string"])
        if "id" not in frame:
            self._upstream.tell(frame)
            await _respond(send, 202, [], b"")
        elif stream is not None:
            self._upstream.ask(frame, stream.put)
            await _respond(send, 202, [], b"")
        else:
            answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
            self._upstream.ask(frame, answer.set_result)
            await _respond(send, 200, JSON, orjson.dumps(await answer))

    async def _stream(self, receive: Any, send: Any) -> None:
        query = b"s=%d" % len(self._streams)
        stream = self._streams[query] = Stream()
        await send({"type": "http.response.start", "status": 200, "headers": STREAM})
        stream.waiting.append(b"event: endpoint\r\ndata: /messages?%s\r\n\r\n" % query)
        writing = asyncio.create_task(self._write(stream, send))
        stream.wake.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        writing.cancel()

    async def _write(self, stream: Stream, send: Any) -> None:
        while True:
            await stream.wake.wait()
            stream.wake.clear()
            body, stream.waiting = b"".join(stream.waiting), []
            await send({"type": "http.response.body", "body": body, "more_body": True})


async def _frame(receive: Any) -> Frame:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message.get("more_body", False)
    frame: Frame = orjson.loads(body)
    return frame


async def _respond(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Floor(asyncio.Protocol):
    """One client's connection, without a server around it; the two tables are all connections'."""

    def __init__(self, upstream: Upstream, heads: dict[bytes, tuple[bytes, bytes]], streams: dict[bytes, Floor]):
        self._upstream, self._heads, self._streams = upstream, heads, streams
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        method, path = self._heads.get(head) or self._learn(head)
        if method == b"GET":
            self._open()
            return
        frame, stream = orjson.loads(body), self._streams.get(path)
        if "id" in frame and stream is None:
            self._upstream.ask(frame, self._answer)
            return
        if stream is not None and "id" in frame:
            self._upstream.ask(frame, stream.put)
        else:
            self._upstream.tell(frame)
        self._transport.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")

    def _learn(self, head: bytes) -> tuple[bytes, bytes]:
        method, path, _ = head.partition(b"\r\n")[0].split(b" ")
        self._heads[head] = method, path
        return method, path

    def _open(self) -> None:
        path = b"/messages?%d" % len(self._streams)
        self._streams[path] = self
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        self._event(b"event: endpoint\r\ndata: %b\r\n\r\n" % path)

    def _answer(self, frame: Frame) -> None:
        body = orjson.dumps(frame)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)

    def put(self, frame: Frame) -> None:
        self._event(b"event: message\r\ndata: " + orjson.dumps(frame) + b"\r\n\r\n")

    def _event(self, event: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))


async def _serve(upstream: Upstream, port: int) -> None:
    config = uvicorn.Config(
        Relay(upstream), port=port, log_config=None, access_log=False, lifespan="off", ws="none", timeout_keep_alive=75
    )
    await uvicorn.Server(config).serve()


async def _serve_floor(upstream: Upstream, port: int) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    heads: dict[bytes, tuple[bytes, bytes]] = {}
    streams: dict[bytes, Floor] = {}
    async with await loop.create_server(lambda: Floor(upstream, heads, streams), "127.0.0.1", port):
        await stop.wait()


async def _main(floor: bool, port: int) -> None:
    loop = asyncio.get_running_loop()
    process, upstream = await loop.subprocess_exec(Upstream, sys.executable, ECHO, stderr=None)
    try:
        await (_serve_floor if floor else _serve)(upstream, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


if __name__ == "__main__":
    uvloop.run(_main("--floor" in sys.argv, int(sys.argv[-1])))
