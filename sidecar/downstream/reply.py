"""The response to a POSTed request over Streamable HTTP: JSON, or an event stream if a message precedes the answer."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive, Send

from sidecar.concurrency.cancel_scope import Cancellable
from sidecar.downstream.event_stream import PING, EventStream, Header
from sidecar.listener.asgi import disconnected, respond, respond_in_pieces
from sidecar.listener.request_checks import TOO_MANY_REQUESTS, retry_after
from sidecar.protocol import codec, jsonrpc
from sidecar.protocol.channel import Frame

WATCH_DELAY = 0.05
"""Seconds after which the client's disconnect is watched for, by a task; most requests are answered earlier."""


class Reply:
    """One response: `finish` sends the answer; `drop` must be called at last in any case.

    A notification, a request to the client, or `ping_interval` seconds without an answer make it an event stream (MCP
    2025-11-25, Transports, Sending Messages to the Server); `prefers_stream` makes it one in any case. `cancel_scope`
    is cancelled if the client does not read. With `cancel_when_disconnected` it is also cancelled if the client closes
    the connection, which is how a modern client cancels a request.
    """

    __slots__ = (
        "_cancel_scope",
        "_cancel_when_disconnected",
        "_disconnect_watch",
        "_headers",
        "_ping_interval",
        "_prefers_stream",
        "_receive",
        "_send",
        "_stream",
        "_timer",
    )

    def __init__(
        self,
        receive: Receive,
        send: Send,
        cancel_scope: Cancellable,
        ping_interval: float,
        *,
        cancel_when_disconnected: bool,
        headers: tuple[Header, ...] = (),
        prefers_stream: bool = False,
    ) -> None:
        self._receive = receive
        self._send = send
        self._cancel_scope = cancel_scope
        self._ping_interval = ping_interval
        self._cancel_when_disconnected = cancel_when_disconnected
        self._headers = headers
        self._prefers_stream = prefers_stream
        self._stream: EventStream | None = None
        self._disconnect_watch: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_DELAY, self._start_watching)

    def put(self, frame: Frame) -> None:
        """Send a frame before the answer."""
        self._as_stream().put(frame)

    def notify(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification before the answer."""
        self._as_stream().put(jsonrpc.notification(method, params))

    async def finish(self, status: int, frame: Frame | list[Frame]) -> None:
        """Send the answer (for a batch: all answers). `status` is the HTTP status unless the stream has begun."""
        if self._stream is None and not self._prefers_stream:
            self._timer.cancel()
            await respond_json(self._send, status, frame, self._headers)
        else:
            stream = self._as_stream()
            stream.put(frame)
            await stream.close()

    def drop(self) -> None:
        """Stop timers and tasks, and discard what is not sent."""
        self._timer.cancel()
        if self._disconnect_watch is not None:
            self._disconnect_watch.cancel()
        if self._stream is not None:
            self._stream.abort()

    def _as_stream(self) -> EventStream:
        if self._stream is None:
            self._stream = EventStream(self._send, self._cancel_scope.cancel, self._headers)
        return self._stream

    def _start_watching(self) -> None:
        if self._cancel_when_disconnected:
            self._disconnect_watch = asyncio.create_task(self._cancel_on_disconnect())
        self._timer = asyncio.get_running_loop().call_later(self._ping_interval, self.ping)

    async def _cancel_on_disconnect(self) -> None:
        await disconnected(self._receive)
        self._cancel_scope.cancel()

    def ping(self) -> None:
        """Send a ping, now and after each `ping_interval`, so that proxies keep the connection open."""
        self._timer.cancel()
        self._as_stream().put_raw(PING)
        self._timer = asyncio.get_running_loop().call_later(self._ping_interval, self.ping)


async def respond_json(send: Send, status: int, frame: Frame | list[Frame], headers: tuple[Header, ...]) -> None:
    """Send an answer as a complete JSON response; large values are written in pieces. With status 429 it says when to
    try again (RFC 6585, 4)."""
    if status == TOO_MANY_REQUESTS and isinstance(frame, dict):
        headers = (*headers, (b"retry-after", str(retry_after(frame)).encode()))
    try:
        data = codec.dumps_small(frame)
    except codec.HasLargeValues:
        await respond_in_pieces(send, status, codec.pieces(frame), b"application/json", headers)
    else:
        await respond(send, status, data, b"application/json", headers)
