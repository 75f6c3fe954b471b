"""Where activations find their entries: a Protocol, which the catalogue implements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from yamcp_ui_adapter.activation.target import Json


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
