"""The HTTP response to a direct call over Streamable HTTP (calls/direct_call.py): usually JSON in a single write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from bridge.deadlines import Deadlines
from sidecar.calls import direct_call
from sidecar.downstream.reply import Reply, respond_json
from sidecar.listener.asgi import never
from sidecar.listener.http_protocol import HttpProtocol
from sidecar.listener.raw_responses import with_status
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame

TryDirect = Callable[[bytes, HttpProtocol, Callable[[], bool]], bool]
"""Serves a request body that came with a known head (listener/known_heads.py) on the direct way.

The last argument tells, when the answer is sent, whether the sender may still have it. Returns False if the request
needs the waiting way; then nothing has happened."""


class ReplyOwner(direct_call.DirectCaller, Protocol):
    """The client of a direct call: a session, or a `StatelessCaller`."""

    head: bytes
    """The head of a response with status 200 that is a single write."""
    headers: tuple[tuple[bytes, bytes], ...]
    """Additional headers of the other responses."""

    def add_reply(self, reply: DirectReply) -> None:
        """A call has begun, which `reply` will answer."""

    def status_of(self, frame: Frame) -> int:
        """The HTTP status of an error response."""

    def remove_reply(self, reply: DirectReply) -> None:
        """The reply is finished."""


class DirectReply:
    """The response to one call. A message that must be sent before the answer, or a ping, turns it into a `Reply`.

    `allowed` tells whether the client may still have the answer: its key may be revoked meanwhile.
    """

    __slots__ = ("_allowed", "_connection", "_id", "_ping_deadline", "_pings", "_reply", "_session")

    def __init__(
        self,
        session: ReplyOwner,
        request_id: int | str,
        connection: HttpProtocol,
        pings: Pings,
        allowed: Callable[[], bool],
    ) -> None:
        self._session = session
        self._id = request_id
        self._connection = connection
        self._pings = pings
        self._allowed = allowed
        self._reply: Reply | None = None
        self._ping_deadline = pings.add(self, pings.interval)

    def put(self, frame: Frame) -> None:
        """Send a frame before the answer."""
        self._as_stream().put(frame)

    def notify(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification before the answer."""
        self._as_stream().notify(method, params)

    def finish(self, frame: Frame) -> None:
        """Send the answer."""
        self.drop()
        self._session.remove_reply(self)
        if not self._allowed():
            if self._reply is not None:
                self._reply.drop()
            self._connection.end()
        elif self._reply is None:
            status = self._session.status_of(frame) if "error" in frame else 200
            try:
                data = codec.dumps_small(frame)
            except codec.HasLargeValues:
                send, headers = self._connection.take_over_response(), self._session.headers
                self._session.workspace.spawn(respond_json(send, status, frame, headers))
            else:
                head = self._session.head
                self._connection.answer(head if status == 200 else with_status(head, status), data)
        else:
            self._session.workspace.spawn(self._finish(self._reply, frame))

    def drop(self) -> None:
        """Stop the ping timer."""
        self._pings.drop(self._ping_deadline)

    async def _finish(self, full: Reply, frame: Frame) -> None:
        try:
            await full.finish(200, frame)
        finally:
            full.drop()

    def ping(self) -> None:
        """Send a ping before the answer; from now on the `Reply` pings."""
        self._as_stream().ping()

    def _as_stream(self) -> Reply:
        if self._reply is None:
            call, headers = self._session.running[self._id], self._session.headers
            send = self._connection.take_over_response()
            self._reply = Reply(
                never, send, call, self._pings.interval, cancel_when_disconnected=False, headers=headers
            )
        return self._reply


class Pings(Deadlines[DirectReply]):
    """Pings each reply that is not finished `interval` seconds after it began. One timer serves all replies."""

    def __init__(self, interval: float) -> None:
        super().__init__(DirectReply.ping)
        self.interval = interval


def try_call(
    owner: ReplyOwner,
    frame: Frame,
    connection: HttpProtocol,
    pings: Pings,
    allowed: Callable[[], bool],
    on_disconnect: Callable[[], None] | None = None,
) -> bool:
    """Send a call directly to its server; the connection then owes the client a response.

    Returns False if the call needs the waiting way; then nothing has happened. `on_disconnect` is called if the
    client's connection is lost before the answer.
    """
    reply = DirectReply(owner, frame["id"], connection, pings, allowed)
    if not direct_call.try_direct(owner, frame, reply.notify, reply.finish):
        reply.drop()
        return False
    connection.owe(on_disconnect)
    owner.add_reply(reply)
    return True
