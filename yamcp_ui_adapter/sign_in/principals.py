"""Whom grants and logins can be of: the hub's token, named keys, and users."""

from __future__ import annotations

from typing import NamedTuple

from bridge.credentials.records import GrantRecord, mark_of
from bridge.keys import ADMIN, FRONT, Keyring
from yamcp_ui_adapter.sign_in.ledger import Ledger


class Holder(NamedTuple):
    """A principal as it is now."""

    name: str
    mark: str
    """As `GrantRecord.mark`; empty for a user."""
    workspaces: frozenset[str] | None
    """Those that it may use by its key; None for all, and for users, whose rights are in access.json."""


class Principals:
    """The present principals."""

    def __init__(self, keyring: Keyring, ledger: Ledger) -> None:
        self._keyring = keyring
        self._ledger = ledger

    @property
    def version(self) -> int:
        """Another one after each change of keys.json or of the token's file."""
        self._keyring.readable(ADMIN)  # looks at the files, if it is time
        return self._keyring.version

    def find(self, principal: str) -> Holder | None:
        """The principal with that id; None if there is none, or it is the front, which uses nothing for itself."""
        user = self._ledger.state.credentials.users.get(principal)
        if user is not None:
            return Holder(user.name or user.email or user.sub, "", None)
        found = None if principal == FRONT else self._keyring.holder(principal)
        return Holder(found.name, mark_of(found.mark), found.workspaces) if found else None

    def name(self, principal: str) -> str:
        """Its name; empty if it does not exist."""
        found = self.find(principal)
        return found.name if found else ""

    def has_ended(self, grant: GrantRecord) -> bool:
        """Whether the principal of a grant is gone, has another token, or may no longer use the workspace.

        Not while keys.json cannot be read, or the token's file is missing: nobody is let in then, and the grants go on
        once it is repaired.
        """
        if not grant.mark:
            return grant.principal not in self._ledger.state.credentials.users
        if not self._keyring.readable(grant.principal):
            return False
        found = self.find(grant.principal)
        if found is None or found.mark != grant.mark:
            return True
        return found.workspaces is not None and grant.workspace not in found.workspaces
