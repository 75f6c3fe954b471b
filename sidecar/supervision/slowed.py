"""Shows in the status that a server is being slowed down because it sends too much (channels/pace.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from bridge.errors import ErrorBody
from sidecar.flood_errors import ServerSlowed
from sidecar.protocol.channel import Channel

LOOK_SECONDS = 1.0
"""Seconds between two looks whether the server is still slowed down."""
QUIET_LOOKS = 3
"""Looks in a row that must find it not slowed down, so that a flood with short breaks is one flood."""


class SlowedWatch:
    """Watches one channel at a time. `tell` gets the trouble when a flood begins, and none when it has ended.

    Costs nothing while the server is not slowed down.
    """

    def __init__(self, tell: Callable[[tuple[ErrorBody, ...]], None]) -> None:
        self._tell = tell
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = 0

    def watch(self, channel: Channel) -> None:
        """Watch a channel that has been opened, until `end`."""
        channel.on_slowed = partial(self._begin, channel)

    def end(self) -> None:
        """The channel is closed, and with it the flood ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._over()

    def _begin(self, channel: Channel, text: str) -> None:
        self._quiet = 0
        if self._timer is None:
            self._schedule(channel)
            self._tell((ServerSlowed(f"{text[:1].upper()}{text[1:]}.").body(),))

    def _schedule(self, channel: Channel) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look, channel)

    def _look(self, channel: Channel) -> None:
        self._quiet = 0 if channel.slowed else self._quiet + 1
        if self._quiet < QUIET_LOOKS:
            self._schedule(channel)
        else:
            self._over()

    def _over(self) -> None:
        self._timer = None
        self._tell(())
