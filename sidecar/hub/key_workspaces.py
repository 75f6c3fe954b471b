"""Versions of workspaces for single principals (access keys and users): the clients of one cannot affect those of
another, and each sees what its permissions allow.

There is one `Workspace` per workspace and principal. It is made with the principal's first request to the workspace,
and closed some time after the last one. It has its own sessions, and its own server processes except for servers that
several principals share (`tenancy`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from bridge.keys import KEY_ID, OWN_PRINCIPALS, Principal
from bridge.settings import Settings
from sidecar.access.credential import owner_of
from sidecar.concurrency.shares import may_take, uncontested
from sidecar.errors import HubStopping, TooManySessions
from sidecar.hub.access import Access
from sidecar.routing.rights import Rights
from sidecar.upstream.upstream import RECONNECT_WAIT
from sidecar.workspaces.members import Release
from sidecar.workspaces.workspace import Workspace

Place = tuple[Workspace, str, str, frozenset[str]]
"""A common workspace, and the id, the mark (of users; keys have one version, whatever their token) and the subjects of
a principal: a user has other rights with other subjects, which an external issuer may put into each token."""


class Starter(Protocol):
    """The part of the hub that starts and closes workspaces."""

    access: Access
    current: Callable[[Principal], Principal | None]

    def start_version(self, base: Workspace, principal: Principal) -> Workspace:
        """Start a principal's version of a workspace. Raises HubStopping."""

    def close_version(self, base: Workspace, workspace: Workspace) -> None:
        """Close a principal's version of a workspace."""


@dataclass(eq=False, slots=True)
class KeyWorkspace:
    """One principal's version of a workspace."""

    base: Workspace
    """The common workspace."""
    principal: Principal
    """The key or user, whatever grants its clients have, as it was when it was last looked at."""
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

    @property
    def place(self) -> Place:
        """Where it is found."""
        return place_of(self.base, self.principal)


class KeyWorkspaces:
    """Owned by the hub, which starts and closes the workspaces. There are at most `settings.max_tenants` of them."""

    def __init__(self, hub: Starter, settings: Settings, contested: Callable[[], bool] = uncontested) -> None:
        self._hub = hub
        self._idle_timeout = settings.session_idle_timeout
        self._most = settings.max_tenants
        self._contested = contested
        self._found: dict[Place, KeyWorkspace] = {}
        self._by_workspace: dict[Workspace, KeyWorkspace] = {}

    def __iter__(self) -> Iterator[Workspace]:
        """Iterate over the workspaces of all principals."""
        return iter(tuple(self._by_workspace))

    def of(self, base: Workspace) -> list[Workspace]:
        """The principals' versions of a workspace."""
        return [tenant.workspace for tenant in self._found.values() if tenant.base is base]

    def base_of(self, workspace: Workspace) -> Workspace:
        """The common workspace of a principal's version; the workspace itself if it is a common one."""
        tenant = self._by_workspace.get(workspace)
        return tenant.base if tenant else workspace

    def principal_of(self, workspace: Workspace) -> Principal | None:
        """The principal that a workspace belongs to; None for a common workspace."""
        tenant = self._by_workspace.get(workspace)
        return tenant.principal if tenant else None

    def claims_of(self, principal: str) -> dict[str, str]:
        """The claims of the principal with that id, as known now; empty if it uses no workspace."""
        found = (tenant.principal for tenant in self._found.values() if tenant.principal.id == principal)
        return next(({**each.claims, "id": each.id} for each in found), {})

    def find(self, base: Workspace, principal: Principal) -> Workspace | None:
        """The principal's version of a workspace; None if there is none."""
        if principal.id in OWN_PRINCIPALS:
            return base
        tenant = self._found.get(place_of(base, principal))
        return tenant.workspace if tenant and tenant.principal.mark == principal.mark else None

    @asynccontextmanager
    async def using(self, base: Workspace, principal: Principal) -> AsyncIterator[Workspace]:
        """The principal's version of the workspace, made if necessary, and kept while the context is open.

        Raises:
            TooManySessions: the limit is reached, and no other version is idle.
            HubStopping: the workspace was closed before it was ready.
        """
        tenant = self._found.get(place_of(base, principal))
        if tenant is None or tenant.principal.mark != principal.mark:
            tenant = self._open(base, self._owner(principal))
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
        """The time of the last request (Unix time) of each principal, or grant, to its sessions, by its id.

        It is taken from the sessions, since nothing else is notified of calls on the direct way.
        """
        found: dict[str, float] = {}
        for (_, principal, *_), tenant in self._found.items():
            for session in (*tenant.workspace.clients(), tenant.workspace.sessionless):
                holder = session.principal.grant or principal
                found[holder] = max(found.get(holder, 0.0), session.last_used)
        shift = time.time() - time.monotonic()
        return {holder: at + shift for holder, at in found.items()}

    def touch(self, workspace: Workspace) -> None:
        """A session joined a workspace, or left it: restart its idle time."""
        if tenant := self._by_workspace.get(workspace):
            tenant.idle_since = time.monotonic()

    def _owner(self, principal: Principal) -> Principal:
        """The key or user that a principal acts for, with the subjects of its token."""
        owner = owner_of(principal)
        return replace(self._hub.current(owner) or owner, subjects=principal.subjects)

    # --- opening and closing -----------------------------------------------------------------------------------------

    def _open(self, base: Workspace, principal: Principal) -> KeyWorkspace:
        if before := self._found.get(place_of(base, principal)):
            self._close_workspace(before)
        self._check_share(principal.id)
        workspace = self._hub.start_version(base, principal)
        tenant = self._found[place_of(base, principal)] = KeyWorkspace(base, principal, workspace)
        self._by_workspace[workspace] = tenant
        while (lacking := workspace.refused()) and self._close_idle(servers=lacking):
            workspace.retry_refused()
        self._schedule_idle_check(tenant, self._idle_timeout)
        return tenant

    def _check_share(self, key: str) -> None:
        """Make room for a further workspace of a key by closing an idle one: of the same key, or of any key if it has
        none. Raises TooManySessions."""
        held = sum(1 for _, whose, *_ in self._found if whose == key)
        if may_take(held, len(self._found), self._most, contested=self._contested()):
            return
        if not self._close_idle(key if held else None):
            raise TooManySessions(
                f"{self._most} workspaces of single keys and users are in use."
                if len(self._found) >= self._most
                else f"This key uses {held} workspaces at once; the rest of {self._most} is for other keys.",
                hint="Close some sessions, or raise HUB_MAX_TENANTS.",
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
        del self._found[tenant.place]
        del self._by_workspace[tenant.workspace]
        tenant.closed = True
        if tenant.timer:
            tenant.timer.cancel()
        self._hub.close_version(tenant.base, tenant.workspace)

    # --- changes -----------------------------------------------------------------------------------------------------

    def update(self, base: Workspace) -> list[Release]:
        """Update the principals' versions of a workspace as that was updated. Returns the upstreams to release."""
        return [
            release
            for tenant in tuple(self._found.values())
            if tenant.base is base
            for release in tenant.workspace.update(base.wanted, gone=base.gone, rights=self._rights(tenant))
        ]

    def recheck(self, current: Callable[[Principal], Principal | None]) -> list[Release]:
        """Keys or users changed: close the workspaces of those that are revoked, or may not use the workspace any more;
        update those of users with other subjects. Returns the upstreams to release."""
        for tenant in tuple(self._found.values()):
            if (now := current(tenant.principal)) is None:
                self._close_workspace(tenant)
            elif now.subjects == tenant.principal.subjects:
                tenant.principal = now
            elif self._found.setdefault(place_of(tenant.base, now), tenant) is tenant:
                del self._found[tenant.place]
                tenant.principal = now
            else:  # a client has come with the new subjects already
                self._close_workspace(tenant)
        return self.follow_policy()

    def follow_policy(self) -> list[Release]:
        """The rules, or the subjects of users, changed: close the workspaces of which nothing may be used any more, and
        update the others, whose sessions are told of lists that changed. Returns the upstreams to release."""
        released: list[Release] = []
        for tenant in tuple(self._found.values()):
            base, workspace = tenant.base, tenant.workspace
            if not self._hub.access.may_use(tenant.principal, base.spec):
                self._close_workspace(tenant)
            elif (rights := self._rights(tenant)) != workspace.rights:
                released += workspace.update(base.wanted, gone=base.gone, rights=rights)
        return released

    def _rights(self, tenant: KeyWorkspace) -> Rights | None:
        return self._hub.access.rights(tenant.principal, tenant.base.name)

    def forget(self, base: Workspace) -> None:
        """Close the principals' versions of a workspace that was removed."""
        for tenant in tuple(self._found.values()):
            if tenant.base is base:
                self._close_workspace(tenant)

    def stop(self) -> None:
        """Stop all timers, as the hub stops and closes everything itself."""
        for tenant in self._found.values():
            if tenant.timer:
                tenant.timer.cancel()


def place_of(base: Workspace, principal: Principal) -> Place:
    """Where the principal's version of a workspace is found."""
    mark = "" if KEY_ID.fullmatch(principal.id) else principal.mark
    return base, principal.id, mark, principal.subjects
