"""The response to a call that came the short way over Streamable HTTP: JSON in one write, as nearly always."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from bridge.deadlines import Deadlines
from sidecar.downstream.reply import Reply, respond_json
from sidecar.listener.asgi import never
from sidecar.listener.http_protocol import HttpProtocol
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame

if TYPE_CHECKING:
    from sidecar.concurrency.cancel_scope import Running
    from sidecar.workspaces.workspace import Workspace


class ReplyOwner(Protocol):
    """The session whose call is answered."""

    head: bytes
    """How the response begins, where it is one write."""
    headers: tuple[tuple[bytes, bytes], ...]
    running: dict[int | str, Running]
    workspace: Workspace

    def release(self, reply: ShortReply) -> None:
        """The reply is finished."""


class ShortReply:
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
            try:
                data = codec.dumps_small(frame)
            except codec.HasLarge:
                send, headers = self._connection.taken_over(), self._session.headers
                self._session.workspace.spawn(respond_json(send, 200, frame, headers))
            else:
                self._connection.answer(self._session.head, data)
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


class Pings(Deadlines[ShortReply]):
    """Pings each reply that is not finished `interval` seconds after it began, by one timer for all of them."""

    def __init__(self, interval: float) -> None:
        super().__init__(ShortReply.ping)
        self.interval = interval
