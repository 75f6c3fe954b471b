"""The sources of the catalogue that are on this machine: the entries shipped with the hub, and the user's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from bridge.models.catalog.entries import CatalogSource
from bridge.private import make_directory, write_file
from yamcp_ui_adapter.activation.errors import NoSuchEntry
from yamcp_ui_adapter.activation.target import Json
from yamcp_ui_adapter.catalog.errors import CatalogFileBroken, EntryInvalid

SHIPPED, OWN = "shipped", "own"
OWN_FILE = "catalog/own.json"
"""In HUB_DATA_DIR: `{"servers": [...]}`, each a server.json."""
MAX_OWN = 1000
"""Own entries."""


class Source(Protocol):
    """A source of entries."""

    id: str
    local: bool
    """Whether its entries may name files of this machine."""

    def entries(self) -> Sequence[Json]:
        """Return all entries; of several versions of one, the newest is the last."""

    def state(self) -> CatalogSource:
        """Return what it is, and how old."""


class ShippedEntries:
    """The entries that come with the hub."""

    id, local = SHIPPED, False

    @cached_property
    def _entries(self) -> Sequence[Json]:
        content = json.loads((Path(__file__).parent / "shipped.json").read_bytes())
        entries: list[Json] = content["servers"]
        return entries

    def entries(self) -> Sequence[Json]:
        """See `Source`."""
        return self._entries

    def state(self) -> CatalogSource:
        """See `Source`."""
        return CatalogSource(id=self.id, title="Shipped with the hub", entries=len(self._entries))


class OwnEntries:
    """The entries of the user, in a file that may also be edited by hand."""

    id, local = OWN, True

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir.absolute() / OWN_FILE

    def entries(self) -> Sequence[Json]:
        """See `Source`; none while the file cannot be used."""
        try:
            return self._read()
        except CatalogFileBroken:
            return []

    def state(self) -> CatalogSource:
        """See `Source`."""
        try:
            return CatalogSource(id=self.id, title="Your own", entries=len(self._read()))
        except CatalogFileBroken as error:
            return CatalogSource(id=self.id, title="Your own", entries=0, error=error.body())

    def put(self, entry: Json) -> None:
        """Add an entry, or replace that of its name and version.

        Raises:
            EntryInvalid: there are too many.
            CatalogFileBroken: the file cannot be read or written.
        """
        name, version = entry["name"], entry["version"]
        others = [each for each in self._read() if (each.get("name"), each.get("version")) != (name, version)]
        if len(others) >= MAX_OWN:
            raise EntryInvalid(f"There are {MAX_OWN} own entries already.")
        self._write([*others, entry])

    def remove(self, name: str) -> None:
        """Remove all versions of an entry. Raises NoSuchEntry, CatalogFileBroken."""
        entries = self._read()
        others = [each for each in entries if each.get("name") != name]
        if len(others) == len(entries):
            raise NoSuchEntry(f"There is no own entry {name!r}.")
        self._write(others)

    def _read(self) -> list[Json]:
        try:
            content = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise CatalogFileBroken(f"{self._path} cannot be used: {type(error).__name__}.") from None
        servers = content.get("servers") if isinstance(content, dict) else None
        if not isinstance(servers, list):
            raise CatalogFileBroken(f"{self._path} has no list `servers`.")
        return [each for each in servers if isinstance(each, dict)]

    def _write(self, entries: list[Json]) -> None:
        try:
            make_directory(self._path.parent)
            write_file(self._path, json.dumps({"servers": entries}, indent=2, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            raise CatalogFileBroken(f"{self._path} cannot be written: {error.strerror}.") from None
