"""The hub's own tools, which are loaded with the first workspace that shows some."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from bridge.models.actual import HubToolStatus
from sidecar.hub_tools.channel import open_in_process
from sidecar.protocol.channel import Channel, OnFrame
from sidecar.protocol.in_process import InProcessLaunch

if TYPE_CHECKING:
    from sidecar.hub_tools.service import HubToolsService


Open = Callable[[InProcessLaunch, OnFrame], AbstractAsyncContextManager[Channel]]
Report = Callable[[], Awaitable[tuple[HubToolStatus, ...]]]


def hub_tools(adapter: str) -> tuple[Open, Report]:
    """What opens channels to the hub's own tools, and what reports their state."""
    made = HubToolsOnDemand(adapter)
    return made, made.report


class HubToolsOnDemand:
    """Opens channels for the connector. `adapter` is the address of the adapter's socket."""

    def __init__(self, adapter: str) -> None:
        self._adapter = adapter
        self._service: HubToolsService | None = None

    def __call__(self, launch: InProcessLaunch, on_frame: OnFrame) -> AbstractAsyncContextManager[Channel]:
        """Open a channel to a workspace's tools."""
        if self._service is None:
            from sidecar.hub_tools.service import HubToolsService  # noqa: PLC0415 - most hubs show no such tools

            self._service = HubToolsService(self._adapter)
        return open_in_process(self._service.server_of(launch.tools, launch.servers), on_frame)

    async def report(self) -> tuple[HubToolStatus, ...]:
        """The state of the tools; empty as long as no workspace has shown some."""
        return await self._service.report() if self._service is not None else ()
