"""The state of a server, and those who wait for a change of it."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from bridge.errors import ErrorBody
from bridge.models import ServerSpec, UpstreamState
from bridge.models import ServerState as ShownState
from sidecar.protocol.channel import Channel
from sidecar.supervision.backoff import Backoff
from sidecar.supervision.slowed import SlowedWatch
from sidecar.supervision.troubles import ServerTroubles

log = logging.getLogger(__name__)

Connection = TypeVar("Connection")
"""The class of a server's connections, of which only the identity counts here."""
Server_contra = TypeVar("Server_contra", contravariant=True)


class UpstreamListener(Protocol[Server_contra]):
    """Receives the events of upstreams. Called on the event loop; must neither block nor raise."""

    def upstream_changed(self, upstream: Server_contra) -> None:
        """The upstream's state, troubles, lists or refused features changed."""

    def upstream_notified(self, upstream: Server_contra, method: str, params: dict[str, Any]) -> None:
        """The server sent a notification that is neither progress nor list_changed."""


class ServerState(Generic[Connection]):
    """The state of one server. `_state_changed` is called after each change."""

    spec: ServerSpec

    def __init__(self) -> None:
        self.state: UpstreamState = "starting"
        self.reason: ErrorBody | None = None
        """Why it is not ready; None if it is, or if nothing is known yet."""
        self.since = time.time()
        """When it entered the state (Unix time)."""
        self.retry_at: float | None = None
        """When it is connected next (Unix time), while it waits for that."""
        self.retry_due: float | None = None
        """The same as `time.monotonic`, which no change of the clock moves."""
        self.first_attempt_over = False
        """Whether the first attempt to start has succeeded or failed, or waits for its preparation."""
        self.troubles = ServerTroubles()
        self.slowed = SlowedWatch(self._slowed)
        self.backoff = Backoff()
        self.connection: Connection | None = None
        """The current connection while the server is ready, else None."""
        self._state_entered = asyncio.Event()
        self._channel: Channel | None = None
        self._stderr: tuple[str, ...] = ()

    def _state_changed(self) -> None:
        """Called after each change of the state."""
        raise NotImplementedError

    def _enter(self, state: UpstreamState, reason: ErrorBody | None) -> None:
        if state != self.state:
            self.since = time.time()
        self.state, self.reason = state, reason
        self._state_entered.set()
        self._state_entered = asyncio.Event()
        self._state_changed()

    def _slowed(self, troubles: tuple[ErrorBody, ...]) -> None:
        self.troubles.set_slowed(self.spec.key, troubles)
        if self.state == "ready":
            self._state_changed()

    @property
    def shown_state(self) -> ShownState:
        """The state that people see: `degraded` if the server is ready and has troubles, else `state`."""
        return "degraded" if self.state == "ready" and self.troubles.all else self.state

    @property
    def is_down(self) -> bool:
        """Whether requests for it fail at once: its circuit breaker is open, it waits for a sign-in, or another
        replica runs it."""
        return self.state in ("failed", "sign_in_required", "elsewhere") or (
            self.connection is None and self.backoff.down
        )

    async def wait_first_attempt(self) -> None:
        """Wait until `first_attempt_over` is true, or the upstream is stopped."""
        while not self.first_attempt_over and self.state != "stopped":
            await self._state_entered.wait()

    async def left(self, state: UpstreamState) -> None:
        """Wait until the server is not in this state (any more)."""
        while self.state == state:
            await self._state_entered.wait()

    async def _wait_for_connection(self, timeout: float, lost: Connection | None) -> None:
        """Wait at most `timeout` seconds for a connection other than `lost`, or until there is no hope of one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.connection in (None, lost) and not self.is_down and self.state != "stopped":
                    await self._state_entered.wait()

    async def _wait_in(self, state: UpstreamState, reason: ErrorBody, woken: asyncio.Event) -> None:
        """Show a state in which attempts are of no use, until `woken` is set."""
        self.backoff.reset()
        self._enter(state, reason)
        log.info("a server waits", extra={"server": self.spec.key, "state": state, "reason": reason.message})
        await woken.wait()
        woken.clear()

    # --- for the status ------------------------------------------------------------------------------------------

    @property
    def pids(self) -> tuple[int, ...]:
        """Ids of the processes that the server runs in now."""
        return self._channel.pids if self._channel else ()

    @property
    def transport(self) -> str:
        """`stdio`, `sse`, `http` or `websocket`; empty while not connected."""
        return self._channel.transport if self._channel else ""

    def stderr(self) -> tuple[str, ...]:
        """The last lines that the server wrote to stderr, on this connection or else on the one before."""
        return (self._channel.stderr() if self._channel else ()) or self._stderr
