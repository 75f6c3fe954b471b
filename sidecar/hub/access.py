"""The policy of the applied snapshot (access.json), and what principals may use by it (docs/access.md)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.keys import KEY_ID, OWN_PRINCIPALS, Principal
from sidecar.routing.rights import Rights

if TYPE_CHECKING:
    from bridge.access.permissions import Permissions
    from bridge.access.policy import Policy
    from bridge.models import Snapshot, WorkspaceSpec
    from bridge.settings import Settings


class Access:
    """Answers for one hub. Without access.json, keys may use what keys.json says, and users nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._policy: Policy | None = None
        self._snapshot: Snapshot | None = None

    def follow(self, snapshot: Snapshot) -> None:
        """Take over the policy of a snapshot."""
        if self._snapshot is None or snapshot.access != self._snapshot.access:
            self._policy = None
        self._snapshot = snapshot

    def permissions(self, principal: Principal) -> Permissions:
        """What a principal may do."""
        if self._policy is None:
            from bridge.access.policy import Policy  # noqa: PLC0415 - most hubs never need it

            self._policy = Policy(self._snapshot.access if self._snapshot else None)
        return self._policy.permissions(principal)

    def may_use(self, principal: Principal, workspace: WorkspaceSpec) -> bool:
        """Whether a principal may use anything of a workspace. If not, the workspace does not exist for it."""
        if self._has_rules(principal):
            return self.permissions(principal).may_use(workspace.name, workspace.servers)
        return principal.may_use(workspace.name)

    def rights(self, principal: Principal, workspace: str) -> Rights | None:
        """What a principal may use in a workspace; None for everything, unless it shares processes with its group."""
        return Rights(self.permissions(principal), workspace) if self._has_rules(principal) else None

    def is_admin(self, principal: Principal) -> bool:
        """Whether a principal may see what concerns the whole hub: the hub's token, an admin key, a key with the role
        admin. Grants never may: they are for one workspace."""
        by_role = self._has_rules(principal) and not principal.grant and self.permissions(principal).admin
        return principal.admin or by_role

    async def find(self, subject: str) -> Principal:
        """The principal that a subject stands for, of the keys and users in the hub's files at this moment.

        Raises:
            SubjectUnknown: there is no such key or user.
        """
        from sidecar.hub.subjects import principal_of_subject, read_principals  # noqa: PLC0415 - hardly ever needed

        return principal_of_subject(subject, await asyncio.to_thread(read_principals, self._settings))

    def _has_rules(self, principal: Principal) -> bool:
        """Whether rules say what a principal may use; for the hub's own, and for keys without access.json, none do."""
        if principal.id in OWN_PRINCIPALS:
            return False
        has_file = self._snapshot is not None and self._snapshot.access is not None
        return has_file or not KEY_ID.fullmatch(principal.id)
