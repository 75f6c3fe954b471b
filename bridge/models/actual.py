"""Actual state of servers and workspaces, and the requests that the sidecar serves."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bridge.errors import ErrorBody
from bridge.models.base import Done, Model, Request
from bridge.models.desired import SnapshotId
from bridge.models.trust import ScanState

UpstreamState = Literal[
    "starting", "ready", "sleeping", "sign_in_required", "elsewhere", "backoff", "failed", "stopped"
]
ServerState = Literal[
    "starting", "ready", "degraded", "sleeping", "sign_in_required", "elsewhere", "backoff", "failed", "stopped"
]
"""`degraded`: ready, but some of its lists or items are not served, or items are missing that it had before.
`sleeping`: stopped because nobody uses it (`start`, `idle_stop`); its lists stay, and the next request starts it.
During a reload also: the previous sidecar still has it (`keep`).
`sign_in_required`: it waits until somebody signs in at its authorization server (`sign_in`).
`elsewhere`: another replica runs it (`placement`)."""
WorkspaceState = Literal["ready", "degraded", "starting", "failed", "empty", "off"]
"""See docs/states.md; computed by `sidecar/workspaces/workspace_state.py`."""


class ServerStatus(Model):
    """The status of a server. `stopped`: switched off, in no enabled workspace, or per_client without a session."""

    key: str
    namespace: str
    state: ServerState
    reason: ErrorBody | None = None
    troubles: tuple[ErrorBody, ...] = ()
    """Why the server is `degraded`: lists that could not be read, items that are left out."""
    since: float
    """Unix time of the last change of state, in seconds."""
    attempts: int = 0
    """Failed starts since the server was last ready."""
    restarts: int = 0
    """Reconnections after the server had been ready, or on request."""
    retry_at: float | None = None
    breaker: Literal["closed", "open"] = "closed"
    """`open`: the server is known to be down, and requests for it fail at once instead of waiting for it."""
    transport: str = ""
    era: Literal["legacy", "modern", ""] = ""
    session: Literal["shared", "per_client"] = "shared"
    pids: tuple[int, ...] = ()
    memory_bytes: int = 0
    """Proportional set size (PSS) of its processes; at most a minute old, or 2 s if requested often."""
    instances: int = 0
    server_name: str = ""
    server_version: str = ""
    tools: int = 0
    resources: int = 0
    prompts: int = 0
    calls_in_flight: int = 0
    stderr: tuple[str, ...] = ()
    stderr_line: str = ""
    """Of a server that is not ready: the one of these lines that says most of why."""
    hints: tuple[str, ...] = ()
    changes: int = 0
    """How many tools, prompts and instructions differ from what was accepted, and wait for a decision."""
    scan: ScanState | None = None
    """What is known of vulnerabilities of its image or installed package; null: it has neither."""
    limits: tuple[str, ...] = ()
    """The limits of its processes, each with what enforces it: `memory 256 MB (control group)`."""
    stale: bool = False


class WorkspaceStatus(Model):
    """The status of a workspace."""

    name: str
    slug: str
    aliases: tuple[str, ...] = ()
    """Its earlier slugs: URLs with them lead to it too, until another workspace takes them."""
    enabled: bool
    state: WorkspaceState
    reason: ErrorBody | None = None
    """Why the workspace is not ready, if known: the reason of the server in the worst state."""
    sse_url: str
    http_url: str
    direct_sse_url: str = ""
    """The URL at the sidecar, bypassing the front; empty if the sidecar is not reachable there."""
    direct_http_url: str = ""
    servers: tuple[str, ...]
    disabled_servers: tuple[str, ...] = ()
    """Those of `servers` that are switched off in this workspace alone."""
    ready: int
    """Number of ready servers; `per_client` ones count as ready, as they start when a session needs them."""
    tools: int = 0
    resources: int = 0
    prompts: int = 0
    pending: int = 0
    """Number of items that are not shown because an administrator is to be asked first (`new: ask` of a curation)."""
    sessions: int = 0


class HubToolStatus(Model):
    """How often one of the hub's own tools was called since the sidecar started, and whether it can work."""

    name: str
    calls: int = 0
    failures: int = 0
    """Calls whose result was an error."""
    last_used: float | None = None
    """Unix time in seconds."""
    problem: str | None = None
    """Why it cannot work at the moment; None if nothing is known to be wrong."""
    what_to_do: str | None = None


class Status(Model):
    """The answer to `status`: the whole actual state."""

    version: str
    replica: str = ""
    """The name of this hub among its replicas (HUB_REPLICA); empty if it is alone."""
    session: str
    pid: int
    started_at: float
    accepted: SnapshotId | None
    applied: SnapshotId | None
    """The last snapshot that was carried out; its new servers may still be starting."""
    settled: bool
    """Whether the accepted snapshot is applied, and no server is starting."""
    source: Literal["adapter", "disk", "none"]
    troubles: tuple[ErrorBody, ...] = ()
    """What is amiss with the hub itself, not with a server: a Redis that does not answer."""
    enforcement: str = ""
    """What enforces the limits of stdio servers; empty until one with limits was started."""
    workspaces: tuple[WorkspaceStatus, ...] = ()
    servers: tuple[ServerStatus, ...] = ()
    hub_tools: tuple[HubToolStatus, ...] = ()
    """The hub's own tools, once a workspace has shown some."""


class ReadStatus(Request[Status], kind="status", sockets=("actual",)):
    """Request the actual state."""


class Restart(Request[Done], kind="restart", sockets=("actual",), repeatable=False):
    """Reconnect all connections to a server, without a delay."""

    key: str


class Tools(Model):
    """The answer to `tools`: the tools as in a result of `tools/list`."""

    tools: tuple[dict[str, Any], ...]


class ListTools(Request[Tools], kind="tools", sockets=("actual",)):
    """Request the tools of a workspace as its clients see them."""

    workspace: str


class CallResult(Model):
    """The answer to `call`: a result of `tools/call`."""

    result: dict[str, Any]


class Call(Request[CallResult], kind="call", sockets=("actual",), repeatable=False):
    """Call a tool of a workspace as a client does. `timeout` is in seconds."""

    workspace: str
    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    timeout: float = Field(60, gt=0, le=3600)


class CatalogItem(Model):
    """A prompt, resource or resource template as in the results of its list method."""

    item: dict[str, Any]
    server: str
    """The key of the server that has it."""
    completes: bool = False
    """Whether the server completes arguments (`completion/complete`)."""


class Catalog(Model):
    """The answer to `catalog`."""

    prompts: tuple[CatalogItem, ...]
    resources: tuple[CatalogItem, ...]
    templates: tuple[CatalogItem, ...]


class ReadCatalog(Request[Catalog], kind="catalog", sockets=("actual",)):
    """Request the prompts, resources and resource templates of a workspace as its clients see them."""

    workspace: str


class AskResult(Model):
    """The answer to `ask`: the result of the MCP request."""

    result: dict[str, Any]


class Ask(Request[AskResult], kind="ask", sockets=("actual",), repeatable=False):
    """Send a request about a prompt or resource to a workspace as a client does. `timeout` is in seconds."""

    workspace: str
    method: Literal["prompts/get", "resources/read", "completion/complete"]
    params: dict[str, Any]
    timeout: float = Field(60, gt=0, le=3600)


ALL_REPLICAS = "all"
"""In place of a replica's name: each of them."""


class UnansweredReplica(Model):
    """A replica that did not answer."""

    name: str
    error: ErrorBody


class LogRecords(Model):
    """The answer to `logs`."""

    records: tuple[dict[str, Any], ...]
    replicas: tuple[str, ...] = ()
    """The replicas that were asked, if any were, by name. Then `logged_by` in each record names its replica."""
    unanswered: tuple[UnansweredReplica, ...] = ()
    """Those that did not answer."""


class Logs(Request[LogRecords], kind="logs", sockets=("actual",)):
    """Request the newest log records to which all that is given applies, oldest first."""

    limit: int = Field(100, ge=1, le=5000)
    server: str | None = None
    since: float | None = None
    until: float | None = None
    call: str | None = None
    """The id of the request that a record is about: the hub's (`correlation`), or the client's (`request_id`)."""
    replica: str | None = None
    """The replica whose records these are, or `all`; by default the one that is asked."""


class Figure(Model):
    """The calls of a tool that ended within a sample. Times are in seconds."""

    server: str
    tool: str
    calls: int
    errors: int
    seconds: float
    """Total duration of the calls."""
    p50: float
    p95: float


class Sample(Model):
    """An interval of the history; tools without calls are left out."""

    at: float
    """Unix time of the interval's end, in seconds."""
    figures: tuple[Figure, ...]


class History(Model):
    """The answer to `history`, oldest first; intervals without calls are left out.

    A last sample that ends at `now` is of the current, unfinished interval: later answers contain it again.
    """

    interval: float
    """Length of an interval, in seconds."""
    now: float
    samples: tuple[Sample, ...]


class ReadHistory(Request[History], kind="history", sockets=("actual",)):
    """Request call figures of samples that end after `since` (Unix time, seconds)."""

    since: float = 0
    server: str | None = None


class FoundTool(Model):
    """A tool that was found."""

    tool: str
    """The name under which clients call it."""
    server: str
    title: str = ""
    description: str = ""
    score: float
    """How well it fits, compared with the others of this answer."""


class FoundTools(Model):
    """The answer to `search_tools`, best first."""

    tools: tuple[FoundTool, ...]


class SearchTools(Request[FoundTools], kind="search_tools", sockets=("actual",)):
    """Search all tools of a workspace by words, those that lists hide included."""

    workspace: str
    text: str = Field(max_length=1000)
    limit: int = Field(8, ge=1, le=100)
    server: str | None = None
    """The key or namespace of a server, to search its tools alone."""
