"""Edits of desired state: YAMCP's files and hub.json."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bridge.errors import ErrorBody
from bridge.models.base import Model, Request
from bridge.models.curation import Curation
from bridge.models.desired import Record, RegistryLevel, Slug, SnapshotId


class Changed(Model):
    """The answer to a change of desired state: the first snapshot that contains it."""

    snapshot: SnapshotId


class SetWorkspace(Request[Changed], kind="set_workspace", sockets=("desired",), queue="change", repeatable=False):
    """Change a workspace's settings in hub.json; omitted fields are not changed."""

    name: str
    enabled: bool | None = None
    name_template: str | None = None
    slug: Slug | Literal[""] | None = None
    """Its name in URLs; empty: what follows from its name. The slug that it had becomes an alias."""
    cache_read_only: float | None = Field(None, ge=0, le=86400 * 30)
    """As in `WorkspaceSpec`."""
    remove_aliases: tuple[str, ...] = ()
    """Aliases that no longer lead to it."""
    record: Record | None = None
    hub_tools: bool | None = None
    registry: RegistryLevel | None = None
    tools: Literal["all", "search"] | None = None
    pinned_tools: tuple[str, ...] | None = Field(None, max_length=1000)
    curation: Curation | None = None
    """Replaces the whole curation; one without servers removes it."""
    expect_curation: str | None = None
    """The hash of the curation that it replaces: if there is another by now, nothing is changed (EDIT_CONFLICT)."""
    servers: dict[str, bool] = Field(default_factory=dict)
    """Members of it that are switched on or off in this workspace alone, by key; the others stay as they are."""


class SetServer(Request[Changed], kind="set_server", sockets=("desired",), queue="change", repeatable=False):
    """Change a server's settings in hub.json; omitted keys of `settings` are not changed."""

    key: str
    settings: dict[str, Any]


class ForgetSettings(Request[Changed], kind="forget_settings", sockets=("desired",), queue="change"):
    """Remove what hub.json has for a server or workspace that does not exist; nothing changes where it has nothing."""

    section: Literal["servers", "workspaces"]
    name: str


class Reload(Request[Changed], kind="reload", sockets=("desired",), queue="change"):
    """Read the files now, without waiting until a change is noticed."""


ConfigName = Literal["providers", "workspaces"]


class Outline(Model):
    """A summary of an entry of providers.json, which may be invalid otherwise."""

    namespace: str | None = None
    type: Literal["stdio", "sse", "http", "websocket", "remote"] = "stdio"
    """`remote`: it has a URL, but no transport."""
    command: str | None = None
    url: str | None = None
    """With its secret parts masked."""


class ConfigFile(Model):
    """The answer to `config`."""

    file: ConfigName
    path: str
    text: str | None
    """The file's text, with secret values masked; null if it does not exist or cannot be parsed."""
    content: dict[str, Any] | None
    """The entries as in the file, with secret values masked; null if it cannot be parsed (see `error`)."""
    hash: str
    """The hash of the file, to be compared with `expect` of `put_config`; empty if it does not exist."""
    entries: dict[str, str] = Field(default_factory=dict)
    """The hash of each entry, to be compared with `expect` of changes of an entry."""
    outlines: dict[str, Outline] = Field(default_factory=dict)
    """The outline of each entry of providers.json that is an object."""
    error: ErrorBody | None = None


class ReadConfig(Request[ConfigFile], kind="config", sockets=("desired",)):
    """Request the current content of one of YAMCP's files. Secret values in it are masked."""

    file: ConfigName


class Unmasked(Model):
    """The answer to `unmask_server` and `unmask_config`: the same with the stored values in it."""

    content: dict[str, Any]


class UnmaskServer(Request[Unmasked], kind="unmask_server", sockets=("desired",)):
    """Put stored secret values into an entry that is masked, for a program that writes the file itself: YAMCP-UI.

    `key`: the server whose entry it replaces; null for a new one.
    """

    entry: dict[str, Any]
    key: str | None = None


class UnmaskConfig(Request[Unmasked], kind="unmask_config", sockets=("desired",)):
    """Put stored secret values into a whole providers.json that is masked, as `unmask_server` does."""

    content: dict[str, Any]


class PutServer(Request[Changed], kind="put_server", sockets=("desired",), queue="change", repeatable=False):
    """Write one entry of providers.json, in YAMCP's form; masked values in it stand for the stored ones.

    `old_key`: rename this entry; workspaces and settings that refer to it are updated. `expect`: the hash of the entry
    that the caller has seen, empty if there was none; if omitted, any entry is overwritten.
    """

    key: str
    entry: dict[str, Any]
    expect: str | None = None
    old_key: str | None = None


class DeleteServer(Request[Changed], kind="delete_server", sockets=("desired",), queue="change", repeatable=False):
    """Delete an entry of providers.json, and remove it from all workspaces."""

    key: str
    expect: str | None = None


class PutWorkspace(Request[Changed], kind="put_workspace", sockets=("desired",), queue="change", repeatable=False):
    """Write one entry of workspaces.json; `expect` and `old_name` as in PutServer."""

    name: str
    servers: tuple[str, ...]
    expect: str | None = None
    old_name: str | None = None


class DeleteWorkspace(
    Request[Changed], kind="delete_workspace", sockets=("desired",), queue="change", repeatable=False
):
    """Delete an entry of workspaces.json."""

    name: str
    expect: str | None = None


class PutConfig(Request[Changed], kind="put_config", sockets=("desired",), queue="change", repeatable=False):
    """Replace the content of one of YAMCP's files; masked values in it stand for the stored ones.

    `expect`: the hash of the file that the caller has seen.
    """

    file: ConfigName
    content: dict[str, Any]
    expect: str | None = None


class ImportedServer(Model):
    """The outcome for one server of an import."""

    key: str
    type: str
    outcome: Literal["added", "replaced", "same", "exists", "unusable"]
    message: str = ""
    """Why it was not imported, or a remark; without secret values."""


class Imported(Model):
    """The answer to `import`."""

    servers: tuple[ImportedServer, ...]
    workspace: str | None
    snapshot: SnapshotId


class ImportServers(Request[Imported], kind="import", sockets=("desired",), queue="change", repeatable=False):
    """Add the servers of another client's configuration.

    `config` is an object with `mcpServers`, `servers` (VS Code), `mcp.servers`, `mcp_servers` (Codex), `extensions`
    (Goose) or `projects` (Claude Code), a server.json of the MCP registry, or the servers themselves by name.
    Masked values in it stand for the stored ones of servers of the same names. `workspace`: also add them to this
    workspace, which is created if missing. `dry_run`: report the outcome without changing anything.
    """

    config: dict[str, Any]
    workspace: str | None = None
    replace: bool = False
    """Whether existing servers are replaced."""
    dry_run: bool = False


class EditMany(Request[Changed], kind="edit_many", sockets=("desired",), queue="change", repeatable=False):
    """Do one thing to several servers and workspaces in one change: to all of them, or (an error) to none.

    `enable` and `disable` switch servers (everywhere) and workspaces; `join` and `leave` put all servers into each of
    the workspaces, or take them out; `delete` removes servers and workspaces with their settings.
    """

    action: Literal["enable", "disable", "join", "leave", "delete"]
    servers: tuple[str, ...] = ()
    workspaces: tuple[str, ...] = ()


class Duplicate(Request[Changed], kind="duplicate", sockets=("desired",), queue="change", repeatable=False):
    """Add a copy of a server or workspace under another name, with its settings; a server gets its own namespace."""

    section: Literal["servers", "workspaces"]
    name: str
    to: str


class Undone(Changed):
    """The answer to `undo`."""

    summary: str
    """What was undone."""


class Undo(Request[Undone], kind="undo", sockets=("desired",), queue="change", repeatable=False):
    """Undo a change that was made over the bridge: write the entries as they were before it.

    Refused if one of them was changed since. The adapter remembers the last 20 changes until it ends.
    """

    change: str | None = None
    """The id of the change (one of `Desired.undoable`); if omitted, the last one."""


class Exported(Model):
    """The answer to `export`."""

    config: dict[str, Any]
    variables: tuple[str, ...]
    """Names of the variables that stand in it for secrets."""


class Export(Request[Exported], kind="export", sockets=("desired",)):
    """Request servers as a configuration for elsewhere; `servers`: their keys, null for all.

    `client`: as other clients have it, below `mcpServers`; `providers`: entries as in providers.json. A reference to a
    variable stands in the place of each secret, unless `secrets` is true.
    """

    form: Literal["client", "providers"]
    servers: tuple[str, ...] | None = None
    secrets: bool = False
