"""The part of a channel to a remote server that does not depend on the transport."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import httpx2

from sidecar.channels.connections import RemoteClient
from sidecar.channels.sessions import CHECK_ID, Verdict, check_of, denies_session
from sidecar.channels.web import failure, place
from sidecar.errors import ConnectionLost, SidecarError
from sidecar.protocol.channel import Frame, OnFrame

log = logging.getLogger(__name__)
for _chatty in ("httpx2", "httpcore2"):  # they write URLs at INFO, and headers at DEBUG
    logging.getLogger(_chatty).setLevel(logging.WARNING)

LISTEN = "subscriptions/listen"
"""A request that is answered when the client has had enough: it counts as a stream, and takes nobody's turn."""
NOTICE_TIMEOUT = 10.0
"""How long delivery of a message that has no answer may take, in seconds."""


CHECK_TIMEOUT = 3.0
"""Seconds in which a server has to say that it still serves the connection."""
LOST_WAIT = 1.0
"""Seconds that a connection which is of no more use waits for the answers to what is under way."""
T = TypeVar("T")


class RemoteChannel(ABC):
    """What every channel to a remote server has: a reason for its end, and tasks that belong to it.

    A request that fails in a way that may be the whole connection's fault puts the connection in doubt: the server is
    asked something that changes nothing, and if it refuses that too, the channel closes, and its owner opens a new one.
    """

    transport: str

    def __init__(self, url: str, on_frame: OnFrame) -> None:
        loop = asyncio.get_running_loop()
        self._url = url
        self._on_frame = on_frame
        self._closed: asyncio.Future[SidecarError] = loop.create_future()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._established = False
        self._opened = loop.time()
        self._good = False
        """Whether the server has answered a request with a result."""
        self._failures = 0
        """Requests refused since then."""
        self._lost = False
        """Whether it is of no more use, and only waits for answers to what is under way."""
        self._untaken: set[Any] = set()
        self._check: asyncio.Task[Verdict] | None = None
        self._checked: asyncio.Future[Frame] | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """None: the process is elsewhere."""
        return ()

    def stderr(self) -> tuple[str, ...]:
        """None: the process is elsewhere."""
        return ()

    def unread(self) -> frozenset[int]:
        """None: nobody knows what was read elsewhere."""
        return frozenset()

    def send_now(self, frame: Frame, alone: bool) -> bool:
        """Never: a network lies between."""
        return False

    async def wait_closed(self) -> SidecarError:
        """Wait until the connection ended, and tell why."""
        return await asyncio.shield(self._closed)

    def close(self, reason: SidecarError) -> None:
        """The connection is of no more use; the first reason counts."""
        if not self._closed.done():
            if isinstance(reason, ConnectionLost):
                reason.untaken = frozenset(self._untaken)
            self._closed.set_result(reason)

    async def aclose(self) -> None:
        """End everything that the channel does. For whoever opened it."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.close(ConnectionLost("The hub closed it."))

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

    # --- is it still good? ---------------------------------------------------------------------------------------

    def _receive(self, frame: Frame) -> None:
        """Pass on what came over the one connection; errors that speak of the session only after a check."""
        if "method" in frame:
            self._on_frame(frame)
        elif frame.get("id") == CHECK_ID:
            if self._checked is not None and not self._checked.done():
                self._checked.set_result(frame)
        elif not self._denied({"method": "", "id": frame.get("id")}, frame):
            self._on_frame(frame)

    def _denied(self, request: Frame, answer: Frame) -> bool:
        """Take an answer that speaks of the session, for a check; False for any other, which says that all is well."""
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
        """A request failed, perhaps because the connection is of no more use: find out, then answer it or end that.

        `answer` is what the server answered it, if that was a JSON-RPC error. Where the connection is of no more use,
        the request was certainly not carried out if it is `untaken`, or if the server's error has `named` the session
        and so does its answer to the check. `renew`: the server says itself that the session is gone.
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
        """Whether a session is given up that passes the check."""
        return False

    async def _checked_now(self, request: Frame) -> Verdict:
        """What the server says to a check; asked once for all who want to know at the same time."""
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
        """What the answer to a check will be put into, when it comes over the one connection."""
        self._checked = asyncio.get_running_loop().create_future()
        return self._checked

    def _lose(self, request: Frame, reason: SidecarError, untaken: bool, answer: Frame | None = None) -> None:
        """End the connection once what is under way is answered; an `untaken` request may be asked again elsewhere."""
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
        """Send a check, and say what the answer means."""

    def _under_way(self) -> set[asyncio.Task[None]]:
        """The tasks that send requests, or wait for their answers."""
        return set()


class PostingChannel(RemoteChannel):
    """Sends each message with a POST of its own."""

    def __init__(self, url: str, client: RemoteClient, on_frame: OnFrame) -> None:
        super().__init__(url, on_frame)
        self._client = client
        self._requests: dict[Any, asyncio.Task[None]] = {}
        """What sends the requests under way, by their ids."""
        self._listening: set[asyncio.Task[None]] = set()
        """Those of them that only listen."""

    async def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """Send one frame. A request's answer, or an error in its stead, comes as a frame.

        Raises:
            ConnectionLost: the channel is closed.
        """
        if self._lost or self._closed.done():
            raise ConnectionLost(f"The connection to {place(self._url)} is closed.")
        delivery = self._deliver(frame, dict(headers or {}))
        if frame.get("method") == "notifications/initialized":
            await delivery  # what is sent next must not overtake it
            return
        task = self._start(delivery)
        if expects_answer(frame):
            self._requests[frame["id"]] = task
            task.add_done_callback(lambda _: self._request_over(frame["id"]))
        if frame.get("method") == LISTEN:
            self._listening.add(task)
            task.add_done_callback(self._listening.discard)

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
                async with asyncio.timeout(NOTICE_TIMEOUT):
                    await self._post(frame, headers)
        except httpx2.HTTPError as error:
            self._failed(frame, error)
        except SidecarError as error:
            self._answer_error(frame, error)
        except TimeoutError:
            log.warning("a notification was not taken in time", extra={"method": frame.get("method", "")})

    async def _post_in_turn(self, frame: Frame, headers: dict[str, str]) -> None:
        if self._lost:  # meanwhile
            self._untaken.add(frame["id"])
        else:
            await self._post(frame, headers)

    def _failed(self, frame: Frame, error: httpx2.HTTPError) -> None:
        """A POST failed: if nothing listens there, all is lost; otherwise only this message."""
        reason = failure(error, self._url)
        if not self._established:
            self.close(reason)
        elif isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            self._lose(frame, ConnectionLost(reason.message), untaken=True)
        else:
            self._answer_error(frame, ConnectionLost(reason.message))

    def _under_way(self) -> set[asyncio.Task[None]]:
        return set(self._requests.values()) - self._listening

    def _request_over(self, request_id: Any) -> None:
        """A request's POST has ended."""
        self._requests.pop(request_id, None)


def expects_answer(frame: Frame) -> bool:
    """Whether the frame is a request."""
    return "method" in frame and "id" in frame
