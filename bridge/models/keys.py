"""Keys: who may use the hub, beside whoever has its token."""

from __future__ import annotations

from pydantic import Field

from bridge.models.base import Done, Model, Request


class Key(Model):
    """A named key as it is shown: never its token, nor the hash of it."""

    id: str
    name: str
    workspaces: tuple[str, ...] | None
    """The names of those that it may use; none: all."""
    admin: bool
    """Whether it opens pages and API too."""
    created: float
    """Unix time."""


class Keys(Model):
    """Answer to `keys`, oldest first."""

    keys: tuple[Key, ...]


class ListKeys(Request[Keys], kind="keys", sockets=("desired",)):
    """Ask for all keys."""


class KeyMade(Model):
    """Answer to `add_key`: the one time that the token is told; the hub keeps its hash only."""

    id: str
    token: str


class AddKey(Request[KeyMade], kind="add_key", sockets=("desired",), queue="change", repeatable=False):
    """Make a key. `workspaces`: only these, by name; null: all. Admins have all."""

    name: str = Field(min_length=1, max_length=64)
    workspaces: tuple[str, ...] | None = None
    admin: bool = False


class RevokeKey(Request[Done], kind="revoke_key", sockets=("desired",), queue="change", repeatable=False):
    """Remove a key, named by its id or its name."""

    key: str
