"""The sessions' own upstreams of a workspace's `per_client` servers.

An upstream is started when its session first needs it, and closed with the session. It is closed earlier if the session
is idle and another session needs an instance (`max_instances`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol

from bridge.models import ServerSpec
from sidecar.errors import SidecarError, TooManyInstances
from sidecar.routing.rights import Rights, rights_of
from sidecar.routing.view import View
from sidecar.sessions.client_groups import ClientGroups
from sidecar.sessions.session import Session
from sidecar.upstream.mux import Progress
from sidecar.upstream.upstream import Upstream
from sidecar.workspaces import starting

if TYPE_CHECKING:
    from sidecar.upstream.pool import Pool
    from sidecar.workspaces.introductions import Introductions
    from sidecar.workspaces.members import Member, Release

log = logging.getLogger(__name__)


class OwningWorkspace(Protocol):
    """The part of `Workspace` that `PerClient` needs."""

    members: dict[str, Member]
    sessions: set[Session]
    view: View
    introductions: Introductions | None
    rights: Rights | None
    tenant: str

    @property
    def name(self) -> str:
        """The unique name of the workspace."""

    def retry_refused(self) -> None:
        """Start the servers that were refused, if `max_instances` allows it now."""

    def build(self, own: dict[str, Upstream], before: View | None = None) -> View:
        """The view of a session with these own upstreams."""

    def follow(self) -> None:
        """Have the observers move their subscriptions, as a view has changed."""


class PerClient:
    """Starts and closes own upstreams for a workspace. `client_groups` hold those of modern clients."""

    def __init__(self, workspace: OwningWorkspace, pool: Pool, client_groups: ClientGroups) -> None:
        self._workspace = workspace
        self._pool = pool
        self._client_groups = client_groups
        self._instructions: dict[str, str] = {}
        """The instructions that each server last sent to a client of this workspace, by fingerprint."""
        pool.idle_holders.add(self)

    @property
    def tenant(self) -> str:
        """Id of the access key of the workspace (`pool.IdleHolder`)."""
        return self._workspace.tenant

    def close(self) -> None:
        """Stop offering idle upstreams to the pool, as the workspace ends."""
        self._pool.idle_holders.discard(self)

    # --- views of sessions ---------------------------------------------------------------------------------------

    async def view_for(self, session: Session, tell: Progress | None, most: float | None) -> View:
        """What a session sees, its own servers started; `tell` and `most` are as in `starting.wait_first_attempts`."""
        workspace, session = self._workspace, session.holder
        alone = [member for member in workspace.members.values() if member.upstream is None]
        session.refused = None
        if not alone:
            return workspace.view
        if any(member.refused for member in alone):
            workspace.retry_refused()
        opened = [self._opened(session, workspace.members[member.spec.key]) for member in alone]
        await starting.wait_first_attempts(filter(None, opened), tell, most)
        if session.private_view is None and session.own:
            session.private_view = workspace.build(session.own)
            workspace.follow()
        return session.private_view or workspace.view

    def incomplete(self, session: Session) -> bool:
        """Whether a session lacks an upstream of a server that was closed, or the view of its upstreams.

        False if one was refused: the session's next request tries again.
        """
        members = self._workspace.members.items()
        closed = any(member.upstream is None and key not in session.own for key, member in members)
        return not session.refused and (closed or session.private_view is None)

    def _opened(self, session: Session, member: Member) -> Upstream | None:
        """The upstream of a server for a session, started if necessary; None if it was refused."""
        if member.refused:
            session.refused = member.refused
            return None
        return member.upstream or session.own.get(member.spec.key) or self._open(session, member.spec)

    def _open(self, session: Session, spec: ServerSpec) -> Upstream | None:
        try:
            upstream = self._client_groups.acquire(session, spec)
        except TooManyInstances as error:
            name = self._workspace.name
            log.warning(error.message, extra={"code": error.code, "server": spec.key, "workspace": name})
            session.refused = error
            return None
        upstream.log_level = session.log_level
        session.own[spec.key] = upstream
        return upstream

    def unknown(self, session: Session) -> SidecarError | None:
        """The error for an unknown item if a server of the session, which may have it, is still starting."""
        own = session.holder.own
        found = (member.upstream or own.get(key) for key, member in self._workspace.members.items())
        return starting.unknown(filter(None, found))

    # --- instructions --------------------------------------------------------------------------------------------

    async def introduce(self) -> None:
        """Read the instructions of `per_client` servers that are not known yet, before a handshake is answered."""
        workspace = self._workspace
        if workspace.introductions is not None:
            alone = (member.spec for member in workspace.members.values() if member.upstream is None)
            specs = (spec for spec in alone if rights_of(workspace.rights, spec.key) is None)
            await workspace.introductions.learn(
                spec for spec in specs if self._pool.fingerprint(spec) not in self._instructions
            )

    def learn(self, upstream: Upstream) -> None:
        """Keep the instructions of a session's own upstream, which became ready or changed."""
        if (catalog := self._pool.shown(upstream.spec, upstream)) is not None:
            rights = rights_of(self._workspace.rights, upstream.spec.key)
            visible = rights is None or not rights.catalog(catalog).empty
            self._instructions[upstream.fingerprint] = catalog.greeting.instructions if visible else ""

    def forget_instructions(self) -> None:
        """Forget what servers sent: the rights have changed, and with them which servers are visible."""
        self._instructions.clear()

    def instructions(self, key: str) -> str | None:
        """The last known instructions of a `per_client` server; None if there are none.

        Where the rights are limited, they are not known before it is known whether anything of the server is visible.
        """
        workspace = self._workspace
        member, introductions = workspace.members[key], workspace.introductions
        if rights_of(workspace.rights, key) is not None:
            introductions = None
        if member.upstream is not None:
            return None
        said = self._instructions.get(self._pool.fingerprint(member.spec))
        return said if said is not None or introductions is None else introductions.text(member.spec)

    # --- closing upstreams ---------------------------------------------------------------------------------------

    def drop(self, servers: Iterable[ServerSpec]) -> list[Release]:
        """Forget the own upstreams of servers that were removed, changed, or are shared now; returns them."""
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
                    released += [(spare, session) for spare in session.pop_spares(key)]
        return released

    def idle(self, fingerprint: str) -> Iterator[tuple[float, Callable[[], None]]]:
        """The idle upstreams of a server: since when, and a function to close each (`pool.IdleHolder`)."""
        yield from self._client_groups.idle(fingerprint)
        for session in self._workspace.sessions:
            since = session.idle_since
            for key, upstream in session.own.items() if since is not None else ():
                if upstream.fingerprint == fingerprint and not upstream.in_flight:
                    yield since or 0.0, partial(self._close_idle, session, key)

    def _close_idle(self, session: Session, key: str) -> None:
        """Close an own upstream of an idle session; the session's next request starts another one."""
        upstream = session.own.pop(key)
        session.private_view = self._workspace.build(session.own) if session.own else None
        self._pool.release(upstream, session)
        log.info(
            "a server of an idle session was stopped for another session",
            extra={"server": key, "workspace": self._workspace.name},
        )
