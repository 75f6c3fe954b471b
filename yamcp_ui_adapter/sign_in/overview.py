"""Lists and ends grants and users, and records browser logins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bridge.credentials.records import GrantRecord
from bridge.models import (
    BeginLogin,
    Done,
    EndGrant,
    EndLogins,
    EndUser,
    Grant,
    Grants,
    ListGrants,
    ListUsers,
    SignInUser,
    UserId,
    Users,
)
from bridge.server import Handlers
from yamcp_ui_adapter.sign_in import people
from yamcp_ui_adapter.sign_in.errors import NoSuchGrant, PrincipalUnknown
from yamcp_ui_adapter.sign_in.ledger import Ledger
from yamcp_ui_adapter.sign_in.principals import Principals
from yamcp_ui_adapter.sign_in.reports import Reports
from yamcp_ui_adapter.sign_in.state import ended


class Overview:
    """`fetch_uses` asks the sidecar which grants were used."""

    def __init__(
        self, ledger: Ledger, principals: Principals, reports: Reports, fetch_uses: Callable[[], Awaitable[None]]
    ) -> None:
        self._ledger = ledger
        self._principals = principals
        self._reports = reports
        self._fetch_uses = fetch_uses

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return {
            ListGrants: self.grants,
            EndGrant: self.end_grant,
            SignInUser: self.sign_in,
            BeginLogin: self.begin_login,
            EndLogins: self.end_logins,
            ListUsers: self.users,
            EndUser: self.end_user,
        }

    async def grants(self, body: ListGrants) -> Grants:
        """Return the grants in force, newest first."""
        await self._fetch_uses()
        self._ledger.follow()
        state, now = self._ledger.state, self._ledger.now()
        found = [each for each in state.grants_of(body.principal) if state.expires(each.id) > now]
        return Grants(grants=tuple(map(self._shown, sorted(found, key=lambda each: each.at, reverse=True))))

    def _shown(self, grant: GrantRecord) -> Grant:
        state = self._ledger.state
        return Grant(
            **grant.model_dump(exclude={"t", "resource", "mark", "login"}),
            principal_name=self._principals.name(grant.principal),
            last_used=state.used.get(grant.id),
            expires=state.expires(grant.id),
        )

    async def end_grant(self, body: EndGrant) -> Done:
        """End a grant. Raises NoSuchGrant, also for another principal's; DataDirUnusable: nothing has changed."""
        self._ledger.follow()
        found = self._ledger.state.credentials.grants.get(body.id)
        if found is None or body.principal not in (None, found.principal):
            raise NoSuchGrant(f"There is no grant {body.id!r} in force.")
        self._ledger.commit(ended([found.id]))
        self._reports.ended([found], "revoked")
        return Done()

    async def sign_in(self, body: SignInUser) -> UserId:
        """Record that a provider has identified a user. Raises DataDirUnusable."""
        self._ledger.follow()
        user, records = people.signed_in(self._ledger.state.credentials, body, self._ledger.now())
        self._ledger.commit(records)
        return UserId(id=user)

    async def begin_login(self, body: BeginLogin) -> Done:
        """Record a browser login. Raises PrincipalUnknown, DataDirUnusable."""
        self._ledger.follow()
        if self._principals.find(body.principal) is None:
            raise PrincipalUnknown(f"There is no key or user {body.principal!r} any more.")
        self._ledger.commit(people.begun(self._ledger.state.credentials, body))
        return Done()

    async def end_logins(self, body: EndLogins) -> Done:
        """End browser logins, and if wanted their grants. Raises DataDirUnusable: none has ended."""
        self._ledger.follow()
        held = self._ledger.state.credentials
        logins = people.logins_of(held, body)
        grants = people.grants_of(held, logins) if body.grants else []
        self._ledger.commit([*ended(each.id for each in grants), *people.ends(logins)])
        self._reports.ended(grants, "revoked", "the login in which it was allowed was ended")
        return Done()

    async def users(self, _: ListUsers | None = None) -> Users:
        """Return the users who have signed in."""
        self._ledger.follow()
        return Users(users=people.shown(self._ledger.state.credentials))

    async def end_user(self, body: EndUser) -> Done:
        """Remove a user with all grants and logins. Raises NoSuchUser, DataDirUnusable: nothing has changed."""
        self._ledger.follow()
        user = people.find(self._ledger.state.credentials, body.user)
        grants = self._ledger.state.grants_of(user.id)
        self._ledger.commit(people.removal(user))
        self._reports.ended(grants, "revoked", "its user was removed")
        self._reports.user_ended(user)
        return Done()
