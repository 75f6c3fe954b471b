"""The endpoint of a workspace: answers the requests of its clients, by the relay or by FastMCP (the waiting way)."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from sidecar.admission.admission import CANCELLED, DISCONNECTED, Admission, error_of
from sidecar.admission.context import RequestContext
from sidecar.cache.result_cache import ResultCache
from sidecar.calls.error_response import ErrorResponse
from sidecar.calls.fastmcp_server import FastMCPServer
from sidecar.calls.hub_caller import CALLER, HubCaller
from sidecar.calls.relay import Relay
from sidecar.calls.request import HUB_INTERNAL, hub_failed, log_failure
from sidecar.errors import CallTimeout, SidecarError
from sidecar.protocol import eras, jsonrpc
from sidecar.protocol.channel import Frame, Notify
from sidecar.sessions.session import Session
from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)


class Endpoint:
    """Answers requests for one workspace. The hub makes one for each workspace, and gives it to the transports."""

    def __init__(
        self,
        workspace: Workspace,
        page_size: int = 0,
        admission: Admission | None = None,
        cache: ResultCache | None = None,
    ) -> None:
        """Make an endpoint. `page_size` is the number of items in a page of a list, 0 for all of them.

        `admission` has the gates and observers of the hub; `cache` keeps results of tools.
        """
        self.workspace = workspace
        self.admission = admission or Admission()
        self.relay = Relay(workspace, page_size, cache)
        self.fastmcp = FastMCPServer(workspace)
        workspace.observers.append(self.fastmcp)

    async def run(self, until: asyncio.Event) -> None:
        """Run the workspace and its FastMCP server until `until` is set."""
        async with self.fastmcp.running():
            await self.workspace.run(until)

    async def answer(self, session: Session, frame: Frame, notify: Notify, *, relayed: bool) -> Frame:
        """The response frame for a request, whether result or error.

        `notify` sends notifications about the request to the client. `relayed`: the relay answers, else FastMCP.
        Raises nothing but CancelledError.
        """
        request_id, params, call = frame["id"], frame.get("params"), self.make_context(session, frame)
        try:
            return jsonrpc.result(request_id, await self._serve(session, frame, call, notify, relayed, None))
        except ErrorResponse as error_response:
            return jsonrpc.error(request_id, error_response.error)
        except SidecarError as error:
            return jsonrpc.error(request_id, eras.error_to_client(eras.of_params(params), error.rpc(call.correlation)))
        except Exception:
            known = {"workspace": self.workspace.name, "session": session.short_id, **call.log_fields}
            log.exception("a request failed in the hub", extra=known)
            return jsonrpc.error(request_id, hub_failed(call))

    async def serve(
        self, session: Session, frame: Frame, notify: Notify, *, relayed: bool = True, timeout: float | None = None
    ) -> dict[str, Any]:
        """The result of a request.

        `timeout` is in seconds; without one, the timeout of the server applies.

        Raises:
            ErrorResponse: the server, or FastMCP, answered with an error.
            SidecarError: a gate or the hub refused the request, or no server could answer it.
        """
        return await self._serve(session, frame, self.make_context(session, frame), notify, relayed, timeout)

    async def serve_part(self, session: Session, call: RequestContext, notify: Notify) -> dict[str, Any]:
        """The result of a request that one of the hub's own tools makes for its caller. Raises as `serve`."""
        return await self._serve(session, {}, call, notify, relayed=True, timeout=None)

    async def _serve(
        self,
        session: Session,
        frame: Frame,
        call: RequestContext,
        notify: Notify,
        relayed: bool,
        timeout: float | None,
    ) -> dict[str, Any]:
        """As `serve`. All requests that do not take the direct way pass this function."""
        admission = self.admission
        if admission.gates:
            await self._enter(session, call)
        try:
            result = await self._result(session, frame, call, notify, relayed, timeout)
        except ErrorResponse as error_response:
            if call.server:
                if admission.on_answer is not None:
                    admission.on_answer(call, {"error": error_response.error})
                admission.ended(call, "error")
            else:
                admission.failed(call, error_of(error_response.error))
            raise
        except SidecarError as error:
            admission.failed(call, error)
            raise
        except asyncio.CancelledError:
            admission.ended(call, _cancel_outcome(session))
            raise
        except Exception:
            admission.ended(call, HUB_INTERNAL)
            raise
        if admission.on_answer is not None:
            admission.on_answer(call, {"result": result})
        admission.ended(call, jsonrpc.outcome_of(result))
        return result

    async def _enter(self, session: Session, call: RequestContext) -> None:
        """Pass the gates; a refusal is told to the observers. Raises the SidecarError of the gate that refuses."""
        try:
            await self.admission.enter(call)
        except SidecarError as error:
            log_failure(call.workspace, call.method, call, error)
            self.admission.refused(call, error)
            raise
        except asyncio.CancelledError:
            self.admission.turned_back(call, _cancel_outcome(session))
            raise

    async def _result(
        self,
        session: Session,
        frame: Frame,
        call: RequestContext,
        notify: Notify,
        relayed: bool,
        timeout: float | None,
    ) -> dict[str, Any]:
        if timeout is None:
            if relayed:
                if self.workspace.wanted.has_hub_tools and call.method == "tools/call":
                    return await self._with_caller(session, call, notify)
                return await self.relay.answer(session, call, notify)
            return await self.fastmcp.answer(session, frame, notify)
        try:
            async with asyncio.timeout(timeout):
                return await self._result(session, frame, call, notify, relayed, None)
        except TimeoutError:
            raise CallTimeout(f"No answer within {timeout:g} s.") from None

    async def _with_caller(self, session: Session, call: RequestContext, notify: Notify) -> dict[str, Any]:
        """The result of a call that may be one of a tool of the hub: such a tool finds its caller in `CALLER`."""
        outer = CALLER.set(HubCaller(self, session, call, notify))
        try:
            return await self.relay.answer(session, call, notify)
        finally:
            CALLER.reset(outer)

    def make_context(self, session: Session, frame: Frame) -> RequestContext:
        """Make the context of a client's request, and count the request."""
        params = frame.get("params") or {}
        number = session.count()
        return RequestContext(session, frame["method"], params, self.workspace.name, number, time.perf_counter())

    def refused(self, session: Session, frame: Frame, answer: dict[str, Any]) -> None:
        """Tell the observers that a transport answered a request with a JSON-RPC error before `serve`."""
        self.admission.refused(self.make_context(session, frame), error_of(answer))


def _cancel_outcome(session: Session) -> str:
    """The outcome of a cancelled request, for observers."""
    return DISCONNECTED if session.ended else CANCELLED
