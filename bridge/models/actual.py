"""Actual state: what runs, and what one can do with it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bridge.errors import ErrorBody
from bridge.models.base import Done, Model, Request
from bridge.models.desired import SnapshotId

UpstreamState = Literal["starting", "ready", "backoff", "failed", "stopped"]
ServerState = Literal["starting", "ready", "degraded", "backoff", "failed", "stopped"]
"""`degraded`: ready, but something of it is not served."""
WorkspaceState = Literal["ready", "degraded", "starting", "failed", "empty", "off"]
"""docs/states.md says what each means; `sidecar/workspaces/workspace_state.py` decides."""


class ServerStatus(Model):
    """One server as it is. `stopped`: switched off, in no enabled workspace, or per_client with no session now."""

    key: str
    namespace: str
    state: ServerState
    reason: ErrorBody | None = None
    troubles: tuple[ErrorBody, ...] = ()
    """What is wrong with a server that is `degraded`: lists that could not be read, items that are left out."""
    since: float
    """Unix time of the last change of state, in seconds."""
    attempts: int = 0
    """Starts that failed since it was last ready."""
    restarts: int = 0
    """Times that it was connected again after it had been ready, or was asked to restart."""
    retry_at: float | None = None
    transport: str = ""
    era: Literal["legacy", "modern", ""] = ""
    session: Literal["shared", "per_client"] = "shared"
    pids: tuple[int, ...] = ()
    memory_bytes: int = 0
    """Proportional set size of its processes, as last sampled: at most a minute ago, 2 s if often asked for."""
    instances: int = 0
    server_name: str = ""
    server_version: str = ""
    tools: int = 0
    resources: int = 0
    prompts: int = 0
    calls_in_flight: int = 0
    stderr: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    stale: bool = False


class WorkspaceStatus(Model):
    """One workspace as it is served."""

    name: str
    slug: str
    enabled: bool
    state: WorkspaceState
    reason: ErrorBody | None = None
    """Why it is not well, where that is known: of several servers, the worst one's reason."""
    sse_url: str
    http_url: str
    direct_sse_url: str = ""
    """The sidecar's own address, without the front between, where it can be reached."""
    direct_http_url: str = ""
    servers: tuple[str, ...]
    disabled_servers: tuple[str, ...] = ()
    """Those of `servers` that are switched off in this workspace alone."""
    ready: int
    """How many of its servers are ready; `per_client` ones count, as they start when a session needs them."""
    tools: int = 0
    resources: int = 0
    prompts: int = 0
    sessions: int = 0


class Status(Model):
    """The sidecar's whole actual state: the answer to `status`."""

    version: str
    session: str
    pid: int
    started_at: float
    accepted: SnapshotId | None
    applied: SnapshotId | None
    """The plan of this snapshot is carried out; new servers may still be starting."""
    settled: bool
    """Applied is accepted, and no server is starting."""
    source: Literal["adapter", "disk", "none"]
    workspaces: tuple[WorkspaceStatus, ...] = ()
    servers: tuple[ServerStatus, ...] = ()


class ReadStatus(Request[Status], kind="status", sockets=("actual",)):
    """Ask for the actual state."""


class Restart(Request[Done], kind="restart", sockets=("actual",), repeatable=False):
    """Close the server's upstreams and open them anew, at once."""

    key: str


class Tools(Model):
    """Answer to `tools`: the tools as MCP's tools/list gives them."""

    tools: tuple[dict[str, Any], ...]


class ListTools(Request[Tools], kind="tools", sockets=("actual",)):
    """Ask for the tools of a workspace as its clients see them."""

    workspace: str


class CallResult(Model):
    """Answer to `call`: the result as MCP's tools/call gives it."""

    result: dict[str, Any]


class Call(Request[CallResult], kind="call", sockets=("actual",), repeatable=False):
    """Call a tool of a workspace as a client would. `timeout` in seconds."""

    workspace: str
    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    timeout: float = Field(60, gt=0, le=3600)


class LogRecords(Model):
    """Answer to `logs`."""

    records: tuple[dict[str, Any], ...]


class Logs(Request[LogRecords], kind="logs", sockets=("actual",)):
    """Ask for the newest log records, oldest first."""

    limit: int = Field(100, ge=1, le=5000)
    server: str | None = None


class Figure(Model):
    """The calls of one tool of one server that ended within a sample. Times in seconds."""

    server: str
    tool: str
    calls: int
    errors: int
    seconds: float
    """Of all calls together."""
    p50: float
    p95: float


class Sample(Model):
    """One interval of the history; tools that were not called are left out."""

    at: float
    """Unix time of its end, in seconds."""
    figures: tuple[Figure, ...]


class History(Model):
    """Answer to `history`, oldest first; intervals without a call are left out.

    A last sample whose end is `now` is of an interval that goes on: the next answer has it anew, longer or whole.
    """

    interval: float
    """Length of a sample, in seconds."""
    now: float
    samples: tuple[Sample, ...]


class ReadHistory(Request[History], kind="history", sockets=("actual",)):
    """Ask for figures of calls, of samples that end after `since` (Unix time, seconds)."""

    since: float = 0
    server: str | None = None
