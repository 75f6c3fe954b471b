"""A workspace as it is served: its servers, its view, its sessions, and what they are told when it changes."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Protocol

from bridge.models import ServerSpec, WorkspaceSpec
from bridge.settings import Settings
from sidecar.concurrency.shares import Caller
from sidecar.errors import SidecarError, TooManyInstances, WorkspaceGone, WorkspaceOff
from sidecar.protocol import extensions
from sidecar.protocol.catalog import LISTS_CHANGED_BY
from sidecar.routing import view as views
from sidecar.routing.view import View
from sidecar.sessions.client_groups import Parties, Party
from sidecar.sessions.request_session import Sessionless
from sidecar.sessions.request_state import Sealer
from sidecar.sessions.session import Session, least
from sidecar.sessions.subscriptions import Place
from sidecar.sessions.suspended_calls import Parked
from sidecar.upstream.client_features import Client
from sidecar.upstream.mux import Progress
from sidecar.upstream.pool import Pool
from sidecar.upstream.upstream import Upstream
from sidecar.version import VERSION
from sidecar.workspaces import starting
from sidecar.workspaces.introductions import Introductions
from sidecar.workspaces.members import Member, Release
from sidecar.workspaces.per_client import PerClient
from sidecar.workspaces.plan import Wanted

log = logging.getLogger(__name__)

USUAL_LEVEL = "info"
"""What a server is to log when nobody who asked for a level is left: nothing in the protocol takes a level back."""
LIST_NOTICES = tuple(LISTS_CHANGED_BY)


class ListObserver(Protocol):
    """Who is told of changes of what a workspace shows. Called on the event loop; must neither block nor raise."""

    def changed(self, method: str) -> None:
        """A list changed for everybody; `method` is that of the notification."""

    def changed_for(self, party: Party, method: str) -> None:
        """The same, for a party that has servers of its own."""

    def follow(self) -> None:
        """Resources may be served elsewhere now."""


class Workspace:
    """Owned by the hub; `run` owns what must run for it. With a `tenant` it is one key's version of a workspace."""

    def __init__(
        self,
        wanted: Wanted,
        pool: Pool,
        settings: Settings,
        on_sessions: Callable[[Workspace], None],
        sealer: Sealer,
        tenant: str = "",
    ) -> None:
        self.wanted = wanted
        self.name = wanted.spec.name
        """Unique, and never another."""
        self.tenant = tenant
        self.serving = asyncio.Event()
        """Set when it is served."""
        self.view: View = views.EMPTY
        self.common_view: View | None = None
        """The same, while it is what every session sees: no server is `per_client`, nor lacking."""
        self.gone = False
        self.sessions: set[Session] = set()
        self.members: dict[str, Member] = {}
        self.asking = False
        """Whether there is a server that may ask its clients."""
        self.observers: list[ListObserver] = []
        self.listening = 0
        """How many requests of `subscriptions/listen` are under way."""
        self.probe: Callable[[Iterable[Upstream], dict[str, Any]], None] | None = None
        """Told which shared servers a client lists, and what the client can do."""
        self.introductions: Introductions | None = None
        """What `per_client` servers say of themselves before a client has one; none where servers are not probed."""
        self.server_info = {"name": wanted.spec.name, "version": VERSION}
        self._pages = f"{settings.base_url}/hub/"
        self._pool = pool
        self._on_sessions = on_sessions
        self._tasks: asyncio.TaskGroup | None = None
        self.sessionless = Sessionless()
        self.sealer = sealer
        self.parked = Parked(settings.input_timeout)
        self.parties = Parties(
            pool, settings.session_idle_timeout, settings.input_timeout, self._changed_for, self.join, self.leave
        )
        self.own = PerClient(self, pool, self.parties)
        self.admit: Callable[[], None] = _anybody
        """Called before a session or a listener begins: it makes room for one more, or raises TooManySessions."""

    @property
    def spec(self) -> WorkspaceSpec:
        """What it should be."""
        return self.wanted.spec

    @property
    def ready(self) -> int:
        """How many of its servers are ready; those of `per_client` mode count, as they start at need."""
        serving = (member.serving for member in self.members.values())
        return sum(1 for upstream in serving if upstream is None or upstream.state == "ready")

    async def run(self, until: asyncio.Event) -> None:
        """Own the workspace's small tasks until `until` is set."""
        self.join(self.sessionless)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self.serving.set()
            try:
                await until.wait()
            finally:
                self._tasks = None
                self.parked.drop()
                self.parties.close()
                self.own.close()
                self.leave(self.sessionless)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do a small piece of work for a session, in a task that the workspace owns."""
        self.start(work)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """The same; the task, or None where the workspace is being closed."""
        if self._tasks is None:
            work.close()
            return None
        return self._tasks.create_task(_guarded(work))

    # --- configuration -------------------------------------------------------------------------------------------

    def update(self, wanted: Wanted, *, gone: bool = False) -> list[Release]:
        """Take over a new version: start what is new, show what is ready; returns what is not needed any more."""
        self.wanted, self.gone = wanted, gone
        alone = {key for key, member in self.members.items() if member.upstream is None}
        released: list[Release] = []
        members: dict[str, Member] = {}
        for spec in wanted.servers:
            member = members[spec.key] = self._member(spec)
            before = self.members.get(spec.key)
            if before is not None:
                released += self._succeed(before, member)
        for key in self.members.keys() - members.keys():
            member = self.members[key]
            released += [(held, self) for held in (member.upstream, member.before) if held]
        self.members = members
        self.asking = any(spec.settings.session == "per_client" for spec in wanted.servers)
        released += self.own.drop(wanted.servers)
        opened_at_need = {key for key, member in members.items() if member.upstream is None}
        self.refresh(announce=not opened_at_need <= alone)
        still_held = {held for member in members.values() for held in (member.upstream, member.before)}
        return [release for release in released if release[0] not in still_held or release[1] is not self]

    def _member(self, spec: ServerSpec) -> Member:
        if spec.settings.session == "per_client":
            return Member(spec, None)
        owner = "" if spec.settings.share_between_keys else self.tenant
        try:
            upstream = self._pool.acquire(spec, self, owner=owner)
        except TooManyInstances as error:
            log.warning(error.message, extra={"code": error.code, "server": spec.key, "workspace": self.name})
            return Member(spec, None, refused=error)
        upstream.log_level = _level(self._pool.clients(upstream))
        return Member(spec, upstream)

    def refused(self) -> frozenset[str]:
        """Fingerprints of the servers that it lacks, for there are as many as there may be."""
        return frozenset(self._pool.fingerprint(member.spec) for member in self.members.values() if member.refused)

    def fingerprints(self) -> frozenset[str]:
        """Those of the servers that it has to itself."""
        held = (member.upstream for member in self.members.values())
        return frozenset(upstream.fingerprint for upstream in held if upstream and upstream.for_key)

    def ask_again(self) -> None:
        """Have the servers that it lacks, if there is room for them now."""
        for key, member in self.members.items():
            if member.refused:
                self.members[key] = self._member(member.spec)

    def _succeed(self, before: Member, member: Member) -> list[Release]:
        """Let what served until now go on until the new upstream is ready or has failed."""
        if before.upstream is member.upstream:
            member.before = before.before
            return []
        serving = before.serving
        if serving is not None and member.upstream is not None and not member.upstream.first_attempt_over:
            member.before = serving
        return [(held, self) for held in (before.upstream, before.before) if held and held is not member.before]

    # --- the view ------------------------------------------------------------------------------------------------

    def upstream_changed(self, upstream: Upstream) -> None:
        """One of its servers became ready, failed, or changed its lists."""
        for member in self.members.values():
            if member.before and member.upstream is upstream and upstream.first_attempt_over:
                before, member.before = member.before, None
                if not any(before in (other.upstream, other.before) for other in self.members.values()):
                    self._pool.release(before, self)
        if not any(upstream in (member.upstream, member.before) for member in self.members.values()):
            self.own.learn(upstream)
        self.refresh()

    def refresh(self, *, announce: bool = False) -> None:
        """Make the view anew, and tell every session what changed for it.

        `announce`: there are new servers whose lists are not known before a session asks; say that all has changed.
        """
        before, self.view = self.view, self.build({}, self.view)
        self.common_view = self.view if all(member.upstream for member in self.members.values()) else None
        for method in LIST_NOTICES if announce else self.view.changed(before):
            for observer in self.observers:
                observer.changed(method)
        for observer in self.observers:
            observer.follow()
        for session in self.sessions:
            changes = self._refresh_session(session, before)
            for method in LIST_NOTICES if announce else changes:
                session.notify(method)
            if session.watched:
                self.spawn(session.watched.follow(partial(self._place, session)))

    def _changed_for(self, party: Party, method: str) -> None:
        for observer in self.observers:
            observer.changed_for(party, method)

    def _refresh_session(self, session: Session, before: View) -> list[str]:
        """What changed for a session, when all the others saw `before`."""
        seen = session.private_view or before
        session.private_view = self.build(session.own, session.private_view) if session.own else None
        return (session.private_view or self.view).changed(seen)

    def build(self, own: dict[str, Upstream], before: View | None = None) -> View:
        """The view of who has these upstreams of its own; `before` itself where it would be the same."""
        sources: list[views.Source] = []
        for member in self.members.values():
            upstream = own.get(member.spec.key) or member.serving
            if upstream is not None and upstream.catalog is not None:
                sources.append((member.spec, upstream, upstream.catalog))
        configured = {key: member.spec.namespace for key, member in self.members.items()}
        made = views.build(sources, self.spec.name_template, configured=configured, before=before)
        for offer in made.offers:
            if offer.upstream in own.values():
                offer.upstream.rename = offer.rename
        return made

    def listed(self, capabilities: dict[str, Any]) -> None:
        """A client with these capabilities lists what there is: perhaps its servers would offer it more."""
        if self.probe is not None and capabilities:
            self.probe((member.upstream for member in self.members.values() if member.upstream), capabilities)

    def _place(self, session: Session, exposed: str) -> Place | None:
        """Where a resource that a session sees is served."""
        found = (session.private_view or self.view).resource(exposed)
        return (found[0].upstream, found[1]) if found else None

    async def view_for(self, session: Session, tell: Progress | None = None, most: float | None = None) -> View:
        """What a session sees: with its own upstreams, started at first need, where servers are `per_client`.

        `tell` sends progress to a client that waits for the start, and asked for it; without it the wait is `most`
        seconds at most (`starting.UNTOLD`).
        """
        if self.common_view is not None:  # every server is shared: nothing is opened
            session.holder.refused = None
            return self.common_view
        return await self.own.view_for(session, tell, most)

    def instructions(self) -> str:
        """What the servers say of themselves, those of `per_client` mode as they last said."""
        told: list[tuple[str, str]] = []
        for key, member in self.members.items():
            serving = member.serving
            catalog = serving.catalog if serving else None
            text = catalog.greeting.instructions if catalog else self.own.instructions(key)
            if text is not None:
                told.append((member.spec.namespace, text))
        return views.instructions(told)

    # --- sessions ------------------------------------------------------------------------------------------------

    def join(self, session: Session) -> None:
        """A client connected."""
        session.caller = Caller(self.tenant, session.id)
        self.sessions.add(session)
        self._on_sessions(self)

    def leave(self, session: Session) -> None:
        """A client left: free what it had."""
        self.sessions.discard(session)
        self.parked.drop(session)
        self.parties.left(session)
        for upstream in (*session.own.values(), *session.spares()):
            self._pool.release(upstream, session)
        session.own.clear()
        if session.log_level is not None:
            session.log_level = None
            self._settle_log_levels()
        if session.watched:
            self.spawn(session.watched.clear())
        self._on_sessions(self)

    def refusal(self) -> SidecarError | None:
        """Why requests are not served now, if they are not."""
        if self.gone:
            return WorkspaceGone(f"The workspace {self.name!r} was removed.")
        if not self.wanted.spec.enabled:
            hint = f"Switch it on at {self._pages}, or with: hubctl enable {shlex.quote(self.name)}"
            return WorkspaceOff(f"The workspace {self.name!r} is switched off.", hint=hint)
        return None

    async def started(self, tell: Progress | None = None, most: float | None = None) -> bool:
        """Wait for the shared servers that are in their first start; whether there was one.

        What a client asks for may come from it: a workspace that was just switched on, say. `tell` and `most`: as in
        `starting.first_tries`.
        """
        upstreams = [member.upstream for member in self.members.values() if member.upstream]
        return await starting.first_tries(upstreams, tell, most)

    def clients(self) -> set[Session]:
        """The clients that are connected now."""
        return {client for session in self.sessions for client in session.clients()}

    def set_log_level(self, session: Session) -> None:
        """Have the servers log at the most verbose level that a client of theirs asks for; nobody waits for them."""
        for upstream in {member.serving for member in self.members.values()} | set(session.own.values()):
            if upstream is not None:
                self.spawn(upstream.set_log_level(_level(self._pool.clients(upstream) | {session})))

    def _settle_log_levels(self) -> None:
        """Have the servers log again as those want that are left; if none of these ever said, at the usual level."""
        for upstream in {member.serving for member in self.members.values()}:
            if upstream is not None and upstream.log_level is not None:
                level = _level(self._pool.clients(upstream)) or USUAL_LEVEL
                self.spawn(upstream.set_log_level(level))

    def holds(self, upstream: Upstream) -> bool:
        """Whether one of its servers, or of its sessions' own, is this upstream."""
        return any(upstream in (member.upstream, member.before) for member in self.members.values()) or any(
            upstream in session.own.values() for session in self.sessions
        )

    def declared(self) -> extensions.Declared:
        """What its endpoints declare of extensions, by what each server said when it was last connected."""
        said = {}
        for key, member in self.members.items():
            catalog = member.serving.catalog if member.serving else None
            if greeting := catalog.greeting if catalog else self._pool.greeting(member.spec):
                said[key] = greeting.capabilities
        return extensions.union(said)


def _level(clients: Iterable[Client]) -> str | None:
    return least(client.log_level for client in clients)


def _anybody() -> None:
    """Nothing limits the sessions of a workspace that no hub counts."""


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    """A failure in one session's small work must not end the others'."""
    try:
        await work
    except Exception:
        log.exception("work for a session failed")
