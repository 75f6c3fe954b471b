"""What the sidecar serves on the bridge: actual state, and the commands that change it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bridge.errors import HubError
from bridge.models import (
    Accepted,
    Call,
    CallResult,
    Done,
    History,
    KeyUses,
    ListTools,
    LogRecords,
    Logs,
    ReadHistory,
    ReadKeyUses,
    ReadStatus,
    Restart,
    Snapshot,
    Status,
    Tools,
)
from bridge.server import Handlers
from sidecar.admission.context import LOCAL, RequestContext, Visitor
from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import METHOD_NOT_FOUND, ServerUnknown, WorkspaceUnknown
from sidecar.hub.hub import Hub
from sidecar.hub.reconciler import Reconciler
from sidecar.hub.status import StatusReporter
from sidecar.large.outline import whole
from sidecar.observe.call_history import Recorder
from sidecar.observe.log_buffer import LogBuffer
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.sessions.session import Session
from sidecar.workspaces.workspace import Workspace


class ServerRefused(HubError):
    """A server answered a call over the bridge with an error of its own; its code and message are in the data."""

    code = "SERVER_ANSWERED_ERROR"
    hint = "The message is the server's; check the arguments against the tool's schema (hubctl tools)."


class LocalSession(Session):
    """Whoever calls over the bridge: no client, so no notices and no client features."""

    transport = "bridge"

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Nobody listens."""

    def clients(self) -> tuple[Session, ...]:
        """None: it is gone with the call."""
        return ()

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Nobody to ask."""
        return jsonrpc.error(0, {"code": METHOD_NOT_FOUND, "message": f"{method}: nobody to ask"})


class BridgeApi:
    """Handlers by kind. `key_uses` gives when each named key was last used, by its id."""

    def __init__(
        self,
        hub: Hub,
        reconciler: Reconciler,
        reporter: StatusReporter,
        logs: LogBuffer,
        recorder: Recorder,
        key_uses: Callable[[], dict[str, float]] = dict,
    ) -> None:
        self._hub = hub
        self._recorder = recorder
        self._reconciler = reconciler
        self._reporter = reporter
        self._logs = logs
        self._key_uses = key_uses

    def handlers(self) -> Handlers:
        """What is served on the actual socket."""
        return {
            Snapshot: self._apply,
            ReadStatus: self._status,
            Restart: self._restart,
            ListTools: self._tools,
            Call: self._call,
            Logs: self._records,
            ReadHistory: self._history,
            ReadKeyUses: self._uses,
        }

    async def _apply(self, snapshot: Snapshot) -> Accepted:
        return Accepted(id=self._reconciler.accept(snapshot))

    async def _status(self, _: ReadStatus) -> Status:
        return await self._reporter.status()

    async def _restart(self, request: Restart) -> Done:
        specs = [spec for spec in (self._hub.snapshot.servers if self._hub.snapshot else ()) if spec.key == request.key]
        if not specs:
            raise ServerUnknown(f"There is no server {request.key!r}.")
        fingerprint = self._hub.pool.fingerprint(specs[0])
        for upstream in self._hub.pool:
            if upstream.fingerprint == fingerprint:
                upstream.restart()
        return Done()

    async def _tools(self, request: ListTools) -> Tools:
        return Tools(tools=self._workspace(request.workspace).view.items("tools", "legacy"))

    async def _call(self, request: Call) -> CallResult:
        params = {"name": request.tool, "arguments": request.arguments}
        frame = jsonrpc.request(0, "tools/call", params)
        try:
            workspace = self._workspace(request.workspace)
        except WorkspaceUnknown as error:
            call = RequestContext(Visitor(), "tools/call", params, request.workspace, 0, time.perf_counter())
            self._hub.admission.refused(call, error)
            raise
        session = LocalSession(principal=LOCAL)
        endpoint = self._hub.endpoint(workspace)
        try:
            result = await endpoint.serve(session, frame, session.notify, timeout=request.timeout)
        except ErrorResponse as answered:
            raise ServerRefused(str(answered.error.get("message")), data={"error": answered.error}) from None
        finally:
            workspace.leave(session)
        return CallResult(result=whole(result))

    async def _records(self, request: Logs) -> LogRecords:
        return LogRecords(records=tuple(self._logs.newest(request.limit, request.server)))

    async def _history(self, request: ReadHistory) -> History:
        return self._recorder.history(request)

    async def _uses(self, _: ReadKeyUses) -> KeyUses:
        return KeyUses(uses=self._key_uses())

    def _workspace(self, name: str) -> Workspace:
        workspace = self._hub.find(name)
        if workspace is None:
            raise WorkspaceUnknown(
                f"There is no workspace {name!r}.", data={"workspaces": sorted(self._hub.workspaces)}
            )
        return workspace
