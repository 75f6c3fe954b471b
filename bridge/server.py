"""The server of the bridge: validates requests, runs their handlers and answers; and a publisher of events."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from bridge.author import ASKED, Asked, Author
from bridge.codec import Envelope, decode, encode, new_session, to_body
from bridge.errors import HubError, Overloaded, UnknownKind
from bridge.kinds import ERROR, EVENT, JOIN, OK, request_body
from bridge.models import KINDS, Event, Model, Ping, Pong, Request
from bridge.sockets import ZMQ
from bridge.transport import Fanout, Router, Transport

log = logging.getLogger(__name__)

Handler = Callable[[Any], Awaitable[Model]]
"""Called with the validated body; returns the kind's answer, or raises HubError."""
Handlers = Mapping[type[Request[Any]], Handler]
"""Handlers by the class of the body: `{SetServer: ...}`."""

MAX_INFLIGHT = 1024
"""Concurrent requests per server."""


@dataclass(frozen=True)
class _Request:
    peer: bytes
    id: str
    body: Request[Any]
    by: Author | None


class BridgeServer:
    """Serves one address of the bridge.

    Up to `max_inflight` requests are handled concurrently; further ones are answered with Overloaded. Requests of the
    same queue (`Request.queue`) are handled one at a time, in order of arrival. `ping` needs no handler.
    """

    def __init__(
        self,
        address: str,
        handlers: Handlers,
        *,
        session: str | None = None,
        max_inflight: int = MAX_INFLIGHT,
        transport: Transport = ZMQ,
    ) -> None:
        self.address = address
        self.session = session or new_session()
        self._handlers: dict[str, Handler] = {
            Ping.kind: self._pong,
            **{body.kind: handler for body, handler in handlers.items()},
        }
        self._transport = transport
        self._max_inflight = max_inflight
        self._inflight = 0
        self._queue_names = {body.queue for body in handlers if body.queue}
        self._queues: dict[str, asyncio.Queue[_Request]] = {}
        self._router: Router | None = None

    async def release(self) -> None:
        """Give the address up for another process; the clients that are connected are served until `serve` ends."""
        if self._router:
            await self._router.release()

    async def finished(self, most: float) -> None:
        """Wait until no request is in progress, at most `most` seconds."""
        deadline = time.monotonic() + most
        while self._inflight and time.monotonic() < deadline:  # noqa: ASYNC110 - it takes milliseconds
            await asyncio.sleep(0.005)

    async def serve(self, started: asyncio.Event | None = None) -> None:
        """Bind, set `started`, and serve until cancelled.

        Raises:
            AddressInvalid, AddressTaken, RuntimeDirUnsafe: the address cannot be bound.
        """
        async with self._transport.router(self.address) as router, asyncio.TaskGroup() as tasks:
            self._inflight, self._router = 0, router
            self._queues = {name: asyncio.Queue() for name in self._queue_names}
            for queue in self._queues.values():
                tasks.create_task(self._work(router, queue))
            if started:
                started.set()
            while True:
                peer, data = await router.receive()
                if request := self._admit(router, peer, data):
                    if name := request.body.queue:
                        self._queues[name].put_nowait(request)
                    else:
                        tasks.create_task(self._handle(router, request))

    def _admit(self, router: Router, peer: bytes, data: bytes) -> _Request | None:
        """Validate a request and count it as in flight; None if it was refused, which is answered here."""
        message_id = ""
        try:
            envelope = decode(data)
            message_id = envelope.id
            if envelope.kind not in self._handlers:
                raise UnknownKind(f"This side does not serve {envelope.kind!r}.", data={"serves": self._serves()})
            if self._inflight >= self._max_inflight:
                raise Overloaded(f"{self._inflight} requests are already in progress.")
            body = request_body(KINDS[envelope.kind], envelope.body)
            request = _Request(peer, envelope.id, body, envelope.by)
        except HubError as error:
            self._refuse(router, peer, message_id or str(error.data.get("id", "")), error)
            return None
        self._inflight += 1
        return request

    async def _work(self, router: Router, queue: asyncio.Queue[_Request]) -> None:
        while True:
            await self._handle(router, await queue.get())

    async def _handle(self, router: Router, request: _Request) -> None:
        """Run the handler of a request, and answer. Raises nothing but CancelledError."""
        name = request.body.kind
        ASKED.set(Asked(name, request.by))
        try:
            answer = await self._handlers[name](request.body)
            if not isinstance(answer, request.body.answer):
                raise TypeError(f"the handler of {name!r} returned {type(answer).__name__}")  # noqa: TRY301
            router.send(request.peer, self._encode(request.id, name + OK, to_body(answer)))
        except HubError as error:
            self._refuse(router, request.peer, request.id, error)
        except Exception:
            log.exception("bridge handler failed", extra={"kind": name, "request": request.id})
            self._refuse(
                router, request.peer, request.id, HubError(f"{name!r} failed by an internal error of the hub.")
            )
        finally:
            self._inflight -= 1

    def _refuse(self, router: Router, peer: bytes, message_id: str, error: HubError) -> None:
        try:
            data = self._encode(message_id, ERROR, to_body(error.body()))
        except HubError:  # its data cannot be encoded: send code and message only
            plain = error.body().model_copy(update={"data": {}})
            data = self._encode(message_id, ERROR, to_body(plain))
        router.send(peer, data)

    def _encode(self, message_id: str, kind: str, body: dict[str, Any]) -> bytes:
        return encode(Envelope(id=message_id, session=self.session, kind=kind, body=body))

    def _serves(self) -> list[str]:
        return sorted(self._handlers)

    async def _pong(self, _: Ping) -> Pong:
        return Pong(pid=os.getpid(), serves=tuple(self._serves()))


class EventPublisher:
    """Publishes events to all subscribers, without waiting for them. An async context manager."""

    def __init__(self, address: str, *, session: str | None = None, transport: Transport = ZMQ) -> None:
        self.address = address
        self.session = session or new_session()
        self._context = transport.fanout(address)
        self._fanout: Fanout | None = None
        self._joins: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)

    async def __aenter__(self) -> Self:
        """Raises AddressInvalid, AddressTaken or RuntimeDirUnsafe when the address cannot be bound."""
        self._fanout = await self._context.__aenter__()
        self._joins = asyncio.create_task(self._greet(self._fanout), name=f"joins at {self.address}")
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._fanout = None
        if self._joins:
            self._joins.cancel()
            await asyncio.gather(self._joins, return_exceptions=True)
        await self._context.__aexit__(None, None, None)

    async def release(self) -> None:
        """Give the address up for another process; the subscribers that are connected go on."""
        if self._fanout:
            await self._fanout.release()

    def publish(self, event: Event) -> None:
        """Send an event to its subscribers; dropped if there are none, or the publisher is closed.

        Raises:
            BadMessage: the event cannot be encoded as JSON, or is too large.
        """
        if self._fanout:
            self._fanout.send(event.topic.encode(), self._encode(event))

    async def _greet(self, fanout: Fanout) -> None:
        while True:
            topic = await fanout.subscribed()
            if topic.startswith(JOIN):
                fanout.send(topic, self._encode(Event(topic="joined", subject=self.session)))

    def _encode(self, event: Event) -> bytes:
        return encode(Envelope(id=str(next(self._ids)), session=self.session, kind=EVENT, body=to_body(event)))
