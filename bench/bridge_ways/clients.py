"""One client for each way, as one would write it: with deadlines, and connecting again when the connection is gone."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import httpx2

from bridge.client import BridgeClient
from bridge.codec import MAX_BYTES, Envelope, decode, encode, to_body
from bridge.errors import HubError
from bridge.kinds import answer_body
from bridge.models import Model, Request

HTTP_CONNECTIONS = 64
FAILURES = (HubError, OSError, EOFError, TimeoutError, httpx2.HTTPError)
"""What a request may fail with."""


class Client(Protocol):
    """What is measured."""

    async def ask(self, body: Request[Any], timeout: float) -> Model:
        """The answer, within `timeout` seconds; raises one of FAILURES."""


class ZmqWay:
    """The hub's own bridge."""

    def __init__(self, client: BridgeClient) -> None:
        self._client = client

    async def ask(self, body: Request[Any], timeout: float) -> Model:
        return await self._client.request(body, timeout)


class HttpxWay:
    """httpx2 with a pool of kept-alive connections."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self._ids = itertools.count(1)

    async def ask(self, body: Request[Any], timeout: float) -> Model:
        async with asyncio.timeout(timeout):
            response = await self._client.post("/", content=_request(next(self._ids), body))
        response.raise_for_status()
        return answer_body(type(body), decode(response.content))


class HttpWay:
    """HTTP/1.1 by hand, the least that works: a pool of kept-alive connections, one request at a time on each."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._slots = asyncio.Semaphore(HTTP_CONNECTIONS)
        self._ids = itertools.count(1)

    async def ask(self, body: Request[Any], timeout: float) -> Model:
        async with asyncio.timeout(timeout), self._slots:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
            try:
                data = await self._exchange(reader, writer, _request(next(self._ids), body))
            except BaseException:
                writer.close()
                raise
            self._idle.append((reader, writer))
        return answer_body(type(body), decode(data))

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
        writer.write(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return await reader.readexactly(length)

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


class LinesWay:
    """JSON lines: one connection, answers told apart by id."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pending: dict[str, asyncio.Future[Envelope]] = {}
        self._ids = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, body: Request[Any], timeout: float) -> Model:
        number = next(self._ids)
        answer = self._pending[str(number)] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout):
                writer = self._writer or await self._connect()
                writer.write(_request(number, body) + b"\n")
                await writer.drain()
                return answer_body(type(body), await answer)
        finally:
            del self._pending[str(number)]

    async def _connect(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None:
                reader, self._writer = await asyncio.open_unix_connection(self._path, limit=MAX_BYTES)
                self._reader = asyncio.create_task(self._read(reader, self._writer))
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                envelope = decode(line)
                if (answer := self._pending.get(envelope.id)) and not answer.done():
                    answer.set_result(envelope)
        except OSError:
            pass
        self._writer = None
        writer.close()
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("the connection ended"))

    async def close(self) -> None:
        if self._writer:
            self._writer.close()
        if self._reader:
            self._reader.cancel()
            await asyncio.wait([self._reader])


def _request(number: int, body: Request[Any]) -> bytes:
    return encode(Envelope(id=str(number), session="client", kind=body.kind, body=to_body(body)))


@asynccontextmanager
async def zmq_client(address: str) -> AsyncIterator[Client]:
    async with BridgeClient(address) as client:
        yield ZmqWay(client)


@asynccontextmanager
async def httpx_client(port: str) -> AsyncIterator[Client]:
    limits = httpx2.Limits(max_connections=HTTP_CONNECTIONS, max_keepalive_connections=HTTP_CONNECTIONS)
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=None, trust_env=False
    ) as client:
        yield HttpxWay(client)


@asynccontextmanager
async def http_client(port: str) -> AsyncIterator[Client]:
    way = HttpWay(int(port))
    try:
        yield way
    finally:
        way.close()


@asynccontextmanager
async def lines_client(path: str) -> AsyncIterator[Client]:
    way = LinesWay(path)
    try:
        yield way
    finally:
        await way.close()


CLIENTS = {"zmq": zmq_client, "http": http_client, "httpx": httpx_client, "lines": lines_client}


def connect(way: str, address: str) -> AbstractAsyncContextManager[Client]:
    """A client of that way."""
    return CLIENTS[way](address)
