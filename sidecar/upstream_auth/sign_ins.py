"""Signing in at remote servers: begins and finishes sign-ins, and owns the accounts (ADR 46)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from mcp.client.auth.oauth2 import PKCEParameters
from mcp.client.auth.utils import union_scopes

from bridge.models import (
    BeginUpstreamSignIn,
    EndUpstreamSignIn,
    FinishUpstreamSignIn,
    ListUpstreamSignIns,
    RemoteLaunch,
    ServerSpec,
    UpstreamSignIn,
    UpstreamSignInBegun,
    UpstreamSignIns,
)
from bridge.settings import Settings
from sidecar.account_owner import account_owner, owner_of
from sidecar.channels.connections import Connections
from sidecar.channels.web import place
from sidecar.errors import SidecarError
from sidecar.sign_in_errors import SignInFailed, SignInForbidden, SignInNotSet
from sidecar.upstream_auth import account, pending, registration, token_endpoint
from sidecar.upstream_auth.account import Account, Environment
from sidecar.upstream_auth.credential import Credential
from sidecar.upstream_auth.definitions import Definitions
from sidecar.upstream_auth.discovery import Discovered, discover
from sidecar.upstream_auth.fetching import Fetcher
from sidecar.upstream_auth.making import make_store
from sidecar.upstream_auth.pending import Pending
from sidecar.upstream_auth.registration import Client
from sidecar.upstream_auth.sealing import Damaged, Names
from sidecar.upstream_auth.store import ONCE_SECONDS, Store

log = logging.getLogger(__name__)

T = TypeVar("T")
CLIENT_KIND = "client"
"""The kind of the sealed records of dynamic registrations; their names are server, issuer and redirect URI."""
MAX_TEXT = 200


class SignIns:
    """The accounts of all owners. `changed` is called with server and owner after a sign-in, or the end of one; `grown`
    tells that the account is the same and only has further scopes."""

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        conceal: Callable[[str, set[str]], None],
        definitions: Definitions,
    ) -> None:
        self._settings = settings
        self._store: Store = make_store(settings, (account.KIND, CLIENT_KIND), self._changed_elsewhere)
        self._connections = connections
        self._definitions = definitions
        self._environment = Environment(self._store, connections, conceal, self._link, self._spawn)
        self._accounts: dict[tuple[str, str], Account] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._following = asyncio.get_running_loop().create_task(self._store.run())
        self._following.add_done_callback(_failed)
        self.find: Callable[[str], ServerSpec | None] = lambda _: None
        """The server with that key. The hub sets it."""
        self.changed: Callable[[str, str, bool], None] = lambda server, owner, grown: None

    async def close(self) -> None:
        """Wait for what is in progress: a refresh that is cut off could cost the refresh token."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._following.cancel()
        await asyncio.wait((self._following,))
        await self._store.close()

    @property
    def settles(self) -> float:
        """Seconds after which to call `keep_servers` and `keep_owners` again; 0: not necessary."""
        return self._store.settles

    # --- accounts ----------------------------------------------------------------------------------------------------

    def account(self, spec: ServerSpec, tenant: str, url: str) -> Account:
        """The account with which the principal `tenant` uses a server that has `sign_in`, at its present URL, in which
        references have been replaced."""
        found, shared = self.latest(spec, tenant), spec.settings.sign_in == "shared"
        if found is None or (found.url, found.shared) != (url, shared):
            owner = account_owner(spec.settings, tenant)
            occasions = found.occasions if found else None
            found = self._accounts[owner, spec.key] = Account(self._environment, owner, spec, url, occasions)
        return found

    def latest(self, spec: ServerSpec, tenant: str) -> Account | None:
        """The account that was used last, whatever the URL was; None if there was none."""
        return self._accounts.get((account_owner(spec.settings, tenant), spec.key))

    def _link(self, server: str, owner: str) -> str:
        """The address at which an owner signs in. `for` lets the page refuse other users."""
        query = f"?{urlencode({'for': owner})}" if owner else ""
        return f"{self._settings.base_url}/connect/{quote(server, safe='')}{query}"

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # those who wait for it get it

    # --- the bridge --------------------------------------------------------------------------------------------------

    def _server(self, key: str) -> ServerSpec:
        spec = self.find(key)
        if spec is None or not isinstance(spec.launch, RemoteLaunch) or spec.settings.sign_in == "none":
            raise SignInNotSet(f"There is no remote server {key!r} with `sign_in`.")
        return spec

    async def begin(self, request: BeginUpstreamSignIn) -> UpstreamSignInBegun:
        """Begin a sign-in: discover the authorization server, and register the hub there.

        Raises:
            SignInNotSet, SignInForbidden, SignInFailed, SignInUnavailable: it cannot begin.
            SidecarError: a reference in the server's definition cannot be replaced.
        """
        spec = self._server(request.server)
        _check_who(spec, request)
        launch = await self._definitions.launch(spec, request.principal)
        fetcher = Fetcher(self._connections, launch.url)
        found = await discover(fetcher, launch)
        signing = self.account(spec, request.principal, launch.url)
        held = signing.credential.scopes if signing.credential and signing.wanted else ()
        scopes = union_scopes(" ".join((*held, *signing.wanted)), found.scopes) or ""
        client = await self._client(fetcher, spec, found, request, scopes)
        proof = PKCEParameters.generate()
        state = await pending.begin(self._store, _pending(request, signing, found, client, scopes, proof.code_verifier))
        url = _authorization_url(found, client, request.redirect_uri, state, proof.code_challenge, scopes)
        return UpstreamSignInBegun(
            url=url,
            issuer=found.issuer,
            server=spec.key,
            namespace=spec.namespace,
            mode="shared" if signing.shared else "user",
            scopes=tuple(scopes.split()),
        )

    async def finish(self, request: FinishUpstreamSignIn) -> UpstreamSignIn:
        """Finish a sign-in: redeem the code, and store the tokens.

        Raises:
            SignInStateInvalid: it was not begun by this user in this browser, or is over.
            SignInFailed, SignInUnavailable: the authorization server refused, or does not answer.
        """
        begun = await pending.finish(self._store, request.state, request.principal, request.browser)
        _check_issuer(begun, request.iss)
        if not request.code:
            raise _refusal(begun, request)
        spec = self._server(begun.server)
        if await self._definitions.url(spec) != begun.url:
            raise SignInFailed(f"The URL of the server {spec.key!r} has changed meanwhile.")
        signing = self.account(spec, begun.owner, begun.url)
        fetcher = Fetcher(self._connections, begun.url)
        token = await token_endpoint.redeem(
            fetcher,
            begun.token_endpoint,
            begun.client,
            code=request.code,
            verifier=begun.verifier,
            redirect_uri=begun.redirect_uri,
            resource=begun.resource,
        )
        now, grown = time.time(), bool(signing.wanted)
        await signing.sign_in(
            Credential(
                url=begun.url,
                issuer=begun.issuer,
                token_endpoint=begun.token_endpoint,
                revocation_endpoint=begun.revocation_endpoint,
                resource=begun.resource,
                client=begun.client,
                access_token=token.access_token,
                refresh_token=token.refresh_token,
                obtained=now,
                expires=token_endpoint.expiry(token),
                since=now,
                scopes=tuple(token.scope.split()) if token.scope else begun.scopes,
            )
        )
        log.info(
            "signed in at a server", extra={"server": spec.key, "owner": begun.owner, "issuer": place(begun.issuer)}
        )
        self.changed(spec.key, begun.owner, grown)
        return _shown(spec, signing)

    async def end(self, request: EndUpstreamSignIn) -> None:
        """Sign out at a server, or at all. Raises SignInForbidden."""
        owner = owner_of(request.principal)
        for whose, server in self._store.names(account.KIND):
            spec = self.find(server)
            shared = spec is not None and spec.settings.sign_in == "shared"
            if request.server not in ("", server) or whose != ("" if shared else owner):
                continue
            if not shared or request.admin:
                self._sign_out(whose, server)
            elif request.server:
                raise SignInForbidden(f"Only administrators may sign out all users of {server!r}.")

    async def listed(self, request: ListUpstreamSignIns, servers: Iterable[ServerSpec]) -> UpstreamSignIns:
        """The sign-ins of a principal at all servers that have them, and those of other owners if requested."""
        found: list[UpstreamSignIn] = []
        stored = self._store.names(account.KIND) if request.every_owner else []
        for spec in servers:
            if spec.settings.sign_in == "none" or not isinstance(spec.launch, RemoteLaunch):
                continue
            owners = dict.fromkeys((account_owner(spec.settings, request.principal),))
            owners |= dict.fromkeys(owner for owner, server in stored if server == spec.key)
            found += await self._shown(spec, owners)
        return UpstreamSignIns(sign_ins=tuple(found))

    async def _shown(self, spec: ServerSpec, owners: Iterable[str]) -> list[UpstreamSignIn]:
        try:
            url = await self._definitions.url(spec)
        except SidecarError as error:  # nothing is sent to the server either
            return [_unusable(spec, owner, error) for owner in owners]
        return [_shown(spec, self.account(spec, owner, url)) for owner in owners]

    def keep_servers(self, keys: set[str]) -> None:
        """Sign out at all servers but these: the others were removed."""
        self._store.drop_old()
        for owner, server in self._store.endable(account.KIND):
            if server not in keys:
                self._sign_out(owner, server)
        for names in self._store.endable(CLIENT_KIND):
            if names[0] not in keys:
                self._store.remove(CLIENT_KIND, names)

    def keep_owners(self, exists: Callable[[str], bool]) -> None:
        """Delete the credentials of owners that were removed."""
        for owner, server in self._store.endable(account.KIND):
            if owner and not exists(owner):
                self._sign_out(owner, server)

    def _sign_out(self, owner: str, server: str) -> None:
        """Forget a credential at once, and revoke it in the background."""
        signing = self._accounts.get((owner, server))
        try:
            content = self._store.read(account.KIND, (owner, server))
        except Damaged:
            content = None
        self._store.remove(account.KIND, (owner, server))
        if signing is not None:
            signing.forget()
        if content is not None:
            credential = Credential.model_validate_json(content)
            self._spawn(token_endpoint.revoke(Fetcher(self._connections, credential.url), credential))
        log.info("signed out at a server", extra={"server": server, "owner": owner})
        self.changed(server, owner, False)

    def _changed_elsewhere(self, kind: str, names: Names) -> None:
        """Another replica has written or removed a record."""
        signing = self._accounts.get((names[0], names[1])) if kind == account.KIND else None
        if signing is not None and signing.changed_elsewhere():
            self.changed(signing.server, signing.owner, False)

    # --- registration ------------------------------------------------------------------------------------------------

    async def _client(
        self, fetcher: Fetcher, spec: ServerSpec, found: Discovered, request: BeginUpstreamSignIn, scopes: str
    ) -> Client:
        """The hub as a client of the authorization server; a dynamic registration serves all users."""
        settings, redirect_uri = spec.settings, request.redirect_uri
        if settings.oauth_client_id:
            reference = settings.oauth_client_secret
            secret = await self._definitions.revealed(spec.key, reference) if reference else None
            if secret:
                self._environment.conceal(spec.key, {secret})
            return registration.registered_by_hand(found, settings.oauth_client_id, secret, redirect_uri)
        if client := registration.by_document(found, request.client_metadata, redirect_uri):
            return client
        names = (spec.key, found.issuer, redirect_uri)
        async with self._store.locked(CLIENT_KIND, names):
            if known := self._known_client(names, scopes):
                return known
            client = await registration.register(fetcher, found, redirect_uri, scopes)
            await self._store.write(CLIENT_KIND, names, client.model_dump_json().encode())
        return client

    def _known_client(self, names: tuple[str, str, str], scopes: str) -> Client | None:
        try:
            content = self._store.read(CLIENT_KIND, names)
        except Damaged:
            return None
        client = None if content is None else Client.model_validate_json(content)
        return client if client is not None and client.fits(names[1], names[2], scopes) else None


def _failed(following: asyncio.Task[None]) -> None:
    if not following.cancelled() and (error := following.exception()):
        log.error("sign-ins of other replicas are no longer followed", exc_info=error)


def _check_who(spec: ServerSpec, request: BeginUpstreamSignIn) -> None:
    if spec.settings.sign_in == "shared" and not request.admin:
        raise SignInForbidden(f"Only administrators may sign in at {spec.key!r}, for all its users.")
    if request.for_principal is not None and owner_of(request.for_principal) != owner_of(request.principal):
        raise SignInForbidden("The link was made for another user of the hub.")


def _pending(
    request: BeginUpstreamSignIn, signing: Account, found: Discovered, client: Client, scopes: str, verifier: str
) -> Pending:
    revocation = found.metadata.revocation_endpoint
    return Pending(
        server=signing.server,
        owner=signing.owner,
        principal=request.principal,
        browser=pending.hashed(request.browser),
        url=signing.url,
        redirect_uri=request.redirect_uri,
        verifier=verifier,
        issuer=found.issuer,
        sends_issuer=bool(found.metadata.authorization_response_iss_parameter_supported),
        token_endpoint=str(found.metadata.token_endpoint),
        revocation_endpoint=str(revocation) if revocation else None,
        resource=found.resource,
        scopes=tuple(scopes.split()),
        client=client,
        until=time.time() + ONCE_SECONDS,
    )


def _authorization_url(
    found: Discovered, client: Client, redirect_uri: str, state: str, code_challenge: str, scopes: str
) -> str:
    """The address to which the browser is sent (OAuth 2.1, 4.1.1; RFC 8707)."""
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": code_challenge,
        "code_challenge_method": "S256",
    }
    query |= {"resource": found.resource} if found.resource else {}
    query |= {"scope": scopes} if scopes else {}
    query |= {"prompt": "consent"} if "offline_access" in scopes.split() else {}  # OpenID Connect Core, 11
    parts = urlsplit(str(found.metadata.authorization_endpoint))
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(query))))))


def _check_issuer(begun: Pending, issuer: str | None) -> None:
    """Check who answers, so that no other server can pass for the one that was asked (RFC 9207, 2.4)."""
    if issuer is None and begun.sends_issuer:
        raise SignInFailed("The redirect of the authorization server lacks the parameter `iss`, which it declares.")
    if issuer is not None and issuer != begun.issuer:  # as a string, without normalization
        raise SignInFailed(f"Another authorization server answers than {place(begun.issuer)}, which was asked.")


def _refusal(begun: Pending, request: FinishUpstreamSignIn) -> SignInFailed:
    said = " ".join(filter(None, (request.error, request.error_description)))
    shown = "".join(char for char in said[:MAX_TEXT] if char.isprintable()) or "no code"
    return SignInFailed(f"The authorization server {place(begun.issuer)} refused: {shown}.")


def _unusable(spec: ServerSpec, owner: str, error: SidecarError) -> UpstreamSignIn:
    mode: Literal["user", "shared"] = "shared" if spec.settings.sign_in == "shared" else "user"
    return UpstreamSignIn(server=spec.key, mode=mode, owner=owner, signed_in=False, reason=error.body())


def _shown(spec: ServerSpec, signing: Account) -> UpstreamSignIn:
    credential = signing.credential
    shown = UpstreamSignIn(
        server=spec.key,
        mode="shared" if signing.shared else "user",
        owner=signing.owner,
        signed_in=credential is not None,
    )
    if credential is None:
        return shown.model_copy(update={"reason": signing.required().body() if signing.reason else None})
    return shown.model_copy(
        update={
            "issuer": credential.issuer,
            "scopes": credential.scopes,
            "since": credential.since,
            "expires": credential.expires,
            "refreshable": credential.refresh_token is not None,
        }
    )
