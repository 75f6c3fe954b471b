"""The hub's own tools, which are loaded with the first workspace that shows some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.channels.in_process import InProcessLaunch, InProcessServer

if TYPE_CHECKING:
    from sidecar.hub_tools.service import HubToolsService


class HubToolsOnDemand:
    """Makes the servers of workspaces for the connector."""

    def __init__(self) -> None:
        self._service: HubToolsService | None = None

    def __call__(self, launch: InProcessLaunch) -> InProcessServer:
        """The server of a workspace's tools."""
        if self._service is None:
            from sidecar.hub_tools.service import HubToolsService  # noqa: PLC0415 - most hubs show no such tools

            self._service = HubToolsService()
        return self._service.server_of(launch.tools, launch.servers)
