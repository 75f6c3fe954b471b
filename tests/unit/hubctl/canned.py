"""A hub of canned answers on the bridge in memory, and a way to run hubctl's commands against it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bridge.errors import ErrorBody
from bridge.memory import MemoryBridge
from bridge.models import (
    AddKey,
    Call,
    CallResult,
    Changed,
    CheckAccessFile,
    ConfigFile,
    DeleteServer,
    DeleteWorkspace,
    Desired,
    Done,
    EndGrant,
    EndSession,
    EndUser,
    Event,
    ExplainAccess,
    Export,
    Exported,
    History,
    Imported,
    ImportedServer,
    ImportServers,
    Key,
    KeyMade,
    Keys,
    LimitsState,
    ListGrants,
    ListKeys,
    ListSessions,
    ListTools,
    ListUsers,
    LogRecords,
    Logs,
    MaskedSnapshot,
    Model,
    OptimizeRecords,
    OptimizeReport,
    OptimizeStep,
    PutAccessFile,
    PutServer,
    PutWorkspace,
    ReadAccessFile,
    ReadCall,
    ReadCalls,
    ReadChanges,
    ReadConfig,
    ReadDesired,
    ReadHistory,
    ReadLimits,
    ReadRecordsStatus,
    ReadStatus,
    RecordsStatus,
    Request,
    Restart,
    RevokeKey,
    ServerSpec,
    ServerStatus,
    Sessions,
    SetServer,
    SetWorkspace,
    SnapshotId,
    Status,
    StdioLaunch,
    Tools,
    UnansweredReplica,
    Undo,
    Undone,
    ViewAs,
    WorkspaceSpec,
    WorkspaceStatus,
)
from bridge.models.catalog.approvals import ApproveProposal, ListProposals, RefuseProposal
from bridge.models.cluster import ExportConfig, ImportConfig, ReadCluster
from bridge.models.replicas import ReadReplicas
from bridge.server import BridgeServer, EventPublisher
from bridge.settings import Settings
from hubctl.context import Context
from hubctl.main import execute, parser
from hubctl.render import Paint
from recorder.memory import MemoryStore
from sidecar.workspaces.workspace_state import MemberState, condition
from tests.support.hub import free_port
from tests.support.streams import listening
from tests.support.yamcp import stdio

NOW = 1_800_000_000.0


def server(key: str, state: str = "ready", **more: Any) -> ServerStatus:
    """A server in a state, with what else is said of it."""
    fields = {"namespace": key, "since": NOW - 90, "tools": 3 if state == "ready" else 0}
    return ServerStatus(key=key, state=state, **{**fields, **more})


def missing(key: str, **more: Any) -> ServerStatus:
    """A server whose command is not there."""
    reason = ErrorBody(code="SERVER_COMMAND_MISSING", message=f"{key}: no such command.", hint="Install it.")
    return server(
        key, "failed", reason=reason, stderr=("one", "two"), stderr_line="two", attempts=2, retry_at=NOW + 4, **more
    )


def workspace(name: str, *servers: str, ready: int | None = None, **more: Any) -> WorkspaceStatus:
    """A workspace of these servers, all of them ready unless told; its state is `status`'s to say."""
    slug = name.lower().replace(" ", "-")
    base = f"http://127.0.0.1:8765/mcp/{slug}"
    fields: dict[str, Any] = {"slug": slug, "enabled": True, "state": "ready", "tools": 3 * len(servers)}
    fields |= {"sse_url": f"{base}/sse", "http_url": base}
    fields |= {f"direct_{kind}": fields[kind].replace("8765", "8766") for kind in ("sse_url", "http_url")}
    ready = len(servers) if ready is None else ready
    return WorkspaceStatus(name=name, servers=servers, ready=ready, **{**fields, **more})


def snapshot_id(revision: int = 1) -> SnapshotId:
    """An identity of that revision."""
    return SnapshotId(epoch=1, revision=revision, hash=f"h{revision}")


def status(workspaces: Sequence[WorkspaceStatus], servers: Sequence[ServerStatus], **more: Any) -> Status:
    """A settled status of revision 1, unless told otherwise; workspaces are as their servers are."""
    known = {server.key: server for server in servers}
    fields: dict[str, Any] = {
        "version": "0.1.0",
        "session": "s1",
        "pid": 4711,
        "started_at": NOW - 3700,
        "accepted": snapshot_id(),
        "applied": snapshot_id(),
        "settled": True,
        "source": "adapter",
    }
    told = tuple(_as_its_servers(workspace, known) for workspace in workspaces)
    return Status(workspaces=told, servers=tuple(servers), **{**fields, **more})


def _as_its_servers(workspace: WorkspaceStatus, servers: Mapping[str, ServerStatus]) -> WorkspaceStatus:
    """The workspace in the state that the sidecar would tell of it."""
    members = [
        MemberState(each.key, each.state, each.attempts, each.session == "per_client", each.reason)
        for each in (servers[key] for key in workspace.servers)
    ]
    state, _, reason = condition(workspace.name, workspace.enabled, members)
    return workspace.model_copy(update={"state": state, "reason": reason})


def small() -> Status:
    """A workspace with a ready server and one that is missing, and a second workspace that is off."""
    return status(
        [workspace("My Work", "time", "gone", ready=1), workspace("idle", "time", enabled=False)],
        [server("time", pids=(12,), memory_bytes=20_000_000, transport="stdio", era="legacy"), missing("gone")],
    )


def desired(*issues: Any, **more: Any) -> Desired:
    """What an adapter wants of `small`."""
    servers = tuple(
        ServerSpec(key=key, namespace=key, launch=StdioLaunch(command="no-such-command")) for key in ("time", "gone")
    )
    workspaces = (
        WorkspaceSpec(name="My Work", slug="my-work", servers=("time", "gone")),
        WorkspaceSpec(name="idle", slug="idle", servers=("time",), enabled=False),
    )
    snapshot = MaskedSnapshot(id=snapshot_id(), servers=servers, workspaces=workspaces)
    return Desired(snapshot=snapshot, issues=issues, files={}, published=snapshot.id, **more)


TOOLS: tuple[dict[str, Any], ...] = (
    {
        "name": "time_now",
        "description": "Tell the time.\nIn any zone.",
        "inputSchema": {"properties": {"zone": {"type": "string"}, "depth": {"type": "integer"}}},
    },
)
RECORDS: tuple[dict[str, Any], ...] = (
    {"time": "2026-11-21T10:00:00.123+00:00", "level": "error", "logger": "x", "message": "lost", "server": "time"},
)


FURTHER: tuple[type[Request[Any]], ...] = (
    ReadCluster,
    ReadReplicas,
    ImportConfig,
    ExportConfig,
    ListGrants,
    EndGrant,
    ListUsers,
    EndUser,
    ReadAccessFile,
    CheckAccessFile,
    PutAccessFile,
    ExplainAccess,
    ViewAs,
    ListProposals,
    ApproveProposal,
    RefuseProposal,
)


class Lines(io.StringIO):
    """Output that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def flush(self) -> None:
        self.written.set()

    async def until(self, text: str) -> str:
        """Wait until the text was written; returns everything."""
        while text not in self.getvalue():
            self.written.clear()
            await self.written.wait()
        return self.getvalue()


@dataclass
class CannedHub:
    """Answers as a hub in these states would, and remembers what it was asked."""

    settings: Settings
    status: Status = field(default_factory=small)
    desired: Desired = field(default_factory=desired)
    result: dict[str, Any] = field(default_factory=lambda: {"content": [{"type": "text", "text": "noon"}]})
    asked: list[Any] = field(default_factory=list)
    records: tuple[dict[str, Any], ...] = RECORDS
    unanswered: tuple[UnansweredReplica, ...] = ()
    keys: tuple[Key, ...] = ()
    answers: dict[type[Request[Any]], Model] = field(default_factory=dict)
    """Answers to kinds of FURTHER."""
    limits: LimitsState = field(default_factory=LimitsState)
    sessions: Sessions = field(default_factory=lambda: Sessions(total=0, sessions=()))
    applies: bool = True
    files: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "providers": {key: stdio(key, "no-such-command") for key in ("time", "gone")},
            "workspaces": {"My Work": ["time", "gone"], "idle": ["time"]},
        }
    )
    """What the adapter says of YAMCP's files."""
    imported: tuple[ImportedServer, ...] = ()
    history: History = field(default_factory=lambda: History(interval=10, now=NOW, samples=()))
    health: dict[str, Any] = field(default_factory=lambda: {"status": "ok", "version": "0.1.0", "sessions": 0})
    """What the front answers at every path; with 503 unless `status` is ok."""
    store: MemoryStore = field(default_factory=MemoryStore)
    """The recorder's records."""
    records_status: RecordsStatus = field(
        default_factory=lambda: RecordsStatus(state="ok", database="memory", schema_version=1, calls=2)
    )
    followed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the recorder was asked for what comes."""
    bridge: MemoryBridge = field(default_factory=MemoryBridge)
    publisher: EventPublisher = field(init=False)

    def __post_init__(self) -> None:
        self.publisher = EventPublisher(self.settings.events_address, transport=self.bridge)

    @contextlib.asynccontextmanager
    async def serving(self, *sides: str) -> AsyncIterator[CannedHub]:
        """All sides and the front are up, or only those named."""
        sides = sides or ("actual", "desired", "records", "front")
        async with contextlib.AsyncExitStack() as stack:
            if "front" in sides:
                await stack.enter_async_context(self.front())
            tasks = [asyncio.create_task(self.side(name)) for name in sides if name != "front"]
            await stack.enter_async_context(self.publisher)
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def front(self) -> AsyncIterator[None]:
        """The front is up."""
        async with listening(self._page, self.settings.port):
            yield

    async def side(self, name: str) -> None:
        """Serve one side until cancelled."""
        if name == "actual":
            kinds: dict[Any, Any] = {ReadStatus: self._status, Restart: self._restart, ListTools: self._tools}
            kinds |= {ListSessions: self._sessions, EndSession: self._end_session, ReadLimits: self._limits}
            handlers = {**kinds, Call: self._call, Logs: self._logs, ReadHistory: self._history}
            handlers |= self._further(name)
            await BridgeServer(self.settings.actual_address, handlers, transport=self.bridge).serve()
        elif name == "records":
            await BridgeServer(self.settings.records_address, self._recorder(), transport=self.bridge).serve()
        else:
            handlers = {ReadDesired: self._desired, SetWorkspace: self._set_workspace}
            handlers |= {ReadConfig: self._config, ImportServers: self._import}
            handlers |= {Export: self._export, Undo: self._undo}
            handlers |= dict.fromkeys((PutServer, DeleteServer, PutWorkspace, DeleteWorkspace, SetServer), self._change)
            handlers |= {ListKeys: self._keys, AddKey: self._add_key, RevokeKey: self._revoke_key}
            handlers |= self._further(name)
            await BridgeServer(self.settings.desired_address, handlers, transport=self.bridge).serve()

    def become(self, status: Status) -> None:
        """Be in another state, and say that something changed."""
        self.status = status
        self.publisher.publish(Event(topic="server"))

    def _further(self, side: str) -> dict[Any, Any]:
        """The handlers of the kinds that `answers` answers."""
        return {kind: self._answer for kind in FURTHER if side in kind.sockets}

    async def _answer(self, body: Request[Any]) -> Model:
        self.asked.append(body)
        return self.answers[type(body)]

    def _recorder(self) -> dict[Any, Any]:
        """The recorder's handlers, over records in memory."""
        handlers: dict[Any, Any] = {
            kind: partial(self._recorded, getattr(self.store, kind.kind)) for kind in (ReadCalls, ReadCall, ReadChanges)
        }
        return {**handlers, ReadRecordsStatus: self._records_status, OptimizeRecords: self._optimize}

    async def _recorded(self, read: Callable[[Any], Awaitable[Any]], body: Any) -> Any:
        self.asked.append(body)
        if getattr(body, "after", None) is not None:
            self.followed.set()
        return await read(body)

    async def _records_status(self, _: ReadRecordsStatus) -> RecordsStatus:
        return self.records_status

    async def _optimize(self, body: OptimizeRecords) -> OptimizeReport:
        self.asked.append(body)
        step = OptimizeStep(name="analyze", reason="Plans are 3 days old.", done=not body.dry_run, seconds=0.25)
        return OptimizeReport(steps=(step,), before=5_000_000, after=4_000_000)

    async def _page(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = json.dumps(self.health).encode()
        status = b"200 OK" if self.health.get("status") == "ok" else b"503 Service Unavailable"
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body))

    async def _status(self, _: ReadStatus) -> Status:
        return self.status

    async def _desired(self, _: ReadDesired) -> Desired:
        return self.desired

    async def _set_workspace(self, body: SetWorkspace) -> Changed:
        self.asked.append(body)
        if body.enabled is None:
            return Changed(snapshot=snapshot_id())
        if self.applies:
            changed = tuple(
                entry.model_copy(update={"enabled": body.enabled}) if entry.name == body.name else entry
                for entry in self.status.workspaces
            )
            self.status = status(changed, self.status.servers, applied=snapshot_id(2))
        return Changed(snapshot=snapshot_id(2))

    async def _config(self, body: ReadConfig) -> ConfigFile:
        content = self.files[body.file]
        hashes = {name: f"hash of {name}" for name in content}
        return ConfigFile(file=body.file, path="", text="", content=content, hash="h", entries=hashes)

    async def _change(self, body: Any) -> Changed:
        self.asked.append(body)
        return Changed(snapshot=snapshot_id(1 if self.applies else 2))

    async def _export(self, body: Export) -> Exported:
        self.asked.append(body)
        return Exported(config={"time": {"command": "${TIME}"}}, variables=("TIME",))

    async def _undo(self, _: Undo) -> Undone:
        return Undone(snapshot=snapshot_id(), summary="server 'time' removed")

    async def _import(self, body: ImportServers) -> Imported:
        self.asked.append(body)
        return Imported(servers=self.imported, workspace=body.workspace, snapshot=snapshot_id())

    async def _keys(self, _: ListKeys) -> Keys:
        return Keys(keys=self.keys)

    async def _add_key(self, body: AddKey) -> KeyMade:
        self.asked.append(body)
        return KeyMade(id="k1a2b3c4", token="yh_k1a2b3c4_" + "x" * 43)

    async def _revoke_key(self, body: RevokeKey) -> Done:
        self.asked.append(body)
        return Done()

    async def _restart(self, body: Restart) -> Done:
        self.asked.append(body)
        again = tuple(
            entry.model_copy(update={"since": entry.since + 1}) if entry.key == body.key else entry
            for entry in self.status.servers
        )
        self.status = self.status.model_copy(update={"servers": again})
        return Done()

    async def _tools(self, body: ListTools) -> Tools:
        self.asked.append(body)
        return Tools(tools=TOOLS)

    async def _call(self, body: Call) -> CallResult:
        self.asked.append(body)
        return CallResult(result=self.result)

    async def _limits(self, body: ReadLimits) -> LimitsState:
        self.asked.append(body)
        return self.limits

    async def _sessions(self, body: ListSessions) -> Sessions:
        self.asked.append(body)
        return self.sessions

    async def _end_session(self, body: EndSession) -> Done:
        self.asked.append(body)
        return Done()

    async def _history(self, body: ReadHistory) -> History:
        self.asked.append(body)
        return self.history

    async def _logs(self, body: Logs) -> LogRecords:
        self.asked.append(body)
        return LogRecords(records=self.records, unanswered=self.unanswered)

    def context(self, json: bool = False, out: io.StringIO | None = None) -> Context:
        """What a command that asks this hub gets."""
        return Context(self.settings, json, Paint(False), out or io.StringIO(), io.StringIO(), self.bridge)

    async def hubctl(self, *words: str) -> tuple[int, str, str]:
        """Run a command; returns its exit code, what it wrote to stdout, and to stderr."""
        arguments = parser().parse_args(words)
        context = self.context(arguments.json)
        code = await execute(context, arguments)
        return code, context.out.getvalue(), context.err.getvalue()  # type: ignore[attr-defined]


def settings(directory: Path) -> Settings:
    """Settings with everything below a directory, and a port that nobody listens on."""
    return Settings(data_dir=directory / "data", yamcp_dir=directory / "yamcp", port=free_port())
