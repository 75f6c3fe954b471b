"""The call of a tool that no task waits for: from the client's message to the server, and back by a call of `put`.

What `Relay` and `Upstream.request` do with a call, for the common one: a shared server that is ready (of a legacy
client a legacy server), a free place, room in its pipe. All others are theirs. A task for each call costs more than all
the rest of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from sidecar.admission.admission import CANCELLED, DECLINED, DISCONNECTED
from sidecar.admission.context import CallContext, Client
from sidecar.calls.answered import Answered
from sidecar.calls.request import HUB_FAILED, HUB_INTERNAL, Notify, log_failure, progress_of, result_of
from sidecar.errors import ConnectionLost, SidecarError
from sidecar.features import uris
from sidecar.protocol import codec, eras, jsonrpc
from sidecar.protocol.channel import Frame, SendFrame
from sidecar.upstream import request_retry
from sidecar.upstream.mux import DEFAULT_CANCEL_REASON, CallbackRequest

if TYPE_CHECKING:
    from sidecar.admission.admission import Admission
    from sidecar.concurrency.cancel_scope import Cancellable
    from sidecar.routing.view import Offer, Route
    from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)

METHOD = "tools/call"


class DirectCaller(Client, Protocol):
    """Who calls, a session or a client without one: what a call needs of it."""

    era: eras.Era
    """That of the calls that may take the direct way."""
    admission: Admission
    running: dict[int | str, Cancellable]
    workspace: Workspace

    @property
    def ended(self) -> bool:
        """Whether it takes no calls any more."""

    def count(self) -> int:
        """A request has come: its number."""

    def cut_response(self, request_id: int | str) -> Frame | None:
        """What a request is answered with that was cancelled; None: with nothing."""

    def declared(self, offer: Offer) -> dict[str, Any] | None:
        """The extensions of the client that a modern server is told of; None: such a server is not asked."""

    def shown(self, offer: Offer, params: dict[str, Any], frame: Frame) -> Frame:
        """A server's response as a client of the era gets it, where the server wants input; any other as it is."""


class DirectCall(CallContext, CallbackRequest):
    """One call, among the `running` of its session until it ends; to gates and observers it is its own context."""

    __slots__ = (
        "_deadline",
        "_declared",
        "_gate",
        "_id",
        "_mux",
        "_number",
        "_offer",
        "_progress",
        "_put",
        "_seconds",
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

    def __init__(self, client: DirectCaller, frame: Frame, route: Route, put: SendFrame) -> None:
        offer = route.offer
        self.client = client
        self.caller = client.caller
        self.params = frame["params"]
        self.tool = route.name
        self.server = offer.spec.key
        self._id = frame["id"]
        self._offer: Offer = offer
        self._put = put
        self._gate = offer.upstream.gate
        self._task: asyncio.Task[None] | None = None
        self.began = time.perf_counter()

    def begin(self, notify: Notify) -> bool:
        """Send it, if nothing has to be waited for; False, and nothing has happened, if it has."""
        offer, client, params = self._offer, self.client, self.params
        upstream, admission = offer.upstream, client.admission
        connection = upstream.connection
        if connection is None or not self._gate.try_enter(self):
            return False
        if admission.gates and not admission.try_enter(self):
            self._gate.leave(self, DECLINED)
            return False
        timeout = offer.timeout(self.tool)
        progress = progress_of(params, notify) if "_meta" in params else None
        declared = client.declared(offer) if client.era == "modern" else None
        sent = params if params["name"] == self.tool else {**params, "name": self.tool}
        if not connection.try_request(self, METHOD, sent, timeout=timeout, on_progress=progress, declared=declared):
            self._gate.leave(self, DECLINED)
            admission.decline(self)
            return False
        self._progress, self._declared = progress, declared
        upstream.in_flight += 1
        self.number = client.count()
        client.running[self._id] = self
        return True

    def _sent(self) -> dict[str, Any]:
        """The params as the server gets them."""
        params = self.params
        return params if params["name"] == self.tool else {**params, "name": self.tool}

    # --- as gates and observers see it (admission.CallContext) -------------------------------------------------------

    @property
    def workspace(self) -> str:
        """The name of the workspace."""
        return self.client.workspace.name

    @property
    def deadline(self) -> float:
        """When the server's time for it is over (`time.perf_counter`)."""
        return self.began + self._seconds

    def asks(self, server: str, deadline: float) -> None:
        """Its server is asked once more."""

    @property
    def era(self) -> eras.Era:
        """What the client speaks."""
        return self.client.era

    # --- how it ends -------------------------------------------------------------------------------------------------

    def cancel(self, reason: str = "") -> None:
        """The client wants no answer any more, or its session ends."""
        outcome = DISCONNECTED if self.client.ended else CANCELLED
        if self._task is not None:
            self._task.cancel()
        else:
            self.give_up(reason or DEFAULT_CANCEL_REASON)
        self._end(outcome)
        if response := self.client.cut_response(self._id):
            self._put(response)

    def ended(self, outcome: Frame | SidecarError) -> None:
        """The server answered, or will not."""
        if not isinstance(outcome, SidecarError):
            self._answer(outcome)
        elif not (isinstance(outcome, ConnectionLost) and self._begin_again(outcome)):
            self._fail(outcome)

    def _begin_again(self, lost: ConnectionLost) -> bool:
        """Call the usual way, over the next connection, if that does no harm; whether it was begun."""
        if lost.sent and not request_retry.repeatable(self._offer.upstream, METHOD, self._sent()):
            return False
        self._task = self.client.workspace.start(self._again(lost.sent))
        if self._task is None:
            return False
        self._gate.leave(self, lost.code)  # `request` enters anew
        self._offer.upstream.call_ended(lost.code)
        return True

    async def _again(self, repeated: bool) -> None:
        try:
            frame = await self._offer.upstream.request(
                METHOD,
                self._sent(),
                timeout=max(self.deadline - time.perf_counter(), 0.0),
                call=self,
                on_progress=self._progress,
                declared=self._declared,
                already_sent=repeated,
            )
        except SidecarError as error:
            self._fail(error)
        except asyncio.CancelledError:
            if self.client.running.get(self._id) is self:  # the hub stops; `cancel` has told otherwise
                self._end(CANCELLED)
            raise
        else:
            self._answer(frame)

    def _fail(self, error: SidecarError) -> None:
        log_failure(self.workspace, METHOD, self.correlation, error)
        self._end(error.code)
        self._put(jsonrpc.error(self._id, eras.error_to_client(self.client.era, error.rpc())))

    def _answer(self, answer: Frame) -> None:
        try:
            result = self._result(answer)
            response, outcome = jsonrpc.result(self._id, result), jsonrpc.outcome_of(result)
        except Answered as answered:
            response, outcome = jsonrpc.error(self._id, answered.error), "error"
        except SidecarError as error:
            self._fail(error)
            return
        except Exception:
            log.exception("a call failed in the hub", extra={"correlation": self.correlation})
            response, outcome = jsonrpc.error(self._id, dict(HUB_FAILED)), HUB_INTERNAL
        self._end(outcome)
        self._put(response)

    def _result(self, outcome: Frame) -> dict[str, Any]:
        offer, client = self._offer, self.client
        era = client.era
        if "error" in outcome and (connection := offer.upstream.connection):
            connection.note_refusal(outcome)
        if era == "modern":
            outcome = client.shown(offer, self._sent(), outcome)
        result = result_of(era, outcome)
        if "structuredContent" in result:
            result = eras.structured_to_client(era, result, wrapped=False)
        if offer.label:
            result = uris.rewrite_result(METHOD, result, offer.rename)
        return eras.to_client(era, METHOD, result, client.workspace.server_info)

    def _end(self, outcome: str) -> None:
        """The client gets its answer now, or none."""
        if self._task is None:
            self._gate.leave(self, outcome)
            self._offer.upstream.call_ended(outcome)
        del self.client.running[self._id]
        self.client.admission.ended(self, outcome)


def read(body: bytes) -> Frame | None:
    """The message in a body; None where it is not a valid one."""
    try:
        return jsonrpc.validate(codec.loads(body), nulls=jsonrpc.may_have_nulls(body))
    except (ValueError, RecursionError, SidecarError):
        return None


def may_begin(session: DirectCaller, frame: Frame) -> bool:
    """Whether a legacy session's message is a call of a tool, and one as any other."""
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


def begin(session: DirectCaller, frame: Frame, notify: Notify, put: SendFrame) -> bool:
    """Send a call, of which nothing stands against it, if it can go to its server at once; its response is `put` later.

    False where it cannot: then nothing has happened.
    """
    params, workspace = frame["params"], session.workspace
    view = None if workspace.refusal() else workspace.common_view
    route = view.tool_routes.get(params["name"]) if view is not None else None
    if route is None or (route.wrapped and session.era == "legacy"):  # the relay does more
        return False
    if log.isEnabledFor(logging.DEBUG):  # and tells more
        return False
    return DirectCall(session, frame, route, put).begin(notify)
