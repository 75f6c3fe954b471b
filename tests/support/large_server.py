"""A server whose tool `large` answers with what a file holds: `stdio`, or on a port `json`, `stream`, `sse`.

`python large_server.py WAY RESULT`: RESULT is a file with the result of the tool, as JSON, which is passed on as it is.
`json` and `stream` are Streamable HTTP, answered with JSON or an event stream; `sse` is HTTP+SSE. The port is printed.
Only the standard library, so that it starts soon.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

TOOLS = [{"name": name, "inputSchema": {"type": "object", "properties": {}}} for name in ("large", "small")]
SMALL = b'{"content":[{"type":"text","text":"small"}]}'
EVENT = b"event: message\r\ndata: %b\r\n\r\n"


def answer(message: dict[str, Any], large: bytes) -> bytes | None:
    """The response to a message, None where it needs none."""
    if "id" not in message:
        return None
    method, params = message["method"], message.get("params") or {}
    if method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "large"}}
        result["serverInfo"]["version"] = "1"  # type: ignore[index]
        body = json.dumps(result).encode()
    elif method == "tools/list":
        body = json.dumps({"tools": TOOLS}).encode()
    elif method == "tools/call":
        body = large if params["name"] == "large" else SMALL
    else:
        body = b"{}"
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (json.dumps(message["id"]).encode(), body)


def stdio(large: Path) -> None:
    """Answer line by line; the file is read anew for each call."""
    for line in sys.stdin.buffer:
        if data := answer(json.loads(line), large.read_bytes()):
            sys.stdout.buffer.write(data + b"\n")
            sys.stdout.buffer.flush()
            if b'"end"' in line:  # the client wants it to be its last answer
                return


class Http:
    """One server of all connections; over HTTP+SSE there is one stream."""

    def __init__(self, way: str, large: Path) -> None:
        self.way = way
        self.large = large
        self.stream: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The requests of one connection."""
        while head := await _head(reader):
            if head.startswith(b"GET"):
                await self.get(writer)
                continue
            length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
            data = answer(json.loads(await reader.readexactly(length)), self.large.read_bytes())
            await self.reply(writer, data)

    async def get(self, writer: asyncio.StreamWriter) -> None:
        """A stream, for HTTP+SSE alone."""
        if self.way != "sse":
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n")
            return
        self.stream = writer
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        writer.write(b"event: endpoint\r\ndata: /messages\r\n\r\n")

    async def reply(self, writer: asyncio.StreamWriter, data: bytes | None) -> None:
        """Answer a POST."""
        if self.way == "sse" or data is None:
            writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
            if self.stream is not None and data is not None:
                self.stream.write(EVENT % data)
                await self.stream.drain()
            return
        kind, data = (b"application/json", data) if self.way == "json" else (b"text/event-stream", EVENT % data)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (kind, len(data)))
        writer.write(data)
        await writer.drain()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


async def http(way: str, large: Path) -> None:
    """Serve until stdin ends."""
    server = await asyncio.start_server(Http(way, large).serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.buffer.read)
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        stdio(Path(sys.argv[2]))
    else:
        asyncio.run(http(sys.argv[1], Path(sys.argv[2])))
