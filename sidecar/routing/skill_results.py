"""Results of skills methods (SEP-2640) without the resources that may not be used. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sidecar.protocol.jsonrpc import as_list

MayUse = Callable[[str], bool]
"""Whether a resource may be used, by its URI at the server."""


def narrowed(method: str, result: dict[str, Any], may_use: MayUse) -> dict[str, Any]:
    """The result without the resources that may not be used. Results of other methods are returned unchanged."""
    narrow = _NARROWED.get(method)
    return result if narrow is None else narrow(result, may_use)


def _usable(item: Any, may_use: MayUse) -> bool:
    return isinstance(item, dict) and isinstance(uri := item.get("uri"), str) and may_use(uri)


def _resources(holder: dict[str, Any], may_use: MayUse) -> dict[str, Any]:
    """The holder without those of its `resources` that may not be used."""
    if "resources" not in holder:
        return holder
    return {**holder, "resources": [each for each in as_list(holder["resources"]) if _usable(each, may_use)]}


def _skills(result: dict[str, Any], may_use: MayUse) -> dict[str, Any]:
    found = [_resources(skill, may_use) for skill in as_list(result.get("skills")) if _usable(skill, may_use)]
    return {**result, "skills": found}


def _skill(result: dict[str, Any], may_use: MayUse) -> dict[str, Any]:
    skill = result.get("skill")
    return {**result, "skill": _resources(skill, may_use)} if isinstance(skill, dict) else result


_NARROWED: Mapping[str, Callable[[dict[str, Any], MayUse], dict[str, Any]]] = {
    "skills/list": _skills,
    "skills/get": _skill,
    "resources/directory/read": _resources,
}
