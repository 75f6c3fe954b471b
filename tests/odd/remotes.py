"""Remote servers with odd habits, each by its name: scripts for `tests.integration.channels.peers.scripted`.

`StreamableServer` and `SseServer` behave well but for what their habit says; the tables name the habits that were met.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sidecar.protocol.eras import MODERN_VERSION, VERSION_KEY
from tests.integration.channels.peers import Exchange, Script

STREAM = "text/event-stream"
RESULT = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; `{id}` in the body stands for the request's id."""

    status: str
    body: str = ""
    content_type: str = "application/json"

    async def __call__(self, exchange: Exchange) -> None:
        message = json.loads(exchange.body) if exchange.body else {}
        body = self.body.replace("{id}", json.dumps(message.get("id")))
        await exchange.reply(self.status, body, self.content_type)


def rpc_error(message: str, code: int = -32000) -> str:
    """The body of an answer with a JSON-RPC error."""
    body = {"jsonrpc": "2.0", "id": "ID", "error": {"code": code, "message": message}}
    return json.dumps(body).replace('"ID"', "{id}")


UNKNOWN_SESSION = {
    "specification": Reply("404 Not Found", rpc_error("Session not found", -32001)),
    "404 without words": Reply("404 Not Found", "nothing here", "text/plain"),
    "TypeScript SDK's example": Reply("400 Bad Request", rpc_error("Bad Request: No valid session ID provided")),
    "400 without words": Reply("400 Bad Request", "Bad Request", "text/plain"),
    "410": Reply("410 Gone", "", "text/plain"),
    "401 with words": Reply("401 Unauthorized", '{"error": "Session expired"}'),
    "403 with words": Reply("403 Forbidden", "invalid session", "text/plain"),
    "500 with words": Reply("500 Internal Server Error", "KeyError: no such session", "text/plain"),
    "200 with an error": Reply("200 OK", rpc_error("Unknown session")),
}
"""What servers that were restarted answer to a session of before, by POST."""


class StreamableServer:
    """Streamable HTTP with sessions. `forget` is a restart; `unknown` answers requests of sessions that are not known.

    `refuse` has answers, by tool, for calls that the server refuses over HTTP; `ping` an answer for all pings.
    """

    def __init__(self, unknown: Reply = UNKNOWN_SESSION["specification"]) -> None:
        self.unknown = unknown
        self.refuse: dict[str, Script] = {}
        self.all: Script | None = None
        """What answers everything, if set."""
        self.sessions: set[str] = set()
        self.done: list[str] = []
        """Texts of the calls that were carried out."""
        self.opened = 0

    def forget(self) -> None:
        """Know no session any more."""
        self.sessions.clear()

    async def __call__(self, exchange: Exchange) -> None:
        message = json.loads(exchange.body) if exchange.body else {}
        if self.all is not None:
            await self.all(exchange)
        elif message.get("method") == "initialize":
            self.opened += 1
            session = f"s{self.opened}"
            self.sessions.add(session)
            await exchange.reply("200 OK", _result(message, RESULT), mcp_session_id=session)
        elif exchange.headers.get("mcp-session-id") not in self.sessions:
            await self.unknown(exchange)
        elif exchange.method == "GET":
            await exchange.reply("405 Method Not Allowed")
        elif "id" not in message:
            await exchange.reply("202 Accepted")
        else:
            await self._answer(exchange, message)

    async def _answer(self, exchange: Exchange, message: dict[str, Any]) -> None:
        name = message.get("params", {}).get("name", message["method"])
        if script := self.refuse.get(name):
            await script(exchange)
        else:
            await exchange.reply("200 OK", _result(message, answer(message, self.done)))


class ModernServer:
    """Streamable HTTP of 2026-07-28 alone: no handshake, no session. `refuse` and `all` are StreamableServer's."""

    def __init__(self) -> None:
        self.refuse: dict[str, Script] = {}
        self.all: Script | None = None
        self.methods: list[str] = []
        self.done: list[str] = []

    async def __call__(self, exchange: Exchange) -> None:
        message = json.loads(exchange.body)
        self.methods.append(message["method"])
        name = message.get("params", {}).get("name", "")
        if self.all is not None:
            await self.all(exchange)
        elif message["method"] == "subscriptions/listen":
            await silence(exchange)
        elif script := self.refuse.get(name):
            await script(exchange)
        elif VERSION_KEY not in message.get("params", {}).get("_meta", {}):
            await exchange.reply("400 Bad Request", rpc_error("modern only", -32022).replace("{id}", "1"))
        else:
            found = _DISCOVERED if message["method"] == "server/discover" else answer(message, self.done)
            await exchange.reply("200 OK", _result(message, {"resultType": "complete", **found}))


_DISCOVERED = {"supportedVersions": [MODERN_VERSION], "capabilities": {"tools": {}}}


class SseServer:
    """HTTP+SSE. After `forget`, POSTs of the sessions there were get `unknown`; their streams stay open."""

    def __init__(self, unknown: Reply) -> None:
        self.unknown = unknown
        self.results: dict[str, Callable[[dict[str, Any]], str]] = {}
        """What answers calls, by tool, in the place of the result."""
        self.done: list[str] = []
        self.opened = 0
        self._streams: dict[str, Exchange] = {}

    def forget(self) -> None:
        """Know no session any more."""
        self._streams.clear()

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.method == "GET":
            self.opened += 1
            await exchange.head("200 OK", STREAM)
            await exchange.write(f"event: endpoint\ndata: /messages?session_id={self.opened}\n\n")
            self._streams[str(self.opened)] = exchange
            await asyncio.Event().wait()
            return
        message = json.loads(exchange.body)
        session = parse_qs(urlsplit(exchange.target).query)["session_id"][0]
        if session not in self._streams:
            await self.unknown(exchange)
            return
        await exchange.reply("202 Accepted")
        if "id" in message:
            data = self._data(message)
            await self._streams[session].write(f"event: message\ndata: {data}\n\n")

    def _data(self, message: dict[str, Any]) -> str:
        if make := self.results.get(message.get("params", {}).get("name", "")):
            return make(message)
        return _result(message, RESULT if message["method"] == "initialize" else answer(message, self.done))


def answer(message: dict[str, Any], done: list[str]) -> dict[str, Any]:
    """The result of a request to a server with the tool `echo`."""
    if message["method"] == "tools/list":
        return {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}
    if message["method"] == "tools/call":
        text = str(message["params"]["arguments"].get("text", ""))
        done.append(text)
        return {"content": [{"type": "text", "text": text}]}
    return {}


def _result(message: dict[str, Any], result: dict[str, Any]) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})


# --- answers without end ------------------------------------------------------------------------------------------


@dataclass
class Flood:
    """An answer that does not end; `sent` counts the bytes that the other side took, `over` is set when it has left."""

    status: str
    content_type: str = "text/plain"
    encoding: str = ""
    sent: int = 0
    most: int = 48 * 1024 * 1024
    """A side that reads all of this has no limit."""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, exchange: Exchange) -> None:
        more = {"content_encoding": self.encoding} if self.encoding else {}
        try:
            await exchange.head(self.status, self.content_type, **more)
            for piece in self._pieces():
                await exchange.write_bytes(piece)
                self.sent += len(piece)
                if self.sent > self.most:
                    return
        finally:
            self.over.set()

    def _pieces(self) -> itertools.chain[bytes]:
        if not self.encoding:
            return itertools.chain.from_iterable([itertools.repeat(b"x" * 65536)])
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        start = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
        more = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_SYNC_FLUSH)
        return itertools.chain([start], itertools.repeat(more))


async def drip(exchange: Exchange, status: str, content_type: str, left: asyncio.Event) -> None:
    """An answer of which a byte comes now and then; `left` is set when the other side has closed the connection."""
    try:
        await exchange.head(status, content_type)
        while True:
            await exchange.write(" ")
            await asyncio.sleep(0.01)
    finally:
        left.set()


# --- what a URL may turn out to be ---------------------------------------------------------------------------------


def endpoint_stream(delay: float = 0.0) -> Script:
    """A GET that opens HTTP+SSE; the `endpoint` event comes after so many seconds."""

    async def script(exchange: Exchange) -> None:
        await exchange.head("200 OK", STREAM)
        await asyncio.sleep(delay)
        await exchange.write("event: endpoint\ndata: /messages?session_id=1\n\n")
        await asyncio.Event().wait()

    return script


async def silent_stream(exchange: Exchange) -> None:
    """A GET that opens an event stream on which nothing comes, as servers without sessions have it."""
    await exchange.head("200 OK", STREAM)
    await asyncio.Event().wait()


async def silence(_: Exchange) -> None:
    """No answer at all."""
    await asyncio.Event().wait()


INITIALIZED = Reply("200 OK", json.dumps({"jsonrpc": "2.0", "id": 0, "result": RESULT}))
POSTED_TO_SSE: dict[str, Script] = {
    "401": Reply("401 Unauthorized"),
    "401 in JSON-RPC": Reply("401 Unauthorized", rpc_error("no")),
    "402": Reply("402 Payment Required"),
    "403": Reply("403 Forbidden"),
    "404": Reply("404 Not Found"),
    "405": Reply("405 Method Not Allowed"),
    "500": Reply("500 Internal Server Error"),
    "a page": Reply("200 OK", "<html>", "text/html"),
    "nothing": Reply("202 Accepted", "", ""),
    "silence": silence,
}
"""What servers of HTTP+SSE answer to an InitializeRequest at the URL of their stream."""
GOT_FROM_STREAMABLE: dict[str, Script] = {
    "405": Reply("405 Method Not Allowed"),
    "400": Reply("400 Bad Request", rpc_error("Missing session ID")),
    "404": Reply("404 Not Found"),
    "406": Reply("406 Not Acceptable"),
    "401": Reply("401 Unauthorized"),
    "500": Reply("500 Internal Server Error"),
    "a page": Reply("200 OK", "<html>", "text/html"),
    "a silent stream": silent_stream,
    "silence": silence,
}
"""What servers of Streamable HTTP answer to a GET without a session."""


def by_method(**scripts: Callable[[Exchange], Awaitable[None]]) -> Script:
    """A server that does something else for each HTTP method."""

    async def script(exchange: Exchange) -> None:
        await scripts[exchange.method](exchange)

    return script
