"""The interface of a connection to an MCP server, for every transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sidecar.errors import SidecarError

Frame = dict[str, Any]
"""One JSON-RPC message as parsed JSON."""
Params = dict[str, Any]
"""The params of a request or notification."""
SendFrame = Callable[[Frame], None]
"""Queues a frame for a client; does not wait."""
Notify = Callable[[str, Params], None]
"""Sends the client a notification (method, params) about the request in progress."""


class UnreadableAnswer(dict[str, Any]):
    """The error response that a channel delivers in place of an answer that it cannot parse.

    `id` is None where the request's id could not be read either; the answer then belongs to the only request in
    progress, if there is just one.
    """

    def __init__(self, request_id: int | str | None, error: SidecarError) -> None:
        super().__init__(jsonrpc="2.0", id=request_id, error=error.rpc())
        self.reason = error


OnFrame = Callable[[Frame], bool | None]
"""Called with each frame that the server sends, in order; must neither block nor raise.

Returns False if nobody waited for the frame: it is no answer to a pending request."""


class Channel(Protocol):
    """An open connection. The async context manager that opened it (in sidecar/channels) closes it."""

    transport: str
    """`stdio`, `sse`, `http` or `websocket`."""

    on_slowed: Callable[[str], None]
    """Called once for each flood, when the server has been slowed down for a while, with a sentence for people."""

    @property
    def slowed(self) -> bool:
        """Whether the server is still being slowed down since then."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The ids of the server's process; empty for remote servers."""

    async def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """Send one frame; `headers` are added where the transport is HTTP.

        Raises:
            ConnectionLost: the channel is closed.
        """

    def try_send(self, frame: Frame, alone: bool) -> bool:
        """Send one frame if that is possible without waiting; else return False and send nothing.

        `alone`: no other request is in progress, so the channel need not wait for more frames to write together.
        """

    def unread_ids(self) -> frozenset[int]:
        """The ids of the requests that were sent but that the server certainly has not read, and never will."""

    async def wait_closed(self) -> SidecarError:
        """Wait until the server ends the connection; returns the reason."""

    def stderr(self) -> tuple[str, ...]:
        """The last lines that the server wrote to stderr, with secrets masked; empty for remote servers."""
