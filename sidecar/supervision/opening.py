"""Opens the channel of a server: its preparation, its turn to start, and the start timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from bridge.errors import ErrorBody
from bridge.models import RemoteLaunch, ServerSpec
from sidecar.errors import StillStarting
from sidecar.protocol.channel import Channel, OnFrame
from sidecar.protocol.open_later import OpenLater
from sidecar.supervision.start_turns import StartTurn, StartTurns

Connect = Callable[[OnFrame], AbstractAsyncContextManager[Channel]]
Tell = Callable[[ErrorBody | None], None]
"""Shows what a start waits for; None: for nothing more."""
Prepare = Callable[[ServerSpec, Tell], Awaitable[None]]
"""Waits until a server can be started. Reports what it waits for by its second argument; None: it has waited."""


class Opening:
    """The opening of one server's channels, one at a time. `cancel` ends it from outside.

    `turns` limits how many servers start at once; remote servers, which cost this machine nothing, need no turn.
    """

    def __init__(self, connect: Connect) -> None:
        self.prepare: Prepare | None = None
        self.turns: StartTurns | None = None
        self.delayed = False
        """Whether the channel cannot be opened yet because another sidecar has the server (`OpenLater`)."""
        self._connect = connect
        self._limit: asyncio.Timeout | None = None
        self._cancelled = False
        self._turn: StartTurn | None = None

    async def open(
        self, stack: AsyncExitStack, spec: ServerSpec, on_frame: OnFrame, preparing: Tell, queued: Tell
    ) -> Channel:
        """Open a channel, which `stack` closes. `preparing` and `queued` show what the start waits for.

        Raises:
            TimeoutError: it took longer than `start_timeout`, or `cancel` was called.
            SidecarError: the server cannot be started or reached.
        """
        self._cancelled = False
        try:
            while True:
                async with asyncio.timeout(0.0 if self._cancelled else None) as self._limit:
                    if self.prepare is not None:
                        await self.prepare(spec, preparing)
                    if self.turns is not None and not isinstance(spec.launch, RemoteLaunch):
                        await self._take_turn(self.turns, queued)
                limit = 0.0 if self._cancelled else spec.settings.start_timeout  # cancelled as the wait ended
                try:
                    async with asyncio.timeout(limit) as self._limit:
                        return await stack.enter_async_context(self._connect(on_frame))
                except OpenLater as later:
                    await self._wait(later, queued)
        finally:
            self._limit = None

    async def _wait(self, later: OpenLater, queued: Tell) -> None:
        """Wait until the channel can be opened, without a turn. Raises TimeoutError if `cancel` is called."""
        self.started()
        self.delayed = True
        try:
            queued(later.reason)
            async with asyncio.timeout(0.0 if self._cancelled else None) as self._limit:
                await asyncio.wait([later.until])
            queued(None)
        finally:
            self.delayed = False

    async def _take_turn(self, turns: StartTurns, queued: Tell) -> None:
        if turns.full:
            queued(
                StillStarting(f"{turns.most} other servers are starting (HUB_MAX_STARTING); it is next in turn.").body()
            )
        self._turn = await turns.take()
        queued(None)

    def started(self) -> None:
        """The server is ready, or its start has failed: let the next one start."""
        if self._turn is not None:
            self._turn.release()
            self._turn = None

    def cancel(self) -> None:
        """End an opening in progress: `open` raises TimeoutError."""
        self._cancelled = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(0)
