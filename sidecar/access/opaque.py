"""Access tokens of the hub's own authorization server: opaque, known by their hashes from the journal of credentials.

The adapter writes the journal (bridge/credentials). A grant lasts as long as the principal that made it: a key is
revoked with all its grants, and a grant has no more rights than its principal has now.
"""

from __future__ import annotations

from dataclasses import replace

from bridge.credentials.journal import Journal
from bridge.credentials.records import ACCESS, GrantRecord, UserRecord, mark_of
from bridge.keys import Keyring, Principal, token_hash
from sidecar.access.credential import Credential
from sidecar.access.users import is_user, subjects_of_user


class OpaqueTokens:
    """The access tokens in the journal (`TokenKind`)."""

    def __init__(self, journal: Journal, keyring: Keyring) -> None:
        self._journal = journal
        self._keyring = keyring

    @property
    def version(self) -> int:
        """See `Authenticator`."""
        return self._journal.version

    def recognises(self, token: str) -> bool:
        """See `TokenKind`."""
        return token.startswith(ACCESS)

    def knows(self, principal: Principal) -> bool:
        """See `TokenKind`: a principal with a grant, or a user."""
        return bool(principal.grant) or is_user(principal)

    def check(self, token: str) -> Credential | None:
        """See `Authenticator`."""
        record = self._journal.token(token_hash(token))
        grant = self._journal.grant(record.grant) if record else None
        principal = self._principal(grant) if grant else None
        credential = principal and record and Credential(principal, record.until)
        return credential if credential and not credential.expired else None

    def current(self, principal: Principal) -> Principal | None:
        """See `Authenticator`."""
        if principal.grant:
            grant = self._journal.grant(principal.grant)
            return self._principal(grant) if grant and grant.principal == principal.id else None
        user = self._journal.user(principal.id)
        return user and _user_principal(user)

    def refresh(self) -> None:
        """See `Authenticator`."""
        self._journal.refresh()

    def _principal(self, grant: GrantRecord) -> Principal | None:
        """The principal of a grant; None if the key or user that made it is gone, or has another token by now."""
        holder = self._holder(grant)
        if holder is None:
            return None
        return replace(
            holder,
            workspaces=frozenset({grant.workspace}) if holder.may_use(grant.workspace) else frozenset(),
            admin=False,
            valid_until=self._journal.newest_end(grant.id),
            grant=grant.id,
            client=grant.client_name,
        )

    def _holder(self, grant: GrantRecord) -> Principal | None:
        if (user := self._journal.user(grant.principal)) is not None:
            return _user_principal(user)
        holder = self._keyring.holder(grant.principal)
        return holder if holder is not None and mark_of(holder.mark) == grant.mark else None


def _user_principal(user: UserRecord) -> Principal:
    claims = {"sub": user.sub, "name": user.name, "email": user.email, "issuer": user.issuer}
    subjects = subjects_of_user(user.id, user.email, user.groups, user.roles)
    return Principal(user.id, user.name or user.email or user.sub, subjects=subjects, claims=claims)
