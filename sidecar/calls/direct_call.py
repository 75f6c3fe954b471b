"""The direct way of a tool call: without a task, from the client's message to the server, and back by a callback.

It does for a common call what `Relay` and `Upstream.request` do: the server is shared and ready (for a legacy client
also a legacy server), has a free slot, and its pipe has room. All other calls take the waiting way (`Relay`). The
direct way exists because a task for each call would cost more than all the rest of it (ADR 19, ADR 23).
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from sidecar.admission.admission import CANCELLED, DECLINED, DISCONNECTED
from sidecar.admission.context import CallContext, Client
from sidecar.admission.request_ids import FROM_HEADER
from sidecar.calls.error_response import ErrorResponse
from sidecar.calls.request import HUB_INTERNAL, hub_failed, log_failure, progress_of, result_or_raise
from sidecar.errors import ConnectionLost, SidecarError
from sidecar.features import uris
from sidecar.protocol import codec, eras, jsonrpc
from sidecar.protocol.channel import Frame, Notify, SendFrame
from sidecar.upstream import request_retry
from sidecar.upstream.mux import DEFAULT_CANCEL_REASON, CallbackRequest

if TYPE_CHECKING:
    from sidecar.admission.admission import Admission
    from sidecar.concurrency.cancel_scope import Cancellable
    from sidecar.routing.offer import Offer, Route
    from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)

METHOD = "tools/call"


class DirectCaller(Client, Protocol):
    """The part of a client that a direct call needs. Sessions implement it, and clients without a session."""

    era: eras.Era
    """The era of the client's calls."""
    admission: Admission
    running: dict[int | str, Cancellable]
    """The client's requests in progress, by id."""
    workspace: Workspace

    @property
    def ended(self) -> bool:
        """Whether the client is gone and gets no more answers."""

    def count(self) -> int:
        """Count a request of the client; returns its number."""

    def cancelled_response(self, request_id: int | str) -> Frame | None:
        """The response to a cancelled request; None if it gets no response."""

    def declared(self, offer: Offer) -> dict[str, Any] | None:
        """The extensions of the client that a modern server is told. None: modern servers need the waiting way."""

    def to_client_response(self, offer: Offer, params: dict[str, Any], frame: Frame) -> Frame:
        """Translate a response in which the server asks for input (MCP 2026-07-28, Multi Round-Trip Requests) for the
        client; any other response is returned unchanged."""


class DirectCall(CallContext, CallbackRequest):
    """One call. It is in `running` of its client until it ends, and serves gates and observers as their context."""

    __slots__ = (
        "_deadline",
        "_declared",
        "_gate",
        "_id",
        "_mux",
        "_number",
        "_offer",
        "_presets",
        "_progress",
        "_seconds",
        "_send_frame",
        "_task",
        "began",
        "caller",
        "client",
        "number",
        "params",
        "server",
        "tool",
    )

    client: DirectCaller
    method = METHOD

    def __init__(self, client: DirectCaller, frame: Frame, route: Route, send_frame: SendFrame) -> None:
        offer = route.offer
        self.client = client
        self.caller = client.caller
        self.params = frame["params"]
        self.tool = route.name
        self.server = offer.spec.key
        self._id = frame["id"]
        self._offer: Offer = offer
        self._presets = route.presets
        self._send_frame = send_frame
        self._gate = offer.upstream.gate
        self._task: asyncio.Task[None] | None = None
        self.began = time.perf_counter()

    def try_send(self, notify: Notify) -> bool:
        """Send the call to the server if that is possible without waiting. False: nothing has happened.

        `notify` sends the server's progress notifications to the client.
        """
        offer, client, params = self._offer, self.client, self.params
        upstream, admission = offer.upstream, client.admission
        connection = upstream.connection
        timeout, idle_timeout, cache = offer.limits(self.tool)
        if connection is None or idle_timeout or cache or not self._gate.try_enter(self):
            return False
        if admission.gates and not admission.try_enter(self):
            self._gate.leave(self, DECLINED)
            return False
        progress = progress_of(params, notify) if "_meta" in params else None
        declared = client.declared(offer) if client.era == "modern" else None
        if not connection.try_request(
            self, METHOD, self._server_params(), timeout=timeout, on_progress=progress, declared=declared
        ):
            self._gate.leave(self, DECLINED)
            admission.decline(self)
            return False
        self._progress, self._declared = progress, declared
        upstream.in_flight += 1
        self.number = client.count()
        client.running[self._id] = self
        return True

    def _server_params(self) -> dict[str, Any]:
        """The params with the tool's name at the server, and with the presets of its arguments."""
        params = self.params
        if self._presets is not None:
            arguments = self._presets.apply(params["name"], params.get("arguments"))
            return {**params, "name": self.tool, "arguments": arguments}
        return params if params["name"] == self.tool else {**params, "name": self.tool}

    # --- CallContext, for gates and observers ------------------------------------------------------------------------

    @property
    def workspace(self) -> str:
        """The name of the workspace."""
        return self.client.workspace.name

    @property
    def deadline(self) -> float:
        """When the server's timeout for the call ends (`time.perf_counter`)."""
        return self.began + self._seconds

    def asks(self, server: str, deadline: float) -> None:
        """Nothing to note: only a retry calls this, for the same server and deadline."""

    @property
    def era(self) -> eras.Era:
        """The era that the client speaks."""
        return self.client.era

    # --- how a call ends ---------------------------------------------------------------------------------------------

    def cancel(self, reason: str = "") -> None:
        """Cancel the call because the client cancelled it or its session ends. The server is sent `reason`."""
        outcome = DISCONNECTED if self.client.ended else CANCELLED
        if self._task is not None:
            self._task.cancel()
        else:
            self.give_up(reason or DEFAULT_CANCEL_REASON)
        self._finish(outcome)
        if response := self.client.cancelled_response(self._id):
            self._send_frame(response)

    def ended(self, outcome: Frame | SidecarError) -> None:
        """Answer the client with the server's response or with the error because of which there is none."""
        if not isinstance(outcome, SidecarError):
            self._answer(outcome)
        elif not (isinstance(outcome, ConnectionLost) and self._try_retry(outcome)):
            self._fail(outcome)

    def _try_retry(self, lost: ConnectionLost) -> bool:
        """Start a task that repeats the call over the next connection. False if that could do harm, or the workspace
        is closing."""
        if lost.sent and not request_retry.repeatable(self._offer.upstream, METHOD, self._server_params()):
            return False
        self._task = self.client.workspace.start(self._retry(lost.sent))
        if self._task is None:
            return False
        self._gate.leave(self, lost.code)  # `Upstream.request` enters it again
        self._offer.upstream.call_ended(lost.code)
        return True

    async def _retry(self, already_sent: bool) -> None:
        try:
            frame = await self._offer.upstream.request(
                METHOD,
                self._server_params(),
                timeout=max(self.deadline - time.perf_counter(), 0.0),
                call=self,
                on_progress=self._progress,
                declared=self._declared,
                already_sent=already_sent,
            )
        except SidecarError as error:
            self._fail(error)
        except asyncio.CancelledError:
            if self.client.running.get(self._id) is self:  # the hub stops; after `cancel` the call has ended already
                self._finish(CANCELLED)
            raise
        else:
            self._answer(frame)

    def _fail(self, error: SidecarError) -> None:
        log_failure(self.workspace, METHOD, self, error)
        self._finish(error.code)
        self._send_frame(jsonrpc.error(self._id, eras.error_to_client(self.client.era, error.rpc(self.correlation))))

    def _answer(self, answer: Frame) -> None:
        try:
            result = self._result(answer)
            response, outcome = jsonrpc.result(self._id, result), jsonrpc.outcome_of(result)
        except ErrorResponse as error_response:
            response, outcome = jsonrpc.error(self._id, error_response.error), "error"
        except SidecarError as error:
            self._fail(error)
            return
        except Exception:
            log.exception("a call failed in the hub", extra=self.log_fields)
            response, outcome = jsonrpc.error(self._id, hub_failed(self)), HUB_INTERNAL
        if (on_answer := self.client.admission.on_answer) is not None:
            on_answer(self, response)
        self._finish(outcome)
        self._send_frame(response)

    def _result(self, outcome: Frame) -> dict[str, Any]:
        offer, client = self._offer, self.client
        era = client.era
        if "error" in outcome and (connection := offer.upstream.connection):
            connection.note_refusal(outcome)
        if era == "modern":
            outcome = client.to_client_response(offer, self._server_params(), outcome)
        result = result_or_raise(era, outcome)
        if "structuredContent" in result:
            result = eras.structured_to_client(era, result, wrapped=False)
        if offer.label:
            result = uris.rewrite_result(METHOD, result, offer.rename)
        return eras.to_client(era, METHOD, result, client.workspace.server_info)

    def _finish(self, outcome: str) -> None:
        """Leave the gates and `running`, and tell the observers; the caller then sends the answer, if there is one."""
        if self._task is None:
            self._gate.leave(self, outcome)
            self._offer.upstream.call_ended(outcome)
        del self.client.running[self._id]
        self.client.admission.ended(self, outcome)


def parse_message(body: bytes) -> Frame | None:
    """The JSON-RPC message in a request body; None if it is not a valid one."""
    try:
        return jsonrpc.validate(codec.loads(body), nulls=jsonrpc.may_have_nulls(body))
    except (ValueError, RecursionError, SidecarError):
        return None


def is_direct_candidate(session: DirectCaller, frame: Frame) -> bool:
    """Whether a message of a legacy session is an ordinary `tools/call`: no task, no id in use, no modern `_meta`."""
    params = frame.get("params")
    if frame.get("method") != METHOD or "id" not in frame or params is None or "task" in params:
        return False
    if not isinstance(params.get("name"), str):
        return False
    return (
        not session.ended
        and frame["id"] not in session.running
        and ("_meta" not in params or eras.of_params(params) == "legacy")
    )


def try_direct(session: DirectCaller, frame: Frame, notify: Notify, send_frame: SendFrame) -> bool:
    """Send a `tools/call` directly to its server; `send_frame` gets the response frame later.

    Returns False if the call needs the waiting way; then nothing has happened. The caller has checked the message: see
    `is_direct_candidate` for legacy clients.
    """
    params, workspace = frame["params"], session.workspace
    view = None if workspace.refusal() else workspace.common_view
    route = view.tool_routes.get(params["name"]) if view is not None else None
    if route is None or (route.wrapped and session.era == "legacy"):  # only the relay unwraps
        return False
    if route.presets is not None and not route.presets.fit(params.get("arguments")):
        return False  # only the relay refuses
    if view is not None and workspace.spec.cache_read_only and params["name"] in view.read_only_tools:
        return False  # only the relay keeps results
    if log.isEnabledFor(logging.DEBUG) or FROM_HEADER.get():  # only the relay logs each step, and notes the header
        return False
    return DirectCall(session, frame, route, send_frame).try_send(notify)
