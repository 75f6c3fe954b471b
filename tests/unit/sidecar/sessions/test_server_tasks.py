"""Tasks of servers: each belongs to the session whose call began it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import TaskUnknown
from sidecar.sessions import server_tasks as module
from sidecar.sessions.server_tasks import RELATED_TASK_KEY
from tests.support.fake_server import FakeServer, RpcError, settle
from tests.support.inprocess import Recorder, space, world

pytestmark = pytest.mark.outside

LINK = {"type": "resource_link", "uri": "note://1", "name": "n"}


class Worker(FakeServer):
    """A server whose calls are tasks, numbered from 1."""

    def __init__(self, name: str, ttl: Any = 60_000) -> None:
        super().__init__(name)
        self.ttl = ttl
        self.status: dict[str, str] = {}
        self.handlers |= {
            "tools/call": self._begin,
            "tasks/get": lambda _, frame: self._about(frame),
            "tasks/cancel": lambda _, frame: self._about(frame, "cancelled"),
            "tasks/result": lambda _, frame: {
                "content": [LINK],
                "_meta": {RELATED_TASK_KEY: {"taskId": frame["params"]["taskId"]}, "from": self.name},
            },
        }

    def _begin(self, _: Any, frame: Any) -> dict[str, Any]:
        if "task" not in frame["params"]:
            return {"content": [], "task": "a result's own"}
        number = str(len(self.status) + 1)
        self.status[number] = "working"
        return {"task": {"taskId": number, "status": "working", "ttl": self.ttl}}

    def _about(self, frame: Any, status: str = "") -> dict[str, Any]:
        number = frame["params"]["taskId"]
        if number not in self.status:
            raise RpcError(-32602, "no such task")
        self.status[number] = status or self.status[number]
        return {"taskId": number, "status": self.status[number], "ttl": self.ttl}


def begin(tool: str) -> dict[str, Any]:
    """The params of a call that is to be a task."""
    return {"name": tool, "arguments": {}, "task": {"ttl": 60_000}}


async def test_a_task_leads_back_to_its_server(tmp_path: Path) -> None:
    """Two servers with the same task ids: each task is asked about where it runs, under the id that the client has."""
    one, two, client = Worker("one"), Worker("two"), Recorder()
    async with world(tmp_path, one, two) as made:
        made.put(one.spec("a"), two.spec("b"), space("a", "b"))
        await made.settled()
        made.workspace().join(client)
        first = (await made.ask(client, "tools/call", begin("a_echo")))["task"]["taskId"]
        second = (await made.ask(client, "tools/call", begin("b_echo")))["task"]["taskId"]
        assert (first, second) == ("1", "1-2")
        for exposed, server in ((first, one), (second, two)):
            assert (await made.ask(client, "tasks/get", {"taskId": exposed}))["taskId"] == exposed
            result = await made.ask(client, "tasks/result", {"taskId": exposed})
            assert result["_meta"] == {RELATED_TASK_KEY: {"taskId": exposed}, "from": server.name}
            assert result["content"][0]["uri"] == f"note://{'a' if server is one else 'b'}/1"
        assert (await made.ask(client, "tasks/cancel", {"taskId": second}))["status"] == "cancelled"
        assert (one.status, two.status) == ({"1": "working"}, {"1": "cancelled"})
        two.status.clear()
        listed = (await made.ask(client, "tasks/list"))["tasks"]
        assert [(task["taskId"], task["status"]) for task in listed] == [("1", "working")]
        client.took()
        two.channel.notify("notifications/tasks/status", {"taskId": "1", "status": "failed"})
        one.channel.notify("notifications/tasks/status", {"taskId": "unknown", "status": "failed"})
        assert client.notes == [("notifications/tasks/status", {"taskId": "1-2", "status": "failed"})]


async def test_no_other_session_has_it(tmp_path: Path) -> None:
    """Of a shared server's tasks a session sees its own: in the list, by id, and in notices."""
    server, one, other = Worker("one"), Recorder("one"), Recorder("other")
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        for session in (one, other):
            made.workspace().join(session)
        task = (await made.ask(one, "tools/call", begin("a_echo")))["task"]["taskId"]
        assert (await made.ask(other, "tasks/list"))["tasks"] == []
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            with pytest.raises(TaskUnknown):
                await made.ask(other, method, {"taskId": task})
        other.took()
        server.channel.notify("notifications/tasks/status", {"taskId": task, "status": "completed"})
        await settle()
        assert other.notes == []
        assert one.took()[-1] == "tasks/status"
        assert len(server.channel.got("tasks/get")) == 0


async def test_tasks_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When its time is over, or when there are too many, a task is forgotten; what is no task is none."""
    server, client = Worker("one", ttl=0), Recorder()
    monkeypatch.setattr(module, "EXPIRY_GRACE_SECONDS", -1.0)
    monkeypatch.setattr(module, "MAX_TASKS", 2)
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        assert await made.ask(client, "tools/call", {"name": "a_echo"}) == {"content": [], "task": "a result's own"}
        await made.ask(client, "tools/call", begin("a_echo"))
        with pytest.raises(TaskUnknown):
            await made.ask(client, "tasks/get", {"taskId": "1"})
        server.ttl = None
        for _ in range(3):
            await made.ask(client, "tools/call", begin("a_echo"))
        assert [task["taskId"] for task in (await made.ask(client, "tasks/list"))["tasks"]] == ["3", "4"]
        assert len(client.server_tasks) == 2
