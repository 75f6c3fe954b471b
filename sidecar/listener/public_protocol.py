"""A client's connection at the public port: serves its requests as long as they are plain (plain_head.py).

At the first request that is not, the connection is given back to the acceptor with the bytes that were read of that
request, and the front serves the rest of it (ADR 24). The client does not notice. So the sidecar proxies nothing, and
no request is read by two servers.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Protocol

from starlette.types import Receive, Scope, Send

from sidecar.http_errors import ConnectionsLimit
from sidecar.listener.asgi import respond_error
from sidecar.listener.client_connections import Owed
from sidecar.listener.http_protocol import HttpProtocol
from sidecar.listener.plain_head import HEAD_END, PlainHead, may_become_plain, plain_head

MAX_READ_AHEAD = 64 * 1024
"""Limit for the bytes of later requests that are read while one is served."""
_FORWARDED = b"x-forwarded-for"
_NOT_PASSED = (b"cookie", b"forwarded", b"x-forwarded-", b"x-real-ip", b"x-hub-")
"""Prefixes of headers that are removed: they mean nothing to the endpoints, or only a proxy may set them."""


class Port(Protocol):
    """The public port, as its connections use it. `PublicPort` implements this."""

    def serves(self, head: PlainHead) -> bool:
        """Whether the sidecar serves the request."""

    def address(self, peer: str, forwarded: str) -> str:
        """The address of the client of a request."""

    def opened(self, connection: PublicProtocol, peer: str) -> None:
        """A client has connected."""

    def closed(self, connection: PublicProtocol, peer: str) -> None:
        """The connection has ended, or was given back."""

    def began(self, address: str) -> bool:
        """A proxy has sent a request of this address; False if it has too many. `ended` must follow in any case."""

    def ended(self, address: str) -> None:
        """The request counted by `began` is answered."""

    def give_back(self, descriptor: int, data: bytes) -> None:
        """Give a connection, from which `data` was read, back to the acceptor for the front."""


class PublicProtocol(HttpProtocol):
    """Splits the received bytes into plain requests, and passes each to `HttpProtocol` after the one before is
    answered."""

    kind = b"p"

    def __init__(self, port: Port, **options: Any) -> None:
        super().__init__(**options)
        self._port = port
        self._peer = ""
        self._read_ahead = b""
        """Bytes received of requests that have not begun."""
        self._body_left = 0
        """Bytes of the current request's body that are still to be received."""
        self._proxied_address: str | None = None
        """The client's address if a proxy has sent the current request."""
        self._handed_back: tuple[int, bytes] | None = None
        """The descriptor of a connection that is being given back, and the bytes read of its next request."""
        self._endpoints = self.app

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The acceptor has handed the connection over."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        self._port.opened(self, self._peer)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended here: give it back, if it is to be."""
        super().connection_lost(exc)
        self._answered()
        self._port.closed(self, self._peer)
        if self._handed_back is not None:
            (descriptor, data), self._handed_back = self._handed_back, None
            if exc is None:
                self._port.give_back(descriptor, data)
            else:
                os.close(descriptor)

    # --- requests, one by one ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Handle received bytes."""
        if self._owed:
            super().data_received(data)  # keeps them for later
            return
        if self._body_left:
            piece, data = data[: self._body_left], data[self._body_left :]
            self._body_left -= len(piece)
            super().data_received(piece)
            if not data:
                return
        elif not self._read_ahead and self._is_free():
            if self._kept:
                data, self._kept = self._kept + data, b""
            if self.known_heads and self._try_direct(data):
                return
        self._read_ahead += data
        self._next()

    def _is_free(self) -> bool:
        """Whether no request is in progress, so that the next byte begins one."""
        return self._between and not self._owed and (self.cycle is None or self.cycle.response_complete)

    def _next(self) -> None:
        """Begin the next request if its head is complete, or give the connection back if it is not plain."""
        while self._read_ahead and not self._body_left and self._is_free() and not self.transport.is_closing():
            end = self._read_ahead.find(HEAD_END)
            if end < 0 and may_become_plain(self._read_ahead):
                self._in_head = True  # `owed` reports that the client must send the rest
                return
            size = end + len(HEAD_END)
            head = plain_head(self._read_ahead[:size]) if end >= 0 else None
            if head is None or not self._port.serves(head):
                self._hand_back()
                return
            size += head.length
            request, self._read_ahead = self._read_ahead[:size], self._read_ahead[size:]
            self._body_left = size - len(request)
            self._in_head = False
            super().data_received(request)
        if len(self._read_ahead) > MAX_READ_AHEAD:
            self.flow.pause_reading()

    def on_headers_complete(self) -> None:
        """The parser has read a head: find the client's address, and remove headers that clients must not set."""
        forwarded = b",".join(value for name, value in self.headers if name == _FORWARDED).decode("latin-1")
        address = self._port.address(self._peer, forwarded)
        self.headers[:] = [each for each in self.headers if not each[0].startswith(_NOT_PASSED)]
        self.scope["client"] = (address, self.client[1] if self.client else 0)
        self.app = self._endpoints
        if address != self._peer:
            self._proxied_address = address
            if not self._port.began(address):
                self.app = _too_many
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """The request is answered."""
        self._answered()
        super().on_response_complete()
        if self._read_ahead:
            self.loop.call_soon(self._next)

    def _response_sent(self) -> None:
        super()._response_sent()
        self._next()

    def _answered(self) -> None:
        if self._proxied_address is not None:
            self._port.ended(self._proxied_address)
            self._proxied_address = None

    def _hand_back(self) -> None:
        """Close the connection here after the last response has been sent, keeping a copy of the descriptor."""
        data, self._read_ahead = self._read_ahead, b""
        try:
            self._handed_back = os.dup(self.transport.get_extra_info("socket").fileno()), data
        except OSError:  # no descriptor is left
            self.transport.abort()
            return
        self.transport.close()

    # --- client_connections.Connection -------------------------------------------------------------------------------

    def owed(self) -> Owed | None:
        """The part of a request that the hub waits for, if no request is being served."""
        return None if self._handed_back is not None else super().owed()

    def idle(self) -> bool:
        """Whether the connection is between two requests."""
        return not self._read_ahead and super().idle()

    def _leave_if_free(self) -> None:
        if not self._read_ahead:  # else the client has sent its next request already
            super()._leave_if_free()

    def unused(self) -> bool:
        """Whether no request is in progress: none has begun yet, or the connection is between two."""
        return self.cycle is None or self.idle()


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application for a request of an address that has too many in progress: refuse it."""
    error = ConnectionsLimit(f"{scope['client'][0]} has too many requests in progress.")
    await respond_error(send, error.status, error)
