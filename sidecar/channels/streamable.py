"""The Streamable HTTP transport (MCP, Transports), legacy with or without sessions, and modern.

Each message is sent in a POST request, and answered in its response.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx2

from bridge.models import RemoteLaunch
from sidecar.channels.base import PostingChannel, expects_answer
from sidecar.channels.connections import Connections, RemoteClient
from sidecar.channels.reading import DRAIN_TIMEOUT, body, drain, error_body, events, frames_of
from sidecar.channels.sessions import GONE, Verdict, denies_session, doubtful, names_session, untaken, verdict_of
from sidecar.channels.sse import STREAM_HEADERS
from sidecar.channels.web import (
    content_type,
    is_event_stream,
    not_mcp,
    parse,
    parse_large,
    place,
    refusal,
    streaming,
)
from sidecar.errors import METHOD_NOT_FOUND, ConnectionLost, SidecarError
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame, OnFrame
from sidecar.protocol.eras import VERSION_KEY
from sidecar.protocol.large_values import LARGE_SIZE

log = logging.getLogger(__name__)

POST_HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
SESSION_HEADER = "mcp-session-id"
VERSION_HEADER = "mcp-protocol-version"
DELETE_TIMEOUT = 2.0
_FIRST_DELAY, _MAX_DELAY = 1.0, 30.0
_MAX_ATTEMPTS = 3
RENEW_AFTER = 30.0
"""Age in seconds from which on a session that fails requests is given up although it passes the check."""
MAX_FAILURES = 5
"""Consecutive refused requests after which a session counts as failing."""


@asynccontextmanager
async def open_streamable(
    launch: RemoteLaunch, on_frame: OnFrame, connections: Connections
) -> AsyncIterator[StreamableChannel]:
    """Open a channel over Streamable HTTP. It connects when the first frame is sent, and closes if that fails.

    Raises:
        Unreachable: the URL or a header is invalid.
    """
    async with connections.client(launch) as client:
        channel = StreamableChannel(launch.url, client, on_frame)
        try:
            yield channel
        finally:
            await channel.aclose()
            await channel.end_session()


@dataclass(slots=True)
class _Cursor:
    """The position in an event stream, and the delay in seconds before it is resumed (WHATWG HTML, 9.2)."""

    last_id: str = ""
    delay: float = _FIRST_DELAY

    def take(self, event: httpx2.ServerSentEvent) -> Sequence[Frame]:
        self.last_id = event.id or self.last_id
        self.delay = self.delay if event.retry is None else event.retry / 1000
        return frames_of(event) if event.event == "message" else []

    def headers(self) -> dict[str, str]:
        return {**STREAM_HEADERS, "last-event-id": self.last_id} if self.last_id else STREAM_HEADERS


class StreamableChannel(PostingChannel):
    """A channel over Streamable HTTP."""

    transport = "http"

    def __init__(self, url: str, client: RemoteClient, on_frame: OnFrame) -> None:
        super().__init__(url, client, on_frame)
        self._session = ""
        self._version = ""
        self._modern: set[Any] = set()

    async def end_session(self) -> None:
        """Ask the server to delete its session, if it opened one."""
        if self._session and not self._lost:
            await delete_session(self._client, self._url, self._headers({}))

    # --- sending -------------------------------------------------------------------------------------------------

    async def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """As `PostingChannel.send`; also records requests of the modern era."""
        await super().send(frame, headers)
        if expects_answer(frame) and VERSION_KEY in ((frame.get("params") or {}).get("_meta") or {}):
            self._modern.add(frame["id"])

    async def _post(self, frame: Frame, headers: dict[str, str]) -> None:
        if frame.get("method") == "notifications/cancelled":
            await self._cancel(frame, headers)
        else:
            await self._exchange(frame, headers)

    async def _exchange(self, frame: Frame, headers: dict[str, str]) -> None:
        sent = self._headers(headers)
        if frame.get("method") == "initialize":
            sent.pop(VERSION_HEADER, None)
        async with streaming(self._client, "POST", self._url, POST_HEADERS | sent, codec.dumps(frame)) as response:
            if not response.is_success:
                await self._refused(frame, response, SESSION_HEADER in sent)
                return
            if frame.get("method") == "initialize":
                self._session = response.headers.get(SESSION_HEADER, "")
            cursor = await self._read_response(frame, response)
        if cursor is not None:
            await self._resume(frame, cursor)
        if frame.get("method") == "notifications/initialized" and self._session:
            self._start(self._listen())

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        own = {SESSION_HEADER: self._session, VERSION_HEADER: self._version}
        return {name: value for name, value in own.items() if value} | headers

    def _request_over(self, request_id: Any) -> None:
        super()._request_over(request_id)
        self._modern.discard(request_id)

    async def _cancel(self, cancellation: Frame, headers: dict[str, str]) -> None:
        """Cancel a request: closing its response suffices for modern servers; legacy ones get the notification first.

        Their responses are closed too: a hanging server would otherwise occupy a connection for each such request.
        """
        request_id = (cancellation.get("params") or {}).get("requestId")
        try:
            if self._version and request_id not in self._modern:
                await self._exchange(cancellation, headers)
        finally:
            if task := self._requests.get(request_id):
                task.cancel()

    # --- responses -----------------------------------------------------------------------------------------------

    async def _read_response(self, frame: Frame, response: httpx2.Response) -> _Cursor | None:
        """Deliver the frames in a response; returns a cursor to resume a stream that ended before the answer."""
        if not expects_answer(frame):
            await drain(response)
        elif is_event_stream(response):
            cursor = _Cursor()
            return None if await self._read_stream(frame, response, cursor) else cursor
        elif content_type(response) != "application/json" or not self._pass(frame, await self._frames(response)):
            self._answer_error(frame, not_mcp(response, self._url))
        return None

    async def _frames(self, response: httpx2.Response) -> list[Frame]:
        """The frames in a response that is not a stream."""
        async with body(response, self._client.large, self._client.max_message) as read:
            if len(read) < LARGE_SIZE:
                return parse(read.joined())
            return await parse_large(read, self._client.read_large)

    async def _read_stream(self, request: Frame, response: httpx2.Response, cursor: _Cursor) -> bool:
        """Deliver the frames of a stream; returns whether the answer to the request was among them.

        Reads the stream to its end, so that the connection can be reused, but for DRAIN_TIMEOUT at most after the
        answer.
        """
        answered, client = False, self._client
        with suppress(TimeoutError, httpx2.TransportError):
            async with asyncio.timeout(None) as deadline:
                async for event in events(response, client.large, client.read_large, client.max_message):
                    found = cursor.take(event)
                    if self._pass(request, found):
                        answered = True
                        deadline.reschedule(asyncio.get_running_loop().time() + DRAIN_TIMEOUT)
                    await self._keep_pace(found, event)
        return answered

    def _pass(self, request: Frame, found: Iterable[Frame]) -> bool:
        """Deliver frames; returns whether the answer to the request was among them.

        The answer to another request is dropped, since it would be taken for the answer to that one.
        """
        answered = False
        for frame in found:
            if "method" not in frame:
                if not _may_answer(frame, request):
                    self._pace.take(0)
                    continue
                frame["id"] = request["id"]  # it may be null in an error, but can only belong to this request
                answered = True
                self._established = True
                if request["method"] == "initialize":
                    self._learn_version(frame)
                if self._denied(request, frame):
                    continue
            self._on_frame(frame)
        return answered

    def _learn_version(self, frame: Frame) -> None:
        result = frame.get("result")
        if isinstance(result, dict) and isinstance(result.get("protocolVersion"), str):
            self._version = result["protocolVersion"]

    async def _refused(self, frame: Frame, response: httpx2.Response, in_session: bool) -> None:
        status, text = response.status_code, await error_body(response)
        errors = [found for found in parse(text) if isinstance(found.get("error"), dict)][:1]
        error, names = refusal(response, self._url), names_session(text)
        about_method = bool(errors) and errors[0]["error"].get("code") == METHOD_NOT_FOUND
        answer = errors[0] | {"id": frame["id"]} if errors and expects_answer(frame) else None
        if self._good and expects_answer(frame) and not about_method and (names or doubtful(status)):
            gone = names or (in_session and status in GONE and not errors)
            await self._settle(frame, error, answer, untaken=untaken(status, names), named=names, renew=gone)
        elif not self._good and (status == 401 or (status in (403, 407) and not self._established)):
            self.close(error)
        elif answer is not None:
            self._pass(frame, [answer])
        elif frame.get("method") == "initialize":
            self.close(error)
        else:
            self._answer_error(frame, error)

    async def _ask(self, check: Frame, headers: dict[str, str]) -> Verdict:
        sent = POST_HEADERS | self._headers(headers)
        async with streaming(self._client, "POST", self._url, sent, codec.dumps(check)) as response:
            if is_event_stream(response):
                return "denies" if denies_session(await _first_answer(response)) else "serves"
            return verdict_of(response.status_code, await error_body(response))

    def _overdue(self, renew: bool) -> bool:
        """Give up sessions older than RENEW_AFTER that fail requests, unless other requests are in progress."""
        old = asyncio.get_running_loop().time() - self._opened >= RENEW_AFTER
        return old and (renew or self._failures >= MAX_FAILURES) and len(self._under_way()) <= 1

    # --- event streams beside a response -------------------------------------------------------------------------

    async def _resume(self, request: Frame, cursor: _Cursor) -> None:
        """Resume the stream of a request that ended before the answer (MCP, Transports, Resumability)."""
        attempts = 0
        while cursor.last_id and attempts < _MAX_ATTEMPTS:
            await asyncio.sleep(cursor.delay)
            before = cursor.last_id
            with suppress(httpx2.TransportError):
                async with streaming(self._client, "GET", self._url, self._headers(cursor.headers())) as response:
                    if is_event_stream(response) and await self._read_stream(request, response, cursor):
                        return
            attempts = attempts + 1 if cursor.last_id == before else 0
        self._answer_error(request, ConnectionLost(f"{place(self._url)} ended the stream without an answer."))

    async def _listen(self) -> None:
        """Keep the session's stream for messages without a request open. Failures do not end the connection."""
        loop = asyncio.get_running_loop()
        cursor = _Cursor()
        opened, failures, delay = False, 0, _FIRST_DELAY / 2
        while opened or failures < _MAX_ATTEMPTS:
            started = loop.time()
            status = await self._listen_once(cursor)
            if 300 <= status < 500:
                if opened and await self._checked_now({}) != "serves":
                    self._lose({}, ConnectionLost(f"{place(self._url)} ended the session."), untaken=False)
                return
            opened = opened or status == 200
            failures += 1
            delay = _FIRST_DELAY if loop.time() - started > _MAX_DELAY else min(delay * 2, _MAX_DELAY)
            await asyncio.sleep(max(delay, cursor.delay))

    async def _listen_once(self, cursor: _Cursor) -> int:
        """Read the session's stream to its end; returns the HTTP status: 0 if none, 405 if it is not a stream."""
        status, client = 0, self._client
        with suppress(httpx2.HTTPError, SidecarError):
            async with streaming(self._client, "GET", self._url, self._headers(cursor.headers())) as response:
                status = response.status_code
                if not is_event_stream(response):
                    return 405 if response.is_success else status
                async for event in events(response, client.large, client.read_large, client.max_message):
                    found = cursor.take(event)
                    for frame in found:
                        self._on_frame(frame)
                    await self._keep_pace(found, event)
        return status


def _may_answer(answer: Frame, request: Frame) -> bool:
    """Whether an answer has the id of the request; some servers send it as a string, or null with an error."""
    found, wanted = answer.get("id"), request.get("id")
    return found is None or found == wanted or str(found) == str(wanted)


async def delete_session(client: httpx2.AsyncClient, url: str, headers: Mapping[str, str]) -> None:
    """Delete a session (MCP, Transports, Session Management); failures are ignored."""
    with suppress(httpx2.HTTPError, TimeoutError, SidecarError):
        async with asyncio.timeout(DELETE_TIMEOUT), streaming(client, "DELETE", url, headers) as response:
            await drain(response)


async def _first_answer(response: httpx2.Response) -> Frame:
    """The first response in an event stream; empty if there is none."""
    async with aclosing(events(response)) as found:
        async for event in found:
            for frame in parse(event.data):
                if "method" not in frame:
                    return frame
    return {}
