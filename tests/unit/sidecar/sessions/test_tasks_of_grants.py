"""Tasks that OAuth grants have started: the session of each knows of them as one of a key does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bridge.keys import Principal
from sidecar.sessions.server_tasks import ServerTasks

STATUS = "notifications/tasks/status"


def test_a_task_of_a_grant() -> None:
    """Its client is told how it goes, and its session is not idle while it runs; other grants know nothing of it."""
    offer: Any = SimpleNamespace(label="")
    upstream: Any = object()
    tasks = ServerTasks()
    one, other = (Principal("u" + "0" * 15, "ada", grant=f"g{number:016x}") for number in (1, 2))
    made = tasks.of(one).register_core(offer, upstream, "find", {"task": {"taskId": "t", "ttl": 60_000}})
    assert made["task"]["taskId"] == "t"
    told = {"taskId": "t", "status": "working"}
    assert tasks.notification_to_client(upstream, STATUS, told) == told
    assert tasks.notification_to_client(object(), STATUS, told) is None
    assert len(tasks) == 1
    assert tasks.any_of(upstream)
    assert not tasks.of(other)
    tasks.forget_ended(lambda principal: None)
    assert tasks.notification_to_client(upstream, STATUS, told) is None
    assert not tasks
