"""A running workspace: its servers, the view that it shows of their items, and its sessions."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Callable, Coroutine, Iterable, Set
from functools import partial
from typing import Any, Protocol

from bridge.models import ServerSpec, WorkspaceSpec
from bridge.settings import Settings
from sidecar.concurrency.shares import Caller
from sidecar.errors import SidecarError, TooManyInstances, WorkspaceGone, WorkspaceOff
from sidecar.protocol import extensions
from sidecar.protocol.catalog import LISTS_CHANGED_BY
from sidecar.routing import listing
from sidecar.routing import view as views
from sidecar.routing.rights import Rights, process_owner, rights_of
from sidecar.routing.view import View
from sidecar.sessions.client_groups import ClientGroup, ClientGroups
from sidecar.sessions.request_session import Sessionless
from sidecar.sessions.request_state import RequestStates
from sidecar.sessions.session import Session
from sidecar.sessions.subscriptions import ResourceLocation, locate
from sidecar.sessions.suspended_calls import SuspendedCalls
from sidecar.upstream.mux import Progress
from sidecar.upstream.pool import Pool
from sidecar.upstream.upstream import Upstream
from sidecar.version import VERSION
from sidecar.workspaces import starting
from sidecar.workspaces.introductions import Introductions
from sidecar.workspaces.log_levels import LogLevels, level_of
from sidecar.workspaces.members import Member, Release, namespaces
from sidecar.workspaces.per_client import PerClient
from sidecar.workspaces.plan import WantedWorkspace

log = logging.getLogger(__name__)

LIST_NOTIFICATIONS = tuple(LISTS_CHANGED_BY)


class ListObserver(Protocol):
    """Receives changes of a workspace's lists. Called on the event loop; must neither block nor raise."""

    def changed(self, method: str) -> None:
        """A list of the common view changed; `method` is the notification."""

    def changed_for(self, group: ClientGroup, method: str) -> None:
        """A list of a client group's private view changed."""

    def follow(self) -> None:
        """Resources may be served by other upstreams now."""

    def end_forbidden(self) -> None:
        """The rights have changed: subscriptions to resources that may no longer be used are to end."""


class Workspace:
    """A workspace, or one principal's version of it if `tenant` is the id of a key or user.

    The hub owns it; `run` owns its tasks. `on_sessions` is called when a session joins or leaves.
    """

    def __init__(
        self,
        wanted: WantedWorkspace,
        pool: Pool,
        settings: Settings,
        on_sessions: Callable[[Workspace], None],
        request_states: RequestStates,
        tenant: str = "",
    ) -> None:
        self.wanted = wanted
        self.name = wanted.spec.name
        """The unique name, which never changes."""
        self.tenant = tenant
        self.replica = settings.replica
        """The name of this replica of the hub; empty if it has none."""
        self.rights: Rights | None = None
        """What the principal may use; None for everything, as in common workspaces."""
        self.serving = asyncio.Event()
        """Set while `run` runs."""
        self.view: View = views.EMPTY
        self.common_view: View | None = None
        """`view`, if all sessions have it: no server is `per_client` or was refused. Else None."""
        self.gone = False
        """Whether the workspace was removed."""
        self.sessions: set[Session] = set()
        self._clients: set[Session] = set()
        self.members: dict[str, Member] = {}
        self.has_per_client = False
        """Whether a server is `per_client`, so that it may send requests to its client."""
        self.observers: list[ListObserver] = []
        self.listening = 0
        """The number of `subscriptions/listen` requests in progress."""
        self.probe: Callable[[Iterable[Upstream], dict[str, Any]], None] | None = None
        """Gets the shared upstreams that a client lists, and its capabilities (`FeatureProbes.want`)."""
        self.introductions: Introductions | None = None
        """The instructions of `per_client` servers; None if the hub does not probe servers."""
        self.server_info = {"name": wanted.spec.name, "version": VERSION}
        self._pages = f"{settings.base_url}/hub/"
        self._pool = pool
        self._on_sessions = on_sessions
        self._tasks: asyncio.TaskGroup | None = None
        self.sessionless = Sessionless()
        self.request_states = request_states
        self.suspended_calls = SuspendedCalls(settings.input_timeout)
        self.client_groups = ClientGroups(
            *(pool, settings.session_idle_timeout, settings.input_timeout, settings.replica),
            *(self._changed_for, self.join, self.leave),
        )
        self.own = PerClient(self, pool, self.client_groups)
        self.log_levels = LogLevels(self, pool)
        self.admit: Callable[[], None] = lambda: None
        """Called before a session or a listener begins; makes room for it, or raises TooManySessions."""

    @property
    def spec(self) -> WorkspaceSpec:
        """The definition in force."""
        return self.wanted.spec

    @property
    def ready(self) -> int:
        """The number of servers that serve."""
        return sum(member.serves for member in self.members.values())

    async def run(self, until: asyncio.Event) -> None:
        """Run the workspace and its tasks until `until` is set."""
        self.join(self.sessionless)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self.serving.set()
            try:
                await until.wait()
            finally:
                self._tasks = None
                self.suspended_calls.drop()
                self.client_groups.close()
                self.own.close()
                self.leave(self.sessionless)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task that the workspace owns, for short work for a session."""
        self.start(work)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """As `spawn`; returns the task, or None if the workspace is being closed."""
        if self._tasks is None:
            work.close()
            return None
        return self._tasks.create_task(_log_errors(work))

    # --- configuration -------------------------------------------------------------------------------------------

    def update(self, wanted: WantedWorkspace, *, gone: bool = False, rights: Rights | None = None) -> list[Release]:
        """Take over a new definition and the rights of its principal: start new servers, and update the view.

        Servers of which nothing may be used are not members. Returns the upstreams to release.
        """
        if rights is not None:
            wanted = wanted.seen_by(rights.sees)
        recurated = self.wanted.spec.curation != wanted.spec.curation
        self.wanted, self.gone = wanted, gone
        if changed := rights != self.rights:
            self.rights = rights
            self.own.forget_instructions()
        alone = {key for key, member in self.members.items() if member.upstream is None}
        released: list[Release] = []
        members: dict[str, Member] = {}
        for spec in wanted.servers:
            before = self.members.get(spec.key)
            member = members[spec.key] = self._member(spec, before)
            if before is not None:
                released += self._replace(before, member)
        for key in self.members.keys() - members.keys():
            member = self.members[key]
            released += [(held, self) for held in (member.upstream, member.before) if held]
        self.members = members
        self.has_per_client = any(spec.settings.session == "per_client" for spec in wanted.servers)
        released += self.own.drop(wanted.servers)
        opened_at_need = {key for key, member in members.items() if member.upstream is None}
        self.refresh(announce=not opened_at_need <= alone)
        if recurated or (changed and rights is not None):
            self._end_forbidden_subscriptions()
        still_held = {held for member in members.values() for held in (member.upstream, member.before)}
        return [release for release in released if release[0] not in still_held or release[1] is not self]

    def _member(self, spec: ServerSpec, before: Member | None = None) -> Member:
        if spec.settings.session == "per_client":
            return Member(spec, None)
        try:
            upstream = self._pool.acquire(spec, self, owner=process_owner(spec, self.tenant, self.rights))
        except TooManyInstances as error:
            log.warning(error.message, extra={"code": error.code, "server": spec.key, "workspace": self.name})
            return Member(spec, None, refused=error)
        if before is None or before.upstream is not upstream:
            upstream.log_level = level_of(self._pool.clients(upstream))
        return Member(spec, upstream)

    def refused(self) -> frozenset[str]:
        """The fingerprints of the servers that were refused because of `max_instances`."""
        return frozenset(self._pool.fingerprint(member.spec) for member in self.members.values() if member.refused)

    def fingerprints(self) -> frozenset[str]:
        """The fingerprints of the upstreams that only this workspace's key uses."""
        held = (member.upstream for member in self.members.values())
        return frozenset(upstream.fingerprint for upstream in held if upstream and upstream.for_key)

    def retry_refused(self) -> None:
        """Start the servers that were refused, if `max_instances` allows it now."""
        for key, member in self.members.items():
            if member.refused:
                self.members[key] = self._member(member.spec)

    def _replace(self, before: Member, member: Member) -> list[Release]:
        """Keep the former upstream in service until the new one is ready or has failed. Returns the others."""
        if before.upstream is member.upstream:
            member.before = before.before
            return []
        serving = before.serving
        if serving is not None and member.upstream is not None and not member.upstream.first_attempt_over:
            member.before = serving
        return [(held, self) for held in (before.upstream, before.before) if held and held is not member.before]

    # --- the view ------------------------------------------------------------------------------------------------

    def upstream_changed(self, upstream: Upstream) -> None:
        """An upstream of the workspace changed its state or its lists: update the view."""
        for member in self.members.values():
            if member.before and member.upstream is upstream and upstream.first_attempt_over:
                before, member.before = member.before, None
                if not any(before in (other.upstream, other.before) for other in self.members.values()):
                    self._pool.release(before, self)
        if not any(upstream in (member.upstream, member.before) for member in self.members.values()):
            self.own.learn(upstream)
        self.refresh()

    def refresh(self, *, announce: bool = False) -> None:
        """Build the view again, and notify each session of the lists that changed for it.

        `announce`: notify of all lists, since there are new `per_client` servers, whose lists are not known yet.
        """
        before, self.view = self.view, self.build({}, self.view)
        self.common_view = self.view if all(member.upstream for member in self.members.values()) else None
        changes = self.view.changed(before)
        for method in LIST_NOTIFICATIONS if announce else changes:
            for observer in self.observers:
                observer.changed(method)
        for session in self.sessions:
            alike = not session.own and session.private_view is None
            seen = changes if alike else self._refresh_session(session, before)
            for method in LIST_NOTIFICATIONS if announce else seen:
                session.notify(method)
            if session.resource_subscriptions:
                self.spawn(session.resource_subscriptions.follow(partial(self._location, session)))
        self.follow()

    def follow(self) -> None:
        """Have the observers move their subscriptions, as a view has changed."""
        for observer in self.observers:
            observer.follow()

    def _changed_for(self, group: ClientGroup, method: str) -> None:
        for observer in self.observers:
            observer.changed_for(group, method)

    def _refresh_session(self, session: Session, before: View) -> list[str]:
        """Update a session's private view; returns the notifications for it. `before` is the former common view."""
        seen = session.private_view or before
        session.private_view = self.build(session.own, session.private_view) if session.own else None
        return (session.private_view or self.view).changed(seen)

    def build(self, own: dict[str, Upstream], before: View | None = None) -> View:
        """Build the view of a session with these own upstreams; returns `before` itself if it would be equal."""
        sources: list[views.Source] = []
        for member in self.members.values():
            upstream = own.get(member.spec.key) or member.serving
            if upstream is not None and (catalog := self._pool.shown(member.spec, upstream)) is not None:
                sources.append((member.spec, upstream, catalog))
        configured = namespaces(self.members)
        spec, rights = self.spec, self.rights
        build = partial(views.build, curation=spec.curation, pinned=listing.pinned(spec), rights=rights)
        made = build(sources, spec.name_template, configured=configured, before=before)
        for offer in made.offers if own else ():
            if offer.upstream in own.values():
                offer.upstream.rename = offer.rename
        return made

    def listed(self, capabilities: dict[str, Any]) -> None:
        """A client with these capabilities reads a list: request probes of the shared servers."""
        if self.probe is not None and capabilities:
            self.probe((member.upstream for member in self.members.values() if member.upstream), capabilities)

    def _location(self, session: Session, exposed: str) -> ResourceLocation | None:
        """The location of a resource in a session's view; None if no server has it."""
        return locate(session.private_view or self.view, exposed)

    def _end_forbidden_subscriptions(self) -> None:
        """Rights or curation have changed: end the subscriptions to resources that may no longer be used."""
        for observer in self.observers:
            observer.end_forbidden()
        for session in self.sessions:
            if work := session.resource_subscriptions.end_forbidden(session.private_view or self.view):
                self.spawn(work)

    async def view_for(self, session: Session, tell: Progress | None = None, most: float | None = None) -> View:
        """The view of a session; its own upstreams of `per_client` servers are started if necessary.

        `tell` and `most` limit the wait for that, as in `starting.wait_first_attempts`.
        """
        if self.common_view is not None:  # all servers are shared, so nothing is started
            session.holder.refused = None
            return self.common_view
        return await self.own.view_for(session, tell, most)

    def instructions(self) -> str:
        """The instructions of all servers, for the handshake."""
        texts: list[tuple[str, str]] = []
        for key, member in self.members.items():
            catalog = self._pool.shown(member.spec, member.serving) if member.serving else None
            text = catalog.greeting.instructions if catalog else self.own.instructions(key)
            shown = self.view.contributions.get(key)
            if text is not None and (shown is None or shown.visible):
                texts.append((member.spec.namespace, text))
        return listing.instructions(texts)

    # --- sessions ------------------------------------------------------------------------------------------------

    def join(self, session: Session) -> None:
        """Add a session."""
        session.caller = Caller(self.tenant, session.id)
        self.sessions.add(session)
        self._clients.update(session.clients())
        self._on_sessions(self)

    def leave(self, session: Session) -> None:
        """Remove a session, and release what it holds."""
        self.sessions.discard(session)
        self._clients.difference_update(session.clients())
        self.suspended_calls.drop(session)
        self.client_groups.session_ended(session)
        for upstream in (*session.own.values(), *session.pop_spares()):
            self._pool.release(upstream, session)
        session.own.clear()
        if session.log_level is not None:
            session.log_level = None
            self.log_levels.reset()
        if session.resource_subscriptions:
            self.spawn(session.resource_subscriptions.clear())
        self._on_sessions(self)

    def refusal(self) -> SidecarError | None:
        """The error if the workspace was removed or is switched off, else None."""
        if self.gone:
            return WorkspaceGone(f"The workspace {self.name!r} was removed.")
        if not self.wanted.spec.enabled:
            hint = f"Switch it on at {self._pages}, or with: hubctl enable {shlex.quote(self.name)}"
            return WorkspaceOff(f"The workspace {self.name!r} is switched off.", hint=hint)
        return None

    async def started(self, tell: Progress | None = None, most: float | None = None) -> bool:
        """Wait for the shared servers that are starting for the first time. Returns False if there was none.

        `tell` and `most` are as in `starting.wait_first_attempts`.
        """
        upstreams = [member.upstream for member in self.members.values() if member.upstream]
        return await starting.wait_first_attempts(upstreams, tell, most)

    def clients(self) -> Set[Session]:
        """The connected clients. The set is live: do not change it."""
        return self._clients

    def holds(self, upstream: Upstream) -> bool:
        """Whether the workspace or one of its sessions uses this upstream."""
        return any(upstream in (member.upstream, member.before) for member in self.members.values()) or (
            self.has_per_client and any(upstream in session.own.values() for session in self.sessions)
        )

    def declared(self) -> extensions.Declared:
        """The extensions that its servers declared when they were last connected."""
        said = {}
        for key, member in self.members.items():
            catalog = member.serving.catalog if member.serving else None
            if greeting := catalog.greeting if catalog else self._pool.greeting(member.spec):
                rights = rights_of(self.rights, key)
                said[key] = rights.capabilities(greeting.capabilities) if rights else greeting.capabilities
        return extensions.union(said)


async def _log_errors(work: Coroutine[Any, Any, None]) -> None:
    """Log an exception of `work`, which must not end the other tasks of the workspace."""
    try:
        await work
    except Exception:
        log.exception("work for a session failed")
