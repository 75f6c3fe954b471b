"""What single keys have of the workspaces: servers of their own, so that no key's clients meet what another's left.

A `Workspace` per workspace and key, made with the key's first session or request there, gone a while after the last.
Everything of it is its own: processes (but those of servers that are shared between keys), sessions, notices.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.keys import ADMIN, FRONT, Principal
from sidecar.concurrency.shares import may_take, uncontested
from sidecar.errors import HubStopping, TooManySessions
from sidecar.upstream.upstream import RECONNECT_WAIT
from sidecar.workspaces.workspace import Workspace

MOST = 100
"""Workspaces of single keys at once; one more has the one go that was idle for longest."""
SHARED_PRINCIPALS = frozenset({"", ADMIN, FRONT})
"""Ids of those that use the workspaces themselves, as everybody does in an unprotected hub."""


@dataclass(eq=False, slots=True)
class Tenant:
    """A workspace of one key."""

    base: Workspace
    """The workspace of which it is the key's version."""
    principal: Principal
    workspace: Workspace
    requests: int = 0
    """How many are under way, streams included."""
    idle_since: float = field(default_factory=time.monotonic)
    opened: bool = False
    closed: bool = False
    timer: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Whether somebody is connected, or asks."""
        return bool(self.requests or self.workspace.sessionless.requests or self.workspace.clients())

    @property
    def last_used(self) -> float:
        """When somebody was there last (`time.monotonic`)."""
        return max(self.idle_since, self.workspace.sessionless.last_used)


class Tenants:
    """Owned by the hub. `start` makes a key's version of a workspace, `close` ends it; `linger` is in seconds."""

    def __init__(
        self,
        start: Callable[[Workspace, str], Workspace],
        close: Callable[[Workspace, Workspace], None],
        linger: float,
        most: int = MOST,
        contested: Callable[[], bool] = uncontested,
    ) -> None:
        self._start = start
        self._close = close
        self._linger = linger
        self._most = most
        self._contested = contested
        self._found: dict[tuple[Workspace, str], Tenant] = {}
        self._by_workspace: dict[Workspace, Tenant] = {}

    def __iter__(self) -> Iterator[Workspace]:
        """The workspaces of all keys."""
        return iter(tuple(self._by_workspace))

    def of(self, base: Workspace) -> list[Workspace]:
        """What keys have of a workspace."""
        return [tenant.workspace for tenant in self._found.values() if tenant.base is base]

    def base_of(self, workspace: Workspace) -> Workspace:
        """The workspace that it is a key's version of; it itself, if it is none."""
        tenant = self._by_workspace.get(workspace)
        return tenant.base if tenant else workspace

    def principal_of(self, workspace: Workspace) -> Principal | None:
        """The key whose version of a workspace it is; None for a workspace itself."""
        tenant = self._by_workspace.get(workspace)
        return tenant.principal if tenant else None

    def find(self, base: Workspace, principal: Principal) -> Workspace | None:
        """What the principal has of the workspace now."""
        if principal.id in SHARED_PRINCIPALS:
            return base
        tenant = self._found.get((base, principal.id))
        return tenant.workspace if tenant and tenant.principal.mark == principal.mark else None

    @asynccontextmanager
    async def using(self, base: Workspace, principal: Principal) -> AsyncIterator[Workspace]:
        """The key's version of the workspace, made if need be, and kept while the context is open.

        Raises:
            TooManySessions: there are as many as there may be, all in use.
            HubStopping: it was closed before it was open.
        """
        tenant = self._found.get((base, principal.id))
        if tenant is None or tenant.principal.mark != principal.mark:
            tenant = self._open(base, principal)
        tenant.requests += 1
        try:
            if not tenant.opened:
                await tenant.workspace.serving.wait()
                await tenant.workspace.started(most=RECONNECT_WAIT)
                tenant.opened = True
            if tenant.closed:
                raise HubStopping("The workspace is not served now.")
            yield tenant.workspace
        finally:
            tenant.requests -= 1
            tenant.idle_since = time.monotonic()

    def last_uses(self) -> dict[str, float]:
        """When each key, by its id, last sent a request to a session that it has (Unix time).

        Found out when it is asked for: sessions know it anyway, and calls on the direct way are told of nowhere else.
        """
        found: dict[str, float] = {}
        for (_, key), tenant in self._found.items():
            sessions = (*tenant.workspace.clients(), tenant.workspace.sessionless)
            found[key] = max(found.get(key, 0.0), *(session.last_used for session in sessions))
        shift = time.time() - time.monotonic()
        return {key: at + shift for key, at in found.items()}

    def touch(self, workspace: Workspace) -> None:
        """A client came to a workspace, or left it."""
        if tenant := self._by_workspace.get(workspace):
            tenant.idle_since = time.monotonic()

    # --- from the first request to the last --------------------------------------------------------------------------

    def _open(self, base: Workspace, principal: Principal) -> Tenant:
        if before := self._found.get((base, principal.id)):
            self._retire(before)
        self._check_share(principal.id)
        workspace = self._start(base, principal.id)
        tenant = self._found[base, principal.id] = Tenant(base, principal, workspace)
        self._by_workspace[workspace] = tenant
        while (lacking := workspace.refused()) and self._make_room(servers=lacking):
            workspace.ask_again()
        self._watch(tenant, self._linger)
        return tenant

    def _check_share(self, key: str) -> None:
        """Make room for one more workspace of a key; one of its own has to go, unless it has none."""
        held = sum(1 for _, whose in self._found if whose == key)
        if may_take(held, len(self._found), self._most, contested=self._contested()):
            return
        if not self._make_room(key if held else None):
            raise TooManySessions(
                f"{self._most} workspaces of single keys are in use."
                if len(self._found) >= self._most
                else f"This key uses {held} workspaces at once; the rest of {self._most} is for other keys."
            )

    def _make_room(self, key: str | None = None, servers: frozenset[str] | None = None) -> bool:
        """Let the one go that was idle for longest, of a key's, and of those that have one of these servers.

        `servers` are fingerprints; None, as for `key`: any.
        """
        idle = (tenant for tenant in self._found.values() if not tenant.busy and key in (None, tenant.principal.id))
        found = [tenant for tenant in idle if servers is None or servers & tenant.workspace.fingerprints()]
        if found:
            self._retire(min(found, key=lambda tenant: tenant.last_used))
        return bool(found)

    def _watch(self, tenant: Tenant, delay: float) -> None:
        tenant.timer = asyncio.get_running_loop().call_later(delay, self._check, tenant)

    def _check(self, tenant: Tenant) -> None:
        """One timer each, that finds out how long nobody was there: requests need not wind it up."""
        idle = 0.0 if tenant.busy else time.monotonic() - tenant.last_used
        if idle >= self._linger:
            self._retire(tenant)
        else:
            self._watch(tenant, self._linger - idle)

    def _retire(self, tenant: Tenant) -> None:
        if tenant.closed:
            return
        del self._found[tenant.base, tenant.principal.id]
        del self._by_workspace[tenant.workspace]
        tenant.closed = True
        if tenant.timer:
            tenant.timer.cancel()
        self._close(tenant.base, tenant.workspace)

    def recheck(self, current: Callable[[Principal], Principal | None]) -> None:
        """Keys changed: end what belongs to one that is not valid any more, or not for the workspace."""
        for tenant in tuple(self._found.values()):
            now = current(tenant.principal)
            if now is None or not now.may_use(tenant.base.name):
                self._retire(tenant)

    def forget(self, base: Workspace) -> None:
        """The workspace is gone, for good."""
        for tenant in tuple(self._found.values()):
            if tenant.base is base:
                self._retire(tenant)

    def stop(self) -> None:
        """The hub closes everything; nothing is to be retired any more."""
        for tenant in self._found.values():
            if tenant.timer:
                tenant.timer.cancel()
