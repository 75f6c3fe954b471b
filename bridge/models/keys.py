"""Access keys: requests to list, add and revoke them."""

from __future__ import annotations

from pydantic import Field

from bridge.models.base import Done, Model, Request


class Key(Model):
    """A named key, without its token and hash."""

    id: str
    name: str
    workspaces: tuple[str, ...] | None
    """The names of the workspaces that it may use; null for all."""
    admin: bool
    """Whether it also gives access to pages and API."""
    created: float
    """Unix time."""


class Keys(Model):
    """The answer to `keys`, oldest first."""

    keys: tuple[Key, ...]


class ListKeys(Request[Keys], kind="keys", sockets=("desired",)):
    """Request all keys."""


class KeyMade(Model):
    """The answer to `add_key`: the only message with the token, of which the hub stores a hash."""

    id: str
    token: str


class AddKey(Request[KeyMade], kind="add_key", sockets=("desired",), queue="change", repeatable=False):
    """Create a key. `workspaces`: the names of the workspaces that it may use; null for all, as for admins."""

    name: str = Field(min_length=1, max_length=64)
    workspaces: tuple[str, ...] | None = None
    admin: bool = False


class RevokeKey(Request[Done], kind="revoke_key", sockets=("desired",), queue="change", repeatable=False):
    """Delete a key, given by its id or its name."""

    key: str
