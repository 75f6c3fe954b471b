"""Versions of workspaces for single access keys, so that the clients of one key cannot affect those of another.

There is one `Workspace` per workspace and key. It is made with the key's first request to the workspace, and closed
some time after the last one. It has its own server processes (except those of servers that are shared between keys)
and its own sessions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.keys import ADMIN, FRONT, Principal
from sidecar.access.credential import owner_of
from sidecar.concurrency.shares import may_take, uncontested
from sidecar.errors import HubStopping, TooManySessions
from sidecar.upstream.upstream import RECONNECT_WAIT
from sidecar.workspaces.workspace import Workspace

MAX_KEY_WORKSPACES = 100
"""Limit for the workspaces of single keys; a further one closes the longest idle one."""
SHARED_PRINCIPALS = frozenset({"", ADMIN, FRONT})
"""Ids of the principals that use the common workspaces; empty is the id of all clients in an unprotected hub."""


@dataclass(eq=False, slots=True)
class KeyWorkspace:
    """One key's version of a workspace."""

    base: Workspace
    """The common workspace."""
    principal: Principal
    """The key or user, whatever grants its clients have."""
    workspace: Workspace
    requests: int = 0
    """The number of requests in progress, including streams."""
    idle_since: float = field(default_factory=time.monotonic)
    opened: bool = False
    closed: bool = False
    timer: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Whether a client is connected, or a request is in progress."""
        return bool(self.requests or self.workspace.sessionless.requests or self.workspace.clients())

    @property
    def last_used(self) -> float:
        """The time of the last request (`time.monotonic`)."""
        return max(self.idle_since, self.workspace.sessionless.last_used)


class KeyWorkspaces:
    """Owned by the hub. `start` makes a key's version of a workspace, `close` ends it; `idle_timeout` is in seconds."""

    def __init__(
        self,
        start: Callable[[Workspace, str], Workspace],
        close: Callable[[Workspace, Workspace], None],
        idle_timeout: float,
        most: int = MAX_KEY_WORKSPACES,
        contested: Callable[[], bool] = uncontested,
    ) -> None:
        self._start = start
        self._close = close
        self._idle_timeout = idle_timeout
        self._most = most
        self._contested = contested
        self._found: dict[tuple[Workspace, str], KeyWorkspace] = {}
        self._by_workspace: dict[Workspace, KeyWorkspace] = {}

    def __iter__(self) -> Iterator[Workspace]:
        """Iterate over the workspaces of all keys."""
        return iter(tuple(self._by_workspace))

    def of(self, base: Workspace) -> list[Workspace]:
        """The keys' versions of a workspace."""
        return [tenant.workspace for tenant in self._found.values() if tenant.base is base]

    def base_of(self, workspace: Workspace) -> Workspace:
        """The common workspace of a key's version; the workspace itself if it is a common one."""
        tenant = self._by_workspace.get(workspace)
        return tenant.base if tenant else workspace

    def principal_of(self, workspace: Workspace) -> Principal | None:
        """The key that a workspace belongs to; None for a common workspace."""
        tenant = self._by_workspace.get(workspace)
        return tenant.principal if tenant else None

    def find(self, base: Workspace, principal: Principal) -> Workspace | None:
        """The principal's version of a workspace; None if there is none."""
        if principal.id in SHARED_PRINCIPALS:
            return base
        tenant = self._found.get((base, principal.id))
        return tenant.workspace if tenant and tenant.principal.mark == principal.mark else None

    @asynccontextmanager
    async def using(self, base: Workspace, principal: Principal) -> AsyncIterator[Workspace]:
        """The key's version of the workspace, made if necessary, and kept while the context is open.

        Raises:
            TooManySessions: the limit is reached, and no other version is idle.
            HubStopping: the workspace was closed before it was ready.
        """
        tenant = self._found.get((base, principal.id))
        if tenant is None or tenant.principal.mark != principal.mark:
            tenant = self._open(base, owner_of(principal))
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
        """The time of each key's last request to a session (Unix time), by key id.

        It is taken from the sessions, since nothing else is notified of calls on the direct way.
        """
        found: dict[str, float] = {}
        for (_, key), tenant in self._found.items():
            sessions = (*tenant.workspace.clients(), tenant.workspace.sessionless)
            found[key] = max(found.get(key, 0.0), *(session.last_used for session in sessions))
        shift = time.time() - time.monotonic()
        return {key: at + shift for key, at in found.items()}

    def touch(self, workspace: Workspace) -> None:
        """A session joined a workspace, or left it: restart its idle time."""
        if tenant := self._by_workspace.get(workspace):
            tenant.idle_since = time.monotonic()

    # --- opening and closing -----------------------------------------------------------------------------------------

    def _open(self, base: Workspace, principal: Principal) -> KeyWorkspace:
        if before := self._found.get((base, principal.id)):
            self._close_workspace(before)
        self._check_share(principal.id)
        workspace = self._start(base, principal.id)
        tenant = self._found[base, principal.id] = KeyWorkspace(base, principal, workspace)
        self._by_workspace[workspace] = tenant
        while (lacking := workspace.refused()) and self._close_idle(servers=lacking):
            workspace.retry_refused()
        self._schedule_idle_check(tenant, self._idle_timeout)
        return tenant

    def _check_share(self, key: str) -> None:
        """Make room for a further workspace of a key by closing an idle one: of the same key, or of any key if it has
        none. Raises TooManySessions."""
        held = sum(1 for _, whose in self._found if whose == key)
        if may_take(held, len(self._found), self._most, contested=self._contested()):
            return
        if not self._close_idle(key if held else None):
            raise TooManySessions(
                f"{self._most} workspaces of single keys are in use."
                if len(self._found) >= self._most
                else f"This key uses {held} workspaces at once; the rest of {self._most} is for other keys."
            )

    def _close_idle(self, key: str | None = None, servers: frozenset[str] | None = None) -> bool:
        """Close the longest idle workspace, of `key` and with one of `servers` (fingerprints), if these are given.

        Returns False if there is none.
        """
        idle = (tenant for tenant in self._found.values() if not tenant.busy and key in (None, tenant.principal.id))
        found = [tenant for tenant in idle if servers is None or servers & tenant.workspace.fingerprints()]
        if found:
            self._close_workspace(min(found, key=lambda tenant: tenant.last_used))
        return bool(found)

    def _schedule_idle_check(self, tenant: KeyWorkspace, delay: float) -> None:
        tenant.timer = asyncio.get_running_loop().call_later(delay, self._check_idle, tenant)

    def _check_idle(self, tenant: KeyWorkspace) -> None:
        """Close a workspace that has been idle for long enough, else set its timer for the rest of the time."""
        idle = 0.0 if tenant.busy else time.monotonic() - tenant.last_used
        if idle >= self._idle_timeout:
            self._close_workspace(tenant)
        else:
            self._schedule_idle_check(tenant, self._idle_timeout - idle)

    def _close_workspace(self, tenant: KeyWorkspace) -> None:
        if tenant.closed:
            return
        del self._found[tenant.base, tenant.principal.id]
        del self._by_workspace[tenant.workspace]
        tenant.closed = True
        if tenant.timer:
            tenant.timer.cancel()
        self._close(tenant.base, tenant.workspace)

    def recheck(self, current: Callable[[Principal], Principal | None]) -> None:
        """Keys changed: close the workspaces of keys that are revoked, or may not use the workspace any more."""
        for tenant in tuple(self._found.values()):
            now = current(tenant.principal)
            if now is None or not now.may_use(tenant.base.name):
                self._close_workspace(tenant)
            else:
                tenant.principal = now

    def forget(self, base: Workspace) -> None:
        """Close the keys' versions of a workspace that was removed."""
        for tenant in tuple(self._found.values()):
            if tenant.base is base:
                self._close_workspace(tenant)

    def stop(self) -> None:
        """Stop all timers, as the hub stops and closes everything itself."""
        for tenant in self._found.values():
            if tenant.timer:
                tenant.timer.cancel()
