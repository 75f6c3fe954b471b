"""`asyncio.timeout` for what happens ten thousand times a second: all of one owner share a timer."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, cast

from bridge.deadlines import Deadline, Deadlines


class Limit:
    """A context that its task may be in for at most so many seconds; None: without limit. Raises TimeoutError."""

    __slots__ = ("_before", "_deadline", "_deadlines", "_late", "_seconds", "_task")

    def __init__(self, deadlines: Deadlines[Any], seconds: float | None) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self._deadline: Deadline | None = None
        self._late = False

    def __enter__(self) -> None:
        if self._seconds is None:
            return
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._before = self._task.cancelling()
        self._deadline = self._deadlines.add(self, self._seconds)

    def expire(self) -> None:
        """The time is up."""
        self._late = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._deadline is not None:
            self._deadlines.drop(self._deadline)
        if self._late and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
