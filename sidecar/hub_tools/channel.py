"""A channel to tools that run in the sidecar itself: the hub's own (sidecar/hub_tools). No process, no socket.

To the rest of the hub they are a server of the legacy era with tools alone, so that views, deadlines, metrics and the
history apply to them as to any other server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from sidecar.errors import INTERNAL_ERROR, ConnectionLost, MethodUnknown, SidecarError
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame, OnFrame
from sidecar.version import VERSION

log = logging.getLogger(__name__)

PROTOCOL_VERSION = "2025-11-25"


class InProcessServer(Protocol):
    """What answers behind the channel."""

    async def list_tools(self) -> list[dict[str, Any]]:
        """The tools, as in a `tools/list` result."""

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of a call, as in a `tools/call` result. Raises SidecarError."""


class InProcessChannel:
    """Answers each request in a task of its own, which runs in the context (PEP 567) of the sender."""

    transport = "in-process"
    slowed = False
    pids: tuple[int, ...] = ()

    def __init__(self, server: InProcessServer, on_frame: OnFrame, tasks: asyncio.TaskGroup) -> None:
        self.on_slowed: Callable[[str], None] = lambda _: None
        """Never called: there is no flood to slow down."""
        self._server = server
        self._on_frame = on_frame
        self._tasks = tasks
        self._running: dict[Any, asyncio.Task[None]] = {}
        self._closed = False

    async def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """Take a frame. Raises ConnectionLost if the channel is closed."""
        if self._closed:
            raise ConnectionLost("The hub's own tools are being closed.")
        if "id" in frame:
            task = self._running[frame["id"]] = self._tasks.create_task(self._answer(frame))
            task.add_done_callback(lambda _: self._running.pop(frame["id"], None))
        elif frame["method"] == "notifications/cancelled" and frame["params"]["requestId"] in self._running:
            self._running[frame["params"]["requestId"]].cancel()

    def try_send(self, frame: Frame, alone: bool) -> bool:
        """Send nothing: a call needs the context of the waiting way."""
        return False

    def unread_ids(self) -> frozenset[int]:
        """None: a frame is read when it is sent."""
        return frozenset()

    async def wait_closed(self) -> SidecarError:
        """Wait for ever: the tools end with the sidecar only."""
        never: asyncio.Future[SidecarError] = asyncio.get_running_loop().create_future()
        return await never

    def stderr(self) -> tuple[str, ...]:
        """None."""
        return ()

    def close(self) -> None:
        """Cancel the calls in progress; no further ones begin."""
        self._closed = True
        for task in tuple(self._running.values()):
            task.cancel()

    async def _answer(self, frame: Frame) -> None:
        request_id = frame["id"]
        try:
            answer = jsonrpc.result(request_id, await self._result(frame["method"], frame.get("params") or {}))
        except SidecarError as error:
            answer = jsonrpc.error(request_id, error.rpc())
        except Exception:
            log.exception("a tool of the hub failed", extra={"method": frame["method"]})
            answer = jsonrpc.error(request_id, {"code": INTERNAL_ERROR, "message": "The hub failed; its log says why."})
        self._on_frame(answer)

    async def _result(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "tools/call":
            return await self._server.call_tool(params["name"], params.get("arguments") or {})
        if method == "tools/list":
            return {"tools": await self._server.list_tools()}
        if method == "initialize":
            info = {"name": "yamcp-hub", "version": VERSION}
            return {"protocolVersion": PROTOCOL_VERSION, "capabilities": {"tools": {}}, "serverInfo": info}
        if method == "ping":
            return {}
        raise MethodUnknown(f"The hub's own tools do not know {method}.")


@asynccontextmanager
async def open_in_process(server: InProcessServer, on_frame: OnFrame) -> AsyncIterator[InProcessChannel]:
    """Open a channel; its tasks end with the context."""
    async with asyncio.TaskGroup() as tasks:
        channel = InProcessChannel(server, on_frame, tasks)
        try:
            yield channel
        finally:
            channel.close()
