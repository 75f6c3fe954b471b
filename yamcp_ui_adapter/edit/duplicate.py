"""Copies a server or workspace under another name. Pure."""

from __future__ import annotations

import re
from typing import Any

from bridge.models import Duplicate
from yamcp_ui_adapter.edit.edits import ROLES, Contents, Files
from yamcp_ui_adapter.errors import AlreadyExists, EntryInvalid, NoSuchServer, NoSuchWorkspace
from yamcp_ui_adapter.format.document import is_encodable
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES
from yamcp_ui_adapter.format.entry_positions import entries_of, with_entries
from yamcp_ui_adapter.format.providers import BadEntry, check_entry

UNIQUE_SETTINGS = ("slug", "aliases")
"""Settings of a workspace that must be unique, and are not copied."""


def duplicate(files: Files, body: Duplicate) -> Contents:
    """Return YAMCP's files with the copy after the original.

    Raises:
        NoSuchServer, NoSuchWorkspace, AlreadyExists, EntryInvalid, ConfigFileBroken: nothing is to be written.
    """
    file = PROVIDERS if body.section == "servers" else WORKSPACES
    entries = entries_of(file, files[file].content)
    if body.name not in entries:
        missing = NoSuchServer if body.section == "servers" else NoSuchWorkspace
        raise missing(f"There is no {body.name!r} in {file}.")
    if body.to in entries:
        raise AlreadyExists(f"{body.to!r} is in {file} already.", data={"file": ROLES[file], "key": body.to})
    copy = _copied(entries[body.name], body)
    return {file: with_entries(file, files[file].content, {body.to: copy}, [body.name, body.to])}


def duplicate_settings(content: dict[str, Any], body: Duplicate) -> dict[str, Any]:
    """Return hub.json with the original's settings also for the copy."""
    settings = content.get(body.section)
    found = settings.get(body.name) if isinstance(settings, dict) else None
    if not isinstance(settings, dict) or not isinstance(found, dict):
        return content
    copied = {name: value for name, value in found.items() if body.section == "servers" or name not in UNIQUE_SETTINGS}
    return {**content, body.section: {**settings, body.to: copied}}


def _copied(entry: Any, body: Duplicate) -> Any:
    issue = "WORKSPACE_INVALID" if body.section == "workspaces" else "SERVER_ENTRY_INVALID"
    if not is_encodable(body.to):
        message = f"{body.to!r} cannot be a name: it holds a NUL or half a character."
        raise EntryInvalid(message, data={"issue": issue, "key": body.to})
    if body.section == "workspaces":
        return {**entry, "name": body.to} if isinstance(entry, dict) and entry.get("name") == body.name else entry
    copy = {**entry, "namespace": re.sub(r"[^A-Za-z0-9_-]", "_", body.to)} if isinstance(entry, dict) else entry
    try:
        check_entry(body.to, copy)
    except BadEntry as error:
        raise EntryInvalid(f"Server {body.to!r}: {error.message}", data={"issue": error.code, "key": body.to}) from None
    return copy
