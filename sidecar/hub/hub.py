"""Everything that runs: the workspaces, the pool of upstreams, and what passes between them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from bridge.keys import Principal
from bridge.models import Event, ServerSpec, ServerState, Snapshot
from bridge.settings import Settings
from sidecar.admission.admission import Admission
from sidecar.calls.endpoint import Endpoint
from sidecar.concurrency.shares import may_take, uncontested
from sidecar.errors import HubStopping, TooManySessions
from sidecar.hub.key_workspaces import Tenants
from sidecar.observe.log_buffer import SERVER_LOGGER
from sidecar.observe.metrics import Metrics
from sidecar.observe.redaction import Redactor
from sidecar.protocol import codec
from sidecar.sessions import server_tasks as tasks
from sidecar.sessions.request_state import Sealer
from sidecar.sessions.session import Session
from sidecar.upstream.feature_probe import FeatureProbes
from sidecar.upstream.pool import Pool
from sidecar.upstream.upstream import Connect, Upstream
from sidecar.workspaces.introductions import Introductions
from sidecar.workspaces.members import Release
from sidecar.workspaces.plan import Wanted, plan
from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)
server_log = logging.getLogger(SERVER_LOGGER)

LONGEST_LOG = 4096
"""Bytes of a server's log message that the hub's own log takes."""
LOG_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "notice": logging.INFO, "warning": logging.WARNING}

GATHER = 0.05
"""Seconds in which clients that come and go become one event: a thousand may come at once."""


class Hub:
    """Owns the workspaces; listens to the upstreams (upstream.UpstreamListener)."""

    def __init__(
        self, settings: Settings, metrics: Metrics, redactor: Redactor, publish: Callable[[Event], None]
    ) -> None:
        self.workspaces: dict[str, Workspace] = {}
        self.departed: set[Workspace] = set()
        """Removed workspaces with clients that have not left yet."""
        self.tenants = Tenants(
            self._start_for_key, self._close_for_key, settings.session_idle_timeout, contested=self.contested
        )
        """What single keys have of the workspaces; none in an unprotected hub."""
        self.named_keys: Callable[[], bool] = uncontested
        """Whether there are named keys."""
        self.admission = Admission(observers=(metrics,))
        """What each request of a client meets."""
        self.snapshot: Snapshot | None = None
        self._begun = asyncio.Event()
        """Set with the first snapshot, or when the hub stops without one."""
        self.config_version = 0
        """Another number after each change of what is served, or to whom."""
        self._current: Callable[[Principal], Principal | None] | None = None
        self._settings = settings
        self._metrics = metrics
        self._redactor = redactor
        self._publish = publish
        self._sealer = Sealer(settings.input_timeout)
        self._by_slug: dict[str, Workspace] = {}
        self._endpoints: dict[Workspace, Endpoint] = {}
        self._ends: dict[Workspace, asyncio.Event] = {}
        self._shown: dict[Workspace, tuple[int, ...]] = {}
        """What was last told of each: servers ready, tools, resources, prompts."""
        self._counted: dict[Workspace, int] = {}
        """How many sessions of each there were when one last came or went."""
        self._uncounted: set[Workspace] = set()
        self._counting: asyncio.TimerHandle | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._pool: Pool | None = None
        self.probes = FeatureProbes(self._connect, self.upstream_changed)
        self.introductions = Introductions(self._connect, self._fingerprint)

    @property
    def pool(self) -> Pool:
        """The upstreams that run."""
        if self._pool is None:
            raise RuntimeError("the hub is not running")
        return self._pool

    async def run(self, pool: Pool, until: asyncio.Event) -> None:
        """Own everything that runs until `until` is set; then close it all."""
        self._pool = pool
        pool.owned, pool.contested = self._owned, self.contested
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(pool.run(until))
            probing = [tasks.create_task(work) for work in (self.probes.run(), self.introductions.run())]
            await until.wait()
            self._begun.set()
            self._tasks = None
            for task in probing:
                task.cancel()
            self.tenants.stop()
            if self._counting:
                self._counting.cancel()
            for end in self._ends.values():
                end.set()

    def _connect(self, spec: ServerSpec) -> Connect:
        return self.pool.connect(spec)

    def _owned(self, upstream: Upstream) -> frozenset[str]:
        """The extensions unknown to the hub that a server alone has, in every workspace that it is in."""
        key = upstream.spec.key
        found = [workspace.declared().owned(key) for workspace in self.every() if key in workspace.members]
        return frozenset.intersection(*found) if found else frozenset()

    def _fingerprint(self, spec: ServerSpec) -> str:
        return self.pool.fingerprint(spec)

    # --- desired state -------------------------------------------------------------------------------------------

    def apply(self, snapshot: Snapshot) -> None:
        """Carry out a snapshot: start what is new, swap the views, tell the sessions, let go of what is old.

        New servers are still starting when it returns; what they replace serves until they are ready.
        """
        self.config_version += 1
        steps = plan(snapshot, {name: workspace.wanted for name, workspace in self.workspaces.items()})
        released: list[Release] = []
        for wanted in steps.create:
            released += self._create(wanted)
        for wanted in steps.update:
            released += self._update(self.workspaces[wanted.spec.name], wanted)
        for name in steps.remove:
            released += self._remove(self.workspaces.pop(name))
        self._by_slug = {slug: workspace for workspace in self.workspaces.values() for slug in workspace.spec.slugs}
        self._forget_servers(snapshot)
        self.snapshot = snapshot
        self._begun.set()
        for upstream, holder in released:
            self.pool.release(upstream, holder)
        for name in (wanted.spec.name for wanted in (*steps.create, *steps.update)):
            self._tell(self.workspaces[name])
        for name in steps.remove:
            self._publish(Event(topic="workspace", subject=name))

    def _forget_servers(self, snapshot: Snapshot) -> None:
        """Drop what is kept by server key of those that are gone."""
        keys = {server.key for server in snapshot.servers}
        self._metrics.keep_servers(keys)
        fingerprints = {self.pool.fingerprint(server) for server in snapshot.servers}
        self.probes.keep(fingerprints)
        self.introductions.keep(fingerprints)
        self.pool.keep_greetings(fingerprints)
        for server in self.snapshot.servers if self.snapshot else ():
            if server.key not in keys:
                self._redactor.retire(server.key)

    def _create(self, wanted: Wanted) -> list[Release]:
        returned = next((workspace for workspace in self.departed if workspace.name == wanted.spec.name), None)
        if returned is not None:  # removed and added again: its clients find it as it was
            self.departed.discard(returned)
        workspace = returned or self._start(wanted)
        self.workspaces[wanted.spec.name] = workspace
        return self._update(workspace, wanted)

    def _update(self, workspace: Workspace, wanted: Wanted, *, gone: bool = False) -> list[Release]:
        """Change a workspace, and what keys have of it."""
        every = (workspace, *self.tenants.of(workspace))
        return [release for each in every for release in each.update(wanted, gone=gone)]

    def _start(self, wanted: Wanted, tenant: str = "") -> Workspace:
        if self._tasks is None:
            raise RuntimeError("the hub is not running")
        workspace = Workspace(wanted, self.pool, self._settings, self._sessions_changed, self._sealer, tenant)
        workspace.admit = partial(self.admit, tenant)
        if self._settings.probe_features:
            workspace.probe, workspace.introductions = self.probes.want, self.introductions
        end = self._ends[workspace] = asyncio.Event()
        endpoint = self._endpoints[workspace] = Endpoint(workspace, self._settings.page_size, self.admission)
        self._tasks.create_task(endpoint.run(end))
        return workspace

    def _start_for_key(self, base: Workspace, tenant: str) -> Workspace:
        if self._tasks is None:
            raise HubStopping("The hub is stopping.")
        workspace = self._start(base.wanted, tenant)
        workspace.update(base.wanted, gone=base.gone)
        return workspace

    def _close_for_key(self, base: Workspace, workspace: Workspace) -> None:
        for session in tuple(workspace.sessions):
            session.close()
        for upstream, holder in workspace.update(Wanted(workspace.spec, ()), gone=True):
            self.pool.release(upstream, holder)
        self._endpoints.pop(workspace, None)
        if end := self._ends.pop(workspace, None):
            end.set()
        self._sessions_changed(base)

    def _remove(self, workspace: Workspace) -> list[Release]:
        released = self._update(workspace, Wanted(workspace.spec, ()), gone=True)
        self.departed.add(workspace)
        self._sessions_changed(workspace)
        return released

    def keys_changed(self, current: Callable[[Principal], Principal | None]) -> None:
        """Keys were added, changed or revoked; `current` gives a principal as it is now, if it is."""
        self.config_version += 1
        self._current = current
        self.tenants.recheck(current)

    def contested(self) -> bool:
        """Whether named keys may use the hub beside its own clients: then each has a share of all (shares.py)."""
        return self.named_keys()

    def lets_in(self, principal: Principal) -> bool:
        """Whether the principal's token is valid still."""
        return self._current is None or self._current(principal) is not None

    # --- look-ups ------------------------------------------------------------------------------------------------

    def find(self, name: str) -> Workspace | None:
        """The workspace of that slug, alias or name."""
        return self._by_slug.get(name) or self.workspaces.get(name)

    def endpoint(self, workspace: Workspace) -> Endpoint:
        """Where the requests to a workspace are answered."""
        return self._endpoints[workspace]

    async def configured(self, most: float) -> bool:
        """Whether a snapshot is in force; after a start it is waited for, for at most so many seconds."""
        if self.snapshot is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(most):
                    await self._begun.wait()
        return self.snapshot is not None

    def every(self) -> Iterator[Workspace]:
        """All workspaces, those of single keys too."""
        return iter((*self.workspaces.values(), *self.departed, *self.tenants))

    def clients(self, workspace: Workspace) -> set[Session]:
        """The clients of a workspace, whatever their keys."""
        return workspace.clients().union(*(each.clients() for each in self.tenants.of(workspace)))

    def admit(self, tenant: str) -> None:
        """Make room for one more session, or listener, of a key; empty for the hub's own clients.

        Where there is none, the key's own session that has been idle for longest, and has no stream, ends.

        Raises:
            TooManySessions: there are as many as there may be, or as the key may have.
        """
        most, every = self._settings.max_sessions, tuple(self.every())
        own = [workspace for workspace in every if workspace.tenant == tenant]
        held, used = _attached(own), _attached(every)
        if may_take(held, used, most, contested=self.contested()):
            return
        idle = [(since, each) for space in own for each in space.clients() if (since := each.idle_since) is not None]
        if idle:
            min(idle, key=lambda each: each[0])[1].close()
        elif used >= most:
            raise TooManySessions(f"{most} sessions and listeners are open.")
        else:
            raise TooManySessions(f"This key has {held} sessions and listeners; the rest of {most} is for other keys.")

    # --- what happens by itself ----------------------------------------------------------------------------------

    def _tell(self, workspace: Workspace) -> None:
        """Publish that a workspace changed, and how many of its servers are ready."""
        self._shown[workspace] = _visible(workspace)
        self._publish(Event(topic="workspace", subject=workspace.name, data={"ready": workspace.ready}))

    def _sessions_changed(self, workspace: Workspace) -> None:
        if workspace not in self._ends or self._tasks is None:
            return  # what is left of a removed workspace, or of all of them, is being closed
        self.tenants.touch(workspace)
        workspace = self.tenants.base_of(workspace)
        if workspace in self.departed and not self.clients(workspace):
            self._count(workspace)
            self._forget(workspace)
            return
        count = len(self.clients(workspace))
        if count == self._counted.get(workspace, 0):
            return  # a call over the bridge, or a request without a session
        self._counted[workspace] = count
        self._uncounted.add(workspace)
        if self._counting is None:
            self._counting = asyncio.get_running_loop().call_later(GATHER, self._count_all)

    def _count_all(self) -> None:
        self._counting = None
        while self._uncounted:
            self._count(self._uncounted.pop())

    def _count(self, workspace: Workspace) -> None:
        """Set the figures of a workspace's sessions, and tell of them.

        Also when they are as many as before: a status in between may have told another number.
        """
        clients = self.clients(workspace)
        for transport in ("sse", "http"):
            count = sum(1 for session in clients if session.transport == transport)
            self._metrics.sessions(workspace.name, transport, count)
        self._publish(Event(topic="sessions", subject=workspace.name, data={"sessions": len(clients)}))

    def _forget(self, workspace: Workspace) -> None:
        """The last client of a removed workspace has left."""
        self.departed.discard(workspace)
        self.tenants.forget(workspace)
        self._uncounted.discard(workspace)
        for known in (self._shown, self._counted, self._endpoints):
            known.pop(workspace, None)
        self._ends.pop(workspace).set()

    def upstream_changed(self, upstream: Upstream) -> None:
        """An upstream changed its state or its lists.

        Raises nothing: it is called by the upstream's task, and what ends that would end the sidecar.
        """
        try:
            self.pool.remember(upstream)
            self._show(upstream)
        except Exception:
            log.exception("a server's change could not be shown", extra={"server": upstream.spec.key})

    def _show(self, upstream: Upstream) -> None:
        for workspace in self.every():
            if workspace.holds(upstream):
                workspace.upstream_changed(upstream)
                if not (workspace.gone or workspace.tenant) and self._shown.get(workspace) != _visible(workspace):
                    self._tell(workspace)
        if upstream.state == "stopped" or upstream.for_key:
            self._correct_figures(upstream.spec.key)
        self._publish(Event(topic="server", subject=upstream.spec.key, data={"state": self._state(upstream)}))

    def _state(self, upstream: Upstream) -> ServerState:
        """The state that is told of its server: a key's own one does not stand for that of all."""
        shared = self.pool.find_shared(upstream.fingerprint) if upstream.for_key else None
        return shared.shown_state if shared else upstream.shown_state

    def _correct_figures(self, key: str) -> None:
        """An upstream that has ended may not be its server's last; or the last of a server that is gone."""
        keys = {server.key for server in self.snapshot.servers} if self.snapshot else set()
        if key not in keys:
            self._metrics.keep_servers(keys)
        elif running := [upstream for upstream in self.pool if upstream.spec.key == key]:
            self._metrics.upstream_state(key, self._state(running[-1]))

    def upstream_notified(self, upstream: Upstream, method: str, params: dict[str, Any]) -> None:
        """A server sent a notification: pass it to whom it concerns."""
        if method == "notifications/resources/updated":
            uri = str(params.get("uri"))
            for subscriber in upstream.subscriptions.subscribers_of(uri):
                subscriber.resource_updated(upstream, uri)
            return
        if method in tasks.NOTICES:
            for client in self.pool.clients(upstream):
                client.task_changed(upstream, method, params)
            return
        if method == "notifications/message":
            level = LOG_LEVELS.get(str(params.get("level")), logging.ERROR)
            server_log.log(
                min(level, logging.INFO),
                "server log",
                extra={"server": upstream.spec.key, "data": _loggable(params.get("data"))},
            )
        attached = self.pool.clients(upstream)
        if len(attached) != 1 or self.pool.shared_between_keys(upstream):
            return  # nothing in the protocol says which of several clients it is for
        client = attached.pop()
        if method != "notifications/message" or client.wants_log(str(params.get("level"))):
            client.notify(method, params)


def _attached(workspaces: Iterable[Workspace]) -> int:
    """How many sessions, and `subscriptions/listen` streams, these have."""
    return sum(len(workspace.clients()) + workspace.listening for workspace in workspaces)


def _visible(workspace: Workspace) -> tuple[int, ...]:
    """What an upstream's change may change of a workspace, as a status tells it."""
    view = workspace.view
    return (workspace.ready, len(view.tools), len(view.resources), len(view.prompts))


def _loggable(data: Any) -> Any:
    """What a server logs, cut to what the hub's log holds."""
    text = codec.dumps(data)
    return data if len(text) <= LONGEST_LOG else text[:LONGEST_LOG].decode(errors="replace")
