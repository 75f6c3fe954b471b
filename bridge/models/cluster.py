"""The configuration that several hubs share (docs/cluster.md): its state, import and export."""

from __future__ import annotations

from typing import Literal

from bridge.errors import ErrorBody
from bridge.models.base import Model, Request


class Replica(Model):
    """A hub that shares the configuration, as it said last."""

    name: str
    epoch: int
    """The version of the configuration that it has."""
    hash: str
    seen: float
    """When it said so (Unix time)."""


class ClusterState(Model):
    """The answer to `cluster`."""

    source: Literal["files", "database", "directory"]
    """Where the configuration comes from; `files`: the hub shares it with no other."""
    target: str = ""
    """Where the source is, without secrets."""
    state: Literal["alone", "current", "empty", "unavailable"]
    """`empty`: nothing was imported yet. `unavailable`: the last good copy is in use, and edits are refused."""
    since: float = 0
    """Since when it is in this state (Unix time)."""
    error: ErrorBody | None = None
    """Why it is unavailable."""
    replica: str = ""
    epoch: int = 0
    """The version of the configuration that this hub has: it grows by 1 with each change by any hub."""
    hash: str = ""
    """Of all documents; equal in all hubs that have the same."""
    documents: tuple[str, ...] = ()
    """The files that the source has."""
    replicas: tuple[Replica, ...] = ()
    """The hubs with a name that share it, by name."""


class ReadCluster(Request[ClusterState], kind="cluster", sockets=("desired",)):
    """Ask where the configuration comes from, and which version each hub has."""


class ConfigImported(Model):
    """The answer to `import_config`."""

    epoch: int
    written: tuple[str, ...]
    """The documents that differed in the database and are replaced, or would be."""
    removed: tuple[str, ...]


class ImportConfig(Request[ConfigImported], kind="import_config", sockets=("desired",), queue="change"):
    """Write a whole configuration into the database: that of this hub's files, unless `documents` has another one."""

    documents: dict[str, str] | None = None
    replace: bool = False
    """Replace a different configuration that is there."""
    dry_run: bool = False


class ConfigExported(Model):
    """The answer to `export_config`."""

    epoch: int
    documents: dict[str, str]
    """The texts of the documents, secrets included."""
    differing: tuple[str, ...]
    """Of these, and of this hub's files, those that differ from each other."""
    directory: str
    """Where this hub has its own settings."""


class ExportConfig(Request[ConfigExported], kind="export_config", sockets=("desired",), queue="change"):
    """Ask for the whole configuration of the database. Without `dry_run`, this hub's files become equal to it."""

    dry_run: bool = False
