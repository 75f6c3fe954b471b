"""Opens channels to remote servers, and detects the transport of a URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Literal, cast

import httpx2
import orjson

from bridge.models import RemoteLaunch
from sidecar.channels.connections import Connections
from sidecar.channels.reading import error_body, events
from sidecar.channels.sse import STREAM_HEADERS, open_sse
from sidecar.channels.streamable import (
    POST_HEADERS,
    SESSION_HEADER,
    VERSION_HEADER,
    delete_session,
    open_streamable,
)
from sidecar.channels.web import (
    CONNECT_TIMEOUT,
    content_type,
    failure,
    is_event_stream,
    not_mcp,
    parse,
    place,
    refusal,
    streaming,
)
from sidecar.channels.websocket import open_websocket
from sidecar.errors import HandshakeFailed, SidecarError, Unreachable
from sidecar.protocol.channel import Channel, OnFrame
from sidecar.protocol.eras import LEGACY_VERSION
from sidecar.sign_in_errors import SignInRequired, SignInUnavailable
from sidecar.version import VERSION

Transport = Literal["sse", "http", "websocket"]
HEAD_START = 0.5
"""Seconds that the first attempt to detect a transport gets before the second one is started beside it."""


@asynccontextmanager
async def open_remote(
    launch: RemoteLaunch, *, on_frame: OnFrame, transport: Transport, connections: Connections
) -> AsyncIterator[Channel]:
    """Open a channel to a remote server. `launch`: with its variables expanded.

    Raises:
        Unreachable, Refused, HandshakeFailed: connecting over SSE or WebSocket failed. Streamable HTTP connects when
            the first frame is sent; these errors are then the reason for which the channel closes.
    """
    if transport == "sse":
        async with open_sse(launch, on_frame, connections) as channel:
            yield channel
    elif transport == "http":
        async with open_streamable(launch, on_frame, connections) as streamable:
            yield streamable
    else:
        async with open_websocket(
            launch, on_frame, connections.read_large, connections.connect_timeout, connections.max_message
        ) as websocket:
            yield websocket


async def detect(launch: RemoteLaunch, connections: Connections) -> Transport:
    """Detect the transport of a URL: WebSocket by its scheme, otherwise by a GET and a POST request.

    If a GET opens an event stream whose first event is `endpoint`, it is HTTP+SSE; if an InitializeRequest in a POST is
    answered in JSON-RPC, even with an error, it is Streamable HTTP (MCP, Transports, Backwards Compatibility). With
    `transport: sse` the GET is sent first, else the POST. The other one follows when the first has failed, or after
    HEAD_START. A session that the POST has opened is deleted.

    Raises:
        Unreachable: no connection, or no answer within the connect timeout.
        Refused, HandshakeFailed: both failed; the error is the more specific one, and its message describes both.
    """
    if is_websocket(launch.url):
        return "websocket"
    async with connections.client(launch) as client:
        attempts = _Attempts(client, launch.url, connections.connect_timeout or CONNECT_TIMEOUT)
        found, session = await attempts.run(stream_first=launch.transport == "sse")
        if session:
            await delete_session(client, launch.url, {SESSION_HEADER: session, VERSION_HEADER: LEGACY_VERSION})
        return found


def is_websocket(url: str) -> bool:
    """Whether the URL has a WebSocket scheme, whatever transport is configured."""
    return url.lower().startswith(("ws://", "wss://"))


_Found = tuple[Transport, str]
"""A transport, and the id of the session that its detection opened (empty for none)."""


class _Attempts:
    """The two attempts to detect a transport."""

    def __init__(self, client: httpx2.AsyncClient, url: str, seconds: float) -> None:
        self._client = client
        self._url = url
        self._seconds = seconds

    async def run(self, *, stream_first: bool) -> _Found:
        """The result of the first attempt that succeeds. Raises SidecarError if both fail."""
        late = Unreachable(f"{place(self._url)} did not answer within {self._seconds:g} s.")
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            first = group.create_task(self._tried(self._get if stream_first else self._post))
            await asyncio.wait([first], timeout=min(HEAD_START, self._seconds))
            if first.done() and not isinstance(first.result(), SidecarError):
                return cast("_Found", first.result())
            second = group.create_task(self._tried(self._post if stream_first else self._get))
            await self._wait([first, second], began + self._seconds)
            outcomes = [task.result() if task.done() else late for task in (first, second)]
            first.cancel()
            second.cancel()
        for outcome in outcomes:
            if not isinstance(outcome, SidecarError):
                return outcome
        got, posted = outcomes if stream_first else outcomes[::-1]
        raise _neither(self._url, cast("SidecarError", posted), cast("SidecarError", got))

    @staticmethod
    async def _wait(tasks: list[asyncio.Task[_Found | SidecarError]], until: float) -> None:
        """Wait until one succeeds, all have failed, or the time `until` has come."""
        pending = set(tasks)
        while pending and (left := until - asyncio.get_running_loop().time()) > 0:
            done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if any(not isinstance(task.result(), SidecarError) for task in done):
                return

    async def _tried(self, attempt: Callable[[], Awaitable[_Found]]) -> _Found | SidecarError:
        try:
            return await attempt()
        except httpx2.HTTPError as error:
            return failure(error, self._url, self._seconds)
        except SidecarError as error:
            return error

    async def _post(self) -> _Found:
        """The transport by the answer to an InitializeRequest."""
        async with streaming(self._client, "POST", self._url, POST_HEADERS, _initialize()) as response:
            session = response.headers.get(SESSION_HEADER, "")
            if is_event_stream(response):
                return await _first_event(response), session
            readable = content_type(response) == "application/json" and response.status_code not in (401, 403, 407)
            if readable and parse(await error_body(response)):
                return "http", session
            raise not_mcp(response, self._url) if response.is_success else refusal(response, self._url)

    async def _get(self) -> _Found:
        """The transport by the first event of an event stream."""
        async with streaming(self._client, "GET", self._url, STREAM_HEADERS) as response:
            if not response.is_success:
                raise refusal(response, self._url)
            if is_event_stream(response) and await _first_event(response) == "sse":
                return "sse", ""
            raise not_mcp(response, self._url)


def _neither(url: str, posted: SidecarError, got: SidecarError) -> SidecarError:
    """The more specific error of two failed attempts, with a message that describes both."""
    if posted.message == got.message or isinstance(posted, SignInRequired | SignInUnavailable):
        return posted
    best = max((posted, got), key=_specificity)
    words = [error.message.removeprefix(place(url)).strip(" .").removeprefix("answered ") for error in (posted, got)]
    message = f"{place(url)} works neither as Streamable HTTP (POST: {words[0]}) nor as HTTP+SSE (GET: {words[1]})."
    return type(best)(message, hint=best.advice, data=best.data)


def _specificity(error: SidecarError) -> int:
    """How well an error explains why a server cannot be used: rejected credentials better than a wrong method."""
    status = error.data.get("status")
    if status is None:
        return 5 if isinstance(error, HandshakeFailed) else 4
    ranks = {401: 9, 402: 8, 403: 8, 407: 8, 429: 8, 400: 3, 404: 2, 410: 2, 405: 1, 406: 1, 415: 1}
    return ranks.get(status, 7 if status >= 500 else 6 if status < 400 else 3)


async def _first_event(response: httpx2.Response) -> Transport:
    async with aclosing(events(response)) as found:
        async for event in found:
            if event.event == "endpoint":
                return "sse"
            if event.data:
                break
    return "http"


def _initialize() -> bytes:
    params = {
        "protocolVersion": LEGACY_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "yamcp-hub", "version": VERSION},
    }
    return orjson.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
