"""A workspace as its clients reach it: every request is answered here, by the relay or by FastMCP."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from sidecar.admission.admission import CANCELLED, DISCONNECTED, Admission, error_of
from sidecar.admission.context import RequestContext
from sidecar.calls.answered import Answered
from sidecar.calls.fastmcp_server import FastMCPServer
from sidecar.calls.relay import Relay
from sidecar.calls.request import HUB_FAILED, HUB_INTERNAL, Notify, log_failure
from sidecar.errors import CallTimeout, SidecarError
from sidecar.protocol import eras, jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.sessions.session import Session
from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)


class Endpoint:
    """Owned by the hub, which makes one for each workspace; the transports are given it."""

    def __init__(self, workspace: Workspace, page_size: int = 0, admission: Admission | None = None) -> None:
        """`page_size`: how many items a page of a list has; 0: all. `admission` is the hub's."""
        self.workspace = workspace
        self.admission = admission or Admission()
        self.relay = Relay(workspace, page_size)
        self.fastmcp = FastMCPServer(workspace)
        workspace.observers.append(self.fastmcp)

    async def run(self, until: asyncio.Event) -> None:
        """Own the workspace, and its FastMCP server around it, until `until` is set."""
        async with self.fastmcp.running():
            await self.workspace.run(until)

    async def answer(self, session: Session, frame: Frame, notify: Notify, *, relayed: bool) -> Frame:
        """The response to a request; `notify` sends what belongs to it. Raises nothing but what cancels it."""
        request_id, params = frame["id"], frame.get("params")
        try:
            return jsonrpc.result(request_id, await self.serve(session, frame, notify, relayed=relayed))
        except Answered as answered:
            return jsonrpc.error(request_id, answered.error)
        except SidecarError as error:
            return jsonrpc.error(request_id, eras.error_to_client(eras.of_params(params), error.rpc()))
        except Exception:
            known = {"workspace": self.workspace.name, "session": session.id[:8]}
            log.exception("a request failed in the hub", extra=known)
            return jsonrpc.error(request_id, dict(HUB_FAILED))

    async def serve(
        self, session: Session, frame: Frame, notify: Notify, *, relayed: bool = True, timeout: float | None = None
    ) -> dict[str, Any]:
        """The result for a request: the one place through which all of them pass that do not take the direct way.

        `timeout` in seconds; without one what limits the time is the server's.

        Raises:
            Answered: the server, or FastMCP, answered with an error.
            SidecarError: a gate refused it, or the hub could not have it answered.
        """
        call, admission = self.call_of(session, frame), self.admission
        if admission.gates:
            await self._enter(session, call)
        try:
            result = await self._result(session, frame, call, notify, relayed, timeout)
        except Answered as answered:
            if call.server:
                admission.ended(call, "error")
            else:
                admission.failed(call, error_of(answered.error))
            raise
        except SidecarError as error:
            admission.failed(call, error)
            raise
        except asyncio.CancelledError:
            admission.ended(call, _cut(session))
            raise
        except Exception:
            admission.ended(call, HUB_INTERNAL)
            raise
        admission.ended(call, jsonrpc.outcome_of(result))
        return result

    async def _enter(self, session: Session, call: RequestContext) -> None:
        """Pass the gates, or tell that it came no further. Raises the SidecarError of the gate that refuses."""
        try:
            await self.admission.enter(call)
        except SidecarError as error:
            log_failure(call.workspace, call.method, call.correlation, error)
            self.admission.refused(call, error)
            raise
        except asyncio.CancelledError:
            self.admission.turned_back(call, _cut(session))
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
                return await self.relay.answer(session, call, notify)
            return await self.fastmcp.answer(session, frame, notify)
        try:
            async with asyncio.timeout(timeout):
                return await self._result(session, frame, call, notify, relayed, None)
        except TimeoutError:
            raise CallTimeout(f"No answer within {timeout:g} s.") from None

    def call_of(self, session: Session, frame: Frame) -> RequestContext:
        """The context of a client's request."""
        params = frame.get("params") or {}
        number = session.count()
        return RequestContext(session, frame["method"], params, self.workspace.name, number, time.perf_counter())

    def refused(self, session: Session, frame: Frame, answer: dict[str, Any]) -> None:
        """Tell that a request was answered with a JSON-RPC error before it was looked at."""
        self.admission.refused(self.call_of(session, frame), error_of(answer))


def _cut(session: Session) -> str:
    """The outcome of a request that was cut short."""
    return DISCONNECTED if session.ended else CANCELLED
