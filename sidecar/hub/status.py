"""The sidecar's actual state, put together when somebody asks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from functools import lru_cache

from bridge.errors import ErrorBody
from bridge.models import ServerSpec, ServerStatus, Status, UpstreamState, WorkspaceStatus
from bridge.settings import Settings
from sidecar.errors import StillStarting
from sidecar.hub.hub import Hub
from sidecar.hub.reconciler import Reconciler
from sidecar.observe import process_memory
from sidecar.observe.redaction import Redactor
from sidecar.observe.telling_line import telling_line
from sidecar.protocol.catalog import Greeting
from sidecar.upstream.upstream import Upstream
from sidecar.version import VERSION
from sidecar.workspaces.members import Member
from sidecar.workspaces.workspace import Workspace
from sidecar.workspaces.workspace_state import MemberState, condition

ORDER: tuple[UpstreamState, ...] = ("ready", "starting", "backoff", "failed", "stopped")
"""Of several upstreams of one server, the best state is the server's."""
MEMORY_AGE = 2.0
"""Seconds after which a status that is asked for has the memory measured anew, for the next one."""
MEMORY_PERIOD = 60.0
"""Seconds after which it is measured though nobody asked: no status tells of a memory long ago."""
LONGEST, SHOWN = 2048, 200
"""Characters of a server's name and version that are masked, and that are told."""
SLOW_START = 2.0
"""Seconds after which the status says of a starting server what it is waited for."""


class StatusReporter:
    """Makes `Status`. Nobody waits for the memory figures, which take 1 ms a server: `run` keeps the last ones."""

    def __init__(self, hub: Hub, reconciler: Reconciler, settings: Settings, redactor: Redactor, session: str) -> None:
        self._hub = hub
        self._reconciler = reconciler
        self._settings = settings
        self._redact = lru_cache(maxsize=2048)(redactor)  # what is told again is not masked again
        self._session = session
        self._started_at = time.time()
        self.container_hints: Callable[[ServerSpec], tuple[str, ...]] = lambda spec: ()
        self._memory: dict[int, int] = {}
        self._memory_at = 0.0
        self._asked = asyncio.Event()

    async def run(self) -> None:
        """Measure the servers' memory when that is wanted, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MEMORY_PERIOD):
                    await self._asked.wait()
            pids = [pid for upstream in self._hub.pool for pid in upstream.pids]
            self._memory = await asyncio.to_thread(process_memory.trees, pids)
            self._memory_at = time.monotonic()
            self._asked.clear()

    async def status(self) -> Status:
        """Everything, now; but memory, as it was when it was last looked at."""
        if time.monotonic() - self._memory_at > MEMORY_AGE:
            self._asked.set()
        servers = tuple(self._server(spec) for spec in (self._hub.snapshot.servers if self._hub.snapshot else ()))
        known = {server.key: server for server in servers}
        return Status(
            version=VERSION,
            session=self._session,
            pid=os.getpid(),
            started_at=self._started_at,
            accepted=self._reconciler.accepted,
            applied=self._reconciler.applied,
            settled=self.settled,
            source=self._reconciler.source,
            workspaces=tuple(self._workspace(workspace, known) for workspace in self._hub.workspaces.values()),
            servers=servers,
        )

    @property
    def settled(self) -> bool:
        """What is accepted is applied, and no server is starting for the first time."""
        reconciler = self._reconciler
        return (
            reconciler.applied is not None
            and reconciler.applied == reconciler.accepted
            and all(upstream.first_attempt_over for upstream in self._hub.pool)
        )

    def _workspace(self, workspace: Workspace, servers: Mapping[str, ServerStatus]) -> WorkspaceStatus:
        view, spec = workspace.view, workspace.spec
        members = [self._member(member, servers[key]) for key, member in workspace.members.items()]
        state, ready, reason = condition(spec.name, spec.enabled, members)
        url = f"{self._settings.base_url}/mcp/{spec.slug}"
        direct = "" if self._settings.protected else f"{self._settings.sidecar_url}/mcp/{spec.slug}"
        return WorkspaceStatus(
            name=spec.name,
            slug=spec.slug,
            aliases=spec.aliases,
            enabled=spec.enabled,
            state=state,
            reason=reason,
            sse_url=f"{url}/sse",
            http_url=url,
            direct_sse_url=direct and f"{direct}/sse",
            direct_http_url=direct,
            servers=spec.servers,
            disabled_servers=spec.disabled_servers,
            ready=ready,
            tools=len(view.tools),
            resources=len(view.resources),
            prompts=len(view.prompts),
            sessions=len(self._hub.clients(workspace)),
        )

    def _member(self, member: Member, server: ServerStatus) -> MemberState:
        """A server as a workspace's clients meet it: one whose definition changed serves as before while it starts."""
        before = member.before
        if before is not None and before is member.serving and before.state == "ready":
            return MemberState(server.key, "ready")
        per_client = server.session == "per_client"
        return MemberState(server.key, server.state, server.attempts, per_client, server.reason)

    def _server(self, spec: ServerSpec) -> ServerStatus:
        fingerprint = self._hub.pool.fingerprint(spec)
        upstreams = [upstream for upstream in self._hub.pool if upstream.fingerprint == fingerprint]
        best = self._hub.pool.find_shared(fingerprint)  # what single keys have of it does not stand for all
        best = best or min(upstreams, key=lambda upstream: ORDER.index(upstream.state), default=None)
        if best is None:
            since = self._started_at
            return ServerStatus(
                key=spec.key,
                namespace=spec.namespace,
                state="stopped",
                since=since,
                session=spec.settings.session,
                stale=spec.stale,
            )
        return self._running(spec, best, upstreams)

    def _running(self, spec: ServerSpec, best: Upstream, upstreams: list[Upstream]) -> ServerStatus:
        catalog = best.catalog
        greeting = catalog.greeting if catalog else None
        pids = tuple(pid for upstream in upstreams for pid in upstream.pids)
        reason = best.reason or _slow_start(best)
        name, version = self._said(greeting, "name"), self._said(greeting, "version")
        stderr = best.stderr()
        return ServerStatus(
            key=spec.key,
            namespace=spec.namespace,
            state=best.shown_state,
            reason=reason,
            troubles=tuple(map(self._shown, best.troubles.all)) if best.state == "ready" else (),
            since=best.since,
            attempts=best.backoff.attempts,
            restarts=sum(upstream.restarts for upstream in upstreams),
            retry_at=best.retry_at,
            transport=best.transport,
            era=greeting.era if greeting else "",
            session=spec.settings.session,
            pids=pids,
            memory_bytes=sum(self._memory.get(pid, 0) for pid in pids),
            instances=len(upstreams),
            server_name=name,
            server_version=version,
            tools=len(catalog.tools) if catalog else 0,
            resources=len(catalog.resources) if catalog else 0,
            prompts=len(catalog.prompts) if catalog else 0,
            calls_in_flight=sum(upstream.in_flight for upstream in upstreams),
            stderr=stderr,
            stderr_line="" if best.state == "ready" else telling_line(stderr),
            hints=(
                *(_hint(method) for method in sorted(best.refused)),
                *(self._hub.probes.hints(best.fingerprint) if spec.settings.session == "shared" else ()),
                *self.container_hints(spec),
            ),
            stale=spec.stale,
        )

    def _said(self, greeting: Greeting | None, field: str) -> str:
        """What a server says of itself, masked and cut: it may well repeat its own key."""
        value = greeting.server_info.get(field, "") if greeting else ""
        return self._redact(str(value)[:LONGEST])[:SHOWN]

    def _shown(self, error: ErrorBody) -> ErrorBody:
        """An error without secrets, which a server may have written into it."""
        data = {key: self._redact(value) if isinstance(value, str) else value for key, value in error.data.items()}
        return error.model_copy(update={"message": self._redact(error.message), "data": data})


def _slow_start(upstream: Upstream) -> ErrorBody | None:
    """What to tell of a server that has been starting for longer than usual."""
    took = time.time() - upstream.since
    if upstream.state != "starting" or took < SLOW_START:
        return None
    limit = upstream.spec.settings.start_timeout
    return StillStarting(f"It has not finished the handshake after {took:.0f} s; it is given {limit:g} s.").body()


def _hint(method: str) -> str:
    return f"The server asked for {method}, which needs a client of its own: set `session` to `per_client` in hub.json."
