"""The tasks that servers run for the calls of one client: which server runs each, and its id.

There are two kinds: the tasks of the core protocol (MCP 2025-11-25, Tasks) and those of the extension
`io.modelcontextprotocol/tasks` (SEP-2663). Their ids share one table.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sidecar.errors import TaskUnknown
from sidecar.features import uris
from sidecar.protocol import replica_names

if TYPE_CHECKING:
    from bridge.keys import Principal
    from sidecar.routing.offer import Offer
    from sidecar.upstream.upstream import Upstream

MAX_TASKS = 1000
"""Limit for the tasks of one session; a further one replaces the oldest."""
EXPIRY_GRACE_SECONDS = 60.0
"""Seconds for which a task is kept after its `ttl`."""
RELATED_TASK_KEY = "io.modelcontextprotocol/related-task"
TASK_NOTIFICATIONS = frozenset({"notifications/tasks/status", "notifications/tasks"})
"""Notifications about tasks, of the core protocol and of the extension."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task of a server. `id` is the server's id, `tool` the name of the called tool at the server."""

    offer: Offer
    upstream: Upstream
    """The upstream that runs it: the offer's, or one leased to the call (client_groups.py)."""
    id: str
    tool: str
    until: float
    """When the entry expires (`time.monotonic`); infinite if the server set no `ttl`."""


class ServerTasks:
    """The tasks of one session by the id that its client knows: the server's id, unless two servers use the same.

    With the name of a replica (sidecar/protocol/replica_names.py), ids begin with it.
    """

    def __init__(self, replica: str = "") -> None:
        self._replica = replica
        self._known: dict[str, Task] = {}
        self._of_grants: dict[str, tuple[Principal, ServerTasks]] = {}
        """The tasks of OAuth grants, whose clients may share one session object, by the grant's id."""

    def of(self, principal: Principal) -> ServerTasks:
        """The tasks of a principal's requests: what a grant has started, nobody else sees."""
        if not principal.grant:
            return self
        if principal.grant not in self._of_grants:
            self._of_grants = {grant: each for grant, each in self._of_grants.items() if each[1]}
            self._of_grants[principal.grant] = principal, ServerTasks(self._replica)
        return self._of_grants[principal.grant][1]

    def forget_ended(self, current: Callable[[Principal], Principal | None]) -> None:
        """Forget the tasks of grants that were ended; `current` is `Authenticator.current`."""
        self._of_grants = {grant: each for grant, each in self._of_grants.items() if current(each[0]) is not None}

    def __len__(self) -> int:
        return len(self._known) + sum(len(tasks) for _, tasks in self._of_grants.values())

    def __iter__(self) -> Iterator[tuple[str, Task]]:
        self._expire()
        return iter(list(self._known.items()))

    def any_of(self, source: object) -> bool:
        """Whether any of the tasks is the server's, whose upstream is `source`."""
        own = any(task.upstream is source for _, task in self)
        return own or any(tasks.any_of(source) for _, tasks in self._of_grants.values())

    def register_core(self, offer: Offer, upstream: Upstream, tool: str, result: dict[str, Any]) -> dict[str, Any]:
        """Register the task in a call's result (MCP 2025-11-25, `CreateTaskResult`), if there is one. Returns the
        result for the client."""
        task = result.get("task")
        if not isinstance(task, dict) or not isinstance(task.get("taskId"), str):
            return result
        exposed = self._add(Task(offer, upstream, task["taskId"], tool, _expiry(task.get("ttl"))))
        return {**result, "task": {**task, "taskId": exposed}}

    def register_extension(self, offer: Offer, upstream: Upstream, tool: str, result: dict[str, Any]) -> dict[str, Any]:
        """As `register_core`, for a result that is itself a task (SEP-2663, Task Creation)."""
        if not isinstance(result.get("taskId"), str):
            return result
        exposed = self._add(Task(offer, upstream, result["taskId"], tool, _expiry(result.get("ttlMs"))))
        return {**result, "taskId": exposed}

    def _add(self, task: Task) -> str:
        """Add a task; returns its id for the client."""
        self._expire()
        exposed = self._free_id(task)
        self._known[exposed] = task
        if len(self._known) > MAX_TASKS:
            del self._known[next(iter(self._known))]
        return exposed

    def to_client(self, exposed: str, result: dict[str, Any]) -> dict[str, Any]:
        """Translate a server's result about a task to the client's id; takes over a changed `ttlMs` (SEP-2663)."""
        if "ttlMs" in result and exposed in self._known:
            self._known[exposed] = replace(self._known[exposed], until=_expiry(result["ttlMs"]))
        return with_task_id(exposed, result)

    def notification_to_client(self, source: object, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """The params of a notification about a task, translated for the client; None if it is not the client's task.

        Sessions with a connected client, which alone are notified, have the tasks of one grant at most.
        """
        exposed = self.exposed(source, str(params.get("taskId")))
        if exposed is None:
            told = (tasks.notification_to_client(source, method, params) for _, tasks in self._of_grants.values())
            return next((found for found in told if found is not None), None)
        offer = self._known[exposed].offer
        return self.to_client(exposed, uris.rewrite_result(method, params, offer.rename) if offer.label else params)

    def find(self, exposed: str) -> Task:
        """The task with the client's id `exposed`. Raises TaskUnknown."""
        self._expire()
        if exposed not in self._known:
            raise TaskUnknown("This client has no such task.")
        return self._known[exposed]

    def exposed(self, source: object, task_id: str) -> str | None:
        """The client's id of a server's task; None if the task is not the session's. `source` is the upstream."""
        place = (source, task_id)
        return next((exposed for exposed, task in self._known.items() if (task.upstream, task.id) == place), None)

    def _free_id(self, task: Task) -> str:
        first = replica_names.named(self._replica, task.id)
        names = itertools.chain([first], (f"{first}-{number}" for number in itertools.count(2)))
        return next(
            name
            for name in names
            if name not in self._known or (self._known[name].upstream, self._known[name].id) == (task.upstream, task.id)
        )

    def _expire(self) -> None:
        now = time.monotonic()
        for exposed in [exposed for exposed, task in self._known.items() if task.until < now]:
            del self._known[exposed]


def with_task_id(exposed: str, result: dict[str, Any]) -> dict[str, Any]:
    """A result about a task with the client's id in place of the server's."""
    if "taskId" in result:
        result = {**result, "taskId": exposed}
    meta = result.get("_meta")
    if isinstance(meta, dict) and isinstance(meta.get(RELATED_TASK_KEY), dict):
        result = {**result, "_meta": {**meta, RELATED_TASK_KEY: {**meta[RELATED_TASK_KEY], "taskId": exposed}}}
    return result


def _expiry(ttl: Any) -> float:
    """When a task with this `ttl` (in milliseconds) expires."""
    limited = isinstance(ttl, int | float) and not isinstance(ttl, bool)
    return time.monotonic() + ttl / 1000 + EXPIRY_GRACE_SECONDS if limited else float("inf")
