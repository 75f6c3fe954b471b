"""Validates `name_template`, from which a workspace derives the names of its tools. Pure."""

from __future__ import annotations

import re

TEMPLATE_PART = re.compile(r"\{namespace\}|\{name\}|[A-Za-z0-9_-]")


def template_error(template: str) -> str:
    """Return why a template is invalid in every workspace; empty if it is valid."""
    if TEMPLATE_PART.sub("", template):
        return "only letters, digits, `_`, `-`, {namespace} and {name} may stand in it"
    if template.count("{name}") != 1:
        return "it must hold {name} once"
    return ""


def needs_one_server(template: str) -> bool:
    """Return whether the names of different servers' tools may be equal, so that the template suits workspaces with one
    server only.
    """
    return "{namespace}" not in template
