"""Principals and access files for the tests of the policy."""

from __future__ import annotations

from typing import Any

from bridge.access.models import AccessFile
from bridge.access.permissions import Permissions
from bridge.access.policy import Policy
from bridge.keys import Principal


def key(name: str = "ci", *workspaces: str, admin: bool = False) -> Principal:
    """A named key; without workspaces it is for all."""
    return Principal("k0000001", name, frozenset(workspaces) if workspaces else None, admin)


def user(*subjects: str, workspaces: frozenset[str] | None = None) -> Principal:
    """A user who has signed in; `subjects` are those that its claims give."""
    return Principal("u0123456789abcde", "Ada", workspaces, subjects=frozenset(subjects))


def allow(subject: str, **fields: Any) -> dict[str, Any]:
    """A rule that allows."""
    return {"effect": "allow", "subject": subject, **fields}


def deny(subject: str, **fields: Any) -> dict[str, Any]:
    """A rule that denies."""
    return {"effect": "deny", "subject": subject, **fields}


def access(*rules: dict[str, Any], **fields: Any) -> AccessFile:
    """An access.json with these rules."""
    return AccessFile.model_validate({"rules": list(rules), **fields})


def permissions(principal: Principal, *rules: dict[str, Any], **fields: Any) -> Permissions:
    """What a principal may do under these rules."""
    return Policy(access(*rules, **fields)).permissions(principal)
