"""Rules for `name_template`, how a workspace names its tools (pure)."""

from __future__ import annotations

import re

PART = re.compile(r"\{namespace\}|\{name\}|[A-Za-z0-9_-]")


def template_fault(template: str) -> str:
    """Why it cannot be used in any workspace; empty if it can."""
    if PART.sub("", template):
        return "only letters, digits, `_`, `-`, {namespace} and {name} may stand in it"
    if template.count("{name}") != 1:
        return "it must hold {name} once"
    return ""


def needs_one_server(template: str) -> bool:
    """Whether it tells tools of different servers apart not at all, so that it fits workspaces of one server only."""
    return "{namespace}" not in template
