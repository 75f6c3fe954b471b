"""The part of a channel to a remote server that does not depend on the transport."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from typing import Any

import httpx2

from sidecar.channel import Frame, OnFrame
from sidecar.channels.connections import RemoteClient
from sidecar.channels.web import failure, place
from sidecar.errors import ConnectionLost, SidecarError

log = logging.getLogger(__name__)
for _chatty in ("httpx2", "httpcore2"):  # they write URLs at INFO, and headers at DEBUG
    logging.getLogger(_chatty).setLevel(logging.WARNING)

LISTEN = "subscriptions/listen"
"""A request that is answered when the client has had enough: it counts as a stream, and takes nobody's turn."""
NOTICE_TIMEOUT = 10.0
"""How long delivery of a message that has no answer may take, in seconds."""


class RemoteChannel:
    """What every channel to a remote server has: a reason for its end, and tasks that belong to it."""

    transport: str

    def __init__(self, url: str, on_frame: OnFrame) -> None:
        self._url = url
        self._on_frame = on_frame
        self._closed: asyncio.Future[SidecarError] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._established = False

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
            self._closed.set_result(reason)

    async def aclose(self) -> None:
        """End everything that the channel does. For whoever opened it."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.close(ConnectionLost("The hub closed it."))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a fault of the hub ended a connection", exc_info=error)
            self.close(ConnectionLost(f"A fault of the hub ended it ({type(error).__name__})."))


class PostingChannel(RemoteChannel, ABC):
    """Sends each message with a POST of its own."""

    def __init__(self, url: str, client: RemoteClient, on_frame: OnFrame) -> None:
        super().__init__(url, on_frame)
        self._client = client

    async def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """Send one frame. A request's answer, or an error in its stead, comes as a frame.

        Raises:
            ConnectionLost: the channel is closed.
        """
        if self._closed.done():
            raise ConnectionLost(f"The connection to {place(self._url)} is closed.")
        delivery = self._deliver(frame, dict(headers or {}))
        if frame.get("method") == "notifications/initialized":
            await delivery  # what is sent next must not overtake it
        else:
            self._sending(frame, self._start(delivery))

    @abstractmethod
    async def _post(self, frame: Frame, headers: dict[str, str]) -> None:
        """POST one frame and handle the response."""

    async def _deliver(self, frame: Frame, headers: dict[str, str]) -> None:
        try:
            if frame.get("method") == LISTEN:
                await self._post(frame, headers)
            elif expects_answer(frame):
                async with self._client.turn:
                    await self._post(frame, headers)
            else:
                async with asyncio.timeout(NOTICE_TIMEOUT):
                    await self._post(frame, headers)
        except httpx2.HTTPError as error:
            self._failed(frame, error)
        except TimeoutError:
            log.warning("a notification was not taken in time", extra={"method": frame.get("method", "")})

    def _failed(self, frame: Frame, error: httpx2.HTTPError) -> None:
        """A POST failed: if nothing listens there, all is lost; otherwise only this message."""
        reason = failure(error, self._url)
        if not self._established:
            self.close(reason)
        elif isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            self.close(ConnectionLost(reason.message))
        else:
            self._answer_error(frame, ConnectionLost(reason.message))

    def _answer_error(self, frame: Frame, error: SidecarError) -> None:
        if expects_answer(frame):
            self._on_frame({"jsonrpc": "2.0", "id": frame["id"], "error": error.rpc()})
        else:
            log.warning("a message was not delivered", extra={"code": error.code, "reason": error.message})

    @abstractmethod
    def _sending(self, frame: Frame, task: asyncio.Task[None]) -> None:
        """A task that sends this frame was started."""


def expects_answer(frame: Frame) -> bool:
    """Whether the frame is a request."""
    return "method" in frame and "id" in frame
