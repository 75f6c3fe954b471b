"""HTTP/1.1 connections to other replicas (RFC 9112), each for one request at a time, and kept between requests.

Written by hand: a replica hands over whole requests, with the heads as they came, and needs nothing else of a client.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import httptools

from sidecar.channels.web import tls

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

CONNECT_SECONDS = 2.0
KEEPALIVE = 30.0
"""Seconds that an idle connection is kept: less than the 75 s after which a hub closes it."""
MAX_IDLE = 256
"""Idle connections that are kept to one replica."""
MAX_OPEN = 16384
"""Connections to one replica, of which streams have one each."""
MAX_QUEUED = 256 * 1024
"""Bytes of a response that are read ahead of the client."""
MAX_HEADERS = 64 * 1024
"""Bytes of the headers of a response."""

Headers = list[tuple[bytes, bytes]]


class Away(Exception):  # no error: another replica is tried
    """The replica has not got the request."""


class Refused(Away):
    """It has got the request, and does not serve it. `leaving`: it is about to stop, and still finishes calls."""

    def __init__(self, *, leaving: bool) -> None:
        super().__init__()
        self.leaving = leaving


class Broken(Exception):  # what it means depends on what was sent
    """The connection broke while a request was under way on it."""


class Busy(Exception):  # becomes ReplicaBusy
    """There are too many connections to the replica."""


class Connection(asyncio.Protocol):
    """One connection. After `send`, read `status` and `headers` when `head` has returned, and then `body`."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = []
        self.open = True
        self.used = 0.0
        """When it became idle (time of the event loop)."""
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: deque[bytes] = deque()
        self._queued = 0
        self._header_bytes = 0
        self._has_head = self._complete = self._paused = False
        self._busy = self._keep = False
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    async def send(self, request: bytes, seconds: float) -> None:
        """Send a request; wait at most `seconds` until the rest fits into the socket's buffer. Raises Broken."""
        if not self.open or self._transport is None:
            raise Broken
        self.status, self.headers, self._header_bytes = 0, [], 0
        self._has_head = self._complete = False
        self._busy = True
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        await self._wait(self._writable, seconds)

    async def head(self, seconds: float) -> None:
        """Wait for the head of the response, at most `seconds`. Raises Broken."""
        while not self._has_head:
            if not self.open:
                raise Broken
            await self._next(seconds)

    async def body(self, seconds: float) -> AsyncGenerator[bytes]:
        """The pieces of the body, each at most `seconds` after the one before. Raises Broken."""
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._queued -= len(piece)
                if self._paused and self._queued < MAX_QUEUED // 2 and self._transport is not None:
                    self._paused = False
                    self._transport.resume_reading()
                yield piece
            if self._complete:
                return
            if not self.open:
                raise Broken
            await self._next(seconds)

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: the response is complete, and neither side closes the connection."""
        return self.open and self._complete and not self._pieces and self._keep

    def close(self) -> None:
        """Close the connection at once."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    async def _next(self, seconds: float) -> None:
        self._news.clear()
        await self._wait(self._news, seconds)

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        if event.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            self.close()
            raise Broken from None

    # --- asyncio.Protocol ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse a piece of the response. What comes without a request ends the connection."""
        if not self._busy:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
        self._news.set()

    def eof_received(self) -> None:
        """The replica closes: a response without a length ends here, but the hub sends none."""
        self.open = False
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self.open = False
        self._news.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The socket's buffer has room."""
        self._writable.set()

    # --- the parser's callbacks ----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The parser begins with a response: close the connection if nobody has asked for it."""
        if self._complete:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser has read a header."""
        if self._complete:
            return
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADERS:
            self.close()
        else:
            self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """The parser has read a head; one with a status of 1xx is not that of the response (RFC 9110, 15.2)."""
        if self._complete:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = []
        else:
            self.status, self._has_head = status, True

    def on_body(self, data: bytes) -> None:
        """The parser has read a piece of the body."""
        if self._complete:
            return
        self._pieces.append(data)
        self._queued += len(data)
        if self._queued > MAX_QUEUED and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The parser has read a response."""
        if self._has_head and not self._complete:
            self._complete, self._busy = True, False
            self._keep = bool(self._parser.should_keep_alive())  # the parser knows it now only


class Connections:
    """The connections to the replica at `url`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._tls = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._idle: list[Connection] = []
        self._open = 0

    def has_idle(self) -> bool:
        """Whether `take` gets a connection that is open already."""
        now = asyncio.get_running_loop().time()
        while self._idle and not (self._idle[-1].open and now - self._idle[-1].used < KEEPALIVE):
            self._idle.pop().close()
        return bool(self._idle)

    async def take(self) -> Connection:
        """A connection for one request, which the caller gives back.

        Raises:
            Away: the replica cannot be connected to.
            Busy: too many are open.
        """
        if self.has_idle():
            self._open += 1
            return self._idle.pop()
        if self._open >= MAX_OPEN:
            raise Busy
        self._open += 1
        try:
            return await self._connect()
        except BaseException:
            self._open -= 1
            raise

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    Connection, self._host, self._port, ssl=tls() if self._tls else None
                )
        except (OSError, TimeoutError):  # ssl.SSLError and socket.gaierror are OSErrors
            raise Away from None
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, or close it if its response is not complete."""
        self._open -= 1
        if connection.reusable and len(self._idle) < MAX_IDLE:
            connection.used = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()


@contextlib.asynccontextmanager
async def taken(connections: Connections) -> AsyncIterator[Connection]:
    """A connection for one request, as `Connections.take`."""
    connection = await connections.take()
    try:
        yield connection
    finally:
        connections.give_back(connection)
