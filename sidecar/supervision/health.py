"""Checks regularly that a connected server still answers, and that its lists are what they were.

A process that runs, or a connection that is open, does not show that a server works. So the hub pings a server that has
no requests in progress (MCP, Ping), and reads its lists again. One that answers nothing is connected anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sidecar.errors import CallTimeout, ConnectionLost, SidecarError
from sidecar.protocol.channel import Frame
from sidecar.supervision.errors import ServerUnresponsive

ANSWER_SECONDS = 30.0
"""Seconds within which a server has to answer a check; long, since a busy machine is no fault of the server."""
LISTS_SHARE = 0.01
"""Largest part of the time in which a server reads its lists for checks; one with slow lists is pinged in between."""
SETTINGS_SECONDS = 60.0
"""Seconds between two looks at the settings while checks are switched off."""

Ask = Callable[[float], Awaitable[Frame]]
"""Sends a request without side effects; its argument is the timeout in seconds. Raises SidecarError."""


class HealthChecks:
    """The checks of one connection.

    `interval` returns the seconds between two checks (0 for none) and `busy` whether requests are in progress; then
    these show whether the server answers, and the check is skipped. `read_lists` has the lists read again,
    `lists_answered` returns when the last reading was answered (`loop.time`), and `lists_took` how many seconds the
    last readings took.
    """

    def __init__(
        self,
        interval: Callable[[], float],
        busy: Callable[[], bool],
        ask: Ask,
        read_lists: Callable[[], None],
        lists_answered: Callable[[], float],
        lists_took: Callable[[], float],
    ) -> None:
        self._interval = interval
        self._busy = busy
        self._ask = ask
        self._read_lists = read_lists
        self._lists_answered = lists_answered
        self._lists_took = lists_took
        self._lists_requested: float | None = None
        """When the lists were last requested (`loop.time`)."""

    async def run(self) -> SidecarError:
        """Check until the server does not answer; returns the reason to connect again."""
        while True:
            interval = self._interval()
            await asyncio.sleep(interval or SETTINGS_SECONDS)
            if interval and not self._busy() and (error := await self._check()):
                return error

    async def _check(self) -> SidecarError | None:
        """Send a ping and read the lists. Any answer is a sign of life: some servers know no ping."""
        began = asyncio.get_running_loop().time()
        lists = self._lists_are_due(began)
        if lists:
            self._request_lists(began)
        try:
            await self._ask(ANSWER_SECONDS)
        except CallTimeout:
            if not lists:
                self._request_lists(asyncio.get_running_loop().time())
                await asyncio.sleep(ANSWER_SECONDS)
            if self._busy() or self._lists_answered() >= began:
                return None
            return ServerUnresponsive(
                f"It answered neither a ping nor requests for its lists for {ANSWER_SECONDS:g} s."
            )
        except ConnectionLost as error:
            return error
        except SidecarError:
            return None  # an answer that cannot be read, or an HTTP error: the channel judges these
        return None

    def _lists_are_due(self, now: float) -> bool:
        return self._lists_requested is None or now - self._lists_requested >= self._lists_took() / LISTS_SHARE

    def _request_lists(self, now: float) -> None:
        self._lists_requested = now
        self._read_lists()
