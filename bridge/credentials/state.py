"""What the records of a journal amount to: the grants in force with their access tokens, the users, and the logins."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridge.credentials.records import (
    AnyRecord,
    GrantEnd,
    GrantRecord,
    LoginEnd,
    LoginRecord,
    TokenRecord,
    UserEnd,
    UserRecord,
)


@dataclass(frozen=True, slots=True)
class Access:
    """What the access tokens of a grant give."""

    grant: GrantRecord
    user: UserRecord | None
    """The user that the grant is of; None for the hub's token, and for keys."""
    until: float
    """The end of the newest access token of the grant (Unix time)."""
    expires: float = 0.0
    """The end of the access token that was asked about (Unix time)."""


class Credentials:
    """The state after some records. Pure: the caller gives the time (Unix time, seconds)."""

    def __init__(self) -> None:
        self.grants: dict[str, GrantRecord] = {}
        self.users: dict[str, UserRecord] = {}
        self.logins: dict[str, LoginRecord] = {}
        self._tokens: dict[str, TokenRecord] = {}
        self._of_grant: dict[str, dict[str, float]] = {}
        """The ends of the access tokens of each grant, by their hashes."""

    def apply(self, record: AnyRecord) -> bool:
        """Apply the next record; return whether it changes or ends what a token or a login gives, or prolongs a
        grant."""
        match record:
            case TokenRecord():
                return self._add_token(record)
            case GrantRecord():
                self.grants[record.id] = record
                self._of_grant.setdefault(record.id, {})
            case GrantEnd():
                return self._end_grant(record.id)
            case UserRecord():
                self.users[record.id] = record
            case UserEnd():
                return self._end_user(record.id)
            case LoginRecord():
                self.logins[record.id] = record
            case LoginEnd():
                return self.logins.pop(record.id, None) is not None
            case _:
                return False
        return True

    def is_new(self, record: AnyRecord) -> bool:
        """Whether the next record only adds something, or says what is known."""
        match record:
            case TokenRecord():
                return record.hash not in self._tokens
            case LoginRecord():
                return record.id not in self.logins
            case GrantRecord():
                return record.id not in self.grants
            case UserRecord():
                known = self.users.get(record.id)
                return known is None or known == record.model_copy(update={"at": known.at})
            case _:
                return False

    def access(self, token_hash: str, now: float) -> Access | None:
        """What the access token with that hash gives; None if it is unknown, has expired, or its grant has ended."""
        found = self._tokens.get(token_hash)
        access = self.of_grant(found.grant, now) if found and found.until > now else None
        return replace(access, expires=found.until) if found and access else None

    def of_grant(self, grant: str, now: float) -> Access | None:
        """What the newest access token of a grant gives; None without a valid one."""
        access = self.grant(grant)
        return access if access and access.until > now else None

    def grant(self, grant: str) -> Access | None:
        """What a grant gives, even if its access tokens have expired; None if it, or its user, has ended."""
        record, until = self.grants.get(grant), self.until(grant)
        if record is None:
            return None
        user = self.users.get(record.principal)
        if user is None and record.principal.startswith("u"):
            return None
        return Access(record, user, until)

    def until(self, grant: str) -> float:
        """When the newest access token of a grant ends, 0 without one."""
        return max(self._of_grant.get(grant, {}).values(), default=0.0)

    def tokens(self, grant: str) -> tuple[TokenRecord, ...]:
        """The access tokens of a grant."""
        return tuple(self._tokens[each] for each in self._of_grant.get(grant, ()))

    def grant_of_token(self, token_hash: str) -> str | None:
        """The grant of an access token that has not been dropped yet."""
        found = self._tokens.get(token_hash)
        return found.grant if found else None

    def login(self, login: str, now: float) -> LoginRecord | None:
        """The browser login with that id; None if it has ended, or its user is gone."""
        found = self.logins.get(login)
        if found is None or found.until <= now:
            return None
        return None if found.principal.startswith("u") and found.principal not in self.users else found

    def drop_expired(self, now: float) -> None:
        """Drop access tokens and logins that have expired, so that memory stays bounded."""
        for token in [each for each in self._tokens.values() if each.until <= now]:
            del self._tokens[token.hash]
            del self._of_grant[token.grant][token.hash]
        self.logins = {login: record for login, record in self.logins.items() if record.until > now}

    def _add_token(self, record: TokenRecord) -> bool:
        if record.grant not in self.grants:
            return False
        self._tokens[record.hash] = record
        self._of_grant[record.grant][record.hash] = record.until
        return True

    def _end_grant(self, grant: str) -> bool:
        for token in self._of_grant.pop(grant, ()):
            del self._tokens[token]
        return self.grants.pop(grant, None) is not None

    def _end_user(self, user: str) -> bool:
        for grant in [each.id for each in self.grants.values() if each.principal == user]:
            self._end_grant(grant)
        for login in [each.id for each in self.logins.values() if each.principal == user]:
            del self.logins[login]
        return self.users.pop(user, None) is not None
