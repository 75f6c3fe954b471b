"""What the caller of a registry tool may do in a workspace, by the hub's own files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from bridge.access.policy import Policy
from bridge.keys import ADMIN, FRONT, KEY_ID, OWN_PRINCIPALS, Keyring, Principal
from bridge.models import (
    Snapshot,
    WorkspaceSpec,
)
from bridge.models.catalog.approvals import (
    Caller,
)
from bridge.settings import Settings
from yamcp_ui_adapter.approvals.errors import RegistryForbidden, RegistryOff
from yamcp_ui_adapter.errors import NoSuchServer

Right = Literal["read", "propose", "apply"]


NOT_THERE = "There is no server {server!r} in this workspace."


class RegistryRights:
    """Decides for one hub. The sidecar says who calls; what they may do is read from keys.json and access.json here.

    `snapshot` returns the desired state.
    """

    def __init__(self, settings: Settings, snapshot: Callable[[], Snapshot]) -> None:
        self._protected = settings.protected
        self._snapshot = snapshot
        self._keyring = Keyring(settings) if settings.protected else None

    def of(
        self, caller: Caller, workspace: str, *, change: bool, server: str | None = None
    ) -> tuple[Right, WorkspaceSpec]:
        """Return what a caller may do in a workspace, and the workspace. `change`: it is about to change something,
        of this `server` if one is named.

        Raises:
            RegistryForbidden: it may not use the workspace, which may not exist.
            RegistryOff: the workspace does not let registry tools do this.
            NoSuchServer: it may not use the server, which may not exist.
        """
        spec = next((each for each in self._snapshot().workspaces if each.name == workspace), None)
        principal = self._principal(caller)
        policy = Policy(self._snapshot().access)
        if spec is None or principal is None or not self._may_use(principal, policy, spec):
            raise RegistryForbidden(f"You may not use a workspace {workspace!r}.")
        if spec.registry == "off" or (change and spec.registry == "find"):
            raise RegistryOff(f"The workspace {workspace!r} does not let agents change its servers.")
        if server is not None and not self._sees(principal, policy, workspace, server):
            raise NoSuchServer(NOT_THERE.format(server=server))
        if spec.registry == "find":
            return "read", spec
        return ("apply" if spec.registry == "add" and self._is_admin(principal, policy) else "propose"), spec

    def _principal(self, caller: Caller) -> Principal | None:
        """The principal as the hub's files have it now; users are vouched for by the sidecar alone."""
        if self._keyring is None:
            return Principal("", "") if caller.id == "" else None
        if caller.id in ("", FRONT):  # the explorer of the console, which owners use too
            return Principal(FRONT, FRONT)
        grant = "grant" if caller.grant else ""
        if caller.id == ADMIN or KEY_ID.fullmatch(caller.id):
            held = self._keyring.holder(caller.id)
            if held is None:
                return None
            return Principal(held.id, held.name, held.workspaces, held.admin, grant=grant, subjects=held.subjects)
        if not caller.id.startswith("u"):
            return None
        return Principal(caller.id, caller.name, grant=grant, subjects=frozenset(caller.subjects))

    def _may_use(self, principal: Principal, policy: Policy, spec: WorkspaceSpec) -> bool:
        if principal.id in OWN_PRINCIPALS:
            return True
        return policy.permissions(principal).may_use(spec.name, spec.servers)

    def _sees(self, principal: Principal, policy: Policy, workspace: str, server: str) -> bool:
        return principal.id in OWN_PRINCIPALS or policy.permissions(principal).server(workspace, server)

    def _is_admin(self, principal: Principal, policy: Policy) -> bool:
        if principal.grant or principal.id == FRONT:
            return False
        return not self._protected or principal.admin or policy.permissions(principal).admin
