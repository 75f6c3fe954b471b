"""All that the journal says, and the operations on grants as the records that they add. Pure.

Times are Unix time in seconds. An operation changes nothing: `apply` does, with the records, once they are written.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bridge.credentials.records import (
    ACCESS,
    REFRESH,
    AnyRecord,
    ClientEnd,
    ClientRecord,
    EndReason,
    GrantEnd,
    GrantRecord,
    GrantUsed,
    RefreshRecord,
    TokenRecord,
    UserEnd,
)
from bridge.credentials.state import Credentials
from bridge.keys import token_hash
from bridge.models import Tokens
from yamcp_ui_adapter.sign_in.clients import Clients
from yamcp_ui_adapter.sign_in.codes import IssuedCode
from yamcp_ui_adapter.sign_in.redirects import redirect_host
from yamcp_ui_adapter.sign_in.refreshes import Refreshes, used

MAX_GRANTS_PER_PRINCIPAL = 100
MAX_GRANTS = 10_000
"""Grants in force; one more ends the one that was made or used the longest time ago."""
MAX_ACCESS_TOKENS = 10
"""Valid access tokens of one grant; one more ends the oldest."""


@dataclass(frozen=True)
class Lifetimes:
    """Seconds for which tokens are valid."""

    access: float
    refresh: float


@dataclass(frozen=True)
class Made:
    """Tokens, and the records that say that they were issued."""

    tokens: Tokens
    records: list[AnyRecord]


class State:
    """The state after the records of a journal."""

    def __init__(self, most_clients: int) -> None:
        self.clients = Clients(most_clients)
        self.refreshes = Refreshes()
        self.credentials = Credentials()
        self.used: dict[str, float] = {}
        """When each grant was last used, if it was."""

    def apply(self, record: AnyRecord) -> None:
        """Apply the next record of the journal."""
        match record:
            case ClientRecord() | ClientEnd():
                self.clients.apply(record)
            case RefreshRecord():
                if record.grant in self.credentials.grants:
                    self.refreshes.apply(record)
            case GrantUsed():
                if record.id in self.credentials.grants:
                    self.used[record.id] = record.at
            case GrantEnd():
                self._forget(record.id)
                self.credentials.apply(record)
            case UserEnd():
                for grant in self.grants_of(record.id):
                    self._forget(grant.id)
                self.credentials.apply(record)
            case _:
                self.credentials.apply(record)

    def records(self, now: float) -> Iterator[AnyRecord]:
        """The records of a compacted journal: what is in force."""
        held = self.credentials
        yield from self.clients.records()
        yield from held.users.values()
        for grant in held.grants.values():
            yield grant
            yield from self.refreshes.family(grant.id)
            yield from (token for token in held.tokens(grant.id) if token.until > now)
            if grant.id in self.used:
                yield GrantUsed(id=grant.id, at=self.used[grant.id])
        yield from (login for login in held.logins.values() if login.until > now)

    def expires(self, grant: str) -> float:
        """When a grant ends unless it is refreshed."""
        return max(self.refreshes.expires(grant), self.credentials.until(grant))

    # --- Grants -------------------------------------------------------------------------------------------------------

    def redeem(self, code: IssuedCode, lifetimes: Lifetimes, now: float) -> Made:
        """Make a grant, and its first tokens."""
        asked = code.asked
        grant = GrantRecord(
            id=f"g{secrets.token_hex(8)}",
            client=asked.client,
            client_name=asked.client_name,
            redirect_host=redirect_host(asked.redirect_uri),
            principal=asked.principal,
            workspace=asked.workspace,
            scopes=asked.scopes,
            at=now,
            resource=asked.resource,
            login=asked.login,
            mark=code.mark,
        )
        made = _issue(grant, grant.scopes, lifetimes, now)
        room = self._room_for(grant.principal)
        return Made(made.tokens, [*room, grant, *made.records, *self.clients.use(grant.client, now)])

    def refresh(self, token: RefreshRecord, scopes: tuple[str, ...], lifetimes: Lifetimes, now: float) -> Made:
        """Issue new tokens for a refresh token, which is good, or within its grace."""
        grant = self.credentials.grants[token.grant]
        made = _issue(grant, scopes or grant.scopes, lifetimes, now)
        before = used(self.refreshes.family(grant.id), now) if token.used is None else []
        valid = [each for each in self.credentials.tokens(grant.id) if each.until > now]
        excess = [
            each.model_copy(update={"until": now}) for each in valid[: max(0, len(valid) - MAX_ACCESS_TOKENS + 1)]
        ]
        return Made(made.tokens, [*before, *excess, *made.records, *self.clients.use(grant.client, now)])

    def grants_of(self, principal: str | None) -> list[GrantRecord]:
        """The grants of a principal, or all."""
        return [each for each in self.credentials.grants.values() if principal in (None, each.principal)]

    def expired(self, now: float) -> list[AnyRecord]:
        """Return the records that end clients and grants that have expired."""
        over = [each.id for each in self.credentials.grants.values() if self.expires(each.id) <= now]
        return [*self.clients.expired(now), *(GrantEnd(id=grant, why="expired") for grant in over)]

    def renamed(self, renames: Mapping[str, str]) -> list[AnyRecord]:
        """Return the records of grants for renamed workspaces (old name to new)."""
        return [
            each.model_copy(update={"workspace": renames[each.workspace]})
            for each in self.grants_of(None)
            if each.workspace in renames
        ]

    def _room_for(self, principal: str) -> list[GrantEnd]:
        own, every = self.grants_of(principal), self.grants_of(None)
        if len(own) >= MAX_GRANTS_PER_PRINCIPAL:
            return ended([self._idlest(own)])
        return ended([self._idlest(every)]) if len(every) >= MAX_GRANTS else []

    def _idlest(self, grants: list[GrantRecord]) -> str:
        return min(grants, key=lambda each: max(each.at, self.used.get(each.id, 0.0))).id

    def _forget(self, grant: str) -> None:
        self.refreshes.end(grant)
        self.used.pop(grant, None)


def ended(grants: Iterable[str], why: EndReason = "revoked") -> list[GrantEnd]:
    """Return the records that end these grants."""
    return [GrantEnd(id=grant, why=why) for grant in grants]


def _issue(grant: GrantRecord, scopes: tuple[str, ...], lifetimes: Lifetimes, now: float) -> Made:
    access, refresh = ACCESS + secrets.token_urlsafe(32), REFRESH + secrets.token_urlsafe(32)
    tokens = Tokens(
        access_token=access,
        refresh_token=refresh,
        expires_in=int(lifetimes.access),
        scopes=scopes,
        grant=grant.id,
    )
    return Made(
        tokens,
        [
            TokenRecord(hash=token_hash(access), grant=grant.id, until=now + lifetimes.access),
            RefreshRecord(hash=token_hash(refresh), grant=grant.id, until=now + lifetimes.refresh),
        ],
    )
