"""The deadline of a request that progress notifications extend (MCP, Lifecycle, Timeouts)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bridge.deadlines import Deadlines
from sidecar.concurrency.timeout import SharedTimeout
from sidecar.errors import CallTimeout


class ProgressDeadline:
    """Limits a request to `idle_timeout` seconds without progress, and to `timeout` seconds in all (None: no limit).

    `limit` is the context manager for the request. `on_progress` gets each progress notification too.
    """

    def __init__(
        self,
        deadlines: Deadlines[Any],
        idle_timeout: float,
        timeout: float | None,
        on_progress: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.limit = SharedTimeout(deadlines, idle_timeout)
        self._idle_timeout = idle_timeout
        self._on_progress = on_progress
        self._clock = asyncio.get_running_loop().time
        self._end = None if timeout is None else self._clock() + timeout

    def progressed(self, params: dict[str, Any]) -> None:
        """A progress notification with these params has come."""
        left = self._idle_timeout if self._end is None else max(self._end - self._clock(), 0.0)
        self.limit.restart(min(self._idle_timeout, left))
        if self._on_progress is not None:
            self._on_progress(params)

    def error(self, method: str) -> CallTimeout | None:
        """The error for a request without progress for too long; None if its whole time is over."""
        if self._end is not None and self._clock() >= self._end:
            return None
        return CallTimeout(f"Neither an answer to {method} nor progress within {round(self._idle_timeout, 2):g} s.")
