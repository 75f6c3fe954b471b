"""Opens channels to servers: expands a definition's variables, registers its secrets and chooses the transport."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import NamedTuple
from weakref import WeakValueDictionary

from bridge.models import Launch, RemoteLaunch, ServerSpec
from bridge.settings.limits import LimitSettings
from sidecar.channels.connections import Authorizer, Connections
from sidecar.channels.kept import open_kept
from sidecar.channels.remote import Transport, detect, is_websocket, open_remote
from sidecar.channels.stdio import LINE_LIMIT, Callbacks, open_stdio
from sidecar.containers.errors import EngineMissing
from sidecar.containers.service import Containers
from sidecar.errors import HandshakeFailed, Refused
from sidecar.limits.in_force import limits_of
from sidecar.observe.log_buffer import SERVER_LOGGER
from sidecar.observe.redaction import Redactor, secrets_of
from sidecar.placement.errors import PlacedElsewhere
from sidecar.placement.leases import EverywherePlacement, Placement
from sidecar.protocol.channel import Channel, Frame, OnFrame
from sidecar.protocol.in_process import InProcessLaunch
from sidecar.secret_sources.sources import SecretSources
from sidecar.spawner.client import Spawner
from sidecar.supervision.opening import Connect
from sidecar.upstream.variables import expand, sources_in, with_home

server_log = logging.getLogger(SERVER_LOGGER)

LEASE_EPOCH = "YAMCP_HUB_LEASE_EPOCH"
"""Variable of a stdio server that only one replica runs: a number that grows with each replica that takes it over."""
DEFINITE_TRANSPORTS: tuple[Transport, ...] = ("http", "websocket")
"""Transports that a definition names without doubt. `sse` may mean SSE or Streamable HTTP, since YAMCP uses it for
every URL; such a server's transport is detected."""


Claims = Callable[[], Mapping[str, str]]
"""Returns the claims of the user for whom a connection is opened: `id`, `sub`, `name`, `email`."""


class User(NamedTuple):
    """The principal for whom a connection is opened: with its account, or its claims in headers."""

    principal: str
    """Its id; empty for the hub itself."""
    claims: Mapping[str, str]


Elsewhere = Callable[[str, str, bool, User | None, OnFrame], AbstractAsyncContextManager[Channel]]
"""Opens a channel to a server that another replica runs: replica, server, whether its clients share it, the user if the
connection is one user's, on_frame."""


Authorize = Callable[[str], Authorizer]
"""Makes what authorizes the requests of a connection to a URL, in which references have been replaced."""


def no_claims() -> Mapping[str, str]:
    """The claims of a connection that is no single user's: none."""
    return {}


def no_hub_tools(launch: InProcessLaunch, on_frame: OnFrame) -> AbstractAsyncContextManager[Channel]:
    """Raise HandshakeFailed: there are no tools of the hub's own."""
    raise HandshakeFailed("This hub has no tools of its own.")


class _DetectedTransport:
    """The detected transport of a remote server. Its upstreams share it; it is dropped with the last of them."""

    transport: Transport | None = None


class Connector:
    """Makes the functions that open channels to servers.

    `environ` resolves variables in definitions; `pass_env` names the variables that stdio servers inherit; `limits`
    are those of stdio servers whose definition has none; `max_line` is the bytes of their longest message.
    """

    def __init__(
        self,
        spawner: Spawner,
        connections: Connections,
        redactor: Redactor,
        pass_env: tuple[str, ...],
        environ: Mapping[str, str] = os.environ,
        containers: Containers | None = None,
        limits: LimitSettings | None = None,
        max_line: int = LINE_LIMIT,
        secrets: SecretSources | None = None,
    ) -> None:
        self.hub_tools: Callable[[InProcessLaunch, OnFrame], AbstractAsyncContextManager[Channel]] = no_hub_tools
        """Opens a channel to the hub's own tools in a workspace."""
        self.placement: Placement = EverywherePlacement()
        """Says whether a server runs here that only one replica runs."""
        self.elsewhere: Elsewhere | None = None
        """Opens channels to servers that other replicas run; None where replicas do not reach each other."""
        self.accounts_elsewhere = False
        """Whether other replicas have the accounts at servers, so that they can use these for users of this one."""
        self._secrets = secrets or SecretSources()
        self._max_line = max_line
        self._limits = limits or LimitSettings()
        self._containers = containers
        self._spawner = spawner
        self._connections = connections
        self._redactor = redactor
        self._pass_env = pass_env
        self._environ = environ
        self._detected: WeakValueDictionary[tuple[str, str], _DetectedTransport] = WeakValueDictionary()

    def __call__(
        self,
        spec: ServerSpec,
        shared: bool = False,
        authorize: Authorize | None = None,
        claims: Claims = no_claims,
        principal: str | None = None,
    ) -> Connect:
        """The function that opens a channel to the server. `shared`: for the upstream that all clients share;
        `authorize`: for a remote server at which the hub signs in; `claims`: those of the user for `${user.…}` in
        headers; `principal`: the id of the user, for either.

        It raises SidecarError if a variable is missing or the server cannot be reached.
        """
        if isinstance(spec.launch, InProcessLaunch):
            return partial(self.hub_tools, spec.launch)
        url = spec.launch.url if isinstance(spec.launch, RemoteLaunch) else ""
        detected = self._detected.setdefault((spec.key, url), _DetectedTransport())

        one = spec.settings.placement == "one"

        def connect(on_frame: OnFrame) -> AbstractAsyncContextManager[Channel]:
            keep = shared and spec.settings.keep and not one
            opening = partial(self._open, spec, on_frame, detected, keep, authorize, claims)
            if not one:
                return opening(0)

            @asynccontextmanager
            async def opening_there(replica: str) -> AsyncIterator[Channel]:
                user = None if principal is None else User(principal, claims())
                if user is not None:  # what that replica would refuse fails here, with this replica's error
                    launch = await self.remote_launch(spec, user.claims)
                    if authorize is not None:
                        await authorize(launch.url).authorization()
                assert self.elsewhere is not None  # noqa: S101  # else it is not called
                async with self.elsewhere(replica, spec.key, shared, user, on_frame) as there:
                    yield there

            possible = self.elsewhere and (authorize is None or self.accounts_elsewhere)
            return self._placed(spec.key, opening, opening_there if possible else None)

        return connect

    @asynccontextmanager
    async def opened_here(
        self,
        spec: ServerSpec,
        on_frame: OnFrame,
        authorize: Authorize | None = None,
        claims: Claims = no_claims,
    ) -> AsyncIterator[Channel]:
        """A channel of its own to a server that only one replica runs, for another replica. `authorize` and `claims`
        as for `__call__`.

        Raises:
            PlacedElsewhere: this replica does not run it.
            SidecarError: it cannot be started or reached.
        """
        if spec.settings.container and self._containers:
            await self._containers.prepare(spec, lambda _: None)
        opening = partial(self._open, spec, on_frame, _DetectedTransport(), False, authorize, claims)
        async with self._placed(spec.key, opening) as channel:
            yield channel

    @asynccontextmanager
    async def _placed(
        self,
        key: str,
        opening: Callable[[int], AbstractAsyncContextManager[Channel]],
        opening_there: Callable[[str], AbstractAsyncContextManager[Channel]] | None = None,
    ) -> AsyncIterator[Channel]:
        """Open a channel to a server that only one replica runs; by `opening_there` if that is another one.

        Raises:
            PlacedElsewhere: another one runs it, and `opening_there` is None, or it is unknown which one.
        """
        async with AsyncExitStack() as stack:
            try:
                opened = opening(await stack.enter_async_context(self.placement.running(key)))
            except PlacedElsewhere as placed:
                if opening_there is None or not (replica := placed.data.get("replica")):
                    raise
                opened = opening_there(replica)
            yield await stack.enter_async_context(opened)

    async def remote_launch(self, spec: ServerSpec, claims: Mapping[str, str]) -> RemoteLaunch:
        """The launch of a remote server, with its references replaced. `claims`: those of a user, for headers.

        Raises:
            VariableMissing, UserClaimMissing, ValueInvalid: as `variables.expand`.
            SidecarError: a file or command cannot be used (`SecretSources.values`).
            HandshakeFailed: the server is not a remote one.
        """
        launch = await self._expanded(spec.key, spec.launch, claims)
        if not isinstance(launch, RemoteLaunch):
            raise HandshakeFailed(f"The server {spec.key!r} is not a remote one.")
        return launch

    async def revealed(self, server: str, reference: str) -> str:
        """The value of a reference such as `${NAME}` in the settings of a server. Raises as `remote_launch`."""
        launch = await self._expanded(server, RemoteLaunch(url="http://unused", headers={"value": reference}), {})
        return launch.headers["value"] if isinstance(launch, RemoteLaunch) else ""

    async def _expanded(self, server: str, launch: Launch, claims: Mapping[str, str]) -> Launch:
        """A launch with its references replaced, whose secrets are masked from now on. Raises as `remote_launch`."""
        values = await self._secrets.values(sources_in(launch))
        self._redactor.add(server, values.values())
        expanded = expand(launch, self._environ, values, claims)
        self._redactor.add(server, {*expanded.secrets, *secrets_of(expanded.launch)})
        return expanded.launch

    @asynccontextmanager
    async def _open(
        self,
        spec: ServerSpec,
        on_frame: OnFrame,
        detected: _DetectedTransport,
        keep: bool,
        authorize: Authorize | None,
        claims: Claims,
        epoch: int,
    ) -> AsyncIterator[Channel]:
        expanded = await self._expanded(spec.key, spec.launch, claims())
        if isinstance(expanded, RemoteLaunch):
            authorizer = authorize(expanded.url) if authorize else None
            connections = self._connections.within(spec.settings.connect_timeout, authorizer)
            async with self._remote(expanded, on_frame, detected, connections) as remote:
                yield remote
            return

        if epoch:
            expanded = expanded.model_copy(update={"env": {**expanded.env, LEASE_EPOCH: str(epoch)}})

        def log_warning(text: str) -> None:
            server_log.warning(text, extra={"server": spec.key})

        def log_stderr(line: str) -> None:
            server_log.info("stderr", extra={"server": spec.key, "line": line})

        read_large = self._connections.read_large
        callbacks = Callbacks(
            on_frame=on_frame,
            redact=self._redactor,
            log=log_warning,
            on_stderr=log_stderr,
            read_large=read_large,
            line_limit=self._max_line,
        )
        if container := spec.settings.container:
            if self._containers is None:
                raise EngineMissing("This hub runs no containers.")
            async with self._containers.open(spec.key, expanded, container, **callbacks) as contained:
                yield contained
            return
        launch = with_home(expanded, self._environ)
        limits = limits_of(spec.settings.limits, self._limits)
        if keep:
            more = (spec.settings.era,)
            async with open_kept(self._spawner, spec.key, launch, self._pass_env, limits, more, **callbacks) as kept:
                yield kept
            return
        async with open_stdio(self._spawner, launch, pass_env=self._pass_env, limits=limits, **callbacks) as stdio:
            yield stdio

    @asynccontextmanager
    async def _remote(
        self, launch: RemoteLaunch, on_frame: OnFrame, detected: _DetectedTransport, connections: Connections
    ) -> AsyncIterator[Channel]:
        transport = detected.transport
        if transport is None and launch.transport in DEFINITE_TRANSPORTS and not is_websocket(launch.url):
            transport = launch.transport
        transport_in_use = transport or await detect(launch, connections)

        def remember(frame: Frame) -> bool | None:
            if "result" in frame:  # the server speaks MCP over this transport, so the next connection uses it too
                detected.transport = transport_in_use
            return on_frame(frame)

        def opening(launch: RemoteLaunch) -> AbstractAsyncContextManager[Channel]:
            return open_remote(launch, on_frame=remember, transport=transport_in_use, connections=connections)

        authorizer = connections.authorizer if transport_in_use == "websocket" else None
        async with AsyncExitStack() as stack:
            if authorizer is None:
                yield await stack.enter_async_context(opening(launch))
            else:
                yield await _opened_authorized(stack, opening, launch, authorizer)


async def _opened_authorized(
    stack: AsyncExitStack,
    opening: Callable[[RemoteLaunch], AbstractAsyncContextManager[Channel]],
    launch: RemoteLaunch,
    authorizer: Authorizer,
) -> Channel:
    """Open a WebSocket, of which only the request that opens it is authorized. If that is refused, it is tried once
    more with a newer token, as `RemoteClient.send` does. Raises SidecarError."""
    again = False
    while True:
        sent = await authorizer.authorization()
        try:
            return await stack.enter_async_context(opening(_with_authorization(launch, sent)))
        except Refused as refused:
            status = refused.data.get("status")
            if status not in (401, 403) or not await authorizer.refused(sent, status, refused.challenge, again=again):
                raise
        again = True


def _with_authorization(launch: RemoteLaunch, value: str) -> RemoteLaunch:
    headers = {name: each for name, each in launch.headers.items() if name.lower() != "authorization"}
    return launch.model_copy(update={"headers": headers | {"Authorization": value}})
