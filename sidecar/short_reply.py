"""The response to a call that came the short way over Streamable HTTP: JSON in one write, as nearly always."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from sidecar import codec
from sidecar.asgi import never
from sidecar.channel import Frame
from sidecar.http_protocol import HttpProtocol
from sidecar.reply import Reply

if TYPE_CHECKING:
    from sidecar.cut import Running
    from sidecar.workspace import Workspace


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
    """Finished with the answer. What has to go before that makes it a `Reply`, as do `ping_interval` seconds.

    `allowed` says whether who asked may still have the answer: keys may be revoked meanwhile.
    """

    __slots__ = ("_allowed", "_connection", "_full", "_id", "_ping_interval", "_session", "_timer")

    def __init__(
        self,
        session: ReplyOwner,
        request_id: int | str,
        connection: HttpProtocol,
        ping_interval: float,
        allowed: Callable[[], bool],
    ) -> None:
        self._session = session
        self._id = request_id
        self._connection = connection
        self._ping_interval = ping_interval
        self._allowed = allowed
        self._full: Reply | None = None
        self._timer = asyncio.get_running_loop().call_later(ping_interval, self._ping)

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
            self._connection.answer(self._session.head, codec.dumps(frame))
        else:
            self._session.workspace.spawn(self._finish(self._full, frame))

    def drop(self) -> None:
        """Nothing more is sent by itself."""
        self._timer.cancel()

    async def _finish(self, full: Reply, frame: Frame) -> None:
        try:
            await full.finish(200, frame)
        finally:
            full.drop()

    def _ping(self) -> None:
        self._opened().ping()

    def _opened(self) -> Reply:
        if self._full is None:
            call, headers = self._session.running[self._id], self._session.headers
            send = self._connection.taken_over()
            self._full = Reply(never, send, call, self._ping_interval, leaves=False, headers=headers)
        return self._full
