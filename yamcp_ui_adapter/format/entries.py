"""Models of the parsed entries of the files. The last good version of each is kept in memory and on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field

from bridge.models import AccessFile, Curation, Issue, Launch, Model, Record, RegistryLevel, Slug

PROVIDERS = "providers.json"
WORKSPACES = "workspaces.json"
HUB = "hub.json"
ACCESS = "access.json"
MAX_ALIASES = 8
"""Largest number of earlier slugs that a workspace keeps."""


class KeepLastGood(NamedTuple):
    """The reading of a file that has no usable content now: its last good version stays in use, and `issue` is reported
    (None while the file may just be in the middle of being saved).
    """

    issue: Issue | None


Reading = bytes | KeepLastGood | None
"""The bytes of a file; None if it does not exist, which is allowed."""


class ServerEntry(Model):
    """A usable entry of providers.json."""

    key: str
    namespace: str
    launch: Launch
    stale: bool = False
    """Whether the entry in the file is unusable now, so that this is its last good version."""


class ServersFile(Model):
    """The last good content of providers.json, in the file's order."""

    entries: dict[str, ServerEntry] = Field(default_factory=dict)
    unusable: tuple[str, ...] = ()
    """Keys of entries that are unusable and have no last good version."""
    issues: tuple[Issue, ...] = ()


class WorkspaceEntry(Model):
    """A usable entry of workspaces.json: its members as text, without duplicates."""

    name: str
    members: tuple[str, ...]


class WorkspacesFile(Model):
    """The last good content of workspaces.json, in the file's order."""

    entries: dict[str, WorkspaceEntry] = Field(default_factory=dict)
    issues: tuple[Issue, ...] = ()


class WorkspaceSettings(Model):
    """The settings of a workspace in hub.json."""

    enabled: bool = True
    name_template: str = "{namespace}_{name}"
    disabled_servers: tuple[str, ...] = ()
    """Members that are switched off in this workspace only."""
    record: Record = "off"
    """What the history keeps of arguments and results."""
    cache_read_only: float = Field(0, ge=0, le=86400 * 30)
    """As in `WorkspaceSpec`."""
    hub_tools: bool = False
    registry: RegistryLevel = "off"
    tools: Literal["all", "search"] = "all"
    pinned_tools: tuple[str, ...] = Field((), max_length=1000)
    curation: Curation | None = None
    slug: Slug | None = None
    """The slug that the user chose; None: derived from the workspace's name."""
    aliases: tuple[Slug, ...] = Field((), max_length=MAX_ALIASES)
    """Earlier slugs, newest first; URLs with them still lead to the workspace."""

    @property
    def named_servers(self) -> frozenset[str]:
        """The keys of servers that the settings name."""
        return frozenset((*self.disabled_servers, *(self.curation.servers if self.curation else ())))

    def with_servers_renamed(self, renames: Mapping[str, str]) -> Self:
        """Return the settings with servers under their new keys."""
        if not renames.keys() & self.named_servers:
            return self
        fields: dict[str, Any] = {"disabled_servers": tuple(renames.get(key, key) for key in self.disabled_servers)}
        if self.curation is not None:
            servers = {renames.get(key, key): each for key, each in self.curation.servers.items()}
            fields["curation"] = self.curation.model_copy(update={"servers": servers})
        return self.model_copy(update=fields)


class HubFile(Model):
    """The last good content of hub.json; it holds valid settings only."""

    servers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By server key: the fields of `ServerSettings` that are set."""
    workspaces: dict[str, WorkspaceSettings] = Field(default_factory=dict)
    issues: tuple[Issue, ...] = ()
    known: bool = False
    """Whether the file, or its absence, was ever read successfully."""


class AccessContent(Model):
    """The last good content of access.json; None if there is no such file."""

    file: AccessFile | None = None
    known: bool = False
    """Whether the file, or its absence, was ever read successfully."""


class LastGood(Model):
    """The last good content of each file, from which the desired state is computed."""

    servers: ServersFile = Field(default_factory=ServersFile)
    workspaces: WorkspacesFile = Field(default_factory=WorkspacesFile)
    hub: HubFile = Field(default_factory=HubFile)
    access: AccessContent = Field(default_factory=AccessContent)
    slugs: dict[str, str] = Field(default_factory=dict)
    """The assigned slug of each workspace, by name. When two workspaces want the same slug, the one that has it keeps
    it.
    """
