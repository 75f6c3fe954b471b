"""Connects the hub with `sidecar/upstream_auth/`, which is imported when the first server has `sign_in`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from bridge.keys import KEY_ID, OWN_PRINCIPALS, Principal, parse_keys
from bridge.models import (
    BeginUpstreamSignIn,
    Done,
    EndUpstreamSignIn,
    FinishUpstreamSignIn,
    ListUpstreamSignIns,
    RemoteLaunch,
    ServerSpec,
    Snapshot,
    UpstreamSignIn,
    UpstreamSignInBegun,
    UpstreamSignIns,
)
from bridge.server import Handlers
from bridge.settings import Settings
from sidecar.account_owner import account_owner
from sidecar.channels.connections import Connections
from sidecar.hub.hub import Hub
from sidecar.observe.redaction import Redactor
from sidecar.protocol.channel import Channel, OnFrame
from sidecar.secret_sources.errors import UserClaimMissing
from sidecar.sign_in_errors import SignInNotSet, SignInRequired
from sidecar.upstream.connector import Connector
from sidecar.upstream.server_account import SignIn
from sidecar.upstream.variables import without_claims

if TYPE_CHECKING:
    from sidecar.upstream_auth.account import Account
    from sidecar.upstream_auth.sign_ins import SignIns


class SignInService:
    """Makes the accounts of upstreams (`Pool.sign_in`), and serves the requests of the bridge about them."""

    def __init__(self, hub: Hub, settings: Settings, redactor: Redactor) -> None:
        self._hub = hub
        self._settings = settings
        self._redactor = redactor
        self._sign_ins: SignIns | None = None
        self._again: asyncio.TimerHandle | None = None
        hub.on_applied.append(self._applied)
        hub.on_keys_changed.append(self._keys_changed)

    @asynccontextmanager
    async def running(self, connections: Connections) -> AsyncIterator[None]:
        """Serve sign-ins while the context is open."""
        self._connections = connections
        try:
            yield
        finally:
            if self._again is not None:
                self._again.cancel()
            if self._sign_ins is not None:
                await self._sign_ins.close()

    def connect_with(self, connector: Connector) -> SignIn:
        """Set what opens channels. Returns the function for `Pool.sign_in`."""
        self._connector = connector
        return partial(UpstreamAccount, self, connector)

    def handlers(self) -> Handlers:
        """The handlers for the bridge's `actual` socket, by kind of request."""
        return {
            BeginUpstreamSignIn: self._begin,
            FinishUpstreamSignIn: self._finish,
            EndUpstreamSignIn: self._end,
            ListUpstreamSignIns: self._list,
        }

    @property
    def sign_ins(self) -> SignIns:
        """The service, which is made when first needed."""
        if self._sign_ins is None:
            from sidecar.upstream_auth.sign_ins import SignIns  # noqa: PLC0415

            self._sign_ins = SignIns(self._settings, self._connections, self._redactor.add, self)
            self._sign_ins.find, self._sign_ins.changed = self._find, self._changed
        return self._sign_ins

    def account(self, spec: ServerSpec, principal: str, url: str) -> Account:
        """The account with which a principal uses a server that has `sign_in`, at its present URL."""
        return self.sign_ins.account(spec, principal, url)

    def _servers(self) -> tuple[ServerSpec, ...]:
        return self._hub.snapshot.servers if self._hub.snapshot else ()

    def _find(self, key: str) -> ServerSpec | None:
        return next((spec for spec in self._servers() if spec.key == key), None)

    def _changed(self, server: str, owner: str, grown: bool) -> None:
        """Somebody signed in or out: connect again, except where a connection goes on with further scopes."""
        for upstream in self._hub.pool:
            own = upstream.spec.key == server and upstream.account is not None and upstream.account.owner == owner
            if own and not (grown and upstream.shown_state == "ready"):
                upstream.restart()

    # --- `upstream_auth.definitions.Definitions` -----------------------------------------------------------------

    async def launch(self, spec: ServerSpec, principal: str) -> RemoteLaunch:
        """See `Definitions`. Headers with claims that the principal does not have are left out: an administrator can
        sign in for users that have them."""
        try:
            return await self._connector.remote_launch(spec, self.claims_of(principal))
        except UserClaimMissing:
            spec = spec.model_copy(update={"launch": without_claims(spec.launch)})
            return await self._connector.remote_launch(spec, {})

    async def url(self, spec: ServerSpec) -> str:
        """See `Definitions`."""
        spec = spec.model_copy(update={"launch": spec.launch.model_copy(update={"headers": {}})})
        return (await self._connector.remote_launch(spec, {})).url

    async def revealed(self, server: str, reference: str) -> str:
        """See `Definitions`."""
        return await self._connector.revealed(server, reference)

    def claims_of(self, principal: str) -> Mapping[str, str]:
        """The claims of the principal with that id, also while it has no client; empty for the hub itself."""
        if principal in OWN_PRINCIPALS:
            return {}
        if known := self._hub.key_workspaces.claims_of(principal):
            return known
        user = self._hub.current(Principal(principal, principal))
        return {**(user.claims if user else {}), "id": principal}

    # --- what has ended ----------------------------------------------------------------------------------------------

    def _applied(self, snapshot: Snapshot) -> None:
        """Forget the sign-ins at removed servers, and those of users and keys that were removed before this start."""
        if self._has_files() or any(server.settings.sign_in != "none" for server in snapshot.servers):
            self._forget(snapshot.servers)

    def _keys_changed(self) -> None:
        if self._has_files():
            self._forget_removed()
            self._look_again()

    def _has_files(self) -> bool:
        return self._sign_ins is not None or self._settings.sign_ins_dir.is_dir()

    def _forget(self, servers: Iterable[ServerSpec]) -> None:
        self.sign_ins.keep_servers({server.key for server in servers})
        self._forget_removed()
        self._look_again()

    def _look_again(self) -> None:
        """Forget later what is too new to be forgotten now."""
        if self._again is not None:
            self._again.cancel()
        if seconds := self.sign_ins.settles:
            self._again = asyncio.get_running_loop().call_later(seconds, self._settled)

    def _settled(self) -> None:
        self._forget(self._servers())

    def _forget_removed(self) -> None:
        """Forget the sign-ins of keys that were revoked (not while keys.json cannot be read), and of removed users."""
        try:
            keys = {key.id for key in parse_keys(self._settings.keys_file.read_bytes()).keys}
        except (OSError, ValueError):
            keys = None

        def remains(owner: str) -> bool:
            if KEY_ID.fullmatch(owner):
                return keys is None or owner in keys
            return not self._hub.has_removed(owner)

        self.sign_ins.keep_owners(remains)

    # --- the bridge --------------------------------------------------------------------------------------------------

    async def _begin(self, request: BeginUpstreamSignIn) -> UpstreamSignInBegun:
        self._need(request.server)
        return await self.sign_ins.begin(request)

    async def _finish(self, request: FinishUpstreamSignIn) -> UpstreamSignIn:
        return await self.sign_ins.finish(request)

    async def _end(self, request: EndUpstreamSignIn) -> Done:
        await self.sign_ins.end(request)
        return Done()

    async def _list(self, request: ListUpstreamSignIns) -> UpstreamSignIns:
        servers = [spec for spec in self._servers() if spec.settings.sign_in != "none"]
        return await self.sign_ins.listed(request, servers) if servers else UpstreamSignIns(sign_ins=())

    def _need(self, key: str) -> None:
        spec = self._find(key)
        if spec is None or spec.settings.sign_in == "none":
            raise SignInNotSet(f"There is no remote server {key!r} with `sign_in`.")


class UpstreamAccount:
    """An account as upstreams use it (`upstream.server_account.ServerAccount`).

    Each connection has the account for the URL to which it was opened: a file or command in it may have another value
    by now.
    """

    def __init__(self, service: SignInService, connector: Connector, spec: ServerSpec, tenant: str) -> None:
        self._service = service
        self._spec = spec
        self._tenant = tenant
        self.owner = account_owner(spec.settings, tenant)
        self._connect = connector(spec, authorize=self._at, claims=partial(service.claims_of, tenant), principal=tenant)

    def connect(self, on_frame: OnFrame) -> AbstractAsyncContextManager[Channel]:
        """Open a channel to the server, with this account."""
        return self._connect(on_frame)

    def _at(self, url: str) -> Account:
        return self._service.account(self._spec, self._tenant, url)

    @property
    def _latest(self) -> Account:
        return self._service.sign_ins.latest(self._spec, self._tenant) or self._at("")

    @property
    def sign_ins(self) -> int:
        """How often somebody has signed in since this process started."""
        return self._latest.occasions.count

    async def until_signed_in(self, before: int) -> None:
        """Wait until somebody has signed in after the `before`th time."""
        await self._latest.occasions.after(before)

    def required(self) -> SignInRequired:
        """The error for a request that needs a sign-in, with the link."""
        return self._latest.required()
