"""The HTTP+SSE transport (MCP 2024-11-05, Transports): one GET stream a session, one POST a message.

Our own, because it is the hot path: what the relay takes never enters FastMCP; its answers, FastMCP's, and notices such
as list_changed meet in one queue a session, which one task writes out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from bridge.settings import Settings
from sidecar import codec, era, frames
from sidecar.asgi import parse, read_body, respond, respond_error
from sidecar.channel import Frame
from sidecar.errors import (
    INTERNAL_ERROR,
    REQUEST_CANCELLED,
    HubStopping,
    MessageInvalid,
    SessionUnknown,
    SidecarError,
)
from sidecar.fastmcp_server import to_frame, to_message
from sidecar.relay import HUB_FAILED, Answered
from sidecar.session import Session
from sidecar.workspace import Workspace

log = logging.getLogger(__name__)

PING = b": ping\r\n\r\n"
OUTBOX_LIMIT = 64 * 1024 * 1024
"""Bytes that may wait for a client that does not read; beyond it the session ends."""
INCOMING_BUFFER = 32

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


class SseSession(Session):
    """One stream. Its queue is written out by the task that serves the GET request."""

    transport = "sse"

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.initialized = False
        self.running: dict[int | str, asyncio.Task[None]] = {}
        self.tasks: asyncio.TaskGroup | None = None
        self.incoming: MemoryObjectSendStream[SessionMessage | Exception] | None = None
        self.given_up = asyncio.Event()
        """Set when the stream is to be cut, for what is being written is not read."""
        self._accepted = False
        self._ended = False
        self._outbox: deque[bytes] = deque()
        self._outbox_bytes = 0
        self._wake = asyncio.Event()
        self._asked: dict[str, asyncio.Future[Frame]] = {}

    # --- to the client -------------------------------------------------------------------------------------------

    def put(self, frame: Frame) -> None:
        """Queue a frame for the client."""
        self.put_raw(b"event: message\r\ndata: " + codec.dumps(frame) + b"\r\n\r\n")

    def put_raw(self, data: bytes) -> None:
        """Queue bytes of the event stream; a client that does not read for long loses its session."""
        if self._ended:
            return
        self._outbox.append(data)
        self._outbox_bytes += len(data)
        if self._outbox_bytes > OUTBOX_LIMIT:
            log.warning("a client does not read; its session ends", extra={"session": self.id[:8]})
            self._outbox.clear()
            self.given_up.set()
            self.end()
        self._wake.set()

    def put_notification(self, method: str, params: dict[str, Any]) -> None:
        """Queue a notification that belongs to a request of the client."""
        self.put(frames.notification(method, params))

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Legacy clients take notices on the stream; modern ones only through `subscriptions/listen`."""
        if self.initialized:
            self.put(frames.notification(method, params))

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Send a request of a server to the client, and wait for the response that it POSTs."""
        if self._ended:  # nobody would answer
            return frames.error(0, {"code": INTERNAL_ERROR, "message": f"{method}: the client has left"})
        request_id = f"hub-{len(self._asked)}-{self.next_correlation()}"
        future = self._asked[request_id] = asyncio.get_running_loop().create_future()
        self.put(frames.request(request_id, method, params))
        try:
            answer: Frame = await future
        except asyncio.CancelledError:  # the server gave it up
            self.put_notification("notifications/cancelled", {"requestId": request_id})
            raise
        finally:
            del self._asked[request_id]
        return answer

    async def write_out(self, send: Send) -> None:
        """Write the queue to the stream until the session ends."""
        while not self._ended:
            await self._wake.wait()
            self._wake.clear()
            data = b"".join(self._outbox)
            self._outbox.clear()
            self._outbox_bytes = 0
            await send({"type": "http.response.body", "body": data, "more_body": True})
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b""})

    def end(self) -> None:
        """Let the stream end."""
        self._ended = True
        self._wake.set()

    def close(self) -> None:
        """The client is not let in any more."""
        self.end()

    # --- from the client -----------------------------------------------------------------------------------------

    def greeted(self, params: dict[str, Any]) -> None:
        """FastMCP accepted the legacy handshake."""
        super().greeted(params)
        self._accepted = True

    async def receive(self, frame: Frame) -> None:
        """Take one message of the client: to the relay, or to FastMCP."""
        if "method" not in frame:
            asked = self._asked.get(str(frame["id"]))
            if asked is None:
                await self._to_fastmcp(frame)
            elif not asked.done():
                asked.set_result(frame)
        elif "id" not in frame:
            await self._receive_notification(frame)
        elif self._may_ask(frame["method"], frame.get("params")):
            self._start(frame)
        else:
            await self._to_fastmcp(frame)

    async def _receive_notification(self, frame: Frame) -> None:
        if frame["method"] == "notifications/cancelled":
            request_id = (frame.get("params") or {}).get("requestId")
            running = self.running.get(request_id) if isinstance(request_id, int | str) else None
            if running is not None:
                if running.cancel() and self._accepted:  # who may go on waiting; the modern era forbids an answer
                    self.put(frames.error(request_id, {"code": REQUEST_CANCELLED, "message": "Request cancelled"}))
                return
        if frame["method"] == "notifications/progress":
            self.workspace.spawn(self.reported(frame.get("params") or {}))
            return
        if frame["method"] == "notifications/initialized" and self._accepted:
            self.initialized = True
        await self._to_fastmcp(frame)

    def _may_ask(self, method: str, params: dict[str, Any] | None) -> bool:
        """Whether the relay takes a request, in its era and past the handshake; what it does not is FastMCP's."""
        meta = params.get("_meta") if params else None
        if not isinstance(meta, dict) or era.VERSION_KEY not in meta:
            return self._accepted and self.workspace.relay.takes(method, modern=False)
        version, capabilities = meta[era.VERSION_KEY], meta.get(era.CAPABILITIES_KEY)
        if version != era.MODERN_VERSION or not isinstance(capabilities, dict) or self._accepted:
            return False
        return self.workspace.relay.takes(method, modern=True)

    async def _to_fastmcp(self, frame: Frame) -> None:
        if self.incoming is None:
            return
        try:
            message = to_message(frame)
        except ValidationError:
            raise MessageInvalid("The message is not a JSON-RPC request, notification or response.") from None
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self.incoming.send(message)

    def _start(self, frame: Frame) -> None:
        if frame["id"] in self.running:
            raise MessageInvalid("A request with this `id` is still under way.")
        if self.tasks is not None:
            task = self.tasks.create_task(self._answer(frame))
            self.running[frame["id"]] = task
            task.add_done_callback(lambda _: self.running.pop(frame["id"], None))

    async def _answer(self, frame: Frame) -> None:
        request_id = frame["id"]
        try:
            result = await self.workspace.relay.answer(
                self, frame["method"], frame.get("params"), self.put_notification
            )
            answer = frames.result(request_id, result)
        except Answered as answered:
            answer = frames.error(request_id, answered.error)
        except SidecarError as error:
            answer = frames.error(request_id, era.error_to_client(era.of_params(frame.get("params")), error.rpc()))
        except Exception:
            log.exception(
                "a request failed in the hub", extra={"workspace": self.workspace.name, "session": self.id[:8]}
            )
            answer = frames.error(request_id, dict(HUB_FAILED))
        self.put(answer)


class SseTransport:
    """The SSE sessions of all workspaces, by session id."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions: dict[str, SseSession] = {}
        self._closing = False

    async def run(self, until: asyncio.Event) -> None:
        """Ping idle streams until `until` is set, then end them all."""
        while not until.is_set():
            try:
                async with asyncio.timeout(self._settings.ping_interval):
                    await until.wait()
            except TimeoutError:
                for session in self._sessions.values():
                    session.put_raw(PING)
        self._closing = True
        for session in self._sessions.values():
            session.end()

    async def serve_stream(self, workspace: Workspace, scope: Scope, receive: Receive, send: Send) -> None:
        """GET: one session from connect to disconnect."""
        if self._closing:
            await respond_error(send, 503, HubStopping("The hub is stopping."))
            return
        session = SseSession(workspace)
        self._sessions[session.id] = session
        workspace.join(session)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            path = f"{scope.get('root_path', '')}/mcp/{workspace.spec.slug}/messages?session_id={session.id}"
            session.put_raw(f"event: endpoint\r\ndata: {path}\r\n\r\n".encode())
            await self._serve(session, receive, send)
        finally:
            del self._sessions[session.id]
            workspace.leave(session)

    async def _serve(self, session: SseSession, receive: Receive, send: Send) -> None:
        incoming, fastmcp_reads = anyio.create_memory_object_stream[SessionMessage | Exception](INCOMING_BUFFER)
        fastmcp_writes, outgoing = anyio.create_memory_object_stream[SessionMessage](INCOMING_BUFFER)
        async with incoming, fastmcp_reads, fastmcp_writes, outgoing, asyncio.TaskGroup() as tasks:
            session.tasks, session.incoming = tasks, incoming
            ends = [
                tasks.create_task(session.write_out(send)),
                tasks.create_task(_disconnected(receive)),
                tasks.create_task(session.given_up.wait()),
            ]
            inner = [
                tasks.create_task(_run_fastmcp(session, fastmcp_reads, fastmcp_writes)),
                tasks.create_task(_pass_on(session, outgoing)),
            ]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            session.tasks = None
            session.end()
            for task in (*ends, *inner, *session.running.values()):
                task.cancel()

    async def serve_message(
        self, workspace: Workspace | None, session_id: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """POST: one message of a session; answered 202 at once, the response comes on the stream.

        `workspace` is none for a key that has no session there.
        """
        session = self._sessions.get(session_id)
        if session is None or session.workspace is not workspace:
            await respond_error(send, 404, SessionUnknown("There is no such session."))
            return
        try:
            body = await read_body(scope, receive, self._settings.max_body_bytes)
            await session.receive(frames.validate(parse(body)))
        except SidecarError as error:
            await respond_error(send, error.status, error)
            return
        await respond(send, 202, b"Accepted", b"text/plain")


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _run_fastmcp(
    session: SseSession,
    reads: MemoryObjectReceiveStream[SessionMessage | Exception],
    writes: MemoryObjectSendStream[SessionMessage],
) -> None:
    try:
        await session.workspace.fastmcp.serve_stream(session, reads, writes)
    except Exception:
        log.exception("a session failed in FastMCP", extra={"session": session.id[:8]})
        session.end()


async def _pass_on(session: SseSession, outgoing: MemoryObjectReceiveStream[SessionMessage]) -> None:
    async for message in outgoing:
        session.put(to_frame(message))
