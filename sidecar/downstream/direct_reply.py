"""The response to a call that came the direct way over Streamable HTTP: JSON in one write, as nearly always."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from bridge.deadlines import Deadlines
from sidecar.calls import direct_call
from sidecar.downstream.reply import Reply, respond_json
from sidecar.listener.asgi import never
from sidecar.listener.http_protocol import HttpProtocol, with_status
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame

TryDirect = Callable[[bytes, HttpProtocol, Callable[[], bool]], bool]
"""Takes a body that came with a head that was served; the last argument says whether who sent it may still have the
answer. False, and nothing has happened, where it is to be served in the usual way."""


class ReplyOwner(direct_call.DirectCaller, Protocol):
    """Who calls, and how the call is answered."""

    head: bytes
    """How the response begins, where it is one write, and no error with a status of its own."""
    headers: tuple[tuple[bytes, bytes], ...]

    def took(self, reply: DirectReply) -> None:
        """A call was taken, which `reply` answers."""

    def status_of(self, frame: Frame) -> int:
        """The HTTP status of an answer that is an error."""

    def release(self, reply: DirectReply) -> None:
        """The reply is finished."""


class DirectReply:
    """Finished with the answer. What has to go before that makes it a `Reply`, as does its ping.

    `allowed` says whether who asked may still have the answer: keys may be revoked meanwhile.
    """

    __slots__ = ("_allowed", "_connection", "_full", "_id", "_ping_deadline", "_pings", "_session")

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
        self._full: Reply | None = None
        self._ping_deadline = pings.add(self, pings.interval)

    def put(self, frame: Frame) -> None:
        """Send a frame before the answer."""
        self._opened().put(frame)

    def notify(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification before the answer."""
        self._opened().notify(method, params)

    def finish(self, frame: Frame) -> None:
        """Send the answer."""
        self.drop()
        self._session.release(self)
        if not self._allowed():
            if self._full is not None:
                self._full.drop()
            self._connection.end()
        elif self._full is None:
            status = self._session.status_of(frame) if "error" in frame else 200
            try:
                data = codec.dumps_small(frame)
            except codec.HasLargeValues:
                send, headers = self._connection.taken_over(), self._session.headers
                self._session.workspace.spawn(respond_json(send, status, frame, headers))
            else:
                head = self._session.head
                self._connection.answer(head if status == 200 else with_status(head, status), data)
        else:
            self._session.workspace.spawn(self._finish(self._full, frame))

    def drop(self) -> None:
        """Nothing more is sent by itself."""
        self._pings.drop(self._ping_deadline)

    async def _finish(self, full: Reply, frame: Frame) -> None:
        try:
            await full.finish(200, frame)
        finally:
            full.drop()

    def ping(self) -> None:
        """Show that the answer is still waited for; from now on the `Reply` does that."""
        self._opened().ping()

    def _opened(self) -> Reply:
        if self._full is None:
            call, headers = self._session.running[self._id], self._session.headers
            send = self._connection.taken_over()
            self._full = Reply(never, send, call, self._pings.interval, leaves=False, headers=headers)
        return self._full


class Pings(Deadlines[DirectReply]):
    """Pings each reply that is not finished `interval` seconds after it began, by one timer for all of them."""

    def __init__(self, interval: float) -> None:
        super().__init__(DirectReply.ping)
        self.interval = interval


def begin(
    owner: ReplyOwner,
    frame: Frame,
    connection: HttpProtocol,
    pings: Pings,
    allowed: Callable[[], bool],
    left: Callable[[], None] | None = None,
) -> bool:
    """Send a call to its server and owe the answer, if no task is needed; False, and nothing has happened, if it is.

    `left` is called when the client's connection is lost meanwhile.
    """
    reply = DirectReply(owner, frame["id"], connection, pings, allowed)
    if not direct_call.try_direct(owner, frame, reply.notify, reply.finish):
        reply.drop()
        return False
    connection.owe(left)
    owner.took(reply)
    return True
