"""What the files say, entry by entry, once parsed: kept as the last good version, in memory and on disk."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import Field

from bridge.models import Issue, Launch, Model, Slug

PROVIDERS = "providers.json"
WORKSPACES = "workspaces.json"
HUB = "hub.json"
MAX_ALIASES = 8
"""Earlier slugs that a workspace keeps."""


class Held(NamedTuple):
    """A file says nothing now: what it said last is held, and this is reported (nothing, while it only settles)."""

    issue: Issue | None


Reading = bytes | Held | None
"""A file's bytes; None when it does not exist, which is legal."""


class ServerEntry(Model):
    """One entry of providers.json that can be used."""

    key: str
    namespace: str
    launch: Launch
    stale: bool = False
    """What the file has now is bad; this is what it had before."""


class ServersFile(Model):
    """The last good parse of providers.json, in the file's order."""

    entries: dict[str, ServerEntry] = Field(default_factory=dict)
    unusable: tuple[str, ...] = ()
    """Keys of entries that are bad and were never good."""
    issues: tuple[Issue, ...] = ()


class WorkspaceEntry(Model):
    """One entry of workspaces.json that can be used: its members as text, each once."""

    name: str
    members: tuple[str, ...]


class WorkspacesFile(Model):
    """The last good parse of workspaces.json, in the file's order."""

    entries: dict[str, WorkspaceEntry] = Field(default_factory=dict)
    issues: tuple[Issue, ...] = ()


class WorkspaceSettings(Model):
    """What hub.json says of a workspace."""

    enabled: bool = True
    name_template: str = "{namespace}_{name}"
    disabled_servers: tuple[str, ...] = ()
    """Members that are switched off in this workspace alone."""
    slug: Slug | None = None
    """Its name in URLs; none: what follows from its name."""
    aliases: tuple[Slug, ...] = Field((), max_length=MAX_ALIASES)
    """Its earlier slugs, newest first. URLs with them still lead to it."""


class HubFile(Model):
    """The last good parse of hub.json: valid settings only."""

    servers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By server key: the fields of ServerSettings that are set."""
    workspaces: dict[str, WorkspaceSettings] = Field(default_factory=dict)
    issues: tuple[Issue, ...] = ()
    known: bool = False
    """Whether the file, or that there is none, was ever read."""


class LastGood(Model):
    """The last good parse of every file; desired state is a function of it."""

    servers: ServersFile = Field(default_factory=ServersFile)
    workspaces: WorkspacesFile = Field(default_factory=WorkspacesFile)
    hub: HubFile = Field(default_factory=HubFile)
    slugs: dict[str, str] = Field(default_factory=dict)
    """The slug of each workspace, by its name: the one that had a slug first keeps it."""
