"""What crosses the bridge: desired state (snapshots) and actual state (statuses), immutable once made."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bridge.errors import ErrorBody


class Model(BaseModel):
    """Immutable, and closed: an unknown field is an error, not a silent loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- desired state -----------------------------------------------------------------------------------------------


class StdioLaunch(Model):
    """A server that the hub starts as a process and talks to over its pipes. Strings may hold `${VAR}` references."""

    type: Literal["stdio"] = "stdio"
    command: str = Field(min_length=1)
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: str | None = None


class RemoteLaunch(Model):
    """A server that the hub connects to. `transport: auto` finds out which of the two HTTP transports it speaks."""

    type: Literal["remote"] = "remote"
    url: str = Field(min_length=1)
    headers: dict[str, str] = {}
    transport: Literal["auto", "sse", "http"] = "auto"


Launch = Annotated[StdioLaunch | RemoteLaunch, Field(discriminator="type")]


class ServerSettings(Model):
    """What YAMCP's format cannot say of a server; kept in hub.json. Times in seconds."""

    enabled: bool = True
    session: Literal["shared", "per_client"] = "shared"
    era: Literal["auto", "legacy", "modern"] = "auto"
    start_timeout: float = Field(60, gt=0, le=3600)
    call_timeout: float = Field(300, gt=0, le=86400)
    tool_timeouts: dict[str, Annotated[float, Field(gt=0, le=86400)]] = {}
    max_inflight: int = Field(64, ge=1, le=10_000)
    max_instances: int = Field(20, ge=1, le=1000)


class ServerSpec(Model):
    """One MCP server as it should run. `key` is unique; `namespace` prefixes the names of its tools and prompts."""

    key: str
    namespace: str
    launch: Launch
    settings: ServerSettings = ServerSettings()
    stale: bool = False
    """The entry in the file is broken now; this is its last good version."""


class WorkspaceSpec(Model):
    """A named list of servers. `slug` is its name in URLs."""

    name: str
    slug: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    servers: tuple[str, ...]
    enabled: bool = True
    name_template: str = "{namespace}_{name}"
    """How tool and prompt names are made; `{name}` alone is the empty prefix, for a workspace of one server."""


class SnapshotId(Model):
    """Identity and order of a snapshot: (epoch, revision), with the hash of its content."""

    epoch: int = Field(ge=0)
    revision: int = Field(ge=0)
    hash: str

    def newer_than(self, other: SnapshotId) -> bool:
        """Whether this one was made after `other`; the epoch grows with each start of the adapter."""
        return (self.epoch, self.revision) > (other.epoch, other.revision)


class Snapshot(Model):
    """The whole desired state. Raises ValueError when made with members that contradict each other."""

    id: SnapshotId
    servers: tuple[ServerSpec, ...]
    workspaces: tuple[WorkspaceSpec, ...]

    @classmethod
    def of(
        cls, epoch: int, revision: int, servers: tuple[ServerSpec, ...], workspaces: tuple[WorkspaceSpec, ...]
    ) -> Self:
        """A snapshot with the hash of its content computed."""
        return cls(
            id=SnapshotId(epoch=epoch, revision=revision, hash=content_hash(servers, workspaces)),
            servers=servers,
            workspaces=workspaces,
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        keys = [server.key for server in self.servers]
        if duplicate := _first_duplicate(keys):
            raise ValueError(f"two servers have the key {duplicate!r}")
        if duplicate := _first_duplicate([workspace.name for workspace in self.workspaces]):
            raise ValueError(f"two workspaces have the name {duplicate!r}")
        if duplicate := _first_duplicate([workspace.slug for workspace in self.workspaces]):
            raise ValueError(f"two workspaces have the slug {duplicate!r}")
        known = set(keys)
        for workspace in self.workspaces:
            if missing := [key for key in workspace.servers if key not in known]:
                raise ValueError(f"workspace {workspace.name!r} names servers that are not there: {missing}")
        if self.id.hash != content_hash(self.servers, self.workspaces):
            raise ValueError("the hash does not match the content")
        return self


def content_hash(servers: tuple[ServerSpec, ...], workspaces: tuple[WorkspaceSpec, ...]) -> str:
    """SHA-256 (hex) over the canonical JSON of the content: equal content, equal hash, in any process."""
    content = {
        "servers": [server.model_dump(mode="json") for server in servers],
        "workspaces": [workspace.model_dump(mode="json") for workspace in workspaces],
    }
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _first_duplicate(values: list[str]) -> str | None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


class Issue(Model):
    """One thing wrong with the configuration: where, what, and what to do. Never holds a secret value."""

    code: str
    severity: Literal["error", "warning", "info"]
    subject: str
    """What it is about: `server:<key>`, `workspace:<name>` or `file:<name>`."""
    file: str
    message: str
    hint: str


class Desired(Model):
    """What the adapter wants, and what it could not use: the answer to `desired`."""

    snapshot: Snapshot
    issues: tuple[Issue, ...]
    files: dict[str, str]
    """Path of each file read, by its role: `providers`, `workspaces`, `hub`."""
    published: SnapshotId | None
    """What the sidecar last acknowledged; none when it has not answered yet."""
    sidecar_error: ErrorBody | None = None


# --- actual state ------------------------------------------------------------------------------------------------

UpstreamState = Literal["starting", "ready", "backoff", "failed", "stopped"]


class ServerStatus(Model):
    """One server as it is. `stopped`: switched off, in no enabled workspace, or per_client with no session now."""

    key: str
    namespace: str
    state: UpstreamState
    reason: ErrorBody | None = None
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
    sse_url: str
    http_url: str
    direct_sse_url: str = ""
    """The sidecar's own address, without the front between, where it can be reached."""
    direct_http_url: str = ""
    servers: tuple[str, ...]
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


# --- bodies of requests and events -------------------------------------------------------------------------------


class SetWorkspace(Model):
    """`set_workspace` (desired socket): change what hub.json says of a workspace; fields left out stay."""

    name: str
    enabled: bool | None = None
    name_template: str | None = None


class SetServer(Model):
    """`set_server` (desired socket): change what hub.json says of a server; keys of `settings` left out stay."""

    key: str
    settings: dict[str, Any]


class Changed(Model):
    """Answer to a change of desired state: the snapshot that holds it."""

    snapshot: SnapshotId


ConfigName = Literal["providers", "workspaces"]


class ReadConfig(Model):
    """`config` (desired socket): one of YAMCP's files as it is now, secrets and all."""

    file: ConfigName


class ConfigFile(Model):
    """Answer to `config`."""

    file: ConfigName
    path: str
    text: str | None
    """Its text; none when it does not exist."""
    content: dict[str, Any] | None
    """Its entries as they stand in the file; none when it cannot be parsed, and `error` says why."""
    hash: str
    """Of the file's bytes; empty when it does not exist. What `expect` of `put_config` is compared with."""
    entries: dict[str, str] = {}
    """Of each entry, a hash: what `expect` of the changes of one entry is compared with."""
    error: ErrorBody | None = None


class PutServer(Model):
    """`put_server` (desired socket): write one entry of providers.json, in YAMCP's form.

    `old_key`: the entry that it takes the place of, under another name; members of workspaces and settings follow.
    `expect`: hash of the entry that the caller saw, empty for "there is none"; left out: whatever is there.
    """

    key: str
    entry: dict[str, Any]
    expect: str | None = None
    old_key: str | None = None


class DeleteServer(Model):
    """`delete_server` (desired socket): remove an entry of providers.json, and its name from the workspaces."""

    key: str
    expect: str | None = None


class PutWorkspace(Model):
    """`put_workspace` (desired socket): write one entry of workspaces.json; `expect` and `old_name` as in PutServer."""

    name: str
    servers: tuple[str, ...]
    expect: str | None = None
    old_name: str | None = None


class DeleteWorkspace(Model):
    """`delete_workspace` (desired socket): remove an entry of workspaces.json."""

    name: str
    expect: str | None = None


class PutConfig(Model):
    """`put_config` (desired socket): replace the content of one of YAMCP's files; `expect`: the file's hash."""

    file: ConfigName
    content: dict[str, Any]
    expect: str | None = None


class ImportServers(Model):
    """`import` (desired socket): add the servers of another client's configuration.

    `config` is an object with `mcpServers`, `servers` (VS Code) or `mcp.servers`, or the servers themselves.
    `workspace`: also put them into this one, made if it is not there. `dry_run`: say what would be done, do nothing.
    """

    config: dict[str, Any]
    workspace: str | None = None
    replace: bool = False
    """Whether a server that is there already gets the new definition."""
    dry_run: bool = False


class ImportedServer(Model):
    """What became of one server of an import."""

    key: str
    type: str
    outcome: Literal["added", "replaced", "same", "exists", "unusable"]
    message: str = ""
    """Why it was not taken, or what to know of it; never a secret value."""


class Imported(Model):
    """Answer to `import`."""

    servers: tuple[ImportedServer, ...]
    workspace: str | None
    snapshot: SnapshotId


class Accepted(Model):
    """Answer to `apply`: validated and taken over; a refusal is an `error` with `data.in_force`."""

    id: SnapshotId


class Restart(Model):
    """`restart` (actual socket): close the server's upstreams and open them anew, at once."""

    key: str


class Done(Model):
    """Answer that says only: done."""


class Pong(Model):
    """Answer to `ping`, which every server of the bridge gives by itself."""

    pid: int
    serves: tuple[str, ...]
    """The kinds that it serves."""


class ListTools(Model):
    """`tools` (actual socket): the tools of a workspace as its clients see them."""

    workspace: str


class Tools(Model):
    """Answer to `tools`: the tools as MCP's tools/list gives them."""

    tools: tuple[dict[str, Any], ...]


class Call(Model):
    """`call` (actual socket): call a tool of a workspace as a client would. `timeout` in seconds."""

    workspace: str
    tool: str
    arguments: dict[str, Any] = {}
    timeout: float = Field(60, gt=0, le=3600)


class CallResult(Model):
    """Answer to `call`: the result as MCP's tools/call gives it."""

    result: dict[str, Any]


class Logs(Model):
    """`logs` (actual socket): the newest log records, oldest first."""

    limit: int = Field(100, ge=1, le=5000)
    server: str | None = None


class LogRecords(Model):
    """Answer to `logs`."""

    records: tuple[dict[str, Any], ...]


class ReadHistory(Model):
    """`history` (actual socket): figures of calls, of samples that end after `since` (Unix time, seconds)."""

    since: float = 0
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


class Event(Model):
    """A hint on a PUB socket that something changed; `status` is the truth (of topic `desired`: `desired` is).

    `joined` is made for one subscriber when its subscription is in force: from now on it misses nothing.
    """

    topic: Literal["applied", "server", "workspace", "sessions", "log", "desired", "joined"]
    subject: str = ""
    data: dict[str, Any] = {}
