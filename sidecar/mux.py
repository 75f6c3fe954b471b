"""Requests multiplexed over one channel: ids, progress tokens, deadlines and cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bridge.deadlines import Deadlines
from sidecar import frames
from sidecar.channel import Frame
from sidecar.errors import CallTimeout, ConnectionLost, SidecarError
from sidecar.limit import Limit

log = logging.getLogger(__name__)

Send = Callable[[Frame, Mapping[str, str] | None], Awaitable[None]]
Progress = Callable[[dict[str, Any]], None]

CANCEL_SEND_TIMEOUT = 1.0


class Mux:
    """One side of a connection that asks: `on_frame` takes what comes back."""

    def __init__(
        self,
        send: Send,
        on_notification: Callable[[str, dict[str, Any]], None],
        on_request: Callable[[Frame], None],
    ) -> None:
        self._send = send
        self._on_notification = on_notification
        self._on_request = on_request
        self._next_id = 0
        self._pending: dict[int, asyncio.Future[Frame]] = {}
        self._progress: dict[int, Progress] = {}
        self._deadlines: Deadlines[Limit] = Deadlines(Limit.expire)
        self._ended: SidecarError | None = None

    def on_frame(self, frame: Frame) -> None:
        """Route one incoming frame: to the request that it answers, or to the handlers."""
        if "method" in frame:
            if isinstance(frame["method"], str):
                self._on_method(frame)
            return
        future = self._pending.pop(_as_int(frame.get("id")), None)
        if future is not None and not future.done():
            future.set_result(frame)

    def _on_method(self, frame: Frame) -> None:
        params = frame.get("params")
        params = params if isinstance(params, dict) else {}
        if "id" in frame:
            self._on_request(frame)
        elif frame["method"] == "notifications/progress":
            self._route_progress(params)
        else:
            self._on_notification(frame["method"], params)

    def _route_progress(self, params: dict[str, Any]) -> None:
        handler = self._progress.get(_as_int(params.get("progressToken")))
        if handler is not None:
            handler(params)

    async def request(
        self,
        method: str,
        params: dict[str, Any] | None,
        *,
        timeout: float | None,
        headers: Mapping[str, str] | None = None,
        on_progress: Progress | None = None,
    ) -> Frame:
        """Send a request and return the response frame, whether result or error. `timeout` in seconds.

        Cancelled or late, the other side is told so (MCP, Cancellation).

        Raises:
            CallTimeout: no answer in time.
            ConnectionLost: the channel is closed (then its `sent` is false), or closed meanwhile.
        """
        self._next_id += 1
        request_id = self._next_id
        if on_progress is not None:
            params = {**(params or {}), "_meta": {**((params or {}).get("_meta") or {}), "progressToken": request_id}}
            self._progress[request_id] = on_progress
        future = self._pending[request_id] = asyncio.get_running_loop().create_future()
        try:
            with Limit(self._deadlines, timeout):
                await self._deliver(frames.request(request_id, method, params), headers)
                frame: Frame = await future
                return frame
        except TimeoutError:
            await self._cancel(method, request_id, "timed out")
            raise CallTimeout(f"No answer to {method} within {round(timeout or 0, 2):g} s.") from None
        except asyncio.CancelledError:
            await self._cancel(method, request_id, "cancelled by the client")
            raise
        finally:
            self._pending.pop(request_id, None)
            self._progress.pop(request_id, None)

    async def _deliver(self, frame: Frame, headers: Mapping[str, str] | None) -> None:
        lost = ConnectionLost(self._ended.message) if self._ended else None
        if lost is None:
            try:
                return await self._send(frame, headers)
            except ConnectionLost as error:
                lost = error
        lost.sent = False
        raise lost

    async def _cancel(self, method: str, request_id: int, reason: str) -> None:
        if method == "initialize":  # MCP, Cancellation: the initialize request must not be cancelled
            return
        cancelled = frames.notification("notifications/cancelled", {"requestId": request_id, "reason": reason})
        with contextlib.suppress(SidecarError, TimeoutError):
            async with asyncio.timeout(CANCEL_SEND_TIMEOUT):
                await self._send(cancelled, None)

    def fail_all(self, error: SidecarError) -> None:
        """Fail every pending request, and those that are still to come: the channel is closed."""
        self._ended = error
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                future.set_exception(ConnectionLost(f"The connection ended before the answer: {error.message}"))
                future.exception()  # marks it as retrieved: its request may have been cancelled meanwhile


def _as_int(value: Any) -> int:
    """Our ids are integers; some servers echo them as strings or floats."""
    if isinstance(value, int):
        return value
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return -1
