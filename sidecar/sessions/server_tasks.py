"""Tasks that servers run for a client's calls: which server has which, and nobody else's.

Of two kinds, which share their ids here: those of the core of MCP 2025-11-25, and those of the extension
`io.modelcontextprotocol/tasks` (SEP-2663).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sidecar.errors import TaskUnknown
from sidecar.features import uris

if TYPE_CHECKING:
    from sidecar.routing.view import Offer
    from sidecar.upstream.upstream import Upstream

MOST = 1000
"""Tasks of one session; with one more the oldest is forgotten."""
GRACE = 60.0
"""Seconds for which a task is remembered beyond the time that its server gave it."""
RELATED = "io.modelcontextprotocol/related-task"
NOTICES = frozenset({"notifications/tasks/status", "notifications/tasks"})
"""What a server tells of a task: in the core of 2025-11-25, and with the extension."""


@dataclass(frozen=True, slots=True)
class Task:
    """A server's task. `id` is the server's, `tool` the server's name of the tool that was called."""

    offer: Offer
    upstream: Upstream
    """Where it runs: the offer's own, or one that was leased to the call (client_groups.py)."""
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

    def created(self, offer: Offer, upstream: Upstream, tool: str, result: dict[str, Any]) -> dict[str, Any]:
        """A call's result as the client gets it; if it has a task instead (2025-11-25, `CreateTaskResult`), that is
        remembered."""
        task = result.get("task")
        if not isinstance(task, dict) or not isinstance(task.get("taskId"), str):
            return result
        exposed = self._add(Task(offer, upstream, task["taskId"], tool, _until(task.get("ttl"))))
        return {**result, "task": {**task, "taskId": exposed}}

    def extended(self, offer: Offer, upstream: Upstream, tool: str, result: dict[str, Any]) -> dict[str, Any]:
        """The same for a result that is a task itself (SEP-2663, Task Creation)."""
        if not isinstance(result.get("taskId"), str):
            return result
        exposed = self._add(Task(offer, upstream, result["taskId"], tool, _until(result.get("ttlMs"))))
        return {**result, "taskId": exposed}

    def _add(self, task: Task) -> str:
        """Remember a task; returns the id that the client is to know it by."""
        self._expire()
        exposed = self._free(task)
        self._known[exposed] = task
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return exposed

    def told(self, exposed: str, result: dict[str, Any]) -> dict[str, Any]:
        """What a server says of a task, under the client's id; its time may have changed (SEP-2663, `ttlMs`)."""
        if "ttlMs" in result and exposed in self._known:
            self._known[exposed] = replace(self._known[exposed], until=_until(result["ttlMs"]))
        return named(exposed, result)

    def notice(self, source: object, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """The params of a notification about a task as the client gets them; None where the task is not its own."""
        exposed = self.exposed(source, str(params.get("taskId")))
        if exposed is None:
            return None
        offer = self._known[exposed].offer
        return self.told(exposed, uris.rewrite_result(method, params, offer.rename) if offer.label else params)

    def find(self, exposed: str) -> Task:
        """The task of that id.

        Raises:
            TaskUnknown: this session has none.
        """
        self._expire()
        if exposed not in self._known:
            raise TaskUnknown("This client has no such task.")
        return self._known[exposed]

    def exposed(self, source: object, task_id: str) -> str | None:
        """The id by which the client knows a server's task; None where it is not the session's."""
        place = (source, task_id)
        return next((exposed for exposed, task in self._known.items() if (task.upstream, task.id) == place), None)

    def _free(self, task: Task) -> str:
        names = itertools.chain([task.id], (f"{task.id}-{number}" for number in itertools.count(2)))
        return next(
            name
            for name in names
            if name not in self._known or (self._known[name].upstream, self._known[name].id) == (task.upstream, task.id)
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
