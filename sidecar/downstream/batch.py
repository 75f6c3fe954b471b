"""JSON-RPC batches (JSON-RPC 2.0, section 6). Of MCP's revisions only 2025-03-26 has them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sidecar.concurrency.cancel_scope import Cancellable
from sidecar.errors import MessageInvalid
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame, Notify

if TYPE_CHECKING:
    from sidecar.downstream.stream_session import StreamSession

BATCH_REVISION = "2025-03-26"
MAX_MESSAGES = 100


class Batch:
    """The messages of one request body."""

    def __init__(self, session: StreamSession, messages: list[Any]) -> None:
        """Raises MessageInvalid: the session's revision has no batches, or the batch is empty or too long."""
        if session.version != BATCH_REVISION:
            raise MessageInvalid(jsonrpc.BATCH_REFUSED)
        if not 0 < len(messages) <= MAX_MESSAGES:
            raise MessageInvalid(f"A batch has 1 to {MAX_MESSAGES} messages; this one has {len(messages)}.")
        self._session = session
        self._messages = messages
        self._running: list[Cancellable] = []

    async def serve(self, notify: Notify) -> list[Frame]:
        """Handle all messages concurrently. Returns the responses to the requests among them, in order."""
        async with asyncio.TaskGroup() as tasks:
            served = [tasks.create_task(self._serve(message, notify)) for message in self._messages]
        return [response for task in served if (response := task.result()) is not None]

    async def _serve(self, message: Any, notify: Notify) -> Frame | None:
        try:
            return await self._response(jsonrpc.validate(message), notify)
        except MessageInvalid as error:
            self._note_refusal(message, error)
            return jsonrpc.error(None, error.rpc())

    async def _response(self, frame: Frame, notify: Notify) -> Frame | None:
        session, method = self._session, frame.get("method")
        if method == "initialize":
            raise MessageInvalid("`initialize` may not be part of a batch (MCP 2025-03-26, Lifecycle).")
        if method is None:
            session.handle_response(frame)
        elif "id" not in frame:
            session.handle_notification(frame)
        else:
            with session.in_progress(frame) as cancel_scope:
                self._running.append(cancel_scope)
                response = await session.answer(frame, cancel_scope, notify, relayed=session.relayed(method))
            return response or session.cancelled_response(frame["id"])
        return None

    def _note_refusal(self, message: Any, error: MessageInvalid) -> None:
        frame = jsonrpc.as_dict(message)
        if not ("result" in frame or "error" in frame or ("method" in frame and "id" not in frame)):
            known = {"method": str(frame.get("method", "")), "params": jsonrpc.as_dict(frame.get("params"))}
            self._session.admission.refused(self._session.endpoint.make_context(self._session, known), error)

    def cancel(self, reason: str = "") -> None:
        """Cancel the requests of the batch that are in progress."""
        for running in self._running:
            running.cancel(reason)
