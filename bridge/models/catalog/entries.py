"""The catalogue of servers: finding entries, showing one, and the user's own entries."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bridge.errors import ErrorBody
from bridge.models.base import Done, Model, Request
from bridge.models.catalog.activation import CatalogInput

SourceId = str
"""`shipped`, `own`, or the id of a registry."""
EntryStatus = Literal["active", "deprecated", "deleted"]


class CatalogChecked(Model):
    """What was checked of an entry, and when (dates, ISO 8601); null: it was not."""

    registry: str | None = None
    """The version was in its package registry."""
    started: str | None = None
    """The server was started."""
    tools: int | None = None
    """How many tools it listed then."""


class CatalogSummary(Model):
    """An entry in a list."""

    name: str
    title: str
    description: str
    """In the words of its publisher: untrusted text."""
    version: str
    source: SourceId
    category: str = ""
    status: EntryStatus = "active"
    without_keys: bool = False
    """Whether it works without keys or accounts."""
    note: str = ""
    checked: CatalogChecked = CatalogChecked()
    installed: tuple[str, ...] = ()
    """The keys of the servers that were added from it."""


class CatalogSource(Model):
    """Where entries come from."""

    id: SourceId
    title: str
    url: str | None = None
    """Of a registry."""
    entries: int
    fetched: float | None = None
    """When the copy of a registry was last brought up to date (Unix time); null: never, or the source is local."""
    refreshing: bool = False
    """Whether that is being done now, or is about to be."""
    error: ErrorBody | None = None
    """Why that failed the last time."""


class CatalogPage(Model):
    """The answer to `catalog_find`, best first."""

    entries: tuple[CatalogSummary, ...]
    total: int
    """The number of entries that fit."""
    sources: tuple[CatalogSource, ...]
    categories: tuple[str, ...] = ()
    """Of the entries that fit apart from the category, by name."""


class CatalogFind(Request[CatalogPage], kind="catalog_find", sockets=("desired",)):
    """Search the catalogue by words; all entries without a text."""

    text: str = Field("", max_length=500)
    source: SourceId | None = None
    category: str | None = None
    without_keys: bool = False
    """Only entries that need no keys and no accounts."""
    limit: int = Field(50, ge=1, le=100)
    offset: int = Field(0, ge=0, le=1_000_000)


class CatalogCard(Model):
    """The answer to `catalog_show`."""

    entry: dict[str, Any]
    """The entry as it is (server.json)."""
    summary: CatalogSummary
    versions: tuple[str, ...]
    """Those that the source has, newest first."""
    command: tuple[str, ...]
    """What would run, or the URL, with `{input}` for each value that the user gives; empty if it cannot be used."""
    reach: tuple[str, ...]
    """What it may reach and gets, one sentence each."""
    inputs: tuple[CatalogInput, ...]
    problem: ErrorBody | None = None
    """Why the hub cannot activate it."""


class CatalogShow(Request[CatalogCard], kind="catalog_show", sockets=("desired",)):
    """Show one entry, what it would run and what it asks for."""

    name: str
    """Its name, or the last part of it where no other entry of the source has that."""
    version: str | None = None
    source: SourceId | None = None


class PutCatalogEntry(Request[Done], kind="put_catalog_entry", sockets=("desired",), queue="catalog"):
    """Add an own entry (server.json), or replace the one of that name and version."""

    entry: dict[str, Any]


class RemoveCatalogEntry(Request[Done], kind="remove_catalog_entry", sockets=("desired",), queue="catalog"):
    """Remove an own entry, in all versions. Servers that were added from it stay."""

    name: str


class CatalogSourceList(Model):
    """The answer to `catalog_sources`, in the order in which they are searched."""

    sources: tuple[CatalogSource, ...]


class ReadCatalogSources(Request[CatalogSourceList], kind="catalog_sources", sockets=("desired",)):
    """Ask for the sources of the catalogue, with their age and their last error."""


class PutCatalogSource(Request[Done], kind="put_catalog_source", sockets=("desired",), queue="catalog"):
    """Add a registry as a source, or change it, and begin to copy its entries."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    url: str = Field(max_length=500)
    """The address before `/v0.1/servers`."""
    title: str = Field("", max_length=100)


class RemoveCatalogSource(Request[Done], kind="remove_catalog_source", sockets=("desired",), queue="catalog"):
    """Remove a registry and the copy of its entries. Servers that were added from it stay."""

    id: str


class RefreshCatalogSource(Request[Done], kind="refresh_catalog_source", sockets=("desired",), queue="catalog"):
    """Begin to bring the copy of a registry up to date; `refreshing` of the source tells when that is done."""

    id: str
