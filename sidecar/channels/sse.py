"""The HTTP+SSE transport (MCP 2024-11-05): one event stream from the server, and a POST for each message to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urljoin

import httpx2

from bridge.models import RemoteLaunch
from sidecar.channels.base import PostingChannel, expects_answer
from sidecar.channels.connections import Connections, RemoteClient
from sidecar.channels.oversize import TOO_LARGE, id_in
from sidecar.channels.reading import drain, error_body, frames_of, shared_events, too_large
from sidecar.channels.sessions import GONE, Verdict, denies_session, doubtful, names_session, untaken, verdict_of
from sidecar.channels.web import (
    CONNECT_TIMEOUT,
    failure,
    is_event_stream,
    not_mcp,
    place,
    refusal,
    streaming,
)
from sidecar.errors import AnswerTooLarge, ConnectionLost, HandshakeFailed, SidecarError, Unreachable
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame, OnFrame
from sidecar.sign_in_errors import SignInRequired, SignInUnavailable

STREAM_HEADERS = {"accept": "text/event-stream", "cache-control": "no-store"}
_POST_HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@asynccontextmanager
async def open_sse(launch: RemoteLaunch, on_frame: OnFrame, connections: Connections) -> AsyncIterator[SseChannel]:
    """Open the event stream, and wait for its `endpoint` event.

    Raises:
        Unreachable: no connection, or no `endpoint` event, within the connect timeout.
        Refused: the HTTP status is not a success.
        HandshakeFailed: the response is not an event stream, or its endpoint is on another origin.
    """
    async with connections.client(launch) as client:
        channel = SseChannel(launch.url, client, on_frame)
        try:
            await channel.connect()
            yield channel
        finally:
            await channel.aclose()


class SseChannel(PostingChannel):
    """A channel over HTTP+SSE."""

    transport = "sse"

    def __init__(self, url: str, client: RemoteClient, on_frame: OnFrame) -> None:
        super().__init__(url, client, on_frame)
        self._endpoint = ""
        self._connected = asyncio.Event()

    async def connect(self) -> None:
        """Start to read the stream; returns when the `endpoint` event has arrived. Raises as `open_sse`."""
        self._start(self._read())
        limit = self._client.connect_timeout or CONNECT_TIMEOUT
        waits = {asyncio.ensure_future(self._connected.wait()), asyncio.ensure_future(self.wait_closed())}
        try:
            await asyncio.wait(waits, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if self._closed.done():
            raise self._closed.result()
        if not self._connected.is_set():
            raise Unreachable(f"{place(self._url)} sent no `endpoint` event within {limit:g} s.")

    async def _read(self) -> None:
        try:
            async with streaming(self._client, "GET", self._url, STREAM_HEADERS) as response:
                reason = await self._read_events(response)
        except httpx2.HTTPError as error:
            reason = failure(error, self._url, self._client.connect_timeout)
        except (AnswerTooLarge, SignInRequired, SignInUnavailable) as error:
            self.close(error)
            return
        self.close(ConnectionLost(reason.message) if self._connected.is_set() else reason)

    async def _read_events(self, response: httpx2.Response) -> SidecarError:
        if not response.is_success:
            return refusal(response, self._url)
        if not is_event_stream(response):
            return not_mcp(response, self._url)
        client = self._client
        async for event in shared_events(response, client.large, client.read_large, client.max_message):
            if event.event == TOO_LARGE:
                self._take_too_large(event.data, response)
            elif event.event == "message":
                found = frames_of(event)
                for frame in found:
                    self._receive(frame)
                await self._keep_pace(found, event)
            elif event.event == "endpoint" and (error := self._take_endpoint(event.data)):
                return error
        return Unreachable(f"{place(self._url)} ended the event stream.")

    def _take_too_large(self, data: str, response: httpx2.Response) -> None:
        """Fail the request whose answer was too large. Raises AnswerTooLarge if it cannot be determined."""
        error, request_id = too_large(response, self._client.max_message), id_in(data)
        if request_id is None:
            raise error
        self._answer_error({"method": "", "id": request_id}, error)

    def _take_endpoint(self, reference: str) -> HandshakeFailed | None:
        """Set the endpoint. It must have the URL's origin, since credentials in headers are meant for that only."""
        try:
            here, there = httpx2.URL(self._url), httpx2.URL(urljoin(self._url, reference))
        except (httpx2.InvalidURL, ValueError):
            return HandshakeFailed(f"{place(self._url)} wants messages sent to something that is not a URL.")
        if (here.scheme, here.host, here.port) != (there.scheme, there.host, there.port):
            return HandshakeFailed(f"{place(self._url)} wants messages sent to another origin, {place(str(there))}.")
        self._endpoint = str(there.copy_with(userinfo=there.userinfo or here.userinfo))
        self._established = True
        self._connected.set()
        return None

    async def _post(self, frame: Frame, headers: dict[str, str]) -> None:
        if frame.get("method") == "notifications/cancelled":
            await self._request_sent(frame)
        async with streaming(
            self._client, "POST", self._endpoint, _POST_HEADERS | headers, codec.dumps(frame)
        ) as response:
            if response.is_success:
                await drain(response)
            else:
                await self._refused(frame, response)

    async def _refused(self, frame: Frame, response: httpx2.Response) -> None:
        names = names_session(await error_body(response))
        error, status = refusal(response, self._endpoint), response.status_code
        if self._good and expects_answer(frame) and (names or doubtful(status)):
            await self._settle(frame, error, untaken=untaken(status, names), named=names)
        elif status == 401:
            self.close(error)
        elif status in GONE and not self._good:
            self.close(ConnectionLost(f"{error.message} The session is gone."))
        else:
            self._answer_error(frame, error)

    async def _ask(self, check: Frame, headers: dict[str, str]) -> Verdict:
        answer, sent = self._expect_check(), _POST_HEADERS | headers
        async with streaming(self._client, "POST", self._endpoint, sent, codec.dumps(check)) as response:
            if not response.is_success:
                return verdict_of(response.status_code, await error_body(response))
            await drain(response)
        return "denies" if denies_session(await answer) else "serves"

    async def _request_sent(self, cancellation: Frame) -> None:
        """Wait until the request to be cancelled is sent, over another connection; after a timeout cancel its POST."""
        task = self._requests.get((cancellation.get("params") or {}).get("requestId"))
        if task is not None:
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                task.cancel()
                raise
