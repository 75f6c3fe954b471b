"""MCP client sessions for load: callbacks on raw connections, one request under way at a time in each session."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson

from bench.wire import HttpReader, SseReader, WireError

LEGACY, MODERN = "2025-06-18", "2026-07-28"
CLIENT = {"name": "bench", "version": "1"}
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}

Frame = dict[str, Any]
Done = Callable[[Frame, float], None]
"""Called with the answer and when it arrived (`time.perf_counter`)."""


class SessionError(Exception):
    """A session could not be opened, or a request was answered with an error."""


def failure(message: str) -> Frame:
    """What stands for an answer when there is none."""
    return {"error": {"code": 0, "message": message}}


class Connection(asyncio.Protocol):
    """A TCP connection that reads HTTP responses and tells when it is lost."""

    def __init__(self, reader: HttpReader, on_lost: Callable[[str], None]) -> None:
        self._reader, self._on_lost = reader, on_lost
        self.transport: asyncio.Transport | None = None
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
        except WireError as error:
            self._on_lost(str(error))
            if self.transport is not None:
                self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._closed.set()
        self._on_lost(f"connection lost: {exc or 'closed by the server'}")

    async def close(self) -> None:
        """Close the connection, if it is open, and wait until it is."""
        if self.transport is not None:
            self.transport.close()
            await self._closed.wait()


class Prepared:
    """A request that is sent many times: everything but its id."""

    def __init__(self, method: str, params: Frame, head: bytes) -> None:
        self._head = head + b"Content-Length: "
        self._suffix = (
            b',"method":' + orjson.dumps(method) + (b',"params":' + orjson.dumps(params) if params else b"") + b"}"
        )

    def bytes(self, ident: int | None) -> bytes:
        """The whole HTTP request; a notification has no id."""
        start = b'{"jsonrpc":"2.0"' if ident is None else b'{"jsonrpc":"2.0","id":%d' % ident
        body = start + self._suffix
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)


class Session:
    """One client's session; `SseSession` and `HttpSession` differ in where answers come from."""

    accept = b"application/json, text/event-stream"

    def __init__(self, url: str, era: str = "legacy", bearer: str = "") -> None:
        """`bearer`: a token that every request carries."""
        parts = urlsplit(url)
        self.era, self.url = era, url
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.path = parts.path + (f"?{parts.query}" if parts.query else "")
        self.notices: Counter[str] = Counter()
        self.noticed = asyncio.Event()
        """Set with each notice; whoever waits for one clears it."""
        self.headers: dict[str, str] = {}
        self._authorization = f"Authorization: Bearer {bearer}\r\n" if bearer else ""
        self._post: Connection | None = None
        self._ident = 0
        self._waited: int | None = None
        self._done: Done | None = None
        self._reconnecting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect and do the handshake of the era. Raises SessionError, OSError."""
        if self.era == "modern":
            return
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
        await self.request("initialize", params)
        self.headers["MCP-Protocol-Version"] = LEGACY
        await self.notify("notifications/initialized")

    async def close(self) -> None:
        """Close the connections; answers under way are lost."""
        self._done = None
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.wait([self._reconnecting])
        if self._post is not None:
            await self._post.close()

    async def move(self, port: int) -> None:
        """Send further requests to another port; a stream stays where it is."""
        if self._post is not None:
            await self._post.close()
            self._post = None
        self.port = port

    def prepare(self, method: str, params: Frame | None = None) -> Prepared:
        """A request for `send`, with what the era and the session add to it."""
        params = params or {}
        headers = dict(self.headers)
        if self.era == "modern":
            params = {**params, "_meta": META}
            headers |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
            if "name" in params:
                headers["Mcp-Name"] = params["name"]
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        head = b"POST %s HTTP/1.1\r\nHost: %s:%d\r\n%sContent-Type: application/json\r\nAccept: %s\r\n" % (
            self.path.encode(),
            self.host.encode(),
            self.port,
            self._authorization.encode(),
            self.accept,
        )
        return Prepared(method, params, head + lines)

    def send(self, prepared: Prepared, done: Done, *, notification: bool = False) -> None:
        """Send a request; `done` is called later, never from within this call."""
        self._done = done
        if notification:
            self._waited = None
        else:
            self._ident += 1
            self._waited = self._ident
        self._begin()
        data = prepared.bytes(self._waited)
        post = self._post
        if post is not None and post.transport is not None:
            post.transport.write(data)
        else:
            self._reconnecting = asyncio.get_running_loop().create_task(self._connect_and_write(data))

    async def request(self, method: str, params: Frame | None = None) -> Any:
        """The result of one request. Raises SessionError when it is an error."""
        frame = await self._roundtrip(self.prepare(method, params))
        if "error" in frame:
            raise SessionError(f"{method}: {frame['error'].get('message')}")
        return frame.get("result")

    async def notify(self, method: str) -> None:
        """Send a notification. Raises SessionError when it is refused."""
        frame = await self._roundtrip(self.prepare(method), notification=True)
        if "error" in frame:
            raise SessionError(f"{method}: {frame['error'].get('message')}")

    async def _roundtrip(self, prepared: Prepared, *, notification: bool = False) -> Frame:
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

        def done(frame: Frame, _: float) -> None:
            if not future.done():
                future.set_result(frame)

        self.send(prepared, done, notification=notification)
        return await asyncio.wait_for(future, 60)

    async def _connect(self, reader: HttpReader, on_lost: Callable[[str], None]) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(reader, on_lost), self.host, self.port)
        return connection

    async def _connect_and_write(self, data: bytes) -> None:
        try:
            reader = HttpReader(self._post_head, self._post_body, self._post_end)
            self._post = await self._connect(reader, self._post_lost)
        except OSError as error:
            self._complete(failure(f"connect: {error}"), time.perf_counter())
            return
        assert self._post.transport is not None
        self._post.transport.write(data)

    def _complete(self, frame: Frame, at: float) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(frame, at)

    def _note(self, frame: Frame) -> None:
        self.notices[frame.get("method", "stray answer")] += 1
        self.noticed.set()

    def _post_lost(self, reason: str) -> None:
        if self._done is not None:
            self._fail(reason)

    def _fail(self, reason: str) -> None:
        asyncio.get_running_loop().call_soon(self._complete, failure(reason), time.perf_counter())

    def _begin(self) -> None:
        """Forget the answer before."""
        raise NotImplementedError

    def _post_head(self, status: int, head: bytes) -> None:
        raise NotImplementedError

    def _post_body(self, piece: bytes) -> None:
        raise NotImplementedError

    def _post_end(self) -> None:
        raise NotImplementedError


class SseSession(Session):
    """HTTP+SSE: answers come on the stream of a GET; a request is done when its answer and its 202 are both there."""

    def __init__(self, url: str, era: str = "legacy", bearer: str = "") -> None:
        super().__init__(url, era, bearer)
        self._endpoint: asyncio.Future[str] | None = None
        self._stream: Connection | None = None
        self.lost: asyncio.Event = asyncio.Event()
        self._answer: Frame | None = None
        self._answered_at = 0.0
        self._acknowledged = False
        self._status, self._refusal = 0, b""

    async def open(self) -> None:
        self._endpoint = asyncio.get_running_loop().create_future()
        events = SseReader(self._event)
        self._stream = await self._connect(HttpReader(self._stream_head, events.feed, lambda: None), self._stream_lost)
        assert self._stream.transport is not None
        self._stream.transport.write(
            f"GET {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{self._authorization}"
            "Accept: text/event-stream\r\n\r\n".encode()
        )
        target = urlsplit(urljoin(self.url, await asyncio.wait_for(self._endpoint, 30)))
        self.path = target.path + (f"?{target.query}" if target.query else "")
        await super().open()

    async def close(self) -> None:
        await super().close()
        if self._stream is not None:
            await self._stream.close()

    def _stream_head(self, status: int, _: bytes) -> None:
        if status != 200:
            self._stream_lost(f"HTTP {status}")

    def _stream_lost(self, reason: str) -> None:
        self.lost.set()
        if self._endpoint is not None and not self._endpoint.done():
            self._endpoint.set_exception(SessionError(f"{self.url}: {reason}"))
        elif self._done is not None:
            self._fail(f"stream: {reason}")

    def _event(self, name: bytes, data: bytes) -> None:
        if name == b"endpoint":
            if self._endpoint is not None and not self._endpoint.done():
                self._endpoint.set_result(data.decode())
            return
        frame = orjson.loads(data)
        if frame.get("id") != self._waited or "method" in frame:
            self._note(frame)
            return
        self._answer, self._answered_at = frame, time.perf_counter()
        if self._acknowledged:
            self._complete(frame, self._answered_at)

    def _begin(self) -> None:
        self._answer, self._acknowledged = None, False

    def _post_head(self, status: int, _: bytes) -> None:
        self._status, self._refusal = status, b""

    def _post_body(self, piece: bytes) -> None:
        if self._status >= 300:
            self._refusal += piece

    def _post_end(self) -> None:
        self._acknowledged = True
        if self._status >= 300:
            self._complete(failure(f"HTTP {self._status} {self._refusal[:200]!r}"), time.perf_counter())
        elif self._answer is not None:
            self._complete(self._answer, self._answered_at)
        elif self._waited is None:
            self._complete({}, time.perf_counter())


class HttpSession(Session):
    """Streamable HTTP: the answer is the body of the POST, as JSON or as an event stream."""

    def __init__(self, url: str, era: str = "legacy", bearer: str = "") -> None:
        super().__init__(url, era, bearer)
        self._status, self._body, self._streamed = 0, b"", False
        self._answer: Frame | None = None
        self._answered_at = 0.0
        self._events = SseReader(self._event)

    def _begin(self) -> None:
        self._answer = None

    def _post_head(self, status: int, head: bytes) -> None:
        self._status, self._body = status, b""
        lowered = head.lower()
        self._streamed = b"text/event-stream" in lowered
        if self._streamed:
            self._events = SseReader(self._event)
        if not self.headers and b"\r\nmcp-session-id:" in lowered:
            start = lowered.index(b"\r\nmcp-session-id:") + 17
            self.headers["Mcp-Session-Id"] = head[start:].split(b"\r\n", 1)[0].strip().decode()

    def _post_body(self, piece: bytes) -> None:
        if self._streamed:
            self._events.feed(piece)
        else:
            self._body += piece

    def _event(self, _: bytes, data: bytes) -> None:
        self._take(orjson.loads(data))

    def _take(self, frame: Frame) -> None:
        if frame.get("id") == self._waited and "method" not in frame:
            self._answer, self._answered_at = frame, time.perf_counter()
        else:
            self._note(frame)

    def _post_end(self) -> None:
        if self._status < 300 and self._body:
            self._take(orjson.loads(self._body))
        if self._answer is not None:
            self._complete(self._answer, self._answered_at)
        elif self._status < 300 and self._waited is None:
            self._complete({}, time.perf_counter())
        else:
            self._complete(failure(f"HTTP {self._status} {self._body[:200]!r}"), time.perf_counter())


TRANSPORTS: dict[str, type[Session]] = {"sse": SseSession, "http": HttpSession}
