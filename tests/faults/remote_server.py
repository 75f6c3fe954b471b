"""An MCP server over Streamable HTTP that misbehaves on request. Standard library only.

`GET /misbehave?kind=K&seconds=S` gives it the fault K for S seconds. Its tool `echo` answers its argument `text`.
Prints its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
import time
import zlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]

KINDS = (
    *("reset", "stall", "drip", "500", "503", "redirect", "redirect_elsewhere", "ends_mid_stream", "ends_mid_body"),
    *("refuses", "page", "no_content_type", "not_json", "wrong_length", "endless_body", "gzip_bomb", "endless_head"),
    *("never", "twice", "for_another", "null", "list", "late", "forgets_sessions"),
    *("pings", "log_messages", "unasked_answers", "list_changes", "garbage_events", "huge_event"),
)
LATE = 3.0


def message(**members: Any) -> str:
    """A JSON-RPC message."""
    return json.dumps({"jsonrpc": "2.0", **members})


FLOODS = {
    "pings": lambda n: message(id=f"f{n}", method="ping"),
    "log_messages": lambda n: message(method="notifications/message", params={"level": "info", "data": n}),
    "unasked_answers": lambda n: message(id=n + 10**9, result={}),
    "list_changes": lambda _: message(method="notifications/tools/list_changed"),
    "garbage_events": lambda _: "no JSON",
}


class Server:
    """The server, with the streams that clients opened by GET."""

    def __init__(self) -> None:
        self.kind = ""
        self.until = 0.0
        self.sessions: set[str] = set()
        self.opened = 0
        self.tasks: set[asyncio.Task[None]] = set()

    def fault(self) -> str:
        """The fault that it has now; empty: none."""
        return self.kind if time.monotonic() < self.until else ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._request(reader, writer):
                pass
        self.tasks.discard(task)
        writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; returns whether the connection can be used again."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, *_ = head.split(" ", 2)
        headers = {}
        for line in head.split("\r\n")[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if target.startswith("/misbehave"):
            given = parse_qs(urlsplit(target).query)
            self.kind, self.until = given["kind"][0], time.monotonic() + float(given["seconds"][0])
            if self.kind == "forgets_sessions":
                self.sessions.clear()
            await reply(writer, "200 OK", "{}")
            return True
        return await self._answer(method, headers, json.loads(body) if body else {}, writer)

    async def _answer(self, method: str, headers: dict[str, str], frame: Json, writer: asyncio.StreamWriter) -> bool:
        kind = self.fault()
        if kind and (handled := await self._broken(kind, writer)) is not None:
            return handled
        if frame.get("method") == "initialize":
            self.opened += 1
            session = f"s{self.opened}"
            self.sessions.add(session)
            result = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "faulty", "version": "1"},
            }
            await reply(writer, "200 OK", message(id=frame["id"], result=result), mcp_session_id=session)
        elif headers.get("mcp-session-id") not in self.sessions:
            await reply(writer, "404 Not Found", message(id=None, error={"code": -32001, "message": "no session"}))
        elif method == "GET":
            await self._stream(writer)
            return False
        elif "id" not in frame or "method" not in frame:
            await reply(writer, "202 Accepted", "")
        elif frame["method"] == "tools/call":
            return await self._call(kind, frame, writer)
        else:
            schema = {"type": "object", "properties": {}}
            listed = {"tools": [{"name": "echo", "inputSchema": schema}]} if frame["method"] == "tools/list" else {}
            await reply(writer, "200 OK", message(id=frame["id"], result=listed))
        return True

    async def _broken(self, kind: str, writer: asyncio.StreamWriter) -> bool | None:
        """What is wrong with HTTP itself; None: nothing."""
        if kind in ("reset", "refuses"):
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        if kind == "stall":
            await asyncio.sleep(max(0.0, self.until - time.monotonic()))
            return False
        if kind == "drip":
            await head(writer, "200 OK", "application/json", content_length="100000")
            while self.fault() == kind:
                await write(writer, b" ")
                await asyncio.sleep(0.05)
            return False
        if kind in ("500", "503"):
            await reply(writer, f"{kind} Error", "<h1>Error</h1>", "text/html")
            return True
        if kind.startswith("redirect"):
            await reply(writer, "307 Temporary Redirect", "", location="http://127.0.0.1:9/" if "else" in kind else "/")
            return True
        if kind == "page":
            await reply(writer, "200 OK", "<html>Sign in</html>", "text/html")
            return True
        if kind == "endless_head":
            await write(writer, b"HTTP/1.1 200 OK\r\n")
            while self.fault() == kind:
                await write(writer, b"x-more: " + b"x" * 8000 + b"\r\n")
            return False
        return None

    async def _call(self, kind: str, frame: Json, writer: asyncio.StreamWriter) -> bool:
        text = ((frame["params"].get("arguments")) or {}).get("text", "")
        number, result = frame["id"], {"content": [{"type": "text", "text": text}]}
        right = message(id=number, result=result)
        if kind == "ends_mid_stream":
            await head(writer, "200 OK", "text/event-stream")
            await write(writer, f"data: {right[:20]}".encode())
            return False
        if kind in ("ends_mid_body", "wrong_length"):
            await head(writer, "200 OK", "application/json", content_length=str(len(right) + 50))
            await write(writer, right.encode())
            return False
        if kind in ("endless_body", "gzip_bomb"):
            await self._endless(kind, writer)
            return False
        if kind == "no_content_type":
            await reply(writer, "200 OK", right, "")
        elif kind == "not_json":
            await reply(writer, "200 OK", "no JSON")
        elif kind == "never":
            await reply(writer, "202 Accepted", "")
        elif kind == "twice":
            body = f"data: {right}\n\ndata: {right}\n\n"
            await reply(writer, "200 OK", body, "text/event-stream")
        elif kind == "for_another":
            body = f"data: {message(id=10**9, result=result)}\n\n"
            await reply(writer, "200 OK", body, "text/event-stream")
        elif kind in ("null", "list"):
            await reply(writer, "200 OK", message(id=number, result=None if kind == "null" else [1]))
        elif kind == "late":
            await asyncio.sleep(LATE)
            await reply(writer, "200 OK", right)
        elif kind in FLOODS or kind == "huge_event":
            await self._flood(kind, writer, right)
            return False
        else:
            await reply(writer, "200 OK", right)
        return True

    async def _endless(self, kind: str, writer: asyncio.StreamWriter) -> None:
        more = {"content_encoding": "gzip"} if kind == "gzip_bomb" else {}
        await head(writer, "200 OK", "application/json", **more)
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        while self.fault() == kind:
            data = bytes(1 << 20)
            await write(writer, packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) if more else data)

    async def _flood(self, kind: str, writer: asyncio.StreamWriter, right: str) -> None:
        """Messages without a pause in front of the answer to a call."""
        await head(writer, "200 OK", "text/event-stream")
        if kind == "huge_event":
            for _ in range(80):
                await write(writer, b"data: " + b"x" * (1 << 20) + b"\n")
            await write(writer, b"\n")
        number = 0
        while self.fault() == kind and kind in FLOODS:
            await write(writer, "".join(f"data: {FLOODS[kind](number + n)}\n\n" for n in range(100)).encode())
            number += 100
        await write(writer, f"data: {right}\n\n".encode())

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        await head(writer, "200 OK", "text/event-stream")
        while True:
            await asyncio.sleep(5)
            await write(writer, b": still here\n\n")


async def reply(
    writer: asyncio.StreamWriter, status: str, body: str, content_type: str = "application/json", **headers: str
) -> None:
    """Write a whole response."""
    await head(writer, status, content_type, content_length=str(len(body.encode())), **headers)
    await write(writer, body.encode())


async def head(writer: asyncio.StreamWriter, status: str, content_type: str, **headers: str) -> None:
    """Write the head of a response."""
    lines = [f"HTTP/1.1 {status}", *([f"content-type: {content_type}"] if content_type else [])]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if "content_length" not in headers:
        lines.append("connection: close")
    await write(writer, ("\r\n".join(lines) + "\r\n\r\n").encode())


async def write(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write, and wait while the other side does not read."""
    writer.write(data)
    await writer.drain()


async def main() -> None:
    """Serve until stdin ends."""
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 24)
    sys.stdout.write(f"{listening.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
