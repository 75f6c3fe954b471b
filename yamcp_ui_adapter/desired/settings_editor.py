"""Handles the bridge's requests to change hub.json, the hub's own settings of servers and workspaces."""

from __future__ import annotations

from bridge.models import Changed, ForgetSettings, SetServer, SetWorkspace
from bridge.server import Handlers
from yamcp_ui_adapter.desired.service import DesiredStateService
from yamcp_ui_adapter.desired.state import DesiredState
from yamcp_ui_adapter.errors import EditInvalid, NoSuchServer, NoSuchWorkspace
from yamcp_ui_adapter.format.hubfile import with_server, with_settings_moved, with_workspace


class SettingsEditor:
    """The handlers of these requests."""

    def __init__(self, service: DesiredStateService, state: DesiredState) -> None:
        self._service = service
        self._state = state

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return {
            SetWorkspace: self.set_workspace,
            SetServer: self.set_server,
            ForgetSettings: self.forget_settings,
        }

    async def set_workspace(self, change: SetWorkspace) -> Changed:
        """Change the settings of a workspace in hub.json.

        Raises:
            NoSuchWorkspace, NoSuchServer, EditInvalid, HubFileBroken, DataDirUnusable: nothing was changed.
        """
        self._check_workspace(change)
        return await self._service.change_settings(lambda content: with_workspace(content, change))

    def _check_workspace(self, change: SetWorkspace) -> None:
        """Check that the names in a change of settings exist, and that its slug is free.

        Raises:
            NoSuchWorkspace, NoSuchServer, EditInvalid: the change is not possible.
        """
        if change.name not in self._state.workspaces:
            raise NoSuchWorkspace(f"There is no workspace {change.name!r}.")
        members = self._state.members(change.name)
        if strangers := [key for key in change.servers if key not in members]:
            raise NoSuchServer(f"There is no server {strangers[0]!r} in the workspace {change.name!r}.")
        owners = {spec.slug: spec.name for spec in self._state.snapshot.workspaces}
        if change.slug and (owner := owners.get(change.slug, change.name)) != change.name:
            message = f"The slug {change.slug!r} is that of the workspace {owner!r}; choose another."
            raise EditInvalid(message, data={"field": "slug"})
        aliases = next(spec.aliases for spec in self._state.snapshot.workspaces if spec.name == change.name)
        if strangers := [alias for alias in change.remove_aliases if alias not in aliases]:
            message = f"The workspace {change.name!r} has no alias {strangers[0]!r}."
            raise EditInvalid(message, data={"field": "remove_aliases"})

    async def set_server(self, change: SetServer) -> Changed:
        """Change the settings of a server in hub.json.

        Raises:
            NoSuchServer, EditInvalid, HubFileBroken, DataDirUnusable: nothing was changed.
        """
        if change.key not in self._state.servers:
            raise NoSuchServer(f"There is no server {change.key!r}.")
        return await self._service.change_settings(lambda content: with_server(content, change))

    async def forget_settings(self, body: ForgetSettings) -> Changed:
        """Remove the settings of a server or workspace that does not exist from hub.json.

        Raises:
            EditInvalid: the server or workspace exists. Nothing was changed.
            HubFileBroken, DataDirUnusable: nothing was changed.
        """
        if self._state.exists(body.section, body.name):
            what = {"servers": "server", "workspaces": "workspace"}[body.section]
            raise EditInvalid(f"There is a {what} {body.name!r}, which these settings are for.")
        if not self._state.has_settings(body.section, (body.name,)):
            return Changed(snapshot=self._state.snapshot.id)
        return await self._service.change_settings(
            lambda content: with_settings_moved(content, body.section, body.name, None)
        )
