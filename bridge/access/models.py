"""The content of access.json as models. They are declared in `bridge.models`, since a snapshot contains the file."""

from __future__ import annotations

from bridge.models.access_file import (
    AccessFile,
    AccessLimit,
    AccessRule,
    Effect,
    ItemKind,
    Pattern,
    Role,
    RoleGrant,
    Subject,
)

__all__ = [
    "AccessFile",
    "AccessLimit",
    "AccessRule",
    "Effect",
    "ItemKind",
    "Pattern",
    "Role",
    "RoleGrant",
    "Subject",
]
