"""Multiplexes JSON-RPC requests over one channel: ids, progress tokens, deadlines and cancellation (MCP, Lifecycle,
Progress and Cancellation)."""

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
from sidecar.upstream.progress_deadline import ProgressDeadline

log = logging.getLogger(__name__)

Send = Callable[[Frame, Mapping[str, str] | None], Awaitable[None]]
TrySend = Callable[[Frame, bool], bool]
"""As `Channel.try_send`."""
Progress = Callable[[dict[str, Any]], None]
"""Gets the params of each progress notification of a request."""

CANCEL_SEND_TIMEOUT = 1.0
"""Seconds within which `notifications/cancelled` must be sent; after that it is dropped."""
DEFAULT_CANCEL_REASON = "cancelled by the client"
"""The `reason` in `notifications/cancelled` if the client gave none."""
LISTEN_METHOD = "subscriptions/listen"
"""A request whose response comes when its stream ends (MCP 2026-07-28, Subscriptions)."""
MAX_UNMATCHED_ANSWERS = 100
"""Limit for the unreadable answers that are remembered until it is known which request each one was for."""
MAX_ID_DIGITS = 18
"""Longest id, in digits, that is accepted when a server echoes it as a string."""


_NO_SLOTS: tuple[str, ...] = ()


class FutureRequest:
    """A pending request whose response is the result of a future, for which a task waits."""

    __slots__ = ("_future", "method")

    def __init__(self, method: str, future: asyncio.Future[Frame]) -> None:
        self.method = method
        self._future = future

    def answered(self, frame: Frame) -> None:
        """Set the response frame as the future's result."""
        if not self._future.done():
            self._future.set_result(frame)

    def failed(self, error: SidecarError) -> None:
        """Set the error as the future's exception: there will be no response."""
        if not self._future.done():
            self._future.set_exception(error)
            self._future.exception()  # marks it as retrieved: its task may have been cancelled meanwhile


class CallbackRequest(ABC):
    """A pending request for which no task waits: its `ended` is called once, with the response or an error.

    A subclass declares slots for the attributes below (this class declares none, so that it can be combined with
    another base class that has slots).
    """

    __slots__ = _NO_SLOTS

    method: str
    _mux: Mux
    _deadline: Deadline
    _number: int
    _seconds: float

    @abstractmethod
    def ended(self, outcome: Frame | SidecarError) -> None:
        """Take the response frame, or the error because of which there is none. Must not raise."""

    def answered(self, frame: Frame) -> None:
        """Finish with the response frame."""
        self._mux.close(self._number, self._deadline)
        self.ended(frame)

    def failed(self, error: SidecarError) -> None:
        """Finish with an error: there will be no response."""
        self._mux.close(self._number, self._deadline)
        self.ended(error)

    def give_up(self, reason: str) -> None:
        """Cancel the request and send `notifications/cancelled` with `reason`; `ended` is not called."""
        self._mux.close(self._number, self._deadline)
        self._mux.cancel_without_waiting(self.method, self._number, reason)

    def expire(self) -> None:
        """Cancel the request because its deadline has passed; `ended` gets a CallTimeout."""
        self.give_up("timed out")
        self.ended(_timeout_error(self.method, self._seconds))


class Mux:
    """Sends requests over a channel and matches the responses that `on_frame` receives.

    `send` and `try_send` write a frame, `start` starts a background task. `on_notification` gets the notifications of
    the other side except progress. `on_request` gets its requests: it starts a task that answers, and returns whether
    the frames behind the request must wait until that task has begun.
    """

    def __init__(
        self,
        send: Send,
        send_now: TrySend,
        start: Callable[[Coroutine[Any, Any, None]], object],
        on_notification: Callable[[str, dict[str, Any]], None],
        on_request: Callable[[Frame], bool],
    ) -> None:
        self._send = send
        self._try_send = send_now
        self._start_background = start
        self._on_notification = on_notification
        self._on_request = on_request
        self._next_id = 0
        """The id of the last request, and so the number of requests so far."""
        self._pending: dict[int, FutureRequest | CallbackRequest] = {}
        self._progress: dict[int, Progress] = {}
        self._deadlines: Deadlines[SharedTimeout | CallbackRequest] = Deadlines(lambda item: item.expire())
        self._closed_with: SidecarError | None = None
        self._held_back: deque[tuple[Frame, Context]] | None = None
        """Frames received behind a request whose task has not begun; None if there is no such request."""
        self._unmatched: list[tuple[set[int], SidecarError]] = []
        """Unreadable answers without an id: the ids of the requests that each may have answered, and the error."""

    def begin_at(self, number: int) -> None:
        """Give requests ids above `number`, since smaller ones were used on the same connection before."""
        self._next_id = number

    @property
    def sent(self) -> int:
        """The number of requests that were sent, or could not be sent."""
        return self._next_id

    def on_frame(self, frame: Frame) -> bool | None:
        """Route an incoming frame to the pending request that it answers, or to a handler; see `channel.OnFrame`.

        Frames are handled in the order in which they came. A request of the other side is handled by a task, which
        begins in the next iteration of the event loop; frames behind it are held back until then.
        """
        if self._held_back is not None:
            self._held_back.append((frame, copy_context()))
            return "method" not in frame
        if "method" in frame:
            if isinstance(frame["method"], str):
                self._on_method(frame)
            return False
        number = frame.get("id")
        if type(number) is not int:
            number = _as_int(number)
        pending = self._pending.pop(number, None)
        if pending is None:
            if isinstance(frame, UnreadableAnswer) and frame["id"] is None:
                self._unmatched.append((self._answerable(), frame.reason))
                self._match_unreadable(None)
            return False
        if self._unmatched:
            self._match_unreadable(number)
        try:
            frame = results.checked(pending.method, frame)
        except SidecarError as error:
            pending.failed(error)
        else:
            pending.answered(frame)
        return None

    def _answerable(self) -> set[int]:
        """Ids of the pending requests that a server may answer now: all but those that only hold a stream open."""
        return {number for number, each in self._pending.items() if each.method != LISTEN_METHOD}

    def _match_unreadable(self, answered: int | None) -> None:
        """Fail the request that an unreadable answer was for, as soon as only one candidate is left.

        `answered` is the id of a request that has just been answered, and so is no candidate any more. If the last
        candidate is not pending any more, nothing fails.
        """
        doubts, self._unmatched = self._unmatched[-MAX_UNMATCHED_ANSWERS:], []
        for candidates, reason in doubts:
            candidates.discard(answered)
            if len(candidates) > 1:
                self._unmatched.append((candidates, reason))
            elif candidates and (pending := self._pending.pop(candidates.pop(), None)):
                pending.failed(reason)

    def _on_method(self, frame: Frame) -> None:
        params = frame.get("params")
        params = params if isinstance(params, dict) else {}
        if "id" in frame:
            if self._on_request(frame):
                self._hold_back()
        elif frame["method"] == "notifications/progress":
            self._route_progress(params)
        else:
            self._on_notification(frame["method"], params)

    def _route_progress(self, params: dict[str, Any]) -> None:
        handler = self._progress.get(_as_int(params.get("progressToken")))
        if handler is not None:
            handler(params)

    def _hold_back(self) -> None:
        """Hold back incoming frames until the task created just now has run its first step.

        `call_soon` runs callbacks in the order of registration, and a task's first step is such a callback.
        """
        self._held_back = deque()
        asyncio.get_running_loop().call_soon(self._release_held_back)

    def _release_held_back(self) -> None:
        """Handle the frames held back, up to and including the next request whose task must begin first."""
        held, self._held_back = self._held_back, None
        try:
            while held and self._held_back is None:
                frame, context = held.popleft()
                context.run(self.on_frame, frame)
        finally:
            if held:
                if self._held_back is None:  # a handler raised; the rest is handled in the next iteration
                    asyncio.get_running_loop().call_soon(self._release_held_back)
                self._held_back = held

    async def request(
        self,
        method: str,
        params: dict[str, Any] | None,
        *,
        timeout: float | None,
        headers: Mapping[str, str] | None = None,
        on_progress: Progress | None = None,
        idle_timeout: float = 0,
    ) -> Frame:
        """Send a request and wait for the response frame, result or error.

        `timeout` is in seconds, None for no limit; `idle_timeout` is the longest time without a progress notification,
        0 for no limit (MCP, Lifecycle, Timeouts: progress may extend a deadline, up to a maximum). On timeout or
        cancellation the other side gets `notifications/cancelled` (MCP, Cancellation).

        Raises:
            CallTimeout: no response in time.
            ConnectionLost: the channel was closed before the request was sent (`sent` is False), or before the answer.
            SidecarError: the response is too large or invalid.
        """
        self._next_id += 1
        request_id = self._next_id
        limit, idle = SharedTimeout(self._deadlines, timeout), None
        if idle_timeout and (timeout is None or idle_timeout < timeout):
            idle = ProgressDeadline(self._deadlines, idle_timeout, timeout, on_progress)
            limit, on_progress = idle.limit, idle.progressed
        if on_progress is not None:
            params = self._with_progress_token(request_id, params or {}, on_progress)
        future = asyncio.get_running_loop().create_future()
        self._pending[request_id] = FutureRequest(method, future)
        try:
            with limit:
                await self._send_or_lost(jsonrpc.request(request_id, method, params), headers)
                frame: Frame = await future
                return frame
        except TimeoutError:
            await self._cancel(method, request_id, "timed out")
            raise (idle and idle.error(method)) or _timeout_error(method, timeout or 0) from None
        except asyncio.CancelledError as cancelled:
            reason = cancelled.args[0] if cancelled.args else None
            await self._cancel(method, request_id, reason if isinstance(reason, str) else DEFAULT_CANCEL_REASON)
            raise
        finally:
            self._pending.pop(request_id, None)
            self._progress.pop(request_id, None)

    def try_request(
        self,
        pending: CallbackRequest,
        method: str,
        params: dict[str, Any],
        *,
        timeout: float,
        on_progress: Progress | None = None,
    ) -> bool:
        """Send a request for `pending`, whose `ended` gets the outcome; `timeout` is in seconds.

        Returns False, and sends nothing, if the channel cannot take the frame without waiting.
        """
        if self._closed_with is not None:
            return False
        self._next_id = number = self._next_id + 1
        if on_progress is not None:
            params = self._with_progress_token(number, params, on_progress)
        if not self._try_send(jsonrpc.request(number, method, params), not self._pending):
            self._progress.pop(number, None)
            return False
        self._pending[number] = pending
        pending._mux, pending._number, pending._seconds = self, number, timeout
        pending._deadline = self._deadlines.add(pending, timeout)
        return True

    def close(self, number: int, deadline: Deadline) -> None:
        """Drop the deadline and the progress handler of a request that was sent by `try_request`."""
        self._deadlines.drop(deadline)
        if self._progress:
            self._progress.pop(number, None)

    def cancel_without_waiting(self, method: str, number: int, reason: str) -> None:
        """Cancel a request; `notifications/cancelled` is sent at once, or else by a background task."""
        self._pending.pop(number, None)
        if not self._try_send(_cancelled(number, reason), False):
            self._start_background(self._cancel(method, number, reason))

    def _with_progress_token(self, number: int, params: dict[str, Any], on_progress: Progress) -> dict[str, Any]:
        """Register a progress handler; returns the params with the request's progress token."""
        self._progress[number] = on_progress
        return {**params, "_meta": {**(params.get("_meta") or {}), "progressToken": number}}

    async def _send_or_lost(self, frame: Frame, headers: Mapping[str, str] | None) -> None:
        lost = ConnectionLost(self._closed_with.message) if self._closed_with else None
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
        """Fail all pending requests and all later ones: the channel is closed.

        The errors of requests that the other side has certainly not read have `sent` False. Their ids are `unread`,
        and `untaken` of the error.
        """
        held, self._held_back = self._held_back, None
        for frame, context in held or ():  # answers among them came before the channel closed, and count
            context.run(self.on_frame, frame)
            self._held_back = None
        self._closed_with = error
        self._unmatched.clear()
        pending, self._pending = self._pending, {}
        if isinstance(error, AnswerTooLarge) and len(pending) == 1:  # it was the answer to this request
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


def _timeout_error(method: str, seconds: float) -> CallTimeout:
    return CallTimeout(f"No answer to {method} within {round(seconds, 2):g} s.")


def _as_int(value: Any) -> int:
    """An echoed id as an integer. The hub's ids are integers, but some servers echo them as strings or floats; -1 for
    anything that cannot be an id of the hub."""
    if type(value) is int:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else -1
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= MAX_ID_DIGITS else -1
