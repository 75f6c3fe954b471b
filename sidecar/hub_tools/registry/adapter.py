"""Requests to the adapter for the caller of a registry tool."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

from fastmcp.exceptions import ToolError

from bridge.client import BridgeClient
from bridge.errors import HubError, PeerUnavailable
from bridge.models import Model, Ping, Request
from bridge.models.catalog.approvals import Caller
from sidecar.calls.hub_caller import HubCaller
from sidecar.hub_tool_errors import RegistryAway

A = TypeVar("A", bound=Model)

READ_SECONDS = 10.0
HEALTH_SECONDS = 0.5
HEALTH_AGE = 5.0
"""Seconds for which an adapter that did not answer is not asked again for its health."""
CHANGE_SECONDS = 30.0
"""A removal waits for files that are deleted."""


class Adapter:
    """Asks the adapter. Each request opens a connection of its own, which ends with it: the one who asks owns it."""

    def __init__(self, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._clock = clock
        self._away: RegistryAway | None = None
        """Why the last request had no answer."""
        self._asked = 0.0

    async def away(self) -> RegistryAway | None:
        """Why the adapter does not answer; None if it answers. It is asked only if its last answer is missing."""
        if self._away is not None and self._clock() - self._asked >= HEALTH_AGE:
            with contextlib.suppress(RegistryAway, ToolError):
                await self.request(Ping(), HEALTH_SECONDS)
        return self._away

    async def request(self, body: Request[A], seconds: float = READ_SECONDS) -> A:
        """Return the answer. Raises RegistryAway if there is none in time, ToolError if the adapter refuses."""
        try:
            async with BridgeClient(self._address) as client:
                answer = await client.request(body, timeout=seconds)
        except PeerUnavailable:
            self._asked = self._clock()
            self._away = RegistryAway(f"The hub's catalogue did not answer within {seconds:g} s.")
            raise self._away from None
        except HubError as error:
            self._away = None
            raise ToolError(f"{error.message} {error.advice} ({error.code})") from None
        self._away = None
        return answer


def vouched(caller: HubCaller) -> Caller:
    """The caller, as the sidecar has authenticated it."""
    who = caller.principal
    return Caller(id=who.id, name=who.name, grant=bool(who.grant), subjects=tuple(sorted(who.subjects)))
