"""One owner's sign-in at one server: the access token for each request, refreshed in time and once for all callers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple

from pydantic import ValidationError

from bridge.models import ServerSpec
from sidecar.channels.connections import Connections
from sidecar.channels.web import place
from sidecar.sign_in_errors import SignInFailed, SignInRequired, SignInUnavailable
from sidecar.upstream_auth import token_endpoint
from sidecar.upstream_auth.credential import Credential
from sidecar.upstream_auth.discovery import Challenge
from sidecar.upstream_auth.fetching import Fetcher
from sidecar.upstream_auth.sealing import Damaged
from sidecar.upstream_auth.store import Store

log = logging.getLogger(__name__)

KIND = "token"
"""The kind of the sealed records of credentials; their names are owner and server."""


class Environment(NamedTuple):
    """What all accounts have in common."""

    store: Store
    connections: Connections
    conceal: Callable[[str, set[str]], None]
    """Has secrets of a server masked wherever text is shown (`Redactor.add`)."""
    link: Callable[[str, str], str]
    """The address at which the owner signs in at a server."""
    spawn: Callable[[Coroutine[Any, Any, Credential]], asyncio.Task[Credential]]


class Occasions:
    """Counts how often somebody has signed in since this process started."""

    def __init__(self) -> None:
        self.count = 0
        self._next = asyncio.Event()

    def add(self) -> None:
        """Count one more, and wake those who wait for it."""
        self.count += 1
        self._next.set()
        self._next = asyncio.Event()

    async def after(self, before: int) -> None:
        """Wait until the count is larger than `before`."""
        while self.count <= before:
            await self._next.wait()


class Account:
    """The credential of `owner` at the server `spec`, for its URL `url`, in which references have been replaced.

    It implements `channels.connections.Authorizer`.
    """

    def __init__(
        self, environment: Environment, owner: str, spec: ServerSpec, url: str, occasions: Occasions | None = None
    ) -> None:
        self.owner = owner
        self.server = spec.key
        self.shared = spec.settings.sign_in == "shared"
        self.url = url
        self.reason = ""
        """Why nobody is signed in, if more is known than that nobody has signed in yet."""
        self.occasions = occasions or Occasions()
        """The sign-ins of this owner at this server, whatever its URL was."""
        self._environment = environment
        self._names = (owner, spec.key)
        self._credential: Credential | None = None
        self._renewing: asyncio.Task[Credential] | None = None

    # --- Authorizer ------------------------------------------------------------------------------------------------

    async def authorization(self) -> str:
        """The value of the header Authorization for a request that is sent now.

        Raises:
            SignInRequired: nobody has signed in, or the sign-in has ended.
            SignInUnavailable: the token has ended, and the authorization server does not answer.
        """
        credential = self._credential or self.load()
        if credential is None:
            raise self.required()
        if not credential.fresh:
            credential = await self._renewed(credential)
        return f"Bearer {credential.access_token}"

    async def refused(self, sent: str, status: int, challenge: str, *, again: bool) -> bool:
        """Handle the server's 401 or 403. Returns whether to send the request again, with `authorization` anew.

        `sent` is the header with which it was sent; `again`: it was sent again already.

        Raises:
            SignInRequired: the token is no longer accepted, or the request needs further scopes.
            SignInUnavailable: the authorization server does not answer.
        """
        found = Challenge.of(challenge)
        if status == 403:
            if found.error != "insufficient_scope":
                return False
            await self._want((found.scope or "").split())
            raise self.required("The request needs more permissions than were granted.", narrow=True)
        if again:
            raise self._ended(
                "The server does not accept the access token that it was sent, which is new.", forget=False
            )
        credential = self.load()
        if credential is None:
            raise self.required()
        if f"Bearer {credential.access_token}" == sent:
            await self._renewed(credential, force=True)
        return True

    # --- the credential --------------------------------------------------------------------------------------------

    def load(self) -> Credential | None:
        """Read the stored credential; None if there is none for this URL of the server."""
        try:
            content = self._environment.store.read(KIND, self._names)
            credential = None if content is None else Credential.model_validate_json(content)
        except (Damaged, ValidationError) as error:
            self._unreadable(str(error) if isinstance(error, Damaged) else "it has another form")
            credential = None
        if credential is not None and credential.url != self.url:
            self.reason = "The URL of the server has changed since the sign-in."
            credential = None
        self._take(credential)
        return credential

    async def sign_in(self, credential: Credential) -> None:
        """Store the credential of a new sign-in. Raises OSError, SignInUnavailable."""
        content = credential.model_dump_json().encode()
        await self._environment.store.write(KIND, self._names, content, credential.mark)
        self._take(credential)
        self._signed_in()

    def changed_elsewhere(self) -> bool:
        """Read the credential that another replica has stored or removed; whether somebody has signed in or out."""
        before, now = self._credential, self.load()
        if now is not None and (before is None or before.since != now.since):
            self._signed_in()
            return True
        return before is not None and now is None

    def _signed_in(self) -> None:
        self.reason = ""
        self.occasions.add()

    def forget(self, reason: str = "") -> Credential | None:
        """Delete the credential; returns what it was."""
        credential = self._credential or self.load()
        self._environment.store.remove(KIND, self._names)
        self._credential, self.reason = None, reason
        return credential

    @property
    def wanted(self) -> tuple[str, ...]:
        """Scopes that requests lacked, to be asked for at the next sign-in (RFC 6750, `insufficient_scope`)."""
        return self.credential.wanted if self.credential else ()

    @property
    def credential(self) -> Credential | None:
        """The credential in force; None if nobody is signed in."""
        return self._credential or self.load()

    def required(self, why: str = "", *, narrow: bool = False) -> SignInRequired:
        """The error for a request that needs a sign-in. `narrow`: other requests do not need one."""
        whom = "An administrator has" if self.shared else "You have"
        reason = why or self.reason
        message = f"{whom} to sign in at the server {self.server!r}."
        link = self._environment.link(self.server, self.owner)
        error = SignInRequired(f"{reason} {message}".strip(), data={"server": self.server, "url": link})
        error.narrow = narrow
        return error

    async def _want(self, scopes: list[str]) -> None:
        """Remember scopes that a request lacked, for the next sign-in."""
        with suppress(SignInUnavailable):  # which cannot begin now either
            async with self._environment.store.locked(KIND, self._names):
                credential = self.load()
                if credential is not None and not set(scopes) <= set(credential.wanted):
                    wanted = tuple(dict.fromkeys((*credential.wanted, *scopes)))
                    await self._renew_stored(credential.model_copy(update={"wanted": wanted}))

    async def _renew_stored(self, credential: Credential) -> bool:
        """Store a newer credential of the same sign-in; False if that has ended. The lock is held."""
        content = credential.model_dump_json().encode()
        if not await self._environment.store.renew(KIND, self._names, content, credential.mark):
            return False
        self._take(credential)
        return True

    def _take(self, credential: Credential | None) -> None:
        self._credential = credential
        if credential is not None:
            self._environment.conceal(self.server, credential.secrets)

    def _unreadable(self, why: str) -> None:
        reason = f"The stored sign-in cannot be read: {why}."
        if self.reason != reason:
            log.error("a stored sign-in cannot be read", extra={"server": self.server, "owner": self.owner, "why": why})
        self.reason = reason

    def _ended(self, reason: str, *, forget: bool = True) -> SignInRequired:
        if forget:
            self.forget(reason)
        return self.required(reason)

    # --- refreshing --------------------------------------------------------------------------------------------------

    async def _renewed(self, stale: Credential, *, force: bool = False) -> Credential:
        """A newer credential than `stale`. All callers share one refresh, which none of them cancels."""
        if self._renewing is None or self._renewing.done():
            self._renewing = self._environment.spawn(self._renew(stale, force))
        return await asyncio.shield(self._renewing)

    async def _renew(self, stale: Credential, force: bool) -> Credential:
        try:
            async with self._environment.store.locked(KIND, self._names):
                return await self._newer(stale, force)
        except SignInUnavailable:
            credential = self._credential
            if credential is not None and credential.valid and not force:
                return credential
            raise

    async def _newer(self, stale: Credential, force: bool) -> Credential:
        credential = self.load()
        if credential is None:
            raise self.required()
        if credential.access_token != stale.access_token and credential.fresh:
            return credential  # another process or replica has refreshed it
        if credential.refresh_token is None:
            if credential.valid and not force:
                return credential
            raise self._ended("The sign-in has ended.")
        return await self._refreshed(credential)

    async def _refreshed(self, credential: Credential) -> Credential:
        fetcher = Fetcher(self._environment.connections, self.url)
        try:
            token = await token_endpoint.refresh(fetcher, credential)
        except token_endpoint.GrantRefused as refused:
            log.warning(
                "a sign-in has ended", extra={"server": self.server, "owner": self.owner, "why": refused.error[:60]}
            )
            raise self._ended(f"The sign-in has ended: {refused.message}") from None
        except SignInFailed as error:
            raise SignInUnavailable(error.message) from None
        renewed = credential.model_copy(
            update={
                "access_token": token.access_token,
                "refresh_token": token.refresh_token or credential.refresh_token,
                "obtained": time.time(),
                "expires": token_endpoint.expiry(token),
                "scopes": tuple(token.scope.split()) if token.scope else credential.scopes,
            }
        )
        if not await self._renew_stored(renewed):
            present = self.load()  # somebody signed out, or in, meanwhile
            await token_endpoint.revoke(fetcher, renewed)
            if present is None:
                raise self.required()
            return present
        log.info(
            "an access token was refreshed", extra={"server": self.server, "owner": self.owner, "url": place(self.url)}
        )
        return renewed
