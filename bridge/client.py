"""The client of the bridge: requests with deadlines over a connection that reconnects, and a subscriber for events."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self, TypeVar, get_args

from pydantic import ValidationError

from bridge.author import Author
from bridge.codec import Envelope, decode, encode, explain, new_session, to_body
from bridge.deadlines import Deadlines
from bridge.errors import BadMessage, HubError, PeerUnavailable
from bridge.kinds import EVENT, JOIN, answer_body
from bridge.models import Event, Model, Ping, Request
from bridge.sockets import ZMQ
from bridge.transport import Listener, Transport

log = logging.getLogger(__name__)

A = TypeVar("A", bound=Model)

MAX_PENDING = 512
"""Unanswered requests per client."""
GREETING_TIMEOUT = 5.0
"""Seconds to wait for the answer to a ping, before the next one is sent."""
TOPICS: tuple[str, ...] = tuple(
    topic
    for topic in get_args(Event.model_fields["topic"].annotation)
    if topic not in ("desired", "activation", "approvals", "joined")
)
"""All topics of the sidecar's events."""


@dataclass(eq=False, slots=True)
class _Pending:
    """A request that is not answered yet."""

    body: Request[Any]
    timeout: float
    answer: asyncio.Future[Envelope]
    by: Author | None = None
    id: str = ""
    data: bytes = b""
    """Empty until the request gets a slot, so that waiting requests take little memory."""
    out: bool = False
    """It was sent over the current connection, and the server has not answered."""
    sent: bool = False
    """It was sent at least once, so the server may have executed it."""


class BridgeClient:
    """Sends requests to the server at an address. An async context manager.

    Requests are sent in order, at most `max_pending` at a time; further ones wait, within their deadlines, as do all
    while there is no connection. When the connection ends, requests without an answer are sent again if they are
    repeatable (`Request.repeatable`), and fail otherwise. Each connection begins with a ping, to learn the server's
    session (`peer_session`); `on_peer` is called with the session of each new run of the server.
    """

    def __init__(
        self,
        address: str,
        *,
        session: str | None = None,
        max_pending: int = MAX_PENDING,
        on_peer: Callable[[str], None] | None = None,
        transport: Transport = ZMQ,
        by: Author | None = None,
    ) -> None:
        """`by` makes the requests that do not say who does. Raises AddressInvalid if the transport cannot serve it."""
        self.address = address
        self.session = session or new_session()
        self.peer_session: str | None = None
        self._dealer = transport.dealer(address)
        self._by = by
        self._on_peer = on_peer
        self._max_pending = max_pending
        self._ids = itertools.count(1)
        self._waiting: deque[_Pending] = deque()
        self._pending: dict[str, _Pending] = {}
        self._unsent: deque[_Pending] = deque()
        self._peer_changed = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._greeting: asyncio.Task[None] | None = None
        self._closed = False
        self._deadlines = Deadlines(self._late)

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self._dealer.run(self), name=f"bridge to {self.address}")
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._closed = True
        self._deadlines.close()
        self._fail((*self._pending.values(), *self._waiting), "the client was closed")
        tasks = [task for task in (self._runner, self._greeting) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- requests --------------------------------------------------------------------------------------------------

    async def request(self, body: Request[A], timeout: float = 5.0, by: Author | None = None) -> A:
        """Send a request, and wait for its answer for at most `timeout` seconds. `by` says who makes it.

        Raises:
            RemoteError: the server answered with an error, whose code it carries.
            PeerUnavailable: no answer in time, or the connection ended and the kind is not repeatable. If
                `data["sent"]` is true, the server may have executed the request.
            UnknownKind: the server does not serve this kind.
            BadMessage: the answer is malformed, or does not match the kind.
            VersionMismatch: the server uses another version of the protocol.
        """
        pending = _Pending(body, timeout, _future(), by or self._by)
        self._waiting.append(pending)
        if self._closed:
            self._fail([pending], "the client was closed")
        deadline = self._deadlines.add(pending, timeout)
        self._admit()
        try:
            return answer_body(type(body), await pending.answer)
        finally:
            self._deadlines.drop(deadline)
            if not pending.out:
                self._forget(pending)

    def _late(self, pending: _Pending) -> None:
        if pending.answer.done():
            return
        what = "did not answer" if pending.sent else "could not be reached"
        pending.answer.set_exception(
            PeerUnavailable(f"{self.address} {what} within {pending.timeout:g} s.", data={"sent": pending.sent})
        )

    def _admit(self) -> None:
        """Give free slots to waiting requests, in order, and send them."""
        while self._waiting and len(self._pending) < self._max_pending:
            pending = self._waiting.popleft()
            if not pending.answer.done():
                self._enter(pending)
        self._flush()

    def _enter(self, pending: _Pending) -> None:
        pending.id = str(next(self._ids))
        try:
            body = to_body(pending.body)
            kind, by = pending.body.kind, pending.by
            pending.data = encode(Envelope(id=pending.id, session=self.session, kind=kind, body=body, by=by))
        except HubError as error:
            pending.answer.set_exception(error)
            return
        self._pending[pending.id] = pending
        self._unsent.append(pending)

    def _forget(self, pending: _Pending) -> None:
        """Free the slot of a request. A sent request keeps it until it is answered, even if the caller gave up."""
        if self._pending.pop(pending.id, None):
            self._admit()
        elif not pending.id and pending in self._waiting:
            self._waiting.remove(pending)

    def _flush(self) -> None:
        """Send unsent requests, in order, until the connection accepts no more."""
        while self._unsent:
            first = self._unsent[0]
            if not first.answer.done():
                if not self._dealer.send(first.data):
                    return
                first.sent = first.out = True
            self._unsent.popleft()

    def _fail(self, pendings: Iterable[_Pending], reason: str) -> None:
        for pending in pendings:
            if not pending.answer.done():
                pending.answer.set_exception(
                    PeerUnavailable(f"{self.address} did not answer: {reason}.", data={"sent": pending.sent})
                )

    # --- the connection's events (transport.Link) --------------------------------------------------------------------

    def up(self) -> None:
        self._flush()
        self._greeting = asyncio.create_task(self._greet(), name=f"greeting {self.address}")

    def down(self) -> None:
        if self._greeting:
            self._greeting.cancel()
        for pending in list(self._pending.values()):
            if pending.out and not pending.body.repeatable:
                self._fail([pending], "the connection ended")
            if pending.answer.done():
                self._forget(pending)
            pending.out = False
        self._unsent = deque(self._pending.values())
        self._admit()

    def message(self, data: bytes) -> None:
        try:
            envelope = decode(data)
        except HubError as error:
            self._broken(error)
            return
        self._meet(envelope.session)
        if pending := self._pending.get(envelope.id):
            self._forget(pending)
            if not pending.answer.done():
                pending.answer.set_result(envelope)
        if self._unsent:
            self._flush()

    def _broken(self, error: HubError) -> None:
        """Fail the request that a malformed message answers, if its id could be read."""
        if pending := self._pending.get(str(error.data.get("id"))):
            self._forget(pending)
            if not pending.answer.done():
                pending.answer.set_exception(error)
        else:
            log.warning("unreadable message", extra={"address": self.address, "code": error.code, "why": error.message})

    # --- the server's session ----------------------------------------------------------------------------------------

    async def peer(self, other_than: str | None = None) -> str:
        """Wait until the server's session is known and not `other_than`; returns it."""
        while self.peer_session is None or self.peer_session == other_than:
            await self._peer_changed.wait()
        return self.peer_session

    def _meet(self, session: str) -> None:
        if session == self.peer_session:
            return
        self.peer_session = session
        self._peer_changed.set()
        self._peer_changed = asyncio.Event()
        if self._on_peer:
            self._on_peer(session)

    async def _greet(self) -> None:
        """Ping the server until it answers, to learn its session."""
        while True:
            try:
                await self.request(Ping(), timeout=GREETING_TIMEOUT)
            except PeerUnavailable:
                continue
            except HubError as error:
                log.warning("bridge peer refused", extra={"address": self.address, "code": error.code})
            return


class Subscriber:
    """Receives the events published at an address. An async context manager and async iterator of `Event`.

    The first event of each connection is `joined`, whose subject is the publisher's session. Request the status then,
    as earlier events are not repeated. From then on no event is lost unless the subscriber falls behind by 10,000.
    """

    def __init__(self, address: str, topics: Iterable[str] = TOPICS, *, transport: Transport = ZMQ) -> None:
        self.address = address
        wanted = (*(topic.encode() for topic in topics), JOIN + secrets.token_hex(8).encode())
        self._context = transport.listener(address, wanted)
        self._listener: Listener | None = None

    async def __aenter__(self) -> Self:
        """Raises AddressInvalid when the transport cannot serve the address."""
        self._listener = await self._context.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._listener = None
        await self._context.__aexit__(None, None, None)

    async def __aiter__(self) -> AsyncIterator[Event]:
        while self._listener:
            try:
                yield _event(await self._listener.receive())
            except BadMessage as error:
                log.warning("unreadable event", extra={"address": self.address, "why": error.message})


def _event(data: bytes) -> Event:
    envelope = decode(data)
    if envelope.kind != EVENT:
        raise BadMessage(f"A message of kind {envelope.kind!r} was published.")
    try:
        return Event.model_validate(envelope.body)
    except ValidationError as error:
        raise BadMessage(f"An event does not fit: {explain(error)}.") from None


def _future() -> asyncio.Future[Envelope]:
    return asyncio.get_running_loop().create_future()
