"""The frame channel: one connection to an MCP server, whatever its transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sidecar.errors import SidecarError

Frame = dict[str, Any]
"""One JSON-RPC message as parsed JSON."""
Put = Callable[[Frame], None]
"""Sends a frame to a client, without waiting."""


class Unread(dict[str, Any]):
    """An error response that a channel makes in the place of an answer that it cannot read.

    Its `id` is None where the answer does not tell whose it is: then it is that of the only request under way.
    """

    def __init__(self, request_id: int | str | None, error: SidecarError) -> None:
        super().__init__(jsonrpc="2.0", id=request_id, error=error.rpc())
        self.reason = error


OnFrame = Callable[[Frame], None]
"""Called with each frame that the server sends, in order; must not block nor raise."""


class Channel(Protocol):
    """An open connection. Whoever opened it (an async context manager in this package) closes it."""

    transport: str
    """`stdio`, `sse`, `http` or `websocket`."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The process that answers on this channel; empty for remote servers."""

    async def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """Send one frame; `headers` go with it where the transport is HTTP.

        Raises:
            ConnectionLost: the channel is closed.
        """

    def send_now(self, frame: Frame, alone: bool) -> bool:
        """Send one frame, if nothing has to be waited for; False, and nothing is sent, if it has.

        `alone`: no request is under way, so that none need be gathered with it.
        """

    def unread(self) -> frozenset[int]:
        """The ids of the requests that were sent and certainly not carried out: nobody has read them, nor will."""

    async def wait_closed(self) -> SidecarError:
        """Wait until the other side ended the connection, and tell why."""

    def stderr(self) -> tuple[str, ...]:
        """The last lines that the server wrote to stderr, secrets masked; empty for remote servers."""
