"""The hub: owns all workspaces and the pool of upstreams, applies snapshots, and publishes events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any

from bridge.deadlines import set_within
from bridge.keys import Principal
from bridge.models import Event, ServerSpec, ServerState, Snapshot
from bridge.settings import Settings
from sidecar.admission.admission import Admission
from sidecar.cache.result_cache import ResultCache
from sidecar.cache.stores import make_store
from sidecar.calls.endpoint import Endpoint
from sidecar.concurrency.shares import may_take, uncontested
from sidecar.errors import HubStopping, TooManySessions
from sidecar.hub.access import Access
from sidecar.hub.key_workspaces import KeyWorkspaces
from sidecar.hub.notifications import route_notification
from sidecar.hub.session_counts import SessionCounts
from sidecar.observe.metrics import Metrics
from sidecar.observe.redaction import Redactor
from sidecar.quotas.on_demand import Limits
from sidecar.routing.rights import rights_of
from sidecar.sessions.request_state import RequestStates
from sidecar.sessions.session import Session
from sidecar.supervision.opening import Connect
from sidecar.upstream.feature_probe import FeatureProbes
from sidecar.upstream.pool import Pool
from sidecar.upstream.upstream import Upstream
from sidecar.workspaces.introductions import Introductions
from sidecar.workspaces.members import Release
from sidecar.workspaces.plan import WantedWorkspace, plan
from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)


class Hub:
    """Owns the workspaces, and receives the events of the upstreams (`UpstreamListener`)."""

    def __init__(
        self, settings: Settings, metrics: Metrics, redactor: Redactor, publish: Callable[[Event], None]
    ) -> None:
        self.workspaces: dict[str, Workspace] = {}
        self.departed: set[Workspace] = set()
        """Removed workspaces that still have clients."""
        self.access = Access(settings)
        """What principals may use."""
        self.key_workspaces = KeyWorkspaces(self, settings, contested=self.contested)
        """The versions of workspaces that belong to single principals; none in an unprotected hub."""
        self.named_keys: Callable[[], bool] = uncontested
        """Tells whether there are named keys, or users."""
        self.admission = Admission(observers=(metrics,))
        """The gates and observers of each client request."""
        self.server_gates = Admission()
        """The gates that a request passes once its server is chosen; the context names the server and the tool."""
        self.limits = Limits(
            settings, self.admission, self.server_gates, self.every, metrics.limited, metrics.shares_limits
        )
        self.cache = ResultCache(make_store(settings), metrics)
        self.snapshot: Snapshot | None = None
        self.on_applied: list[Callable[[Snapshot], None]] = []
        """Each is called with each snapshot that is applied."""
        self.on_keys_changed: list[Callable[[], None]] = []
        self._configured = asyncio.Event()
        """Set with the first snapshot, or when the hub stops without one."""
        self.config_version = 0
        """Incremented by each change of the configuration or of the keys."""
        self.current: Callable[[Principal], Principal | None] = lambda principal: principal
        """Tells the current state of a principal (`Authenticator.current`)."""
        self.has_removed: Callable[[str], bool] = lambda user: False
        """Tells whether the user with an id is known to have been removed (`Authentication.has_removed`)."""
        self._settings = settings
        self._metrics = metrics
        self._redactor = redactor
        self._publish = publish
        self._request_states = RequestStates(settings.input_timeout, settings.replica)
        self._by_slug: dict[str, Workspace] = {}
        self._endpoints: dict[Workspace, Endpoint] = {}
        self._ends: dict[Workspace, asyncio.Event] = {}
        self._published: dict[Workspace, tuple[int, ...]] = {}
        """The figures of each workspace in its last event: ready servers, tools, resources, prompts."""
        self._session_counts = SessionCounts(metrics, publish, self.clients)
        self._tasks: asyncio.TaskGroup | None = None
        self._pool: Pool | None = None
        self.probes = FeatureProbes(self._connect, self.upstream_changed)
        self.introductions = Introductions(self._connect, self._fingerprint)

    @property
    def pool(self) -> Pool:
        """The running upstreams."""
        if self._pool is None:
            raise RuntimeError("the hub is not running")
        return self._pool

    async def run(self, pool: Pool, until: asyncio.Event) -> None:
        """Run the hub until `until` is set, then close everything."""
        self._pool = pool
        pool.owned, pool.contested, pool.server_gates = self._owned, self.contested, self.server_gates
        pool.in_use, pool.claims_of = self._runs_task, self.key_workspaces.claims_of
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(pool.run(until))
            services = (self.probes, self.introductions, self.limits, self.cache)
            probing = [tasks.create_task(each.run()) for each in services]
            await until.wait()
            self._configured.set()
            self._tasks = None
            for task in probing:
                task.cancel()
            self.key_workspaces.stop()
            self._session_counts.stop()
            for end in self._ends.values():
                end.set()
        await self.cache.close()

    def _connect(self, spec: ServerSpec) -> Connect:
        return self.pool.connect(spec)

    def _owned(self, upstream: Upstream) -> frozenset[str]:
        """The extensions unknown to the hub that only this server has, in each workspace that it is in.

        The versions of principals that may use only a part of the server have none; they count for its own clients.
        """
        key = upstream.spec.key
        found = [
            workspace.declared().owned(key)
            for workspace in self.every()
            if key in workspace.members and (rights_of(workspace.rights, key) is None or workspace.holds(upstream))
        ]
        return frozenset.intersection(*found) if found else frozenset()

    def _runs_task(self, upstream: Upstream) -> bool:
        """Whether the server runs a task (MCP, Tasks) of a client, as far as the hub knows."""
        return any(
            session.server_tasks.any_of(upstream) for workspace in self.every() for session in workspace.sessions
        )

    def _fingerprint(self, spec: ServerSpec) -> str:
        return self.pool.fingerprint(spec)

    # --- desired state -------------------------------------------------------------------------------------------

    def apply(self, snapshot: Snapshot, renewed: Collection[str] = ()) -> None:
        """Apply a snapshot: start new servers, update the views, notify the sessions, and release old upstreams.

        New servers are still starting when this returns; those that they replace serve until then. `renewed`: keys of
        servers whose definitions refer to values that have changed.
        """
        self.config_version += 1
        self.limits.apply(snapshot.access.limits if snapshot.access else ())
        self.access.follow(snapshot)
        steps = plan(snapshot, {name: workspace.wanted for name, workspace in self.workspaces.items()}, renewed)
        released: list[Release] = []
        for wanted in steps.create:
            released += self._create(wanted)
        for wanted in steps.update:
            released += self._update(self.workspaces[wanted.spec.name], wanted)
        for name in steps.remove:
            released += self._remove(self.workspaces.pop(name))
        released += self.key_workspaces.follow_policy()
        self._by_slug = {slug: workspace for workspace in self.workspaces.values() for slug in workspace.spec.slugs}
        self._forget_servers(snapshot)
        self.snapshot = snapshot
        for tell in self.on_applied:
            tell(snapshot)
        self._configured.set()
        for upstream, holder in released:
            self.pool.release(upstream, holder)
        for name in (wanted.spec.name for wanted in (*steps.create, *steps.update)):
            self._publish_change(self.workspaces[name])
        for name in steps.remove:
            self._publish(Event(topic="workspace", subject=name))

    def _forget_servers(self, snapshot: Snapshot) -> None:
        """Drop the data that is kept of removed servers."""
        keys = {server.key for server in snapshot.servers}
        self._metrics.keep_servers(keys)
        fingerprints = {self.pool.fingerprint(server) for server in snapshot.servers}
        self.probes.keep(fingerprints)
        self.introductions.keep(fingerprints)
        self.pool.keep_greetings(fingerprints)
        for server in self.snapshot.servers if self.snapshot else ():
            if server.key not in keys:
                self._redactor.retire(server.key)

    def _create(self, wanted: WantedWorkspace) -> list[Release]:
        returned = next((workspace for workspace in self.departed if workspace.name == wanted.spec.name), None)
        if returned is not None:  # removed and added again: its sessions go on
            self.departed.discard(returned)
        workspace = returned or self._start(wanted)
        self.workspaces[wanted.spec.name] = workspace
        return self._update(workspace, wanted)

    def _update(self, workspace: Workspace, wanted: WantedWorkspace, *, gone: bool = False) -> list[Release]:
        """Update a workspace and the principals' versions of it."""
        return workspace.update(wanted, gone=gone) + self.key_workspaces.update(workspace)

    def _start(self, wanted: WantedWorkspace, tenant: str = "") -> Workspace:
        if self._tasks is None:
            raise RuntimeError("the hub is not running")
        workspace = Workspace(wanted, self.pool, self._settings, self._sessions_changed, self._request_states, tenant)
        workspace.admit = partial(self.admit, tenant)
        if self._settings.probe_features:
            workspace.probe, workspace.introductions = self.probes.want, self.introductions
        end = self._ends[workspace] = asyncio.Event()
        endpoint = self._endpoints[workspace] = Endpoint(
            workspace, self._settings.page_size, self.admission, self.cache
        )
        self._tasks.create_task(endpoint.run(end))
        return workspace

    def start_version(self, base: Workspace, principal: Principal) -> Workspace:
        """Start a principal's version of a workspace (`KeyWorkspaces`). Raises HubStopping."""
        if self._tasks is None:
            raise HubStopping("The hub is stopping.")
        workspace = self._start(base.wanted, principal.id)
        workspace.update(base.wanted, gone=base.gone, rights=self.access.rights(principal, base.name))
        return workspace

    def close_version(self, base: Workspace, workspace: Workspace) -> None:
        """Close a principal's version of a workspace (`KeyWorkspaces`)."""
        for session in tuple(workspace.sessions):
            session.close()
        nothing = WantedWorkspace(workspace.spec, ())
        for upstream, holder in workspace.update(nothing, gone=True, rights=workspace.rights):
            self.pool.release(upstream, holder)
        self._endpoints.pop(workspace, None)
        if end := self._ends.pop(workspace, None):
            end.set()
        self._sessions_changed(base)

    def _remove(self, workspace: Workspace) -> list[Release]:
        released = self._update(workspace, WantedWorkspace(workspace.spec, ()), gone=True)
        self.departed.add(workspace)
        self._sessions_changed(workspace)
        return released

    def keys_changed(self, current: Callable[[Principal], Principal | None]) -> None:
        """Credentials were ended, or principals changed. `current` is `Authenticator.current`."""
        self.config_version += 1
        self.current = current
        self.limits.recheck(current)
        for upstream, holder in self.key_workspaces.recheck(current):
            self.pool.release(upstream, holder)
        for tell in self.on_keys_changed:
            tell()

    def contested(self) -> bool:
        """Whether several keys may use the hub, so that each has a share of all limits (concurrency/shares.py)."""
        return self.named_keys()

    def is_valid(self, principal: Principal) -> bool:
        """Whether the principal has a valid token."""
        return (now := self.current(principal)) is not None and not now.expired

    def end_idle_streams(self) -> None:
        """End all `subscriptions/listen` streams: the process is about to end, and clients open them at the next."""
        for endpoint in self._endpoints.values():
            endpoint.fastmcp.end_listeners()

    # --- look-ups ------------------------------------------------------------------------------------------------

    def find(self, name: str) -> Workspace | None:
        """The workspace with this slug, alias or name; None if there is none."""
        return self._by_slug.get(name) or self.workspaces.get(name)

    def endpoint(self, workspace: Workspace) -> Endpoint:
        """The endpoint of a workspace."""
        return self._endpoints[workspace]

    async def configured(self, most: float) -> bool:
        """Whether a snapshot is applied; waits for the first one at most `most` seconds."""
        if self.snapshot is None:
            await set_within(self._configured, most)
        return self.snapshot is not None

    def every(self) -> Iterator[Workspace]:
        """All workspaces, including removed ones with clients, and those of single principals."""
        return iter((*self.workspaces.values(), *self.departed, *self.key_workspaces))

    def clients(self, workspace: Workspace) -> set[Session]:
        """The clients of a workspace with any key."""
        return set(workspace.clients()).union(*(each.clients() for each in self.key_workspaces.of(workspace)))

    def client_count(self, workspace: Workspace) -> int:
        """The number of `clients`; each client belongs to one workspace only."""
        return len(workspace.clients()) + sum(len(each.clients()) for each in self.key_workspaces.of(workspace))

    def admit(self, tenant: str) -> None:
        """Make room for a further session or listener of the key `tenant` (empty for clients without a key).

        If the limit is reached, the longest idle session of the same key is ended.

        Raises:
            TooManySessions: the limit is reached, and the key has no idle session.
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

    # --- events --------------------------------------------------------------------------------------------------

    def _publish_change(self, workspace: Workspace) -> None:
        """Publish that a workspace changed, with the number of ready servers."""
        self._published[workspace] = _figures(workspace)
        self._publish(Event(topic="workspace", subject=workspace.name, data={"ready": workspace.ready}))

    def _sessions_changed(self, workspace: Workspace) -> None:
        if workspace not in self._ends or self._tasks is None:
            return  # the workspace, or the hub, is being closed
        self.key_workspaces.touch(workspace)
        workspace = self.key_workspaces.base_of(workspace)
        if workspace in self.departed and not self.client_count(workspace):
            self._session_counts.publish(workspace)
            self._forget(workspace)
        else:
            self._session_counts.changed(workspace, self.client_count(workspace))

    def _forget(self, workspace: Workspace) -> None:
        """Close a removed workspace, whose last client has left."""
        self.departed.discard(workspace)
        self.key_workspaces.forget(workspace)
        self._session_counts.forget(workspace)
        self._published.pop(workspace, None)
        self._endpoints.pop(workspace, None)
        self._ends.pop(workspace).set()

    def upstream_changed(self, upstream: Upstream) -> None:
        """An upstream changed its state or its lists.

        Raises nothing, since an exception would end the upstream's task, and with it the sidecar.
        """
        try:
            self.pool.remember(upstream)
            self._pass_on_change(upstream)
        except Exception:
            log.exception("a server's change could not be handled", extra={"server": upstream.spec.key})

    def _pass_on_change(self, upstream: Upstream) -> None:
        for workspace in self.every():
            workspace.client_groups.compare_lists(upstream)
            if workspace.holds(upstream):
                workspace.upstream_changed(upstream)
                if not (workspace.gone or workspace.tenant) and self._published.get(workspace) != _figures(workspace):
                    self._publish_change(workspace)
        if upstream.state == "stopped" or upstream.for_key:
            self._correct_figures(upstream.spec.key)
        self._publish(Event(topic="server", subject=upstream.spec.key, data={"state": self._state(upstream)}))

    def _state(self, upstream: Upstream) -> ServerState:
        """The state of an upstream's server: that of the shared upstream, if this one belongs to a single key."""
        return self._representative(upstream).shown_state

    def _representative(self, upstream: Upstream) -> Upstream:
        """The upstream whose state is that of the server."""
        return (self.pool.find_shared(upstream.fingerprint) if upstream.for_key else None) or upstream

    def _correct_figures(self, key: str) -> None:
        """Correct the metrics of a server, one of whose upstreams has ended: others may be running, or the server was
        removed."""
        keys = {server.key for server in self.snapshot.servers} if self.snapshot else set()
        if key not in keys:
            self._metrics.keep_servers(keys)
        elif running := [upstream for upstream in self.pool if upstream.spec.key == key]:
            last = running[-1]
            self._metrics.upstream_state(key, self._state(last), is_down=self._representative(last).is_down)

    def upstream_notified(self, upstream: Upstream, method: str, params: dict[str, Any]) -> None:
        """A server sent a notification: pass it to the clients that it concerns."""
        route_notification(self.pool, upstream, method, params)


def _attached(workspaces: Iterable[Workspace]) -> int:
    """The number of sessions and `subscriptions/listen` streams of these workspaces."""
    return sum(len(workspace.clients()) + workspace.listening for workspace in workspaces)


def _figures(workspace: Workspace) -> tuple[int, ...]:
    """The figures of a workspace's status that depend on its upstreams."""
    view = workspace.view
    return (workspace.ready, len(view.tools), len(view.resources), len(view.prompts))
