"""Desired state: the configured servers and workspaces."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, model_validator

from bridge.errors import ErrorBody, InvalidSnapshot
from bridge.models.access_file import AccessFile
from bridge.models.base import Model, Request
from bridge.models.curation import Curation

_PATH = r"^/[^,:\x00-\x1f]{0,1023}$"
"""An absolute path without characters that separate the parts of an engine's `--mount` option."""


class StdioLaunch(Model):
    """A server that the hub starts as a process and reaches over its pipes. Strings may contain `${VAR}` references."""

    type: Literal["stdio"] = "stdio"
    command: str = Field(min_length=1)
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None


FRAMING_HEADERS = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"}
    | {"sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol"}
    | {"sec-websocket-version", "upgrade"}
)
"""Headers, in lower case, of the HTTP message or connection; they cannot be configured."""
OWN_HEADERS = frozenset({"accept", "accept-encoding", "content-type", "mcp-protocol-version", "mcp-session-id"})
"""Headers that the hub sets itself; configured values are ignored."""


class RemoteLaunch(Model):
    """A server that the hub connects to.

    For `transport` auto and sse the hub detects the HTTP transport: auto tries Streamable HTTP first, sse tries
    HTTP+SSE first. For a WebSocket URL (ws, wss) `transport` is ignored.
    """

    type: Literal["remote"] = "remote"
    url: str = Field(min_length=1)
    headers: dict[str, str] = Field(default_factory=dict)
    transport: Literal["auto", "sse", "http", "websocket"] = "auto"


Launch = Annotated[StdioLaunch | RemoteLaunch, Field(discriminator="type")]


class Mount(Model):
    """A directory or file of the host in a server's container; it must be below a directory of HUB_CONTAINER_MOUNTS."""

    source: str = Field(pattern=_PATH)
    target: str = Field(pattern=_PATH)
    read_only: bool = True


class ContainerSettings(Model):
    """The container in which a stdio server's command runs."""

    image: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$")
    memory: str = Field("512m", pattern=r"^[1-9][0-9]{0,9}[kmg]$")
    """Memory limit, including swap: `128m`, `1g`."""
    cpus: float = Field(1, gt=0, le=1024, allow_inf_nan=False)
    pids: int = Field(256, ge=1, le=1_000_000)
    """Limit of processes and threads."""
    network: bool = False
    mounts: tuple[Mount, ...] = Field((), max_length=64)
    pull: Literal["missing", "always", "never"] = "missing"
    user: str | None = Field(None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?$")
    """User, or `user:group`, by name or number; null for the image's user."""
    workdir: str | None = Field(None, pattern=_PATH)


class ProcessLimits(Model):
    """Limits of a stdio server with all its processes. None: the hub's default (HUB_SERVER_...); 0: no limit."""

    memory: str | None = Field(None, pattern=r"^(0|[1-9][0-9]{0,9}[kmg])$")
    """Memory, including swap: `256m`, `1g`."""
    pids: int | None = Field(None, ge=0, le=1_000_000)
    """Processes and threads."""
    cpus: float | None = Field(None, ge=0, le=1024, allow_inf_nan=False)
    """Processors."""
    open_files: int | None = Field(None, ge=0, le=1_000_000)
    """Open files of each process."""


Record = Literal["off", "sizes", "redacted", "full"]
"""What the history keeps of arguments and results: nothing, their sizes, or their text (docs/history.md)."""
RecordOfServer = Literal["workspace", "off", "sizes", "redacted", "full"]


Tenancy = Literal["own", "group", "all"]
RegistryLevel = Literal["off", "find", "ask", "add"]
"""What the registry tools of a workspace may do: there are none; look only; propose changes; make them."""


class ServerSettings(Model):
    """Settings of a server in hub.json, which YAMCP's format does not have. Times are in seconds."""

    enabled: bool = True
    session: Literal["shared", "per_client"] = "shared"
    era: Literal["auto", "legacy", "modern"] = "auto"
    start: Literal["eager", "lazy"] = "eager"
    """`lazy`: the first request for a shared server starts it; until then its last known lists are shown."""
    idle_stop: float = Field(0, ge=0, le=86400)
    """Stop a shared server that nobody has used for so long; the next request starts it. 0: never."""
    start_timeout: float = Field(60, gt=0, le=3600)
    connect_timeout: float = Field(10, gt=0, le=3600)
    """For the connection to a remote server, without the handshake."""
    call_timeout: float = Field(300, gt=0, le=86400)
    tool_timeouts: dict[str, Annotated[float, Field(gt=0, le=86400)]] = Field(default_factory=dict)
    """`call_timeout` of single tools, by name or by a pattern with `*`."""
    idle_timeout: float = Field(0, ge=0, le=86400)
    """A call without progress for so long is given up; each progress notification resets it. 0: no limit."""
    tool_idle_timeouts: dict[str, Annotated[float, Field(ge=0, le=86400)]] = Field(default_factory=dict)
    """`idle_timeout` of single tools, by name or by a pattern with `*`."""
    health_interval: float = Field(60, ge=0, le=86400)
    """Time between two checks of a server that has no requests in progress. 0: no checks."""
    max_inflight: int = Field(64, ge=1, le=10_000)
    max_instances: int = Field(20, ge=1, le=1000)
    tenancy: Tenancy = "own"
    """Who shares the server's process: nobody (each key and user has its own), the members of a tenant of access.json,
    or all. What it applies to is `shared_by`."""
    share_between_keys: bool = False
    """The older form of `tenancy` all."""
    placement: Literal["each", "one"] = "each"
    """Of several replicas, each runs the server, or only one at a time (docs/cluster.md)."""
    cache: dict[str, Annotated[float, Field(gt=0, le=86400 * 30)]] = Field(default_factory=dict)
    """How long results of tools are kept, by name or by a pattern with `*`; an equal call gets the kept one."""
    cache_shared: bool = False
    """Whether a kept result is for the clients of every key; by default for those of the same key."""
    container: ContainerSettings | None = None
    record: RecordOfServer = "workspace"
    """What the history keeps of the arguments and results of its requests; `workspace`: what the workspace says."""
    limits: ProcessLimits | None = None
    keep: bool = False
    """Whether the process of a shared stdio server stays, with what it has in memory, when the sidecar is replaced."""
    changes: Literal["allow", "warn", "block"] = "allow"
    """What happens when the server changes its tools, prompts, resource templates or instructions after they were first
    seen: nothing is looked at, changes are shown to people, or they are also withheld from clients until they are
    accepted (docs/trust.md)."""
    sign_in: Literal["none", "user", "shared"] = "none"
    """How the hub signs in at a remote server with OAuth: not at all, for each of its users, or once for all of them
    (docs/upstream-sign-in.md)."""
    oauth_client_id: str | None = Field(None, min_length=1, max_length=2048)
    """The client id under which the hub is registered at the server's authorization server, for `sign_in`; null: the
    hub registers itself."""
    oauth_client_secret: str | None = Field(None, pattern=r"^\$\{[^{}]{1,1024}\}$")
    """A reference to the secret of that client: `${NAME}`, never the secret itself."""

    @property
    def shared_by(self) -> Tenancy:
        """Who shares the server's process, in whichever form the settings say it."""
        return "all" if self.share_between_keys and self.tenancy == "own" else self.tenancy


class ServerSpec(Model):
    """A configured MCP server. `key` is unique; `namespace` is the prefix of its tools' and prompts' names."""

    key: str
    namespace: str
    launch: Launch
    settings: ServerSettings = ServerSettings()
    stale: bool = False
    """Whether the entry in the file is invalid now; this is its last valid version."""


Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""The name of a workspace in URLs."""


class WorkspaceSpec(Model):
    """A named list of servers. `slug` is its name in URLs."""

    name: str
    slug: Slug
    own_slug: bool = False
    """Whether hub.json sets its slug; else it is made of its name."""
    aliases: tuple[Slug, ...] = ()
    """Its earlier slugs, newest first: URLs with them lead to it too."""
    earlier_slug: Slug | None = None
    """The slug that the first versions of the hub made of its name, if another; URLs with it lead to it too."""
    servers: tuple[str, ...]
    enabled: bool = True
    name_template: str = "{namespace}_{name}"
    """Template of tool and prompt names; `{name}` alone, without a prefix, suits a workspace of one server."""
    disabled_servers: tuple[str, ...] = ()
    """Those of `servers` that are switched off in this workspace alone."""
    record: Record = "off"
    """What the history keeps of the arguments and results of requests, unless the server says otherwise."""
    cache_read_only: float = Field(0, ge=0, le=86400 * 30)
    """How long results of tools are kept that declare `readOnlyHint` and `idempotentHint` (seconds). 0: not at all."""
    hub_tools: bool = False
    """Whether it has the hub's own tools (docs/hub-tools.md)."""
    registry: RegistryLevel = "off"
    """Which registry tools it has, with which clients find and add servers."""
    tools: Literal["all", "search"] = "all"
    """Whether clients are shown all its tools, or find them with `hub_search_tools`."""
    pinned_tools: tuple[str, ...] = Field((), max_length=1000)
    """Tools that are listed beside the search, by exposed name or pattern."""
    curation: Curation | None = None
    """Which items of its servers it shows, and how; null: all, as they are."""

    @property
    def slugs(self) -> tuple[str, ...]:
        """Every slug that leads to it."""
        return (self.slug, *self.aliases, *([self.earlier_slug] if self.earlier_slug else []))


class SnapshotId(Model):
    """The identity of a snapshot: epoch and revision, which define the order, and the hash of its content."""

    epoch: int = Field(ge=0)
    revision: int = Field(ge=0)
    hash: str

    def newer_than(self, other: SnapshotId) -> bool:
        """Whether this snapshot is newer than `other`. The epoch is incremented at each start of the adapter."""
        return (self.epoch, self.revision) > (other.epoch, other.revision)


class Accepted(Model):
    """The answer to `apply`: the snapshot is valid and accepted. A refusal is an `error` with `data.in_force`."""

    id: SnapshotId


class Snapshot(Request[Accepted], kind="apply", sockets=("actual",), queue="apply", invalid=InvalidSnapshot):
    """The whole desired state, and the request that applies it.

    Raises ValueError on creation if it is inconsistent.
    """

    id: SnapshotId
    servers: tuple[ServerSpec, ...]
    workspaces: tuple[WorkspaceSpec, ...]
    access: AccessFile | None = None
    """The roles, rules, tenants and limits of access.json; null if there is no such file."""

    @classmethod
    def of(
        cls,
        epoch: int,
        revision: int,
        servers: tuple[ServerSpec, ...],
        workspaces: tuple[WorkspaceSpec, ...],
        access: AccessFile | None = None,
    ) -> Self:
        """A snapshot with the hash of its content computed."""
        return cls(
            id=SnapshotId(epoch=epoch, revision=revision, hash=content_hash(servers, workspaces, access)),
            servers=servers,
            workspaces=workspaces,
            access=access,
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        keys = [server.key for server in self.servers]
        if duplicate := _first_duplicate(keys):
            raise ValueError(f"two servers have the key {duplicate!r}")
        if duplicate := _first_duplicate([workspace.name for workspace in self.workspaces]):
            raise ValueError(f"two workspaces have the name {duplicate!r}")
        if duplicate := _first_duplicate([slug for workspace in self.workspaces for slug in workspace.slugs]):
            raise ValueError(f"two workspaces have the slug {duplicate!r}")
        known = set(keys)
        for workspace in self.workspaces:
            if missing := [key for key in workspace.servers if key not in known]:
                raise ValueError(f"workspace {workspace.name!r} names servers that are not there: {missing}")
        if self.id.hash != content_hash(self.servers, self.workspaces, self.access):
            raise ValueError("the hash does not match the content")
        return self


def content_hash(
    servers: tuple[ServerSpec, ...], workspaces: tuple[WorkspaceSpec, ...], access: AccessFile | None = None
) -> str:
    """SHA-256 (hex) over the canonical JSON of the content: equal content, equal hash, in any process.

    `access` and the later settings are parts of it only where they are set, so that other snapshots keep their earlier
    hashes.
    """
    content: dict[str, Any] = {
        "servers": [
            server.model_dump(mode="json", exclude={"settings": _at_default(server.settings, _LATER_SETTINGS)})
            for server in servers
        ],
        "workspaces": [
            workspace.model_dump(mode="json", exclude=_at_default(workspace, _LATER_WORKSPACE_SETTINGS))
            for workspace in workspaces
        ],
    }
    if access is not None:
        content["access"] = access.model_dump(mode="json")
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


_LATER_SETTINGS = ("tenancy", "placement", "sign_in", "oauth_client_id", "oauth_client_secret", "changes")
"""Settings of a server that are parts of the hash only where they are set."""
_LATER_WORKSPACE_SETTINGS = ("hub_tools", "registry", "tools", "pinned_tools", "curation")


def _at_default(model: Model, names: tuple[str, ...]) -> set[str]:
    """Those of some fields that have their default value."""
    fields = type(model).model_fields
    return {name for name in names if getattr(model, name) == fields[name].default}


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


class LastChange(Model):
    """The last change that was made over the bridge and not undone."""

    id: str
    at: float
    summary: str
    """In words, such as `server 'a' removed`."""


class MaskedSnapshot(Model):
    """A snapshot as people may see it: secret values in its servers' launches are masked.

    `id` is that of the snapshot; its hash is not that of what is here.
    """

    id: SnapshotId
    servers: tuple[ServerSpec, ...]
    workspaces: tuple[WorkspaceSpec, ...]


class Desired(Model):
    """What the adapter wants, and what it could not use: the answer to `desired`."""

    snapshot: MaskedSnapshot
    issues: tuple[Issue, ...]
    files: dict[str, str]
    """Path of each file read, by its role: `providers`, `workspaces`, `hub`."""
    published: SnapshotId | None
    """What the sidecar last acknowledged; none when it has not answered yet."""
    sidecar_error: ErrorBody | None = None
    last_change: LastChange | None = None
    """The change that `undo` would undo."""
    undoable: tuple[str, ...] = ()
    """The ids of the changes that the adapter remembers, oldest first: `undo` undoes one of them if nobody has changed
    its entries since."""


class ReadDesired(Request[Desired], kind="desired", sockets=("desired",)):
    """Ask for the desired state."""
