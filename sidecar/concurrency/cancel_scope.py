"""Cancel part of the current task's work without starting another task for it."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Cancellable(Protocol):
    """A request in progress that another task can cancel."""

    def cancel(self, reason: str = "") -> None:
        """Stop the request: its caller no longer wants the answer. `reason` is the client's, empty if it gave none."""


class CancelScope:
    """`with scope:` runs work in the current task; `scope.cancel()` ends that work, and the task continues after it.

    As anyio's `CancelScope`, without a task group. Use a scope once. After the block, `cancel_called` tells whether
    `cancel` was called, even if the work completed before the cancellation reached it.
    """

    __slots__ = ("_delivered", "_reason", "_task", "cancel_called")

    def __init__(self) -> None:
        self.cancel_called = False
        self._delivered = False
        self._reason = ""
        self._task: asyncio.Task[object] | None = None

    def cancel(self, reason: str = "") -> None:
        """Cancel the work at its next await. May be called before the block is entered, and from within it.

        `reason` becomes the message of the CancelledError. Further calls have no effect.
        """
        if not self.cancel_called:
            self.cancel_called, self._reason = True, reason
            self._deliver_soon()

    def _deliver_soon(self) -> None:
        # Not at once: if this task is the one that is running, `Task.cancel` would take effect at its next await, which
        # may come after the block. `_deliver` runs between its steps and sees whether the block has been left.
        if self._task is not None:
            self._task.get_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        if self._task is not None:
            self._delivered = True
            self._task.cancel(self._reason or None)

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        if self.cancel_called:
            self._deliver_soon()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        task, self._task = self._task, None
        if not self._delivered or task is None:
            return False
        return task.uncancel() == 0 and kind is not None and issubclass(kind, asyncio.CancelledError)
