"""Tasks that servers run for a session's calls (MCP 2025-11-25, Tasks): which server has which, and nobody else's."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sidecar.errors import TaskUnknown

if TYPE_CHECKING:
    from sidecar.upstream import Upstream
    from sidecar.view import Offer

MOST = 1000
"""Tasks of one session; with one more the oldest is forgotten."""
GRACE = 60.0
"""Seconds for which a task is remembered beyond the time that its server gave it."""
RELATED = "io.modelcontextprotocol/related-task"


@dataclass(frozen=True, slots=True)
class Task:
    """A server's task. `id` is the server's, `tool` the server's name of the tool that was called."""

    offer: Offer
    id: str
    tool: str
    until: float
    """When it is forgotten, in seconds of the monotonic clock; infinite where the server set no time."""


class Tasks:
    """Those of one session, by the ids that its client knows: the servers' own, unless two servers use the same."""

    def __init__(self) -> None:
        self._known: dict[str, Task] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[tuple[str, Task]]:
        self._expire()
        return iter(list(self._known.items()))

    def created(self, offer: Offer, tool: str, result: dict[str, Any]) -> dict[str, Any]:
        """A call's result as the client gets it; if it is a task instead (`CreateTaskResult`), that is remembered."""
        task = result.get("task")
        if not isinstance(task, dict) or not isinstance(task.get("taskId"), str):
            return result
        self._expire()
        exposed = self._free(task["taskId"], offer)
        self._known[exposed] = Task(offer, task["taskId"], tool, _until(task.get("ttl")))
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return {**result, "task": {**task, "taskId": exposed}}

    def find(self, exposed: str) -> Task:
        """The task of that id.

        Raises:
            TaskUnknown: this session has none.
        """
        self._expire()
        if exposed not in self._known:
            raise TaskUnknown("This session has no such task.")
        return self._known[exposed]

    def exposed(self, upstream: Upstream, task_id: str) -> str | None:
        """The id by which the client knows a server's task; None where it is not the session's."""
        place = (upstream, task_id)
        return next((exposed for exposed, task in self._known.items() if (task.offer.upstream, task.id) == place), None)

    def _free(self, task_id: str, offer: Offer) -> str:
        names = itertools.chain([task_id], (f"{task_id}-{number}" for number in itertools.count(2)))
        return next(
            name
            for name in names
            if name not in self._known
            or (self._known[name].offer.upstream, self._known[name].id) == (offer.upstream, task_id)
        )

    def _expire(self) -> None:
        now = time.monotonic()
        for exposed in [exposed for exposed, task in self._known.items() if task.until < now]:
            del self._known[exposed]


def named(exposed: str, result: dict[str, Any]) -> dict[str, Any]:
    """A result about a task, with the id by which the client knows it."""
    if "taskId" in result:
        result = {**result, "taskId": exposed}
    meta = result.get("_meta")
    if isinstance(meta, dict) and isinstance(meta.get(RELATED), dict):
        result = {**result, "_meta": {**meta, RELATED: {**meta[RELATED], "taskId": exposed}}}
    return result


def _until(ttl: Any) -> float:
    """`ttl` is in milliseconds."""
    limited = isinstance(ttl, int | float) and not isinstance(ttl, bool)
    return time.monotonic() + ttl / 1000 + GRACE if limited else float("inf")
