"""Finds the principal of a token: of a key, of the hub's own authorization server, or of an external one."""

from __future__ import annotations

import asyncio
from typing import Protocol

from bridge.keys import KEY_ID, Keyring, Principal
from sidecar.access.credential import Credential
from sidecar.access.users import is_user_id


class Authenticator(Protocol):
    """Checks tokens of one kind, or of all kinds. Its answers are those of the last `refresh`, or newer."""

    @property
    def version(self) -> int:
        """Changes whenever a credential may have ended, or its principal may have changed. New ones do not count."""

    def check(self, token: str) -> Credential | None:
        """The credential of a token; None if it is not valid now."""

    def current(self, principal: Principal) -> Principal | None:
        """The current state of a principal, with the end of its newest token. None if its credential was ended.

        A principal whose tokens have all ended by themselves is still returned: a refresh may bring a new one.
        """

    def refresh(self) -> None:
        """Look for changes now."""

    async def learn(self, token: str) -> bool:
        """Find out what was lacking to check a token that was refused. Returns whether it should be checked again."""

    async def run(self, until: asyncio.Event) -> None:
        """Keep what is needed up to date, until `until` is set."""


class TokenKind(Authenticator, Protocol):
    """An authenticator for tokens of one form."""

    @property
    def in_use(self) -> bool:
        """Whether there are, or may be, principals of this kind."""

    def recognises(self, token: str) -> bool:
        """Whether a token has the form of this kind, so that no other kind is asked."""

    def knows(self, principal: Principal) -> bool:
        """Whether a principal is of this kind."""

    def has_removed(self, user: str) -> bool:
        """Whether the user with that id is known to have been removed."""


class KeyTokens:
    """The hub's token, the front's key and the named keys."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    @property
    def version(self) -> int:
        """See `Authenticator`."""
        return self._keyring.version

    @property
    def named(self) -> bool:
        """Whether there are named keys."""
        return self._keyring.named

    def check(self, token: str) -> Credential | None:
        """See `Authenticator`."""
        principal = self._keyring.check(token)
        return Credential(principal, principal.valid_until) if principal else None

    def current(self, principal: Principal) -> Principal | None:
        """See `Authenticator`."""
        return self._keyring.current(principal)

    def refresh(self) -> None:
        """See `Authenticator`."""
        self._keyring.refresh()

    async def learn(self, token: str) -> bool:
        """See `Authenticator`: nothing is lacking."""
        return False

    async def run(self, until: asyncio.Event) -> None:
        """See `Authenticator`: `refresh` does everything."""


class Authentication:
    """All kinds of tokens: those of `kinds`, each recognised by its form, else keys."""

    def __init__(self, keyring: Keyring, *kinds: TokenKind) -> None:
        self._keys = KeyTokens(keyring)
        self._kinds = kinds

    @property
    def version(self) -> int:
        """See `Authenticator`."""
        return self._keys.version + sum(kind.version for kind in self._kinds)

    def check(self, token: str) -> Credential | None:
        """See `Authenticator`."""
        return self._kind(token).check(token)

    def current(self, principal: Principal) -> Principal | None:
        """See `Authenticator`."""
        if not principal.id:  # the hub itself
            return principal
        kinds: list[Authenticator] = [kind for kind in self._kinds if kind.knows(principal)]
        if not kinds:
            return self._keys.current(principal)
        return next((now for kind in kinds if (now := kind.current(principal)) is not None), None)

    async def learn(self, token: str) -> bool:
        """See `Authenticator`."""
        return await self._kind(token).learn(token)

    async def run(self, until: asyncio.Event) -> None:
        """See `Authenticator`."""
        async with asyncio.TaskGroup() as tasks:
            for kind in self._kinds:
                tasks.create_task(kind.run(until))

    def has_removed(self, user: str) -> bool:
        """Whether the user with that id is known to have been removed; not while that cannot be told."""
        return is_user_id(user) and any(kind.has_removed(user) for kind in self._kinds)

    def _kind(self, token: str) -> Authenticator:
        return next((kind for kind in self._kinds if kind.recognises(token)), self._keys)

    @property
    def several(self) -> bool:
        """Whether several principals may use the hub, so that each has a share of its limits."""
        return self._keys.named or any(kind.in_use for kind in self._kinds)

    def refresh(self) -> None:
        """See `Authenticator`."""
        self._keys.refresh()
        for kind in self._kinds:
            kind.refresh()


def is_named_key(principal: Principal) -> bool:
    """Whether a principal acts for a named key."""
    return KEY_ID.fullmatch(principal.id) is not None
