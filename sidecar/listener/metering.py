"""Counts the bytes of requests and answers of a principal whose bytes are limited (sidecar/quotas/).

Nothing here is called for other principals. The sizes are those of bodies as they are read and written; streams that
stay open (server-sent events of a session) are counted by `EventStream.meter`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from starlette.types import Message, Receive, Send

if TYPE_CHECKING:
    from sidecar.listener.http_protocol import HttpProtocol

Meter = Callable[[int], None]
"""Counts bytes."""


class MeteredExchange:
    """One request over ASGI: `receive` and `send` are those of the request, and count what passes."""

    def __init__(self, receive: Receive, send: Send, meter: Meter) -> None:
        self._receive, self._send, self._meter = receive, send, meter
        self.transport = getattr(getattr(send, "__self__", None), "transport", None)
        """The transport, by which `http_protocol.connection_of` finds the connection of a `send`."""

    async def receive(self) -> Message:
        """An ASGI `receive`."""
        message = await self._receive()
        self._count(message)
        return message

    async def send(self, message: Message) -> None:
        """An ASGI `send`."""
        self._count(message)
        await self._send(message)

    def _count(self, message: Message) -> None:
        if body := message.get("body"):
            self._meter(len(body))


class MeteredConnection:
    """The part of an `HttpProtocol` that a direct call needs; it counts the answer."""

    __slots__ = ("_connection", "_meter", "end", "owe", "write")

    def __init__(self, connection: HttpProtocol, meter: Meter) -> None:
        self._connection, self._meter = connection, meter
        self.owe, self.end, self.write = connection.owe, connection.end, connection.write

    def answer(self, head: bytes, body: bytes) -> None:
        """Send the complete response to a direct request."""
        self._meter(len(body))
        self._connection.answer(head, body)

    def take_over_response(self) -> Send:
        """An ASGI `send` for the response to a direct request that is more than one write."""
        send = self._connection.take_over_response()
        return MeteredExchange(_nothing, send, self._meter).send


def metered(try_direct: Callable[..., bool], meter: Meter) -> Callable[..., bool]:
    """A `TryDirect` that counts the bodies of the requests that `try_direct` serves, and of their answers."""

    def try_metered(body: bytes, connection: HttpProtocol, *more: Any) -> bool:
        taken = try_direct(body, cast("HttpProtocol", MeteredConnection(connection, meter)), *more)
        if taken:
            meter(len(body))
        return taken

    return try_metered


async def _nothing() -> Message:
    raise RuntimeError("nothing more is received")
