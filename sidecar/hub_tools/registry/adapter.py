"""Requests to the adapter for the caller of a registry tool."""

from __future__ import annotations

from typing import TypeVar

from fastmcp.exceptions import ToolError

from bridge.client import BridgeClient
from bridge.errors import HubError, PeerUnavailable
from bridge.models import Model, Request
from bridge.models.catalog.approvals import Caller
from sidecar.calls.hub_caller import HubCaller
from sidecar.hub_tool_errors import RegistryAway

A = TypeVar("A", bound=Model)

READ_SECONDS = 10.0
CHANGE_SECONDS = 30.0
"""A removal waits for files that are deleted."""


class Adapter:
    """Asks the adapter. Each request opens a connection of its own, which ends with it: the one who asks owns it."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def request(self, body: Request[A], seconds: float = READ_SECONDS) -> A:
        """Return the answer. Raises RegistryAway if there is none in time, ToolError if the adapter refuses."""
        try:
            async with BridgeClient(self._address) as client:
                return await client.request(body, timeout=seconds)
        except PeerUnavailable:
            raise RegistryAway(f"The hub's catalogue did not answer within {seconds:g} s.") from None
        except HubError as error:
            raise ToolError(f"{error.message} {error.advice} ({error.code})") from None


def vouched(caller: HubCaller) -> Caller:
    """The caller, as the sidecar has authenticated it."""
    who = caller.principal
    return Caller(id=who.id, name=who.name, grant=bool(who.grant), subjects=tuple(sorted(who.subjects)))
