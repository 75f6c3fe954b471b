"""How each server is connected to: its definition expanded, its secrets made known, its transport chosen."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakValueDictionary

from bridge.models import RemoteLaunch, ServerSpec
from sidecar.channels.connections import Connections
from sidecar.channels.remote import Transport, detect, is_websocket, open_remote
from sidecar.channels.stdio import Callbacks, open_stdio
from sidecar.containers.errors import EngineMissing
from sidecar.containers.service import Containers
from sidecar.observe.log_buffer import SERVER_LOGGER
from sidecar.observe.redaction import Redactor, secrets_of
from sidecar.protocol.channel import Channel, Frame, OnFrame
from sidecar.spawner.client import Spawner
from sidecar.upstream.upstream import Connect
from sidecar.upstream.variables import expand, with_home

server_log = logging.getLogger(SERVER_LOGGER)

FIXED: tuple[Transport, ...] = ("http", "websocket")
"""Transports that are what a definition says; `sse` may be either of HTTP's, as YAMCP has no other word for a URL."""


class _Known:
    """What was found out of a server; all its upstreams have the same, and it goes with the last of them."""

    transport: Transport | None = None


class Connector:
    """Makes, for a server, the function that opens a channel to it."""

    def __init__(
        self,
        spawner: Spawner,
        connections: Connections,
        redactor: Redactor,
        pass_env: tuple[str, ...],
        environ: Mapping[str, str] = os.environ,
        containers: Containers | None = None,
    ) -> None:
        self._containers = containers
        self._spawner = spawner
        self._connections = connections
        self._redactor = redactor
        self._pass_env = pass_env
        self._environ = environ
        self._known: WeakValueDictionary[tuple[str, str], _Known] = WeakValueDictionary()

    def __call__(self, spec: ServerSpec) -> Connect:
        """The function that connects to the server."""
        url = spec.launch.url if isinstance(spec.launch, RemoteLaunch) else ""
        known = self._known.setdefault((spec.key, url), _Known())

        def connect(on_frame: OnFrame) -> AbstractAsyncContextManager[Channel]:
            return self._open(spec, on_frame, known)

        return connect

    @asynccontextmanager
    async def _open(self, spec: ServerSpec, on_frame: OnFrame, known: _Known) -> AsyncIterator[Channel]:
        expanded = expand(spec.launch, self._environ)
        self._redactor.add(spec.key, {*expanded.secrets, *secrets_of(expanded.launch)})
        if isinstance(expanded.launch, RemoteLaunch):
            async with self._remote(expanded.launch, on_frame, known) as remote:
                yield remote
            return

        def remark(text: str) -> None:
            server_log.warning(text, extra={"server": spec.key})

        def stderr(line: str) -> None:
            server_log.info("stderr", extra={"server": spec.key, "line": line})

        read_large = self._connections.read_large
        told = Callbacks(on_frame=on_frame, redact=self._redactor, log=remark, on_stderr=stderr, read_large=read_large)
        if container := spec.settings.container:
            if self._containers is None:
                raise EngineMissing("This hub runs no containers.")
            async with self._containers.open(spec.key, expanded.launch, container, **told) as contained:
                yield contained
            return
        launch = with_home(expanded.launch, self._environ)
        async with open_stdio(self._spawner, launch, pass_env=self._pass_env, **told) as stdio:
            yield stdio

    @asynccontextmanager
    async def _remote(self, launch: RemoteLaunch, on_frame: OnFrame, known: _Known) -> AsyncIterator[Channel]:
        transport = known.transport
        if transport is None and launch.transport in FIXED and not is_websocket(launch.url):
            transport = launch.transport
        found = transport or await detect(launch, self._connections)

        def remember(frame: Frame) -> None:
            if "result" in frame:  # it answers as MCP: what was found out holds for the next connection too
                known.transport = found
            on_frame(frame)

        async with open_remote(launch, on_frame=remember, transport=found, connections=self._connections) as remote:
            yield remote
