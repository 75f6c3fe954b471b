"""A cheap `asyncio.timeout`: the many timeouts of one owner share a single timer of the event loop."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, cast

from bridge.deadlines import Deadline, Deadlines


class SharedTimeout:
    """A context manager as `asyncio.timeout(seconds)`, whose timer is that of `deadlines`. None: no timeout.

    Raises:
        TimeoutError: the block took longer than `seconds`.
    """

    __slots__ = ("_before", "_deadline", "_deadlines", "_expired", "_seconds", "_task")

    def __init__(self, deadlines: Deadlines[Any], seconds: float | None) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self._deadline: Deadline | None = None
        self._expired = False

    def __enter__(self) -> None:
        if self._seconds is None:
            return
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._before = self._task.cancelling()
        self._deadline = self._deadlines.add(self, self._seconds)

    def restart(self, seconds: float) -> None:
        """Let the block take `seconds` from now on."""
        if self._deadline is not None and not self._expired:
            self._deadlines.drop(self._deadline)
            self._deadline = self._deadlines.add(self, seconds)

    def expire(self) -> None:
        """Cancel the block: its time is up. Called by the `late` callback of the Deadlines."""
        self._expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._deadline is not None:
            self._deadlines.drop(self._deadline)
        if self._expired and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
