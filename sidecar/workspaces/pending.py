"""Explains why a client does not have a tool or prompt: it waits to be accepted (`changes: block`), or is rejected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bridge.models import ServerSpec
from sidecar.features import names
from sidecar.routing.rights import Rights, rights_of
from sidecar.trust.changes import Place, items_of
from sidecar.trust.errors import ToolPending
from sidecar.upstream.upstream import Upstream


def pending(
    members: Iterable[tuple[ServerSpec, Upstream | None]],
    template: str,
    method: str,
    params: Mapping[str, Any],
    rights: Rights | None,
) -> ToolPending | None:
    """The error for a request that names a withheld item by its exposed name; None if it names none.

    Whoever may not use the item is not told of it.
    """
    name, kind = params.get("name"), "prompt" if method == "prompts/get" else "tool"
    for spec, upstream in members:
        known = upstream.reviewed.get(spec.key) if upstream and spec.settings.changes != "allow" else None
        for place in known.withheld if known else ():
            entry = names.Entry(spec.key, spec.namespace, place[1])
            named = place[0] == kind and name in (place[1], names.plain_name(entry, template))
            if named and upstream and _may_use(rights, spec, upstream, place):
                return ToolPending(f"The {kind} {name!r} is new or has changed, and has not been accepted yet.")
    return None


def _may_use(rights: Rights | None, spec: ServerSpec, upstream: Upstream, place: Place) -> bool:
    limited = rights_of(rights, spec.key)
    if limited is None or upstream.catalog is None:
        return limited is None
    item = items_of(upstream.catalog)[place[0]].get(place[1])
    if item is None:
        return False
    return limited.prompt(item) if place[0] == "prompt" else limited.tool(item)
