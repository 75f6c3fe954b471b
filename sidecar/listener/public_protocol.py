"""A client's connection at the public port: its requests one by one, as long as they are the sidecar's.

The first that is not ends the connection here and not for the client: it is given back, with what was read of that
request, to the acceptor, which has the front serve the rest of it (ADR 24). So nothing is passed on here, and no two
servers read the same request.
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
from sidecar.listener.plain_head import END, PlainHead, may_become_plain, plain_head

MOST_AHEAD = 64 * 1024
"""Bytes of later requests that are read while one is served."""
_FORWARDED = b"x-forwarded-for"
_NOT_PASSED = (b"cookie", b"forwarded", b"x-forwarded-", b"x-real-ip", b"x-hub-")
"""How headers begin that say nothing to the endpoints, or that only a proxy may say."""


class Port(Protocol):
    """What is known at the public port beside the connection, as `PublicPort` does."""

    def serves(self, head: PlainHead) -> bool:
        """Whether the request is for the sidecar, and would be let in."""

    def address(self, peer: str, forwarded: str) -> str:
        """Whose request it is."""

    def opened(self, connection: PublicProtocol, peer: str) -> None:
        """A client has connected."""

    def closed(self, connection: PublicProtocol, peer: str) -> None:
        """The connection is over, or given back."""

    def began(self, address: str) -> bool:
        """A proxy has sent a request of this address; False: there are too many. `ended` has to follow."""

    def ended(self, address: str) -> None:
        """It is answered."""

    def give_back(self, descriptor: int, data: bytes) -> None:
        """Have the front serve a connection, of which `data` was read."""


class PublicProtocol(HttpProtocol):
    """`HttpProtocol`, which gets one whole plain request after the other, and the next when one is answered."""

    def __init__(self, port: Port, **options: Any) -> None:
        super().__init__(**options)
        self._port = port
        self._peer = ""
        self._ahead = b""
        """What came of requests that are not begun."""
        self._rest = 0
        """Bytes of the body of the request under way that are still to come."""
        self._via: str | None = None
        """The client's address, where a proxy has sent the request under way."""
        self._leaving: tuple[int, bytes] | None = None
        """The descriptor, and what was read of the request that is not for here."""
        self._endpoints = self.app

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The acceptor has handed the connection over."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        self._port.opened(self, self._peer)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over, here."""
        super().connection_lost(exc)
        self._answered()
        self._port.closed(self, self._peer)
        if self._leaving is not None:
            (descriptor, data), self._leaving = self._leaving, None
            if exc is None:
                self._port.give_back(descriptor, data)
            else:
                os.close(descriptor)

    # --- requests, one by one ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes of the client have come."""
        if self._owed:
            super().data_received(data)  # keeps them for later
            return
        if self._rest:
            piece, data = data[: self._rest], data[self._rest :]
            self._rest -= len(piece)
            super().data_received(piece)
            if not data:
                return
        elif not self._ahead and self._is_free():
            if self._kept:
                data, self._kept = self._kept + data, b""
            if self.known_heads and self._try_direct(data):
                return
        self._ahead += data
        self._next()

    def _is_free(self) -> bool:
        """Whether no request is under way, and the next byte is the first of one."""
        return self._between and not self._owed and (self.cycle is None or self.cycle.response_complete)

    def _next(self) -> None:
        """Begin with the next request, if its head is there."""
        while self._ahead and not self._rest and self._is_free() and not self.transport.is_closing():
            end = self._ahead.find(END)
            if end < 0 and may_become_plain(self._ahead):
                self._in_head = True  # the client owes the rest of it
                return
            size = end + len(END)
            head = plain_head(self._ahead[:size]) if end >= 0 else None
            if head is None or not self._port.serves(head):
                self._leave()
                return
            size += head.length
            request, self._ahead = self._ahead[:size], self._ahead[size:]
            self._rest = size - len(request)
            self._in_head = False
            super().data_received(request)
        if len(self._ahead) > MOST_AHEAD:
            self.flow.pause_reading()

    def on_headers_complete(self) -> None:
        """The parser has read a head: who asks is told from what anybody may write."""
        forwarded = b",".join(value for name, value in self.headers if name == _FORWARDED).decode("latin-1")
        address = self._port.address(self._peer, forwarded)
        self.headers[:] = [each for each in self.headers if not each[0].startswith(_NOT_PASSED)]
        self.scope["client"] = (address, self.client[1] if self.client else 0)
        self.app = self._endpoints
        if address != self._peer:
            self._via = address
            if not self._port.began(address):
                self.app = _too_many
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """The request is answered."""
        self._answered()
        super().on_response_complete()
        if self._ahead:
            self.loop.call_soon(self._next)

    def _settle(self) -> None:
        super()._settle()
        self._next()

    def _answered(self) -> None:
        if self._via is not None:
            self._port.ended(self._via)
            self._via = None

    def _leave(self) -> None:
        """End the connection here, once what was answered is sent."""
        data, self._ahead = self._ahead, b""
        try:
            self._leaving = os.dup(self.transport.get_extra_info("socket").fileno()), data
        except OSError:  # no descriptor is left
            self.transport.abort()
            return
        self.transport.close()

    # --- as `ClientConnections` sees it ------------------------------------------------------------------------------

    def owed(self) -> Owed | None:
        """What the client has begun to send, while nothing else is under way."""
        return None if self._leaving is not None else super().owed()

    def idle(self) -> bool:
        """Whether it is between two requests."""
        return not self._ahead and super().idle()

    def unused(self) -> bool:
        """Whether nothing is under way: none has begun, or it is between two."""
        return self.cycle is None or self.idle()


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a request of an address that has too many under way."""
    error = ConnectionsLimit(f"{scope['client'][0]} has too many requests under way.")
    await respond_error(send, error.status, error)
