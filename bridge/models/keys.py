"""Access keys: requests to list, add and revoke them, and when each was last used."""

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
    last_used: float | None = None
    """When a request last came with it (Unix time), to about a minute; null if none is known of."""


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


class KeyUses(Model):
    """The answer to `key_uses`."""

    uses: dict[str, float]
    """When a request last came with each named key (Unix time), by its id; since the server started."""
    grants: dict[str, float] = Field(default_factory=dict)
    """The same for OAuth grants."""


class ReadKeyUses(Request[KeyUses], kind="key_uses", sockets=("actual",)):
    """Request when the keys were last used at endpoints."""


class NoteKeyUses(Request[Done], kind="note_key_uses", sockets=("desired",)):
    """Tell when keys were last used for pages and the API. Times earlier than known ones count for nothing."""

    uses: dict[str, float]
