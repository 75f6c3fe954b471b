"""What the sessions of one workspace have to themselves of its `per_client` servers.

Each is started when its session first needs it, and closed with the session; or before, when the session is idle and
another needs the place (`max_instances`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol

from bridge.models import ServerSpec
from sidecar.errors import SidecarError, TooManyInstances
from sidecar.routing.view import View
from sidecar.sessions.client_groups import Parties
from sidecar.sessions.session import Session
from sidecar.upstream.mux import Progress
from sidecar.upstream.upstream import Upstream
from sidecar.workspaces import starting

if TYPE_CHECKING:
    from sidecar.upstream.pool import Pool
    from sidecar.workspaces.introductions import Introductions
    from sidecar.workspaces.members import Member, Release

log = logging.getLogger(__name__)


class Servers(Protocol):
    """The workspace, as far as its sessions' own servers need it."""

    members: dict[str, Member]
    sessions: set[Session]
    view: View
    introductions: Introductions | None
    tenant: str

    @property
    def name(self) -> str:
        """Its name, unique."""

    def ask_again(self) -> None:
        """Have the servers that it lacks, if there is room for them now."""

    def build(self, own: dict[str, Upstream], before: View | None = None) -> View:
        """The view of who has these upstreams of its own."""


class PerClient:
    """Owned by the workspace; `parties` are what modern clients have instead of sessions."""

    def __init__(self, workspace: Servers, pool: Pool, parties: Parties) -> None:
        self._workspace = workspace
        self._pool = pool
        self._parties = parties
        self._instructions: dict[str, str] = {}
        """What each server said to the last client of this workspace and key that it ran for, by fingerprint."""
        pool.idle_holders.add(self)

    @property
    def tenant(self) -> str:
        """Id of the key whose sessions these are (pool.IdleHolder)."""
        return self._workspace.tenant

    def close(self) -> None:
        """The workspace ends."""
        self._pool.idle_holders.discard(self)

    # --- what a session sees -------------------------------------------------------------------------------------

    async def view_for(self, session: Session, tell: Progress | None, most: float | None) -> View:
        """What a session sees, its own servers started; `tell` and `most` are as in `starting.first_tries`."""
        workspace, session = self._workspace, session.holder
        alone = [member for member in workspace.members.values() if member.upstream is None]
        session.refused = None
        if not alone:
            return workspace.view
        if any(member.refused for member in alone):
            workspace.ask_again()
        opened = [self._opened(session, workspace.members[member.spec.key]) for member in alone]
        await starting.first_tries(filter(None, opened), tell, most)
        if session.private_view is None and session.own:
            session.private_view = workspace.build(session.own)
        return session.private_view or workspace.view

    def _opened(self, session: Session, member: Member) -> Upstream | None:
        """A server that was not there yet."""
        if member.refused:
            session.refused = member.refused
            return None
        return member.upstream or session.own.get(member.spec.key) or self._open(session, member.spec)

    def _open(self, session: Session, spec: ServerSpec) -> Upstream | None:
        try:
            upstream = self._parties.acquire(session, spec)
        except TooManyInstances as error:
            name = self._workspace.name
            log.warning(error.message, extra={"code": error.code, "server": spec.key, "workspace": name})
            session.refused = error
            return None
        upstream.log_level = session.log_level
        session.own[spec.key] = upstream
        return upstream

    def unknown(self, session: Session) -> SidecarError | None:
        """Why it is not known what a session may ask for, if a server of it is still starting."""
        own = session.holder.own
        found = (member.upstream or own.get(key) for key, member in self._workspace.members.items())
        return starting.unknown(filter(None, found))

    # --- instructions --------------------------------------------------------------------------------------------

    async def introduce(self) -> None:
        """Before a handshake is answered: have the servers asked what they say of themselves, where it is not known."""
        workspace = self._workspace
        if workspace.introductions is not None:
            specs = (member.spec for member in workspace.members.values() if member.upstream is None)
            await workspace.introductions.learn(
                spec for spec in specs if self._pool.fingerprint(spec) not in self._instructions
            )

    def learn(self, upstream: Upstream) -> None:
        """A server that a session has to itself became ready, or changed."""
        if upstream.catalog is not None:
            self._instructions[upstream.fingerprint] = upstream.catalog.greeting.instructions

    def instructions(self, key: str) -> str | None:
        """What a server said of itself last; none where it never ran."""
        member, introductions = self._workspace.members[key], self._workspace.introductions
        if member.upstream is not None:
            return None
        said = self._instructions.get(self._pool.fingerprint(member.spec))
        return said if said is not None or introductions is None else introductions.text(member.spec)

    # --- what is given up ----------------------------------------------------------------------------------------

    def drop(self, servers: Iterable[ServerSpec]) -> list[Release]:
        """Those of servers that are gone, changed, or shared now: they are not needed any more."""
        wanted = {spec.key: spec for spec in servers if spec.settings.session == "per_client"}
        kept = {self._pool.fingerprint(spec) for spec in wanted.values()}
        self._instructions = {key: text for key, text in self._instructions.items() if key in kept}
        released: list[Release] = []
        for session in self._workspace.sessions:
            for key, upstream in list(session.own.items()):
                if key not in wanted or self._pool.fingerprint(wanted[key]) != upstream.fingerprint:
                    del session.own[key]
                    if upstream not in session.own.values():
                        released.append((upstream, session))
                    released += [(spare, session) for spare in session.spares(key)]
        return released

    def idle(self, fingerprint: str) -> Iterator[tuple[float, Callable[[], None]]]:
        """Upstreams of a server that nobody uses now: since when, and how to close each (pool.IdleHolder)."""
        yield from self._parties.idle(fingerprint)
        for session in self._workspace.sessions:
            since = session.idle_since
            for key, upstream in session.own.items() if since is not None else ():
                if upstream.fingerprint == fingerprint and not upstream.in_flight:
                    yield since or 0.0, partial(self._take_away, session, key)

    def _take_away(self, session: Session, key: str) -> None:
        """Close what an idle session has; it gets another when it asks again."""
        upstream = session.own.pop(key)
        session.private_view = self._workspace.build(session.own) if session.own else None
        self._pool.release(upstream, session)
        log.info("an idle session made room", extra={"server": key, "workspace": self._workspace.name})
