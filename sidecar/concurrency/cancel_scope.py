"""Work that others may cut short, without a task of its own."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Running(Protocol):
    """A request under way."""

    def cancel(self, reason: str = "") -> None:
        """Nobody wants the answer any more; `reason` is the client's own, if it gave one."""


class Cut:
    """`with cut:` goes around work of the current task; `cancel()` ends that work, and the task goes on behind it.

    For one piece of work. Afterwards `made` says whether it was cut, or was to be cut and ended by itself.
    """

    __slots__ = ("_delivered", "_reason", "_task", "made")

    def __init__(self) -> None:
        self.made = False
        self._delivered = False
        self._reason = ""
        self._task: asyncio.Task[object] | None = None

    def cancel(self, reason: str = "") -> None:
        """End the work, also from within it; if it has not begun yet, as soon as it waits for something.

        `reason` becomes the message of the CancelledError.
        """
        if not self.made:
            self.made, self._reason = True, reason
            self._deliver_soon()

    def _deliver_soon(self) -> None:
        if self._task is not None:  # soon: the task may be what runs now, and cancelled later, behind the work
            self._task.get_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        if self._task is not None:
            self._delivered = True
            self._task.cancel(self._reason or None)

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        if self.made:
            self._deliver_soon()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        task, self._task = self._task, None
        if not self._delivered or task is None:
            return False
        return task.uncancel() == 0 and kind is not None and issubclass(kind, asyncio.CancelledError)
