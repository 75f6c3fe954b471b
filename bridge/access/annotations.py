"""Annotations of tools, as rules compare them. Pure.

A server declares the annotations of its own tools, so a rule with annotations trusts the server.
"""

from __future__ import annotations

from collections.abc import Mapping

Conditions = frozenset[tuple[str, bool]]
"""Annotations, and the values that they must have."""


def effective_hints(annotations: Mapping[str, object] | None) -> dict[str, bool]:
    """The value of each annotation, with MCP's default (`ToolAnnotations`) where none is declared.

    Of a tool that declares itself read-only, nothing is destroyed, and a repetition changes nothing.
    """
    declared = {name: value for name, value in (annotations or {}).items() if isinstance(value, bool)}
    read_only = declared.get("readOnlyHint", False)
    defaults = {
        "readOnlyHint": False,
        "destructiveHint": not read_only,
        "idempotentHint": read_only,
        "openWorldHint": True,
    }
    return {name: declared.get(name, default) for name, default in defaults.items()}


def fulfils(hints: Mapping[str, bool], conditions: Conditions) -> bool:
    """Whether the hints have all the values of the conditions."""
    return all(hints.get(name) is value for name, value in conditions)
