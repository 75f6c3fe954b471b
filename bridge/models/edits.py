"""Edits of desired state: YAMCP's files and hub.json."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bridge.errors import ErrorBody
from bridge.models.base import Model, Request
from bridge.models.desired import SnapshotId


class Changed(Model):
    """Answer to a change of desired state: the snapshot that holds it."""

    snapshot: SnapshotId


class SetWorkspace(Request[Changed], kind="set_workspace", sockets=("desired",), queue="change", repeatable=False):
    """Change what hub.json says of a workspace; fields left out stay."""

    name: str
    enabled: bool | None = None
    name_template: str | None = None
    servers: dict[str, bool] = Field(default_factory=dict)
    """Members of it that are switched on or off in this workspace alone, by key; the others stay as they are."""


class SetServer(Request[Changed], kind="set_server", sockets=("desired",), queue="change", repeatable=False):
    """Change what hub.json says of a server; keys of `settings` left out stay."""

    key: str
    settings: dict[str, Any]


class ForgetSettings(Request[Changed], kind="forget_settings", sockets=("desired",), queue="change"):
    """Remove what hub.json has for a server or workspace that does not exist; nothing changes where it has nothing."""

    section: Literal["servers", "workspaces"]
    name: str


class Reload(Request[Changed], kind="reload", sockets=("desired",), queue="change"):
    """Read the files now, rather than when their change is noticed."""


ConfigName = Literal["providers", "workspaces"]


class Outline(Model):
    """What can be told of an entry of providers.json, however wrong the rest of it is."""

    namespace: str | None = None
    type: Literal["stdio", "sse", "http", "websocket", "remote"] = "stdio"
    """`remote`: it has a URL, and does not say which transport."""
    command: str | None = None
    url: str | None = None
    """As it stands in the file, secrets and all."""


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
    entries: dict[str, str] = Field(default_factory=dict)
    """Of each entry, a hash: what `expect` of the changes of one entry is compared with."""
    outlines: dict[str, Outline] = Field(default_factory=dict)
    """Of each entry of providers.json that is an object."""
    error: ErrorBody | None = None


class ReadConfig(Request[ConfigFile], kind="config", sockets=("desired",)):
    """Ask for one of YAMCP's files as it is now, secrets and all."""

    file: ConfigName


class PutServer(Request[Changed], kind="put_server", sockets=("desired",), queue="change", repeatable=False):
    """Write one entry of providers.json, in YAMCP's form.

    `old_key`: the entry that it takes the place of, under another name; members of workspaces and settings follow.
    `expect`: hash of the entry that the caller saw, empty for "there is none"; left out: whatever is there.
    """

    key: str
    entry: dict[str, Any]
    expect: str | None = None
    old_key: str | None = None


class DeleteServer(Request[Changed], kind="delete_server", sockets=("desired",), queue="change", repeatable=False):
    """Remove an entry of providers.json, and its name from the workspaces."""

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
    """Remove an entry of workspaces.json."""

    name: str
    expect: str | None = None


class PutConfig(Request[Changed], kind="put_config", sockets=("desired",), queue="change", repeatable=False):
    """Replace the content of one of YAMCP's files; `expect`: the file's hash."""

    file: ConfigName
    content: dict[str, Any]
    expect: str | None = None


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


class ImportServers(Request[Imported], kind="import", sockets=("desired",), queue="change", repeatable=False):
    """Add the servers of another client's configuration.

    `config` is an object with `mcpServers`, `servers` (VS Code), `mcp.servers`, `mcp_servers` (Codex), `extensions`
    (Goose) or `projects` (Claude Code), a server.json of the MCP registry, or the servers themselves by name.
    `workspace`: also put them into this one, made if it is not there. `dry_run`: say what would be done, do nothing.
    """

    config: dict[str, Any]
    workspace: str | None = None
    replace: bool = False
    """Whether a server that is there already gets the new definition."""
    dry_run: bool = False
