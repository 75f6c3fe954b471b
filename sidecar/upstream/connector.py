"""Opens channels to servers: expands a definition's variables, registers its secrets and chooses the transport."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakValueDictionary

from bridge.models import RemoteLaunch, ServerSpec
from bridge.settings.limits import LimitSettings
from sidecar.channels.connections import Authorizer, Connections
from sidecar.channels.kept import open_kept
from sidecar.channels.remote import Transport, detect, is_websocket, open_remote
from sidecar.channels.stdio import LINE_LIMIT, Callbacks, open_stdio
from sidecar.containers.errors import EngineMissing
from sidecar.containers.service import Containers
from sidecar.errors import HandshakeFailed
from sidecar.limits.in_force import limits_of
from sidecar.observe.log_buffer import SERVER_LOGGER
from sidecar.observe.redaction import Redactor, secrets_of
from sidecar.protocol.channel import Channel, Frame, OnFrame
from sidecar.secret_sources.sources import SecretSources
from sidecar.spawner.client import Spawner
from sidecar.supervision.opening import Connect
from sidecar.upstream.variables import expand, sources_in, with_home

server_log = logging.getLogger(SERVER_LOGGER)

DEFINITE_TRANSPORTS: tuple[Transport, ...] = ("http", "websocket")
"""Transports that a definition names without doubt. `sse` may mean SSE or Streamable HTTP, since YAMCP uses it for
every URL; such a server's transport is detected."""


Claims = Callable[[], Mapping[str, str]]
"""Returns the claims of the user for whom a connection is opened: `id`, `sub`, `name`, `email`."""


def no_claims() -> Mapping[str, str]:
    """The claims of a connection that is no single user's: none."""
    return {}


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
        authorizer: Authorizer | None = None,
        claims: Claims = no_claims,
    ) -> Connect:
        """The function that opens a channel to the server. `shared`: for the upstream that all clients share;
        `authorizer`: authorizes requests to a remote server; `claims`: those of the user for `${user.…}` in headers.

        It raises SidecarError if a variable is missing or the server cannot be reached.
        """
        url = spec.launch.url if isinstance(spec.launch, RemoteLaunch) else ""
        detected = self._detected.setdefault((spec.key, url), _DetectedTransport())

        def connect(on_frame: OnFrame) -> AbstractAsyncContextManager[Channel]:
            return self._open(spec, on_frame, detected, shared and spec.settings.keep, authorizer, claims)

        return connect

    def remote_launch(self, spec: ServerSpec) -> RemoteLaunch:
        """The launch of a remote server, with its variables expanded. Raises VariableMissing, HandshakeFailed."""
        launch = expand(spec.launch, self._environ).launch
        if not isinstance(launch, RemoteLaunch):
            raise HandshakeFailed(f"The server {spec.key!r} is not a remote one.")
        return launch

    def revealed(self, reference: str) -> str:
        """The value of a reference such as `${NAME}`. Raises VariableMissing."""
        launch = expand(RemoteLaunch(url="http://unused", headers={"value": reference}), self._environ).launch
        return launch.headers["value"] if isinstance(launch, RemoteLaunch) else ""

    @asynccontextmanager
    async def _open(
        self,
        spec: ServerSpec,
        on_frame: OnFrame,
        detected: _DetectedTransport,
        keep: bool,
        authorizer: Authorizer | None,
        claims: Claims,
    ) -> AsyncIterator[Channel]:
        values = await self._secrets.values(sources_in(spec.launch))
        self._redactor.add(spec.key, values.values())
        expanded = expand(spec.launch, self._environ, values, claims())
        self._redactor.add(spec.key, {*expanded.secrets, *secrets_of(expanded.launch)})
        if isinstance(expanded.launch, RemoteLaunch):
            connections = self._connections.within(spec.settings.connect_timeout, authorizer)
            async with self._remote(expanded.launch, on_frame, detected, connections) as remote:
                yield remote
            return

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
            async with self._containers.open(spec.key, expanded.launch, container, **callbacks) as contained:
                yield contained
            return
        launch = with_home(expanded.launch, self._environ)
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

        if transport_in_use == "websocket" and connections.authorizer:
            launch = await _authorized(launch, connections.authorizer)
        async with open_remote(
            launch, on_frame=remember, transport=transport_in_use, connections=connections
        ) as remote:
            yield remote


async def _authorized(launch: RemoteLaunch, authorizer: Authorizer) -> RemoteLaunch:
    """The launch with the header Authorization, for the one request that opens a WebSocket. Raises SidecarError."""
    headers = {name: value for name, value in launch.headers.items() if name.lower() != "authorization"}
    return launch.model_copy(update={"headers": headers | {"Authorization": await authorizer.authorization()}})
