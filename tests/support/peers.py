"""Clients that know nothing but JSON: frames over stdio, HTTP+SSE and Streamable HTTP, in either era.

Nothing is modelled, nothing is left out: what a server says is what a test sees.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin

import httpx2
from mcp.shared.inbound import encode_header_value

from bridge.models import StdioLaunch

Json = dict[str, Any]
Era = Literal["legacy", "modern"]
Transport = Literal["sse", "http"]

LEGACY, MODERN = "2025-11-25", "2026-07-28"
KEYS = "io.modelcontextprotocol/"
CLIENT = {"name": "peer", "version": "1.0"}
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
LINE_LIMIT = 32 * 1024 * 1024
TIMEOUT = 100.0
"""Seconds that one answer may take."""


@dataclass
class Exchange:
    """A request's answer, and the notifications that came before it, as they were on the wire."""

    answer: Json
    notes: list[Json] = field(default_factory=list)

    @property
    def result(self) -> Json:
        """The result. Raises AssertionError when it was an error."""
        assert "result" in self.answer, self.answer
        result: Json = self.answer["result"]
        return result


class Peer(ABC):
    """One client. Ids are numbers and strings in turn, to see that each comes back as it was."""

    def __init__(self, era: Era, capabilities: Json | None = None) -> None:
        self.era = era
        self.version = MODERN if era == "modern" else LEGACY
        self.capabilities = capabilities or {}
        self.greeting: Json = {}
        """The result of `initialize` or of `server/discover`."""
        self.notes: list[Json] = []
        """Every notification that came, in order."""
        self.arrived = asyncio.Event()
        self._ids = itertools.count(1)

    async def greet(self) -> None:
        """The handshake of the era."""
        if self.era == "modern":
            self.greeting = (await self.request("server/discover")).result
            return
        hello = {"protocolVersion": self.version, "capabilities": self.capabilities, "clientInfo": CLIENT}
        self.greeting = (await self.request("initialize", hello)).result
        await self.notify("notifications/initialized")

    async def request(self, method: str, params: Json | None = None) -> Exchange:
        """Ask, and return the answer as it came."""
        number = next(self._ids)
        frame: Json = {"jsonrpc": "2.0", "id": number if number % 2 else f"id-{number}", "method": method}
        if params is not None or self.era == "modern":
            frame["params"] = self._enveloped(params or {})
        async with asyncio.timeout(TIMEOUT):
            exchange = await self._ask(frame)
        assert exchange.answer.pop("jsonrpc") == "2.0"
        answered = exchange.answer.pop("id")
        assert (answered, type(answered)) == (frame["id"], type(frame["id"]))
        return exchange

    async def whole_list(self, method: str, key: str) -> Exchange:
        """A list with all its pages joined."""
        exchange = await self.request(method)
        while cursor := exchange.result.pop("nextCursor", None):
            page = (await self.request(method, {"cursor": cursor})).result
            exchange.result[key] += page.pop(key)
            if "nextCursor" in page:
                exchange.result["nextCursor"] = page["nextCursor"]
        return exchange

    async def wait_note(self, method: str, since: int = 0) -> Json:
        """The first notification of that method, `notes[since]` or later."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                if found := next((note for note in self.notes[since:] if note["method"] == method), None):
                    return found
                self.arrived.clear()
                await self.arrived.wait()

    @contextlib.asynccontextmanager
    async def listening(self, wanted: Json) -> AsyncIterator[None]:
        """While open, a modern peer has a `subscriptions/listen` stream, acknowledged; a legacy one needs none."""
        if self.era == "legacy":
            yield
            return
        since = len(self.notes)
        task = asyncio.create_task(self._listen(wanted))
        try:
            acknowledged = await self.wait_note("notifications/subscriptions/acknowledged", since)
            assert acknowledged["params"]["notifications"] == wanted
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _listen(self, wanted: Json) -> None:
        listen_id = f"listen-{next(self._ids)}"
        params = self._enveloped({"notifications": wanted})
        try:
            await self._ask({"jsonrpc": "2.0", "id": listen_id, "method": "subscriptions/listen", "params": params})
        finally:
            await self._end(listen_id)

    async def _end(self, request_id: str) -> None:
        """Give up a request."""
        await self.notify("notifications/cancelled", {"requestId": request_id})

    async def notify(self, method: str, params: Json | None = None) -> None:
        """Send a notification."""
        frame: Json = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            frame["params"] = params
        await self._send(frame)

    def _enveloped(self, params: Json) -> Json:
        if self.era == "legacy":
            return params
        envelope = {
            f"{KEYS}protocolVersion": MODERN,
            f"{KEYS}clientInfo": CLIENT,
            f"{KEYS}clientCapabilities": self.capabilities,
        }
        return {**params, "_meta": {**params.get("_meta", {}), **envelope}}

    def _note(self, frame: Json) -> None:
        self.notes.append(frame)
        self.arrived.set()

    @abstractmethod
    async def _ask(self, frame: Json) -> Exchange:
        """Send a request and wait for its answer."""

    @abstractmethod
    async def _send(self, frame: Json) -> None:
        """Send a message that has no answer."""


class StreamPeer(Peer):
    """A peer to whom everything comes on one stream; a task reads it into `_received`."""

    def __init__(self, era: Era, capabilities: Json | None = None) -> None:
        super().__init__(era, capabilities)
        self._waiting: dict[int | str, asyncio.Future[Json]] = {}

    async def _ask(self, frame: Json) -> Exchange:
        future = self._waiting[frame["id"]] = asyncio.get_running_loop().create_future()
        since = len(self.notes)
        await self._send(frame)
        answer = await future
        return Exchange(answer, self.notes[since:])

    async def _received(self, frame: Json) -> None:
        if "method" not in frame:
            future = self._waiting.pop(frame["id"])
            if not future.done():  # its caller has given up
                future.set_result(frame)
        elif "id" not in frame:
            self._note(frame)
        else:
            error = {"code": -32601, "message": "This client answers nothing"}
            await self._send({"jsonrpc": "2.0", "id": frame["id"], "error": error})


class StdioPeer(StreamPeer):
    """Connected to a server of its own, without a hub."""

    process: asyncio.subprocess.Process

    async def _send(self, frame: Json) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(frame).encode() + b"\n")
        await self.process.stdin.drain()

    async def read(self) -> None:
        """Read until the server ends; lines that are no JSON are what hosts ignore."""
        assert self.process.stdout
        async for line in self.process.stdout:
            with contextlib.suppress(json.JSONDecodeError):
                await self._received(json.loads(line))


class SsePeer(StreamPeer):
    """Connected to an HTTP+SSE endpoint."""

    def __init__(self, http: httpx2.AsyncClient, url: str, era: Era, capabilities: Json | None = None) -> None:
        super().__init__(era, capabilities)
        self.http = http
        self.url = url
        self.message_url: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def read(self) -> None:
        """Read the stream until it ends."""
        async with self.http.stream("GET", self.url, headers={"accept": "text/event-stream"}) as response:
            assert response.status_code == 200, response.status_code
            async for event, data in events(response):
                if event == "endpoint":
                    self.message_url.set_result(urljoin(self.url, data))
                else:
                    await self._received(json.loads(data))

    async def _send(self, frame: Json) -> None:
        response = await self.http.post(await self.message_url, json=frame)
        assert response.status_code == 202, (response.status_code, response.text)


class HttpPeer(Peer):
    """Connected to a Streamable HTTP endpoint."""

    def __init__(self, http: httpx2.AsyncClient, url: str, era: Era, capabilities: Json | None = None) -> None:
        super().__init__(era, capabilities)
        self.http = http
        self.url = url
        self.headers = {"accept": "application/json, text/event-stream"}

    async def _ask(self, frame: Json) -> Exchange:
        notes: list[Json] = []
        async with self.http.stream("POST", self.url, json=frame, headers=self._headers(frame)) as response:
            if session := response.headers.get("mcp-session-id"):
                self.headers["mcp-session-id"] = session
            if response.headers["content-type"].startswith("application/json"):
                return Exchange(json.loads(await response.aread()))
            async for _, data in events(response):
                message = json.loads(data)
                if "method" not in message:
                    return Exchange(message, notes)
                notes.append(message)
                self._note(message)
        raise AssertionError("the stream ended without an answer")

    async def _send(self, frame: Json) -> None:
        response = await self.http.post(self.url, json=frame, headers=self._headers(frame))
        assert response.status_code == 202, (response.status_code, response.text)

    async def _end(self, request_id: str) -> None:
        """The stream of the request is closed already: that ends it."""

    async def read(self, opened: asyncio.Event) -> None:
        """Read the session's GET stream (legacy era) until it ends."""
        headers = {**self._headers({"method": ""}), "accept": "text/event-stream"}
        async with self.http.stream("GET", self.url, headers=headers) as response:
            assert response.status_code == 200, response.status_code
            opened.set()
            async for _, data in events(response):
                self._note(json.loads(data))

    def _headers(self, frame: Json) -> dict[str, str]:
        method, params = frame["method"], frame.get("params", {})
        headers = dict(self.headers)
        if method != "initialize":
            headers["mcp-protocol-version"] = self.version
        if self.era == "modern":
            headers["mcp-method"] = method
            if method in NAMED:
                headers["mcp-name"] = encode_header_value(str(params.get(NAMED[method], "")))
        return headers


async def events(response: httpx2.Response) -> AsyncIterator[tuple[str, str]]:
    """The events of a stream, (type, data). Lines end at CR, LF or both, never at U+2028."""
    buffer, kind, data = b"", "message", []
    async for chunk in response.aiter_bytes():
        *lines, buffer = (buffer + chunk).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            name, _, value = line.decode().partition(":")
            if name == "event":
                kind = value.strip()
            elif name == "data":
                data.append(value.removeprefix(" "))
            elif not line and data:
                yield kind, "\n".join(data)
                kind, data = "message", []


@contextlib.asynccontextmanager
async def direct(launch: StdioLaunch, era: Era, capabilities: Json | None = None) -> AsyncIterator[StdioPeer]:
    """A peer with a server process of its own, greeted."""
    peer = StdioPeer(era, capabilities)
    peer.process = await asyncio.create_subprocess_exec(
        launch.command,
        *launch.args,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=launch.cwd,
        limit=LINE_LIMIT,
    )
    reader = asyncio.create_task(peer.read())
    try:
        await peer.greet()
        yield peer
    finally:
        peer.process.kill()
        await peer.process.wait()
        await reader


def client(token: str = "", uds: Path | None = None) -> httpx2.AsyncClient:
    """An HTTP client, with a token where a hub wants one, through a Unix socket where it listens on one."""
    through = httpx2.AsyncHTTPTransport(uds=str(uds), verify=False) if uds else None
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx2.AsyncClient(timeout=TIMEOUT, verify=False, transport=through, headers=headers)


@contextlib.asynccontextmanager
async def connected(
    base: str,
    transport: Transport,
    era: Era,
    capabilities: Json | None = None,
    *,
    version: str = "",
    token: str = "",
    uds: Path | None = None,
) -> AsyncIterator[SsePeer | HttpPeer]:
    """A peer of an endpoint, greeted; `base` is the Streamable HTTP URL, to which `/sse` is added where that is meant.

    `version` is a legacy revision other than the newest, `uds` a Unix socket to connect through. A legacy Streamable
    HTTP peer has its GET stream open.
    """
    async with client(token, uds) as http:
        peer: SsePeer | HttpPeer
        if transport == "sse":
            peer = SsePeer(http, f"{base}/sse", era, capabilities)
            peer.version = version or peer.version
            reader = asyncio.create_task(peer.read())
            await peer.greet()
        else:
            peer = HttpPeer(http, base, era, capabilities)
            peer.version = version or peer.version
            await peer.greet()
            opened = asyncio.Event()
            reader = asyncio.create_task(peer.read(opened) if era == "legacy" else asyncio.sleep(0))
            if era == "legacy":
                await opened.wait()
        try:
            yield peer
            if transport == "http" and era == "legacy":
                await http.delete(base, headers=peer._headers({"method": ""}))
        finally:
            reader.cancel()
            await asyncio.wait([reader])
            if not reader.cancelled() and (error := reader.exception()):
                raise error
