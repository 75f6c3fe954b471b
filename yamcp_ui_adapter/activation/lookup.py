"""Where activations find their entries: a Protocol, and the user's own entries in catalog/own.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from yamcp_ui_adapter.activation.errors import NoSuchEntry
from yamcp_ui_adapter.activation.target import Json

OWN_SOURCE = "own"
OWN_ENTRIES = "catalog/own.json"
"""In HUB_DATA_DIR: `{"servers": [...]}`, each a server.json."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry of the catalogue. `local`: it may name files of this machine, as the user wrote it."""

    entry: Json
    source: str
    local: bool = False


class Lookup(Protocol):
    """Finds entries."""

    async def entry(self, name: str, version: str | None, source: str | None) -> Found:
        """Return an entry; the newest version if none is given. Raises NoSuchEntry, or another HubError."""


class OwnEntries:
    """The entries of the user in the data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / OWN_ENTRIES

    async def entry(self, name: str, version: str | None, source: str | None) -> Found:
        """See `Lookup`: the last one in the file is the newest."""
        found = [each for each in self.entries() if each.get("name") == name and version in (None, each.get("version"))]
        if not found or source not in (None, OWN_SOURCE):
            wanted = f"{name!r} of version {version}" if version else repr(name)
            raise NoSuchEntry(f"The catalogue has no entry {wanted}.")
        return Found(found[-1], OWN_SOURCE, local=True)

    def entries(self) -> list[Json]:
        """Return all entries; none while the file cannot be read."""
        try:
            content = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return []
        servers = content.get("servers") if isinstance(content, dict) else None
        return [each for each in servers if isinstance(each, dict)] if isinstance(servers, list) else []
