"""One server for each way: `python -m bench.bridge_ways.servers WAY ADDRESS`. Says `ready` on stdout when it listens.

All do the same work for a request: the codec and the models of the bridge, so that only the way differs. `logs` answers
after `limit` milliseconds (1: at once), `tools` at once, whatever the size of its request,
`restart` after 3 s.
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.codec import MAX_BYTES, Envelope, decode, encode, to_body
from bridge.kinds import OK, kind_of, request_body
from bridge.models import Done, ListTools, LogRecords, Logs, Restart, Tools
from bridge.server import BridgeServer, Handlers


async def logs(body: Logs) -> LogRecords:
    if body.limit > 1:
        await asyncio.sleep(body.limit / 1000)
    return LogRecords(records=())


async def tools(_: ListTools) -> Tools:
    return Tools(tools=())


async def restart(_: Restart) -> Done:
    await asyncio.sleep(3)
    return Done()


HANDLERS: Handlers = {Logs: logs, ListTools: tools, Restart: restart}


async def answer(data: bytes) -> bytes:
    """The bytes that answer a request, for the ways that have no server of their own to do it."""
    envelope = decode(data)
    kind = kind_of(envelope.kind)
    result = await HANDLERS[kind](request_body(kind, envelope.body))
    return encode(Envelope(id=envelope.id, session="server", kind=envelope.kind + OK, body=to_body(result)))


async def serve_zmq(address: str) -> None:
    """`ipc://path`: the hub's own bridge."""
    started = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(BridgeServer(address, HANDLERS).serve(started))
        await started.wait()
        print("ready", flush=True)


async def serve_lines(path: str) -> None:
    """A Unix socket, one JSON text a line each way, requests side by side."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def respond(line: bytes) -> None:
            writer.write(await answer(line) + b"\n")

        async with asyncio.TaskGroup() as tasks:
            while line := await reader.readline():
                tasks.create_task(respond(line))
                await writer.drain()

    server = await asyncio.start_unix_server(connected, path, limit=MAX_BYTES)
    print("ready", flush=True)
    await server.serve_forever()


async def serve_http(port: str) -> None:
    """HTTP/1.1 on 127.0.0.1: uvicorn (uvloop, httptools) and Starlette, a POST a request."""

    async def post(request: Request) -> Response:
        return Response(await answer(await request.body()), media_type="application/json")

    app = Starlette(routes=[Route("/", post, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=int(port), log_level="critical", access_log=False, backlog=4096))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        print("ready", flush=True)


SERVERS = {"zmq": serve_zmq, "http": serve_http, "httpx": serve_http, "lines": serve_lines}

if __name__ == "__main__":
    uvloop.run(SERVERS[sys.argv[1]](sys.argv[2]))
