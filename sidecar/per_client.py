"""What the sessions of one workspace have to themselves of its `per_client` servers.

Each is started when its session first needs it, and closed with the session; or before, when the session is idle and
another needs the place (`max_instances`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from bridge.models import ServerSpec
from sidecar import starting
from sidecar.errors import SidecarError, TooManyInstances
from sidecar.leases import Parties
from sidecar.mux import Progress
from sidecar.session import Session
from sidecar.upstream import Upstream
from sidecar.view import View

if TYPE_CHECKING:
    from sidecar.pool import Pool
    from sidecar.workspace import Member, Release, Workspace

log = logging.getLogger(__name__)

INTRODUCTION = 5.0
"""Seconds that a handshake waits for servers whose instructions are not known yet."""


class PerClient:
    """Owned by the workspace; `parties` are what modern clients have instead of sessions."""

    def __init__(self, workspace: Workspace, pool: Pool, parties: Parties) -> None:
        self._workspace = workspace
        self._pool = pool
        self._parties = parties
        self._instructions: dict[str, str] = {}
        """What each server said in its last handshake with a client of this workspace and key, by fingerprint."""
        pool.lenders.add(self)

    @property
    def tenant(self) -> str:
        """Id of the key whose sessions these are (pool.Lender)."""
        return self._workspace.tenant

    def close(self) -> None:
        """The workspace ends."""
        self._pool.lenders.discard(self)

    # --- what a session sees -------------------------------------------------------------------------------------

    async def view_for(self, session: Session, tell: Progress | None) -> View:
        """What a session sees, its own servers started; `tell` tells the client of their progress."""
        workspace, session = self._workspace, session.holder
        alone = [member for member in workspace.members.values() if member.upstream is None]
        session.refused = None
        if not alone:
            return workspace.view
        if any(member.refused for member in alone):
            workspace.ask_again()
        opened = [self._opened(session, workspace.members[member.spec.key]) for member in alone]
        await starting.first_tries(filter(None, opened), tell)
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

    async def introduce(self, session: Session, method: str, params: dict[str, Any]) -> None:
        """Before a handshake is answered: learn what the servers say of themselves, where that is not known.

        The session's servers are started for it, as a direct connection would; not waited for longer than a handshake
        should take.
        """
        if all(fingerprint in self._instructions for fingerprint in self._fingerprints()):
            return
        with suppress(SidecarError):  # the handshake is answered in any case
            if method == "initialize":
                session.greeted(params)
            else:
                session = self._parties.of(session, params)
            with suppress(TimeoutError):
                async with asyncio.timeout(INTRODUCTION):
                    await self.view_for(session, None)
        for fingerprint in self._fingerprints():  # one that does not start must not delay each handshake
            self._instructions.setdefault(fingerprint, "")

    def learn(self, upstream: Upstream) -> None:
        """A server that a session has to itself became ready, or changed."""
        if upstream.catalog is not None:
            self._instructions[upstream.fingerprint] = upstream.catalog.greeting.instructions

    def instructions(self, key: str) -> str | None:
        """What a server said of itself last; none where it never ran here."""
        member = self._workspace.members[key]
        return None if member.upstream else self._instructions.get(self._pool.fingerprint(member.spec))

    def _fingerprints(self) -> list[str]:
        members = self._workspace.members.values()
        return [self._pool.fingerprint(each.spec) for each in members if each.upstream is None and not each.refused]

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
        """Upstreams of a server that nobody uses now: since when, and how to close each (pool.Lender)."""
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
