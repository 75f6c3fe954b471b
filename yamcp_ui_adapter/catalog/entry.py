"""An entry of the catalogue as people see it in lists. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from bridge.models.catalog.entries import CatalogChecked, CatalogSummary, EntryStatus
from yamcp_ui_adapter.activation.target import META, Json

REGISTRY_META = "io.modelcontextprotocol.registry/official"
"""What a registry says of an entry, in its `_meta` (registry API v0.1)."""
STATUSES: Mapping[object, EntryStatus] = {"deprecated": "deprecated", "deleted": "deleted"}


def summary_of(entry: Json, source: str, installed: Sequence[str]) -> CatalogSummary:
    """Return an entry for lists. `installed`: the keys of the servers that were added from it."""
    ours = _object(_object(entry.get("_meta")).get(META))
    name = str(entry.get("name", ""))
    return CatalogSummary(
        name=name,
        title=str(entry.get("title") or name.rpartition("/")[2]),
        description=str(entry.get("description", "")),
        version=str(entry.get("version", "")),
        source=source,
        category=str(ours.get("category", "")),
        status=status_of(entry),
        without_keys=ours.get("works_without_keys") is True,
        note=str(ours.get("note", "")),
        checked=_checked(ours.get("checked")),
        installed=tuple(installed),
    )


def status_of(entry: Json) -> EntryStatus:
    """Return whether an entry is active, deprecated or deleted: as its registry says, or its publisher."""
    of_registry = _object(_object(entry.get("_meta")).get(REGISTRY_META))
    return STATUSES.get(of_registry.get("status"), STATUSES.get(entry.get("status"), "active"))


def _checked(value: Any) -> CatalogChecked:
    try:
        return CatalogChecked.model_validate(_object(value))
    except ValidationError:
        return CatalogChecked()


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
