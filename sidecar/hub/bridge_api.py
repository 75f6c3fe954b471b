"""The sidecar's handlers on the bridge: snapshots, status, and commands such as tool calls and restarts."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from bridge.errors import HubError
from bridge.models import (
    Accepted,
    Ask,
    AskResult,
    Call,
    CallResult,
    Catalog,
    Done,
    EndSession,
    History,
    KeyUses,
    LimitsState,
    ListSessions,
    ListTools,
    LogRecords,
    Logs,
    ReadCatalog,
    ReadHistory,
    ReadKeyUses,
    ReadLimits,
    ReadStatus,
    ReadWorkspaceTools,
    Restart,
    Sessions,
    Snapshot,
    Status,
    Tools,
    WorkspaceTools,
)
from bridge.server import Handlers
from sidecar.admission.context import LOCAL, RequestContext, Visitor
from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import METHOD_NOT_FOUND, ServerUnknown, WorkspaceUnknown
from sidecar.hub import session_list
from sidecar.hub.access_questions import AccessQuestions
from sidecar.hub.hub import Hub
from sidecar.hub.items.catalog import catalog_of
from sidecar.hub.items.curated_items import workspace_tools
from sidecar.hub.items.tool_search import ToolSearch
from sidecar.hub.reconciler import Reconciler
from sidecar.hub.status import StatusReporter
from sidecar.large.outline import whole
from sidecar.observe.call_history import Recorder
from sidecar.observe.log_buffer import LogBuffer
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.sessions.session import Session
from sidecar.workspaces.workspace import Workspace

ASK_HINT = "The message is the server's; check the name or URI, and the arguments, against its lists."


class ServerRefused(HubError):
    """A server answered a call over the bridge with an error of its own; its code and message are in the data."""

    code = "SERVER_ANSWERED_ERROR"
    hint = (
        "The message is the server's; check the arguments against the tool's schema (hubctl tools), or against the "
        "lists of prompts and resources."
    )


class LocalSession(Session):
    """The session of one request over the bridge, without notifications and client features."""

    transport = "bridge"

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Ignore the notification: it cannot be delivered."""

    def clients(self) -> tuple[Session, ...]:
        """No clients: this session is not counted."""
        return ()

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Refuse: there is no client."""
        return jsonrpc.error(0, {"code": METHOD_NOT_FOUND, "message": f"{method}: nobody to ask"})


class BridgeApi:
    """The handlers. `key_uses` returns the time of the last request of each named key and grant (Unix time), by
    id."""

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
        self.logs_of_replicas: Callable[[Logs], Awaitable[LogRecords]] | None = None
        """Returns records of other replicas, or raises ReplicasOff; None: there are only those of this process."""

    def handlers(self) -> Handlers:
        """The handlers for the bridge's `actual` socket, by kind of request."""
        return {
            Snapshot: self._apply,
            ReadStatus: self._status,
            Restart: self._restart,
            ListTools: self._tools,
            ReadCatalog: self._catalog,
            ReadWorkspaceTools: self._workspace_tools,
            Call: self._call,
            Ask: self._ask,
            ListSessions: self._sessions,
            EndSession: self._end_session,
            Logs: self._records,
            ReadHistory: self._history,
            ReadKeyUses: self._uses,
            ReadLimits: self._limits,
            **AccessQuestions(self._hub).handlers(),
            **ToolSearch(self._hub).handlers(),
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

    async def _workspace_tools(self, request: ReadWorkspaceTools) -> WorkspaceTools:
        return workspace_tools(self._workspace(request.workspace).view)

    async def _catalog(self, request: ReadCatalog) -> Catalog:
        return catalog_of(self._workspace(request.workspace).view)

    async def _call(self, request: Call) -> CallResult:
        params = {"name": request.tool, "arguments": request.arguments}
        return CallResult(result=await self._served(request.workspace, "tools/call", params, request.timeout))

    async def _ask(self, request: Ask) -> AskResult:
        return AskResult(
            result=await self._served(request.workspace, request.method, request.params, request.timeout, ASK_HINT)
        )

    async def _served(
        self, name: str, method: str, params: dict[str, Any], timeout: float, hint: str | None = None
    ) -> dict[str, Any]:
        """The result of a request, served as one of a client of the workspace; `timeout` is in seconds.

        Raises:
            WorkspaceUnknown: there is no such workspace.
            ServerRefused: the server answered with an error; `hint` is the advice in it.
            SidecarError: the request is invalid, or no server could answer it.
        """
        try:
            workspace = self._workspace(name)
        except WorkspaceUnknown as error:
            call = RequestContext(Visitor(), method, params, name, 0, time.perf_counter())
            self._hub.admission.refused(call, error)
            raise
        session = LocalSession(principal=LOCAL)
        endpoint, frame = self._hub.endpoint(workspace), jsonrpc.request(0, method, params)
        try:
            result = await endpoint.serve(session, frame, session.notify, timeout=timeout)
        except ErrorResponse as answered:
            error_data = {"error": answered.error}
            raise ServerRefused(str(answered.error.get("message")), hint=hint, data=error_data) from None
        finally:
            workspace.leave(session)
        return whole(result)

    async def _sessions(self, request: ListSessions) -> Sessions:
        return session_list.listed(self._hub, request)

    async def _end_session(self, request: EndSession) -> Done:
        session_list.end(self._hub, request.id)
        return Done()

    async def _records(self, request: Logs) -> LogRecords:
        if request.replica is not None and self.logs_of_replicas:
            return await self.logs_of_replicas(request)
        return LogRecords(records=tuple(self._logs.find(request)))

    async def _history(self, request: ReadHistory) -> History:
        return self._recorder.history(request)

    async def _uses(self, _: ReadKeyUses) -> KeyUses:
        uses = self._key_uses()
        grants = {holder: at for holder, at in uses.items() if holder.startswith("g")}
        return KeyUses(uses={key: at for key, at in uses.items() if key not in grants}, grants=grants)

    async def _limits(self, request: ReadLimits) -> LimitsState:
        return self._hub.limits.state(request.limit)

    def _workspace(self, name: str) -> Workspace:
        workspace = self._hub.find(name)
        if workspace is None:
            raise WorkspaceUnknown(
                f"There is no workspace {name!r}.", data={"workspaces": sorted(self._hub.workspaces)}
            )
        return workspace
