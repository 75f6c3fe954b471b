"""Makes the status report of the sidecar: the actual state of workspaces and servers."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Protocol

from bridge.deadlines import set_within
from bridge.errors import ErrorBody
from bridge.models import HubToolStatus, ServerSpec, ServerStatus, Status, UpstreamState, WorkspaceStatus
from bridge.models.trust import ScanState
from bridge.settings import Settings
from sidecar.errors import StillStarting
from sidecar.hub.hub import Hub
from sidecar.hub.items.curated_items import pending
from sidecar.hub.reconciler import Reconciler
from sidecar.limits.in_force import Enforcement, described, enforcement_text
from sidecar.observe import process_memory
from sidecar.observe.redaction import Redactor
from sidecar.observe.telling_line import telling_line
from sidecar.protocol.catalog import Greeting
from sidecar.upstream.upstream import Upstream
from sidecar.version import VERSION
from sidecar.workspaces.members import Member
from sidecar.workspaces.workspace import Workspace
from sidecar.workspaces.workspace_state import MemberState, condition

log = logging.getLogger(__name__)

STATES_BEST_FIRST: tuple[UpstreamState, ...] = (
    *("ready", "sleeping", "starting", "sign_in_required", "elsewhere", "backoff", "failed", "stopped"),
)
"""The states of upstreams; a server with several upstreams has the best of their states."""
MEMORY_AGE = 2.0
"""Seconds after which a status request causes a new measurement of the servers' memory, for the next status."""
MEMORY_PERIOD = 60.0
"""Seconds after which the memory is measured in any case, so that no status shows old figures."""
MAX_MASKED_LENGTH, MAX_SHOWN_LENGTH = 2048, 200
"""The lengths to which a server's name and version are cut, in characters: before masking, and in the status."""
SLOW_START = 2.0
"""Seconds after which the status of a starting server has a reason."""


class Trust(Protocol):
    """What `TrustService` tells of a server."""

    def hints(self, spec: ServerSpec) -> tuple[str, ...]:
        """Hints on its changes."""

    def waiting(self, spec: ServerSpec) -> int:
        """How many of its changes wait for a decision."""

    def scan(self, spec: ServerSpec) -> ScanState | None:
        """The state of the scan of its image or package; None if it has none."""


class StatusReporter:
    """Makes `Status`. `run` measures the servers' memory in the background, which takes 1 ms per server."""

    def __init__(self, hub: Hub, reconciler: Reconciler, settings: Settings, redactor: Redactor, session: str) -> None:
        self._hub = hub
        self._reconciler = reconciler
        self._settings = settings
        self._redact = lru_cache(maxsize=2048)(redactor)  # most texts are the same each time
        self._session = session
        self._started_at = time.time()
        self.hints: Callable[[ServerSpec], tuple[str, ...]] = lambda _: ()
        self.trust: Trust | None = None
        self.troubles: list[Callable[[], ErrorBody | None]] = [hub.limits.trouble, hub.cache.trouble]
        self.enforcement: Callable[[], Enforcement] = lambda: None
        self.hub_tools: Callable[[], Awaitable[tuple[HubToolStatus, ...]]] | None = None
        self._memory: dict[int, int] = {}
        self._memory_at = 0.0
        self._memory_wanted = asyncio.Event()

    async def run(self) -> None:
        """Measure the servers' memory when necessary, until cancelled."""
        while True:
            await set_within(self._memory_wanted, MEMORY_PERIOD)
            pids = [pid for upstream in self._hub.pool for pid in upstream.pids]
            try:
                self._memory = await asyncio.to_thread(process_memory.trees, pids)
            except (OSError, RuntimeError) as error:  # no descriptor for /proc, or no thread; the last figures stay
                log.warning("the servers' memory cannot be measured", extra={"reason": str(error)})
            self._memory_at = time.monotonic()
            self._memory_wanted.clear()

    async def status(self) -> Status:
        """The current status, with the memory figures of the last measurement."""
        if time.monotonic() - self._memory_at > MEMORY_AGE:
            self._memory_wanted.set()
        running: defaultdict[str, list[Upstream]] = defaultdict(list)
        for upstream in self._hub.pool:
            running[upstream.fingerprint].append(upstream)
        servers = tuple(
            self._server(spec, running) for spec in (self._hub.snapshot.servers if self._hub.snapshot else ())
        )
        known = {server.key: server for server in servers}
        return Status(
            version=VERSION,
            replica=self._settings.replica,
            session=self._session,
            pid=os.getpid(),
            started_at=self._started_at,
            accepted=self._reconciler.accepted,
            applied=self._reconciler.applied,
            settled=self.settled,
            source=self._reconciler.source,
            troubles=tuple(found for trouble in self.troubles if (found := trouble())),
            enforcement=enforcement_text(self.enforcement()),
            workspaces=tuple(self._workspace(workspace, known) for workspace in self._hub.workspaces.values()),
            servers=servers,
            hub_tools=await self.hub_tools() if self.hub_tools is not None else (),
        )

    @property
    def settled(self) -> bool:
        """Whether the accepted snapshot is applied, and no server is starting for the first time."""
        reconciler = self._reconciler
        return (
            reconciler.applied is not None
            and reconciler.applied == reconciler.accepted
            and all(upstream.first_attempt_over for upstream in self._hub.pool)
        )

    def _workspace(self, workspace: Workspace, servers: Mapping[str, ServerStatus]) -> WorkspaceStatus:
        view, spec = workspace.view, workspace.spec
        members = [self._member(member, servers[key]) for key, member in workspace.members.items() if key in servers]
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
            pending=pending(view),
            sessions=self._hub.client_count(workspace),
        )

    def _member(self, member: Member, server: ServerStatus) -> MemberState:
        """The state of a server for a workspace's clients: ready while the former upstream of a changed one serves, or
        while a request wakes it."""
        serving = member.serving
        if serving is not None and member.serves and (serving is member.before or serving.sleep.wakes):
            return MemberState(server.key, "ready")
        per_client = server.session == "per_client"
        each_user = member.spec.settings.sign_in == "user"
        return MemberState(server.key, server.state, server.attempts, per_client, server.reason, each_user)

    def _server(self, spec: ServerSpec, running: Mapping[str, list[Upstream]]) -> ServerStatus:
        """`running` are the upstreams by fingerprint."""
        fingerprint = self._hub.pool.fingerprint(spec)
        upstreams = running.get(fingerprint, [])
        best = self._hub.pool.find_shared(fingerprint)  # those of single keys do not represent the server
        best = best or min(upstreams, key=lambda upstream: STATES_BEST_FIRST.index(upstream.state), default=None)
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
        name, version = self._server_info(greeting, "name"), self._server_info(greeting, "version")
        stderr = best.stderr()
        return ServerStatus(
            key=spec.key,
            namespace=spec.namespace,
            state=best.shown_state,
            reason=reason,
            troubles=tuple(map(self._redacted, best.troubles.all)) if best.state == "ready" else (),
            since=best.since,
            attempts=best.backoff.attempts,
            restarts=sum(upstream.restarts for upstream in upstreams),
            retry_at=best.retry_at,
            breaker="open" if best.is_down else "closed",
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
            stderr_line="" if best.state in ("ready", "sleeping") else telling_line(stderr),
            hints=(
                *(_hint(method) for method in sorted(best.refused)),
                *(self._hub.probes.hints(best.fingerprint) if spec.settings.session == "shared" else ()),
                *self.hints(spec),
                *(self.trust.hints(spec) if self.trust else ()),
            ),
            changes=self.trust.waiting(spec) if self.trust else 0,
            scan=self.trust.scan(spec) if self.trust else None,
            limits=described(spec, self._settings, self.enforcement()),
            stale=spec.stale,
        )

    def _server_info(self, greeting: Greeting | None, field: str) -> str:
        """A field of the server's `serverInfo`, masked (it may contain a secret) and shortened."""
        value = greeting.server_info.get(field, "") if greeting else ""
        return self._redact(str(value)[:MAX_MASKED_LENGTH])[:MAX_SHOWN_LENGTH]

    def _redacted(self, error: ErrorBody) -> ErrorBody:
        """An error with secrets masked, which a server may have put into its messages."""
        data = {key: self._redact(value) if isinstance(value, str) else value for key, value in error.data.items()}
        return error.model_copy(update={"message": self._redact(error.message), "data": data})


def _slow_start(upstream: Upstream) -> ErrorBody | None:
    """The reason that is shown for a server that has been starting for longer than `SLOW_START`."""
    took = time.time() - upstream.since
    if upstream.state != "starting" or took < SLOW_START:
        return None
    limit = upstream.spec.settings.start_timeout
    return StillStarting(f"It has not finished the handshake after {took:.0f} s; it is given {limit:g} s.").body()


def _hint(method: str) -> str:
    return f"The server asked for {method}, which needs a client of its own: set `session` to `per_client` in hub.json."
