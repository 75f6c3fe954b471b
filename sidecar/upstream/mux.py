"""Requests multiplexed over one channel: ids, progress tokens, deadlines and cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from contextvars import Context, copy_context
from typing import Any

from bridge.deadlines import Deadline, Deadlines
from sidecar.concurrency.timeout import SharedTimeout
from sidecar.errors import AnswerTooLarge, CallTimeout, ConnectionLost, SidecarError
from sidecar.protocol import jsonrpc, results
from sidecar.protocol.channel import Frame, UnreadableAnswer

log = logging.getLogger(__name__)

Send = Callable[[Frame, Mapping[str, str] | None], Awaitable[None]]
SendNow = Callable[[Frame, bool], bool]
"""As `Channel.try_send`."""
Progress = Callable[[dict[str, Any]], None]

CANCEL_SEND_TIMEOUT = 1.0
BY_CLIENT = "cancelled by the client"
"""Why a request is cancelled, where the client gave no reason of its own."""
LISTEN = "subscriptions/listen"
"""A request that is answered when its stream ends (MCP 2026-07-28, Subscriptions)."""
MOST_DOUBTS = 100
MOST_DIGITS = 18
"""Of an id that is echoed as a string."""


_NONE: tuple[str, ...] = ()


class Awaited:
    """A request that a task waits for."""

    __slots__ = ("_future", "method")

    def __init__(self, method: str, future: asyncio.Future[Frame]) -> None:
        self.method = method
        self._future = future

    def answered(self, frame: Frame) -> None:
        """The response has come."""
        if not self._future.done():
            self._future.set_result(frame)

    def failed(self, error: SidecarError) -> None:
        """There will be none."""
        if not self._future.done():
            self._future.set_exception(error)
            self._future.exception()  # marks it as retrieved: its task may have been cancelled meanwhile


class Told(ABC):
    """A request that no task waits for: `ended` is called with what it ends with, once. It knows its method.

    A subclass has slots for the attributes here: it may be something else besides, which has slots of its own.
    """

    __slots__ = _NONE

    method: str
    _mux: Mux
    _deadline: Deadline
    _number: int
    _seconds: float

    @abstractmethod
    def ended(self, outcome: Frame | SidecarError) -> None:
        """The response is there, or there will be none. Must not raise."""

    def answered(self, frame: Frame) -> None:
        """The response has come."""
        self._mux.close(self._number, self._deadline)
        self.ended(frame)

    def failed(self, error: SidecarError) -> None:
        """There will be none."""
        self._mux.close(self._number, self._deadline)
        self.ended(error)

    def give_up(self, reason: str) -> None:
        """Have no answer any more, and tell the other side so; `ended` is not called."""
        self._mux.close(self._number, self._deadline)
        self._mux.cancel_soon(self.method, self._number, reason)

    def expire(self) -> None:
        """The time is up."""
        self.give_up("timed out")
        self.ended(_late(self.method, self._seconds))


class Mux:
    """One side of a connection that asks: `on_frame` takes what comes back. `start` does work beside it.

    `on_request` starts the task that answers a request of the other side, and returns whether what came behind that
    request has to wait for the task.
    """

    def __init__(
        self,
        send: Send,
        send_now: SendNow,
        start: Callable[[Coroutine[Any, Any, None]], object],
        on_notification: Callable[[str, dict[str, Any]], None],
        on_request: Callable[[Frame], bool],
    ) -> None:
        self._send = send
        self._send_now = send_now
        self._start = start
        self._on_notification = on_notification
        self._on_request = on_request
        self._next_id = 0
        self._pending: dict[int, Awaited | Told] = {}
        self._progress: dict[int, Progress] = {}
        self._deadlines: Deadlines[SharedTimeout | Told] = Deadlines(lambda item: item.expire())
        self._ended: SidecarError | None = None
        self._held: deque[tuple[Frame, Context]] | None = None
        """Frames that came after a request whose task has not begun; none where there is no such request."""
        self._doubts: list[tuple[set[int], SidecarError]] = []
        """Answers that could not be read nor told whose they are: which requests they may have answered."""

    def on_frame(self, frame: Frame) -> None:
        """Route one incoming frame: to the request that it answers, or to the handlers.

        Frames are handled in the order in which they came. Where a request of the other side is handled by a task,
        which begins with the event loop's next turn, what comes in the same burst waits for that.
        """
        if self._held is not None:
            self._held.append((frame, copy_context()))
            return
        if "method" in frame:
            if isinstance(frame["method"], str):
                self._on_method(frame)
            return
        number = frame.get("id")
        if type(number) is not int:
            number = _as_int(number)
        pending = self._pending.pop(number, None)
        if pending is None:
            if isinstance(frame, UnreadableAnswer) and frame["id"] is None:
                self._doubts.append((self._answerable(), frame.reason))
                self._settle_doubts(None)
            return
        if self._doubts:
            self._settle_doubts(number)
        try:
            frame = results.checked(pending.method, frame)
        except SidecarError as error:
            pending.failed(error)
        else:
            pending.answered(frame)

    def _answerable(self) -> set[int]:
        """The requests under way that may be answered now: not those that only hold a stream open."""
        return {number for number, each in self._pending.items() if each.method != LISTEN}

    def _settle_doubts(self, answered: int | None) -> None:
        """Fail the request that an unreadable answer was for, if it can be one only, now or once others are answered.

        One that was given up meanwhile may have been it; then none is failed.
        """
        doubts, self._doubts = self._doubts[-MOST_DOUBTS:], []
        for candidates, reason in doubts:
            candidates.discard(answered)
            if len(candidates) > 1:
                self._doubts.append((candidates, reason))
            elif candidates and (pending := self._pending.pop(candidates.pop(), None)):
                pending.failed(reason)

    def _on_method(self, frame: Frame) -> None:
        params = frame.get("params")
        params = params if isinstance(params, dict) else {}
        if "id" in frame:
            if self._on_request(frame):
                self._hold()
        elif frame["method"] == "notifications/progress":
            self._route_progress(params)
        else:
            self._on_notification(frame["method"], params)

    def _route_progress(self, params: dict[str, Any]) -> None:
        handler = self._progress.get(_as_int(params.get("progressToken")))
        if handler is not None:
            handler(params)

    def _hold(self) -> None:
        """Hold what comes until the task that was made just now has taken its first step.

        `call_soon` runs callbacks in the order in which they were registered, and a task's first step is one of them.
        """
        self._held = deque()
        asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Handle what was held, up to and including the next request that has to be waited for."""
        held, self._held = self._held, None
        try:
            while held and self._held is None:
                frame, context = held.popleft()
                context.run(self.on_frame, frame)
        finally:
            if held:
                if self._held is None:  # a handler raised; the rest is handled in the next turn
                    asyncio.get_running_loop().call_soon(self._go_on)
                self._held = held

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
            params = self._followed(request_id, params or {}, on_progress)
        future = asyncio.get_running_loop().create_future()
        self._pending[request_id] = Awaited(method, future)
        try:
            with SharedTimeout(self._deadlines, timeout):
                await self._deliver(jsonrpc.request(request_id, method, params), headers)
                frame: Frame = await future
                return frame
        except TimeoutError:
            await self._cancel(method, request_id, "timed out")
            raise _late(method, timeout or 0) from None
        except asyncio.CancelledError as cancelled:
            reason = cancelled.args[0] if cancelled.args else None
            await self._cancel(method, request_id, reason if isinstance(reason, str) else BY_CLIENT)
            raise
        finally:
            self._pending.pop(request_id, None)
            self._progress.pop(request_id, None)

    def ask(
        self,
        told: Told,
        method: str,
        params: dict[str, Any],
        *,
        timeout: float,
        on_progress: Progress | None = None,
    ) -> bool:
        """Send a request, if nothing has to be waited for, and have `told` get what it ends with; False if it has."""
        if self._ended is not None:
            return False
        self._next_id = number = self._next_id + 1
        if on_progress is not None:
            params = self._followed(number, params, on_progress)
        if not self._send_now(jsonrpc.request(number, method, params), not self._pending):
            self._progress.pop(number, None)
            return False
        self._pending[number] = told
        told._mux, told._number, told._seconds = self, number, timeout
        told._deadline = self._deadlines.add(told, timeout)
        return True

    def close(self, number: int, deadline: Deadline) -> None:
        """A request that was sent with `ask` is over."""
        self._deadlines.drop(deadline)
        if self._progress:
            self._progress.pop(number, None)

    def cancel_soon(self, method: str, number: int, reason: str) -> None:
        """Have no answer to a request any more, and tell the other side so."""
        self._pending.pop(number, None)
        if not self._send_now(_cancelled(number, reason), False):
            self._start(self._cancel(method, number, reason))

    def _followed(self, number: int, params: dict[str, Any], on_progress: Progress) -> dict[str, Any]:
        """The params of a request whose progress is told."""
        self._progress[number] = on_progress
        return {**params, "_meta": {**(params.get("_meta") or {}), "progressToken": number}}

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
        with contextlib.suppress(SidecarError, TimeoutError):
            async with asyncio.timeout(CANCEL_SEND_TIMEOUT):
                await self._send(_cancelled(request_id, reason), None)

    def fail_all(self, error: SidecarError, unread: Collection[int] = ()) -> None:
        """Fail every pending request, and those that are still to come: the channel is closed.

        `unread` are the ids of those that the other side has not read, and will not: their errors are not `sent`, nor
        are those of requests that the error itself tells to be untaken.
        """
        held, self._held = self._held, None
        for frame, context in held or ():  # there may be answers among them, which came before the end
            context.run(self.on_frame, frame)
            self._held = None
        self._ended = error
        self._doubts.clear()
        pending, self._pending = self._pending, {}
        if isinstance(error, AnswerTooLarge) and len(pending) == 1:  # no other's answer can it have been
            pending.popitem()[1].failed(error)
        untaken = {*unread, *(error.untaken if isinstance(error, ConnectionLost) else ())}
        for number, each in pending.items():
            sent = number not in untaken
            before = "the answer (the request may have been carried out)" if sent else "the request was read"
            lost = ConnectionLost(f"The connection ended before {before}: {error.message}")
            lost.sent = sent
            each.failed(lost)


def _cancelled(request_id: int, reason: str) -> Frame:
    return jsonrpc.notification("notifications/cancelled", {"requestId": request_id, "reason": reason})


def _late(method: str, seconds: float) -> CallTimeout:
    return CallTimeout(f"No answer to {method} within {round(seconds, 2):g} s.")


def _as_int(value: Any) -> int:
    """Our ids are integers; some servers echo them as strings or floats. What is none of ours is -1."""
    if type(value) is int:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else -1
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= MOST_DIGITS else -1
