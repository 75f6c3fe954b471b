"""The exposed names of tools or prompts, as a workspace has them once all its servers are ready."""

from __future__ import annotations

from collections.abc import Iterable

from sidecar.features.names import Entry, plain_name, resolve


def expose(entries: Iterable[Entry], template: str = "{namespace}_{name}") -> dict[str, Entry]:
    """Map exposed names to entries, in the order of `entries`; duplicates of a server count once."""
    distinct = {(entry.server, entry.name): entry for entry in entries}.values()
    return resolve({entry: plain_name(entry, template) for entry in distinct}, template)
