"""The copy of a registry's entries on disk: what the catalogue searches, with or without a network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bridge.private import make_directory, write_file
from yamcp_ui_adapter.activation.target import Json
from yamcp_ui_adapter.catalog.errors import CatalogFileBroken, RegistryFailed

MAX_ENTRIES = 50_000
"""Of one registry."""
MAX_BYTES = 64_000_000
"""Of one copy."""


@dataclass
class Copy:
    """The entries of a registry by name, and when they were fetched."""

    url: str
    fetched: float | None = None
    """Unix time at which the last complete fetch began, by this machine's clock."""
    servers: dict[str, Json] = field(default_factory=dict)

    def with_changes(self, changed: Iterable[Json], fetched: float) -> Copy:
        """Return the copy after a fetch. Raises RegistryFailed if there are too many entries."""
        servers = {**self.servers, **{str(each["name"]): each for each in changed}}
        if len(servers) > MAX_ENTRIES:
            raise RegistryFailed(f"The registry at {self.url} has more than {MAX_ENTRIES:,} entries.")
        return Copy(self.url, fetched, servers)

    def entries(self) -> Sequence[Json]:
        """Return all entries."""
        return list(self.servers.values())


def read(path: Path, url: str) -> Copy:
    """Return the copy in a file; an empty one if there is none of that URL, or none that can be used: a copy is fetched
    again."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return Copy(url)
    if not isinstance(content, Mapping) or content.get("url") != url:
        return Copy(url)
    fetched, servers = content.get("fetched"), content.get("servers")
    if not isinstance(fetched, int | float) or not isinstance(servers, list):
        return Copy(url)
    named: dict[str, Json] = {
        each["name"]: each for each in servers if isinstance(each, dict) and isinstance(each.get("name"), str)
    }
    return Copy(url, float(fetched), named)


def write(path: Path, copy: Copy) -> None:
    """Replace the file. Raises RegistryFailed if the copy is too large, CatalogFileBroken if it cannot be written."""
    content = {"url": copy.url, "fetched": copy.fetched, "servers": list(copy.servers.values())}
    encoded = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    if len(encoded) > MAX_BYTES:
        raise RegistryFailed(f"The entries of the registry at {copy.url} are more than {MAX_BYTES:,} bytes.")
    try:
        make_directory(path.parent)
        write_file(path, encoded)
    except OSError as error:
        raise CatalogFileBroken(f"{path} cannot be written: {error.strerror}.") from None
