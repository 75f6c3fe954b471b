"""Users of OpenID providers, and browser logins: operations as the records that they add. Pure.

Times are Unix time in seconds.
"""

from __future__ import annotations

from bridge.credentials.records import AnyRecord, GrantRecord, LoginEnd, LoginRecord, UserEnd, UserRecord, user_id
from bridge.credentials.state import Credentials
from bridge.models import BeginLogin, EndLogins, SignInUser, User
from yamcp_ui_adapter.sign_in.errors import NoSuchUser

MAX_USERS = 10_000
"""Users; one more removes the one whose sign-in is the longest ago, if possible one without grants and logins."""
MAX_LOGINS_PER_PRINCIPAL = 50
"""Browser logins of one principal; one more ends the one that would end first."""
FORGOTTEN_SECONDS = 90 * 86_400.0
"""A user without grants and logins is forgotten this long after the last sign-in."""


def signed_in(held: Credentials, body: SignInUser, now: float) -> tuple[str, list[AnyRecord]]:
    """Return a user's id, and the records of the sign-in."""
    user = UserRecord(
        id=user_id(body.issuer, body.sub),
        issuer=body.issuer,
        sub=body.sub,
        name=body.name,
        email=body.email,
        groups=body.groups,
        roles=body.roles,
        at=now,
    )
    room: list[AnyRecord] = []
    if user.id not in held.users and len(held.users) >= MAX_USERS:
        busy = busy_users(held)
        room = [UserEnd(id=min(held.users.values(), key=lambda each: (each.id in busy, each.at)).id)]
    return user.id, [*room, user]


def begun(held: Credentials, body: BeginLogin) -> list[AnyRecord]:
    """Return the records of a new browser login."""
    own = [each for each in held.logins.values() if each.principal == body.principal and each.id != body.id]
    room = ends([min(own, key=lambda each: each.until)]) if len(own) >= MAX_LOGINS_PER_PRINCIPAL else []
    return [*room, LoginRecord(**body.model_dump())]


def logins_of(held: Credentials, body: EndLogins) -> list[LoginRecord]:
    """The logins to which everything applies that the request gives; none if it gives nothing but an issuer."""
    if body.id is None and body.principal is None and body.sid is None and body.sub is None:
        return []
    return [each for each in held.logins.values() if _applies(held, body, each)]


def ends(logins: list[LoginRecord]) -> list[AnyRecord]:
    """Return the records that end these logins."""
    return [LoginEnd(id=each.id) for each in logins]


def grants_of(held: Credentials, logins: list[LoginRecord]) -> list[GrantRecord]:
    """The grants that were allowed in these logins."""
    ids = {each.id for each in logins}
    return [grant for grant in held.grants.values() if grant.login in ids]


def find(held: Credentials, user: str) -> UserRecord:
    """The user with that id or e-mail address. Raises NoSuchUser, also for an address that several users have."""
    if user in held.users:
        return held.users[user]
    named = [each for each in held.users.values() if user and each.email.casefold() == user.casefold()]
    if len(named) == 1:
        return named[0]
    if named:
        raise NoSuchUser(f"{len(named)} users have the address {user!r}: name one by its id.")
    raise NoSuchUser(f"There is no user {user!r}.")


def removal(user: UserRecord) -> list[AnyRecord]:
    """Return the records that remove a user."""
    return [UserEnd(id=user.id)]


def shown(held: Credentials) -> tuple[User, ...]:
    """All users as they are sent over the bridge, by name."""
    users = [
        User(
            **each.model_dump(exclude={"t"}),
            logins=sum(login.principal == each.id for login in held.logins.values()),
            grants=sum(grant.principal == each.id for grant in held.grants.values()),
        )
        for each in held.users.values()
    ]
    return tuple(sorted(users, key=lambda each: (each.name.casefold(), each.id)))


def forgotten(held: Credentials, now: float) -> list[AnyRecord]:
    """Return the records that remove users who have not been here for long."""
    busy = busy_users(held)
    return [
        UserEnd(id=each.id)
        for each in held.users.values()
        if each.at + FORGOTTEN_SECONDS <= now and each.id not in busy
    ]


def busy_users(held: Credentials) -> frozenset[str]:
    """The principals that have a grant or a login."""
    grants = frozenset(each.principal for each in held.grants.values())
    return grants | {each.principal for each in held.logins.values()}


def _applies(held: Credentials, body: EndLogins, login: LoginRecord) -> bool:
    user = held.users.get(login.principal)
    given = (
        (body.id, login.id),
        (body.principal, login.principal),
        (body.sid, login.sid),
        (body.issuer, login.issuer),
        (body.sub, user.sub if user else None),
    )
    return all(wanted is None or wanted == found for wanted, found in given)
