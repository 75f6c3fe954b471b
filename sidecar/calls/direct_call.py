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

from sidecar.calls.answered import Answered
from sidecar.calls.request import HUB_FAILED, Notify, log_failure, progress_of, result_of
from sidecar.errors import ConnectionLost, SidecarError
from sidecar.features import uris
from sidecar.protocol import codec, eras, jsonrpc
from sidecar.protocol.channel import Frame, SendFrame
from sidecar.upstream import asking
from sidecar.upstream.mux import BY_CLIENT, Told

if TYPE_CHECKING:
    from sidecar.concurrency.cancel_scope import Cancellable
    from sidecar.concurrency.shares import Caller
    from sidecar.routing.view import Offer, Route
    from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)

METHOD = "tools/call"


class DirectCaller(Protocol):
    """Who calls, a session or a client without one: what a call needs of it."""

    era: eras.Era
    """That of the calls that may take the direct way."""
    caller: Caller
    running: dict[int | str, Cancellable]
    workspace: Workspace

    @property
    def ended(self) -> bool:
        """Whether it takes no calls any more."""

    def count(self) -> int:
        """A request has come: its number."""

    def correlation(self, number: int) -> str:
        """The id that follows the request of that number through the logs."""

    def cut_response(self, request_id: int | str) -> Frame | None:
        """What a request is answered with that was cancelled; None: with nothing."""

    def declared(self, offer: Offer) -> dict[str, Any] | None:
        """The extensions of the client that a modern server is told of; None: such a server is not asked."""

    def shown(self, offer: Offer, params: dict[str, Any], frame: Frame) -> Frame:
        """A server's response as a client of the era gets it, where the server wants input; any other as it is."""


class ToolCall(Told):
    """One call, among the `running` of its session until it ends."""

    __slots__ = (
        "_began",
        "_declared",
        "_id",
        "_key",
        "_nth",
        "_offer",
        "_params",
        "_progress",
        "_put",
        "_semaphore",
        "_session",
        "_task",
        "_tool",
    )

    def __init__(self, session: DirectCaller, request_id: int | str, route: Route, put: SendFrame) -> None:
        self._session = session
        self._id = request_id
        self._key = session.caller.key
        self._offer: Offer = route.offer
        self._tool = route.name
        self._put = put
        self._semaphore = route.offer.upstream.semaphore
        self._began = time.perf_counter()
        self._task: asyncio.Task[None] | None

    def begin(self, params: dict[str, Any], notify: Notify) -> bool:
        """Send it, if nothing has to be waited for; False, and nothing has happened, if it has."""
        offer, upstream = self._offer, self._offer.upstream
        connection = upstream.connection
        if connection is None or not self._semaphore.try_acquire(self._key):
            return False
        timeout = offer.timeout(self._tool)
        progress = progress_of(params, notify) if "_meta" in params else None
        declared = self._session.declared(offer) if self._session.era == "modern" else None
        if not connection.ask(self, METHOD, params, timeout=timeout, on_progress=progress, declared=declared):
            self._semaphore.release(self._key)
            return False
        self._params, self._progress, self._declared, self._task = params, progress, declared, None
        upstream.in_flight += 1
        self._nth = self._session.count()
        self._session.running[self._id] = self
        return True

    def cancel(self, reason: str = "") -> None:
        """The client wants no answer any more, or its session ends."""
        if self._task is not None:
            self._task.cancel()
            self._session.running.pop(self._id, None)
        else:
            self.give_up(reason or BY_CLIENT)
            self._over("cancelled")
        if response := self._session.cut_response(self._id):
            self._put(response)

    def ended(self, outcome: Frame | SidecarError) -> None:
        """The server answered, or will not."""
        if isinstance(outcome, SidecarError):
            if isinstance(outcome, ConnectionLost) and self._begin_again(outcome):
                return
            self._over(outcome.code)
        else:
            self._over(jsonrpc.outcome(outcome))
        self._answer(outcome)

    def _begin_again(self, lost: ConnectionLost) -> bool:
        """Call the usual way, over the next connection, if that does no harm; whether it was begun."""
        upstream = self._offer.upstream
        if lost.sent and not asking.repeatable(upstream, METHOD, self._params):
            return False
        self._task = self._session.workspace.start(self._again(lost.sent))
        if self._task is None:
            return False
        self._semaphore.release(self._key)
        upstream.in_flight -= 1  # `request` counts it
        return True

    async def _again(self, repeated: bool) -> None:
        left = max(self._seconds - (time.perf_counter() - self._began), 0.0)
        outcome: Frame | SidecarError
        try:
            outcome = await self._offer.upstream.request(
                METHOD,
                self._params,
                timeout=left,
                tool=self._tool,
                on_progress=self._progress,
                declared=self._declared,
                caller=self._session.caller,
                repeated=repeated,
            )
        except SidecarError as error:
            outcome = error
        self._session.running.pop(self._id, None)
        self._answer(outcome)

    def _answer(self, outcome: Frame | SidecarError) -> None:
        try:
            response = jsonrpc.result(self._id, self._result(outcome))
        except Answered as answered:
            response = jsonrpc.error(self._id, answered.error)
        except SidecarError as error:
            log_failure(self._session.workspace.name, METHOD, self._session.correlation(self._nth), error)
            response = jsonrpc.error(self._id, eras.error_to_client(self._session.era, error.rpc()))
        except Exception:
            log.exception("a call failed in the hub", extra={"correlation": self._session.correlation(self._nth)})
            response = jsonrpc.error(self._id, dict(HUB_FAILED))
        self._put(response)

    def _result(self, outcome: Frame | SidecarError) -> dict[str, Any]:
        if isinstance(outcome, SidecarError):
            raise outcome
        offer, session = self._offer, self._session
        client = session.era
        if "error" in outcome and (connection := offer.upstream.connection):
            connection.heed(outcome)
        if client == "modern":
            outcome = session.shown(offer, self._params, outcome)
        result = result_of(client, outcome)
        if "structuredContent" in result:
            result = eras.structured_to_client(client, result, wrapped=False)
        if offer.label:
            result = uris.rewrite_result(METHOD, result, offer.rename)
        return eras.to_client(client, METHOD, result, session.workspace.server_info)

    def _over(self, outcome: str) -> None:
        del self._session.running[self._id]
        self._semaphore.release(self._key)
        self._offer.upstream.over(self._tool, self._began, outcome)


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
    if route.name != params["name"]:
        params = {**params, "name": route.name}
    return ToolCall(session, frame["id"], route, put).begin(params, notify)
