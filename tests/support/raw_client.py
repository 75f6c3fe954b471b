"""A client of raw bytes: it takes what comes in small pieces, and parses none of it until it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Literal

from sidecar.protocol.eras import CAPABILITIES_KEY, CLIENT_INFO_KEY, MODERN_VERSION, VERSION_KEY

Way = Literal["http", "sse", "modern"]
INFO = {"name": "raw", "version": "1"}
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": INFO}
MODERN = {VERSION_KEY: MODERN_VERSION, CLIENT_INFO_KEY: INFO, CAPABILITIES_KEY: {}}

EVENT_ENDS = (b"}\r\n\r\n\r\n", b"\r\n4\r\n\r\n\r\n\r\n")
"""How the last chunk of an event ends: with the message, or with the end of the event alone."""


class Connection:
    """One HTTP/1.1 connection to a port of loopback."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, method: str, path: str, message: Any = None, **headers: str) -> None:
        """Begin a request."""
        body = b"" if message is None else json.dumps(message).encode()
        sent = {"host": "127.0.0.1", "accept": "application/json, text/event-stream", **headers}
        if body:
            sent |= {"content-type": "application/json", "content-length": str(len(body))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in sent.items())]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def head(self) -> dict[str, str]:
        """The headers of a response, and its status as `status`."""
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return {**headers, "status": first.split()[1]}

    async def body(self, head: dict[str, str]) -> list[bytes]:
        """The body of a response, in pieces, as it came: perhaps with the frames of chunks (`unchunked`)."""
        if "content-length" in head:
            return [await self.reader.readexactly(int(head["content-length"]))]
        return await self.until(b"0\r\n\r\n")

    async def until(self, *end: bytes) -> list[bytes]:
        """What comes until a piece ends in one of these ways."""
        pieces, last = [], b""
        while not last.endswith(end):
            piece = await self.reader.read(1 << 16)
            if not piece:
                raise ConnectionError("the hub closed the connection")
            pieces.append(piece)
            last = (last + piece)[-16:]
        return pieces


def unchunked(data: bytes) -> bytes:
    """A body without the frames of its chunks (RFC 9112, 7.1)."""
    found, at = [], 0
    while at < len(data):
        end = data.index(b"\r\n", at)
        size = int(data[at:end], 16)
        found.append(data[end + 2 : end + 2 + size])
        at = end + 4 + size
    return b"".join(found)


class Client:
    """A client of a workspace."""

    def __init__(self, way: Way, path: str, posts: Connection, stream: Connection | None) -> None:
        self.way = way
        self._path = path
        self._posts = posts
        self._stream = stream
        self._headers: dict[str, str] = {}
        self._ids = 0

    @property
    def session(self) -> str:
        """The id of its session; empty if it has none."""
        return self._headers.get("mcp_session_id") or self._path.partition("session_id=")[2]

    async def greet(self) -> None:
        """The handshake, where there is one."""
        if self.way == "modern":
            return
        if self._stream is not None:
            self._stream.send("GET", f"{self._path}/sse")
            await self._stream.head()
            begin = unchunked(b"".join(await self._stream.until(b"\r\n\r\n\r\n")))
            self._path = f"{self._path}/{begin.split(b'data: ')[1].strip().decode()}"
        await self.ask("initialize", INITIALIZE)
        self._posts.send("POST", self._path, {"jsonrpc": "2.0", "method": "notifications/initialized"}, **self._headers)
        await self._posts.body(await self._posts.head())

    async def ask(self, method: str, params: dict[str, Any]) -> list[bytes]:
        """The bytes of the answer to a request: `read` takes them apart."""
        self._ids += 1
        headers = self._headers
        if self.way == "modern":
            headers = {"mcp_protocol_version": MODERN_VERSION, "mcp_method": method, "mcp_name": params["name"]}
            params = {**params, "_meta": MODERN}
        self._posts.send(
            "POST", self._path, {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}, **headers
        )
        head = await self._posts.head()
        answer = await self._posts.body(head)
        if self._stream is not None:
            return await self._stream.until(*EVENT_ENDS)
        if "mcp-session-id" in head:
            self._headers = {"mcp_session_id": head["mcp-session-id"]}
        return answer

    async def call(self, tool: str) -> list[bytes]:
        """Call a tool."""
        return await self.ask("tools/call", {"name": tool, "arguments": {}})


def read(pieces: list[bytes]) -> Any:
    """The message in what `Client.ask` got."""
    data = b"".join(pieces)
    if not data.startswith((b"{", b"event", b"data")):
        data = unchunked(data)
    if not data.startswith(b"{"):  # an event stream; pings may come first, where the answer took long
        data = (b"\n" + data).partition(b"\ndata: ")[2]
    return json.loads(data)


@contextlib.asynccontextmanager
async def connected(port: int, workspace: str, way: Way) -> AsyncIterator[Client]:
    """A client of a workspace, past its handshake."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect() -> Connection:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            return Connection(reader, writer)

        path = f"/mcp/{workspace}"
        client = Client(way, path, await connect(), await connect() if way == "sse" else None)
        await client.greet()
        yield client
