"""The cheapest possible MCP server, to measure what the load client itself can do: it parses next to nothing.

python -m bench.ceiling PORT        serves /sse (HTTP+SSE) and /mcp (Streamable HTTP)
"""

from __future__ import annotations

import asyncio
import re
import sys

import uvloop

_ID = re.compile(rb'"id":(\d+)')
_LENGTH = re.compile(rb"\r\ncontent-length:[ ]*(\d+)", re.IGNORECASE)
_RESULT = b'{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"hello"}]}}'
_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"

_streams: list[asyncio.Transport] = []
connections: set[asyncio.Transport] = set()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Server(asyncio.Protocol):
    """One connection: either a stream, or requests in a row."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            found = _LENGTH.search(head)
            size = int(found[1]) if found else 0
            if len(self._buffer) < end + 4 + size:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + size], self._buffer[end + 4 + size :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            _streams.append(self._transport)
            endpoint = b"event: endpoint\r\ndata: /messages?session=%d\r\n\r\n" % (len(_streams) - 1)
            self._transport.write(_STREAM + _chunk(endpoint))
            return
        ident = _ID.search(body)
        if ident is None:
            self._transport.write(_ACCEPTED)
            return
        result = _RESULT % ident[1]
        target = head[: head.index(b" HTTP/1.1")]
        if b"?session=" in target:
            self._transport.write(_ACCEPTED)
            stream = _streams[int(target.rpartition(b"=")[2])]
            stream.write(_chunk(b"event: message\r\ndata: %s\r\n\r\n" % result))
        else:
            self._transport.write(_JSON % (len(result), result))


async def _main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
