"""Base classes of channels to remote servers: end of the connection, tasks, and detection of lost sessions."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import httpx2

from sidecar.admission import request_ids
from sidecar.channels.connections import RemoteClient
from sidecar.channels.pace import FLOOD_SECONDS, Pace
from sidecar.channels.sessions import CHECK_ID, Verdict, check_of, denies_session
from sidecar.channels.web import failure, place
from sidecar.errors import ConnectionLost, SidecarError
from sidecar.flood_errors import ServerFloods
from sidecar.protocol.channel import Frame, OnFrame
from sidecar.sign_in_errors import SignInRequired

log = logging.getLogger(__name__)
for _chatty in ("httpx2", "httpcore2"):  # they log URLs at INFO, and headers at DEBUG
    logging.getLogger(_chatty).setLevel(logging.WARNING)

LISTEN = "subscriptions/listen"
"""A request whose response is a stream without end; it does not count against the limit of concurrent requests."""
REQUEST_ID_HEADER = request_ids.HEADER.decode()
NOTIFICATION_TIMEOUT = 10.0
"""Seconds for the delivery of a notification or response."""


CHECK_TIMEOUT = 3.0
"""Seconds within which the server has to answer a check of the connection."""
EVENT_COST, REQUEST_COST = 3 << 10, 63 << 10
"""How many bytes of output take the event loop as long as an event, and as a request, whose answer is a POST (pace.py).
"""
MAX_BACKLOG = 8
"""Notifications and responses that may be on their way to a server that floods; then its messages wait."""
LOST_WAIT = 1.0
"""Seconds that a lost connection waits for the answers to requests in progress."""
T = TypeVar("T")


class RemoteChannel(ABC):
    """A channel to a remote server. It owns its tasks, and knows the reason for its end.

    If a request fails in a way that may concern the whole connection or session, the channel checks the connection by a
    request without side effects (`sessions.check_of`). If that fails too, the channel closes, and its owner reconnects.
    """

    transport: str

    def __init__(self, url: str, on_frame: OnFrame) -> None:
        loop = asyncio.get_running_loop()
        self._url = url
        self._pass_on = on_frame
        self._pace = Pace(self._report)
        self.on_slowed: Callable[[str], None] = lambda _: None
        self._closed: asyncio.Future[SidecarError] = loop.create_future()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._established = False
        self._opened = loop.time()
        self._good = False
        """Whether the server has answered any request with a result."""
        self._failures = 0
        """Refused requests since the last result."""
        self._lost = False
        """Whether the connection is unusable and only waits for the answers to requests in progress."""
        self._untaken: set[Any] = set()
        self._check: asyncio.Task[Verdict] | None = None
        self._checked: asyncio.Future[Frame] | None = None

    @property
    def slowed(self) -> bool:
        """Whether the server is being slowed down, and that has been reported."""
        return self._pace.slowed

    @property
    def pids(self) -> tuple[int, ...]:
        """Always empty: the server runs on another machine."""
        return ()

    def stderr(self) -> tuple[str, ...]:
        """Always empty: the server runs on another machine."""
        return ()

    def unread_ids(self) -> frozenset[int]:
        """Always empty: what a remote server has read is unknown."""
        return frozenset()

    def try_send(self, frame: Frame, alone: bool) -> bool:
        """Always False: sending over a network has to wait."""
        return False

    async def wait_closed(self) -> SidecarError:
        """Wait until the connection has ended; returns the reason."""
        return await asyncio.shield(self._closed)

    def close(self, reason: SidecarError) -> None:
        """Mark the connection as ended; the reason of the first call counts."""
        if not self._closed.done():
            if isinstance(reason, ConnectionLost):
                reason.untaken = frozenset(self._untaken)
            self._closed.set_result(reason)

    async def aclose(self) -> None:
        """Cancel all tasks and close the channel. To be called by its owner."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.close(ConnectionLost("The hub closed it."))

    # --- servers that send too much ------------------------------------------------------------------------------

    def _on_frame(self, frame: Frame) -> None:
        """Deliver a frame."""
        if self._pass_on(frame) is False:
            self._pace.take(REQUEST_COST if "id" in frame and "method" in frame else EVENT_COST)

    async def _keep_pace(self, found: Sequence[Frame], event: httpx2.ServerSentEvent | None = None) -> None:
        """Wait before more is read of a stream, if the server sends more than anybody waits for (pace.py).

        `found` are the frames that came last, in `event`. Closes the channel if that goes on for too long.
        """
        if not found:
            self._pace.take(EVENT_COST + (len(event.data) if event else 0))
        if not self._pace.exceeded:
            return
        await asyncio.sleep(self._pace.pause())
        await self._wait_backlog()
        if self._pace.floods:
            self.close(ServerFloods(f"For {FLOOD_SECONDS:g} s it sent more messages than the hub takes."))

    async def _wait_backlog(self) -> None:  # noqa: B027 - over a WebSocket, `send` itself waits
        """Wait until few of the hub's messages wait to be taken by the server."""

    def _report(self, text: str) -> None:
        log.warning("a remote server: %s", text, extra={"url": place(self._url)})
        self.on_slowed(text)

    # --- tasks ---------------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a fault of the hub ended a connection", exc_info=error)
            self.close(ConnectionLost(f"A fault of the hub ended it ({type(error).__name__})."))

    def _answer_error(self, frame: Frame, error: SidecarError) -> None:
        if expects_answer(frame):
            self._on_frame({"jsonrpc": "2.0", "id": frame["id"], "error": error.rpc()})
        else:
            log.warning("a message was not delivered", extra={"code": error.code, "reason": error.message})

    # --- checking the connection ---------------------------------------------------------------------------------

    def _receive(self, frame: Frame) -> None:
        """Deliver a frame from a stream shared by all requests; an error about the session only after a check."""
        if "method" in frame:
            self._on_frame(frame)
        elif frame.get("id") == CHECK_ID:
            if self._checked is not None and not self._checked.done():
                self._checked.set_result(frame)
        elif not self._denied({"method": "", "id": frame.get("id")}, frame):
            self._on_frame(frame)

    def _denied(self, request: Frame, answer: Frame) -> bool:
        """Start a check if the answer is an error about the session; returns whether it is."""
        if self._good and denies_session(answer):
            why = ConnectionLost(f"{place(self._url)} ended the session.")
            self._start(self._settle(request, why, answer, named=True))
            return True
        if "result" in answer:
            self._good, self._failures = True, 0
        return False

    async def _settle(
        self,
        request: Frame,
        error: SidecarError,
        answer: Frame | None = None,
        *,
        untaken: bool = False,
        named: bool = False,
        renew: bool = False,
    ) -> None:
        """A request failed, perhaps because the connection is lost: check that, then answer the request or close.

        `answer`: the server's answer, if it was a JSON-RPC error. `untaken`: if the connection is lost, the server
        certainly did not execute the request. `named`: the server's error mentions the session; if the check's answer
        does so too, the request was not executed either. `renew`: the server reports that the session is gone.
        """
        self._failures += 1
        verdict = await self._checked_now(request)
        if verdict != "serves" or self._overdue(renew):
            untaken = untaken or (named and verdict == "denies")
            lost = ConnectionLost(f"{place(self._url)} ended the session.") if untaken else error
            self._lose(request, lost, untaken, answer)
        elif answer is not None:
            self._on_frame(answer)
        else:
            self._answer_error(request, error)

    def _overdue(self, renew: bool) -> bool:
        """Whether to give up the session although the check passed."""
        return False

    async def _checked_now(self, request: Frame) -> Verdict:
        """The result of a check; concurrent callers share one."""
        if self._check is None or self._check.done():
            self._check = self._start(self._asked(request))
        return await asyncio.shield(self._check)

    async def _asked(self, request: Frame) -> Verdict:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                return await self._ask(*check_of(request))
        except (TimeoutError, httpx2.HTTPError, SidecarError):
            return "fails"

    def _expect_check(self) -> asyncio.Future[Frame]:
        """A future for the answer to a check that arrives over the shared stream."""
        self._checked = asyncio.get_running_loop().create_future()
        return self._checked

    def _lose(self, request: Frame, reason: SidecarError, untaken: bool, answer: Frame | None = None) -> None:
        """Close the connection once requests in progress are answered (at most LOST_WAIT).

        `untaken`: the request was not executed, so it is not answered and may be repeated over a new connection.
        """
        if untaken:
            self._untaken.add(request.get("id"))
        elif answer is not None:
            self._on_frame(answer)
        elif expects_answer(request):
            self._answer_error(request, reason)
        if not self._lost:
            self._lost = True
            self._start(self._close_soon(reason))

    async def _close_soon(self, reason: SidecarError) -> None:
        if tasks := self._under_way():
            await asyncio.wait(tasks, timeout=LOST_WAIT)
        self.close(reason)

    @abstractmethod
    async def _ask(self, check: Frame, headers: dict[str, str]) -> Verdict:
        """Send a check, and interpret the answer."""

    def _under_way(self) -> set[asyncio.Task[None]]:
        """The tasks that send requests or wait for their answers."""
        return set()


class PostingChannel(RemoteChannel):
    """A channel that sends each message in a POST request of its own."""

    def __init__(self, url: str, client: RemoteClient, on_frame: OnFrame) -> None:
        super().__init__(url, on_frame)
        self._client = client
        self._requests: dict[Any, asyncio.Task[None]] = {}
        """The tasks of requests in progress, by request id."""
        self._messages: set[asyncio.Task[None]] = set()
        """Those that send notifications and responses."""
        self._listening: set[asyncio.Task[None]] = set()
        """Those of `subscriptions/listen` requests."""

    async def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """Send one frame. The answer to a request, or an error in its place, is delivered to `on_frame`.

        Raises:
            ConnectionLost: the channel is closed.
        """
        if self._lost or self._closed.done():
            raise ConnectionLost(f"The connection to {place(self._url)} is closed.")
        delivery = self._deliver(frame, self._with_request_id(dict(headers or {})))
        if frame.get("method") == "notifications/initialized":
            await delivery  # later messages must not overtake it
            return
        task = self._start(delivery)
        if expects_answer(frame):
            self._requests[frame["id"]] = task
            task.add_done_callback(lambda _: self._request_over(frame["id"]))
        else:
            self._messages.add(task)
            task.add_done_callback(self._messages.discard)
        if frame.get("method") == LISTEN:
            self._listening.add(task)
            task.add_done_callback(self._listening.discard)

    def _with_request_id(self, headers: dict[str, str]) -> dict[str, str]:
        """Add X-Request-Id, unless the server's configuration has that header, or the request is the hub's own."""
        if (sent_as := request_ids.TO_SERVER.get()) and REQUEST_ID_HEADER not in self._client.headers:
            headers[REQUEST_ID_HEADER] = sent_as
        return headers

    async def _wait_backlog(self) -> None:
        while len(self._messages) > MAX_BACKLOG:
            await asyncio.wait(self._messages, return_when=asyncio.FIRST_COMPLETED)

    @abstractmethod
    async def _post(self, frame: Frame, headers: dict[str, str]) -> None:
        """POST one frame and handle the response."""

    async def _deliver(self, frame: Frame, headers: dict[str, str]) -> None:
        try:
            if frame.get("method") == LISTEN:
                await self._post(frame, headers)
            elif expects_answer(frame):
                async with self._client.turn:
                    await self._post_in_turn(frame, headers)
            else:
                async with asyncio.timeout(NOTIFICATION_TIMEOUT):
                    await self._post(frame, headers)
        except httpx2.HTTPError as error:
            self._failed(frame, error)
        except SignInRequired as error:
            self._answer_error(frame, error)
            if not error.narrow:
                self.close(error)
        except SidecarError as error:
            self._answer_error(frame, error)
        except TimeoutError:
            log.warning("a notification was not accepted in time", extra={"method": frame.get("method", "")})

    async def _post_in_turn(self, frame: Frame, headers: dict[str, str]) -> None:
        if self._lost:  # while this waited for its turn
            self._untaken.add(frame["id"])
        else:
            await self._post(frame, headers)

    def _failed(self, frame: Frame, error: httpx2.HTTPError) -> None:
        """Handle a failed POST: without a connection the channel is lost, else only this message."""
        reason = failure(error, self._url, self._client.connect_timeout)
        if not self._established:
            self.close(reason)
        elif isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            self._lose(frame, ConnectionLost(reason.message), untaken=True)
        else:
            self._answer_error(frame, ConnectionLost(reason.message))

    def _under_way(self) -> set[asyncio.Task[None]]:
        return set(self._requests.values()) - self._listening

    def _request_over(self, request_id: Any) -> None:
        """Called when the POST of a request has ended."""
        self._requests.pop(request_id, None)


def expects_answer(frame: Frame) -> bool:
    """Whether the frame is a request."""
    return "method" in frame and "id" in frame
