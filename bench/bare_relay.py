"""The yardstick: a relay between HTTP clients and one stdio server that does nothing else, on what the hub runs on.

python -m bench.bare_relay PORT    /sse (HTTP+SSE) and /mcp (Streamable HTTP), before bench.echo_server

uvicorn, uvloop, orjson. It gives each request an id of its own and its answer the client's again. No sessions to
speak of, no eras, no names, deadlines, limits, errors, metrics or logs.
"""

from __future__ import annotations

import asyncio
import contextlib
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


async def _main(port: int) -> None:
    loop = asyncio.get_running_loop()
    process, upstream = await loop.subprocess_exec(Upstream, sys.executable, ECHO, stderr=None)
    config = uvicorn.Config(
        Relay(upstream), port=port, log_config=None, access_log=False, lifespan="off", ws="none", timeout_keep_alive=75
    )
    try:
        await uvicorn.Server(config).serve()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
