"""Channels to remote servers, and finding out which transport a URL speaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Literal

import httpx2
import orjson

from bridge.models import RemoteLaunch
from sidecar.channel import Channel, OnFrame
from sidecar.channels.connections import Connections
from sidecar.channels.sse import STREAM_HEADERS, open_sse
from sidecar.channels.streamable import DELETE_TIMEOUT, POST_HEADERS, SESSION_HEADER, VERSION_HEADER, open_streamable
from sidecar.channels.web import (
    CONNECT_TIMEOUT,
    body,
    content_type,
    events,
    failure,
    is_event_stream,
    not_mcp,
    parse,
    refusal,
    streaming,
)
from sidecar.channels.websocket import open_websocket
from sidecar.era import LEGACY_VERSION
from sidecar.version import VERSION

Transport = Literal["sse", "http", "websocket"]


@asynccontextmanager
async def open_remote(
    launch: RemoteLaunch, *, on_frame: OnFrame, transport: Transport, connections: Connections
) -> AsyncIterator[Channel]:
    """Connect to a remote server; `launch` has its references expanded.

    Raises:
        Unreachable, Refused, HandshakeFailed: over SSE and WebSocket, when connecting fails. Over Streamable HTTP the
            same become the reason for which the channel closes, as the first frame is what connects.
    """
    if transport == "sse":
        async with open_sse(launch, on_frame, connections) as channel:
            yield channel
    elif transport == "http":
        async with open_streamable(launch, on_frame, connections) as streamable:
            yield streamable
    else:
        async with open_websocket(launch, on_frame) as websocket:
            yield websocket


async def detect(launch: RemoteLaunch, connections: Connections) -> Transport:
    """Which transport a URL speaks: WebSocket if its scheme says so, else as MCP (Transports, Backwards Compatibility)
    tells clients to find out.

    An InitializeRequest is posted: an answer in JSON-RPC, even an error, means Streamable HTTP; the session it may have
    opened is ended. 405 means that the URL cannot be Streamable HTTP. On any other 4xx but 401, 403 and 407, a GET has
    to open an event stream whose first event is `endpoint`.

    Raises:
        Unreachable: no connection, or no answer within 10 s.
        Refused: an HTTP status that neither transport gives.
        HandshakeFailed: an answer that is not MCP.
    """
    if is_websocket(launch.url):
        return "websocket"
    async with connections.client(launch) as client:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                found, session = await _try_post(client, launch.url)
                found = found or await _try_get(client, launch.url)
        except (httpx2.HTTPError, TimeoutError) as error:
            raise failure(error, launch.url) from None
        if session:
            await _end_session(client, launch.url, session)
        return found


def is_websocket(url: str) -> bool:
    """Whether the scheme is that of WebSocket, whatever the transport is said to be."""
    return url.lower().startswith(("ws://", "wss://"))


async def _try_post(client: httpx2.AsyncClient, url: str) -> tuple[Transport | None, str]:
    """What the answer to an InitializeRequest tells, if anything, and the session that it opened."""
    async with streaming(client, "POST", url, POST_HEADERS, _initialize()) as response:
        status, session = response.status_code, response.headers.get(SESSION_HEADER, "")
        if is_event_stream(response):
            return await _first_event(response), session
        if content_type(response) == "application/json" and parse(await body(response)):
            return "http", session
        if response.is_success:
            raise not_mcp(response, url)
        if status in (401, 403, 407) or not 400 <= status < 500:
            raise refusal(response, url)
        return "sse" if status == 405 else None, session


async def _try_get(client: httpx2.AsyncClient, url: str) -> Transport:
    async with streaming(client, "GET", url, STREAM_HEADERS) as response:
        if not response.is_success:
            raise refusal(response, url)
        if is_event_stream(response) and await _first_event(response) == "sse":
            return "sse"
        raise not_mcp(response, url)


async def _first_event(response: httpx2.Response) -> Transport:
    async with aclosing(events(response)) as found:
        async for event in found:
            if event.event == "endpoint":
                return "sse"
            if event.data:
                break
    return "http"


async def _end_session(client: httpx2.AsyncClient, url: str, session: str) -> None:
    with suppress(httpx2.HTTPError, TimeoutError):
        async with asyncio.timeout(DELETE_TIMEOUT):
            await client.delete(url, headers={SESSION_HEADER: session, VERSION_HEADER: LEGACY_VERSION})


def _initialize() -> bytes:
    params = {
        "protocolVersion": LEGACY_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "yamcp-hub", "version": VERSION},
    }
    return orjson.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
