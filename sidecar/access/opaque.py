"""Access tokens of the hub's own authorization server: opaque, known by their hashes from the journal of credentials.

The adapter writes the journal (bridge/credentials). A grant lasts as long as the principal that made it: a key is
revoked with all its grants, and a grant has no more rights than its principal has now.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bridge.credentials.journal import Journal
from bridge.credentials.records import ACCESS, UserRecord, mark_of
from bridge.credentials.state import Access
from bridge.keys import Keyring, Principal
from sidecar.access.credential import SCOPE, Credential
from sidecar.access.users import is_user, subjects_of_user


class OpaqueTokens:
    """The access tokens in the journal (`TokenKind`). `every_user`: whether all users of the hub are in it; not those
    of an external authorization server."""

    def __init__(self, journal: Journal, keyring: Keyring, *, every_user: bool = True) -> None:
        self._journal = journal
        self._keyring = keyring
        self._every_user = every_user

    @property
    def version(self) -> int:
        """See `Authenticator`."""
        return self._journal.endings

    @property
    def in_use(self) -> bool:
        """See `TokenKind`."""
        return self._journal.in_use

    def recognises(self, token: str) -> bool:
        """See `TokenKind`."""
        return token.startswith(ACCESS)

    def knows(self, principal: Principal) -> bool:
        """See `TokenKind`: a principal with a grant, or a user who has signed in at the hub, which has no mark."""
        return principal.grant.startswith("g") if principal.grant else is_user(principal) and not principal.mark

    def has_removed(self, user: str) -> bool:
        """See `TokenKind`."""
        return self._journal.has_removed(user) or (self._every_user and self._journal.lacks(user))

    def check(self, token: str) -> Credential | None:
        """See `Authenticator`."""
        access = self._journal.access(token)
        principal = self._principal(access) if access else None
        lacks = "" if access and SCOPE in access.grant.scopes else SCOPE
        return Credential(principal, access.expires, lacks=lacks) if access and principal else None

    def current(self, principal: Principal) -> Principal | None:
        """See `Authenticator`."""
        if principal.grant:
            access = self._journal.grant(principal.grant)
            return self._principal(access) if access and access.grant.principal == principal.id else None
        user = self._journal.user(principal.id)
        return user_principal(user) if user else None

    def refresh(self) -> None:
        """See `Authenticator`."""
        self._journal.refresh()

    async def learn(self, token: str) -> bool:
        """See `Authenticator`: `check` has looked at the journal."""
        return False

    async def run(self, until: asyncio.Event) -> None:
        """See `Authenticator`: `refresh` does everything."""

    def _principal(self, access: Access) -> Principal | None:
        """The principal of a grant; None if the key that made it is gone, or has another token by now."""
        grant, holder = access.grant, self._holder(access)
        if holder is None:
            return None
        return replace(
            holder,
            workspaces=frozenset({grant.workspace}) if holder.may_use(grant.workspace) else frozenset(),
            admin=False,
            valid_until=access.until,
            grant=grant.id,
            client=grant.client_name,
        )

    def _holder(self, access: Access) -> Principal | None:
        if access.user is not None:
            return user_principal(access.user)
        holder = self._keyring.holder(access.grant.principal)
        return holder if holder is not None and mark_of(holder.mark) == access.grant.mark else None


def user_principal(user: UserRecord) -> Principal:
    claims = {"sub": user.sub, "name": user.name, "email": user.email, "issuer": user.issuer}
    subjects = subjects_of_user(user.id, user.email, user.groups, user.roles)
    return Principal(user.id, user.name or user.email or user.sub, subjects=subjects, claims=claims)
