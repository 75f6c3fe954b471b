"""`hub_call_many`: places, deadlines, progress and cancellation, by events instead of a clock."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sidecar.protocol import jsonrpc
from tests.support.fake_server import FakeServer, Gate, Json, settle, text, until
from tests.support.inprocess import Recorder, World, space, world

FANNED = "hub_call_many"


def fan_out(hub: World, client: Recorder, *names: str, **more: Any) -> asyncio.Task[Json]:
    """Begin a fan-out."""
    meta = {"_meta": {"progressToken": "p"}} if more.pop("progress", False) else {}
    arguments = {"calls": [{"name": name} for name in names], **more}
    frame = jsonrpc.request(7, "tools/call", {"name": FANNED, "arguments": arguments, **meta})
    return asyncio.create_task(hub.endpoint().serve(client, frame, client.notify))


def outcomes(result: Json) -> list[str]:
    """The outcomes, in order."""
    return [each["outcome"] for each in result["structuredContent"]["calls"]]


async def put(hub: World, *servers: FakeServer, **settings: Any) -> None:
    """Serve these in a workspace with the hub's tools."""
    hub.put(*(server.spec(**settings) for server in servers), space(*(each.name for each in servers), hub_tools=True))
    await hub.settled()


async def test_at_most_eight_at_a_time(tmp_path: Path) -> None:
    """Of twenty calls; all succeed."""
    gate = Gate()
    async with world(tmp_path, server := FakeServer("s", tools={"wait": gate})) as hub:
        await put(hub, server)
        task = fan_out(hub, Recorder(), *["s_wait"] * 20)
        await gate.reached(8)
        await settle()
        assert gate.entered == 8
        gate.open()
        assert outcomes(await task) == ["ok"] * 20


async def test_a_slow_server_does_not_hold_up_others(tmp_path: Path) -> None:
    """Calls that wait for a place at their server take none of the places of all."""
    gate, done = Gate(), Gate()
    done.open()
    slow, fast = FakeServer("slow", tools={"wait": gate}), FakeServer("fast", tools={"go": done})
    async with world(tmp_path, slow, fast) as hub:
        hub.put(slow.spec(max_inflight=1), fast.spec(), space("slow", "fast", hub_tools=True))
        await hub.settled()
        task = fan_out(hub, Recorder(), *["slow_wait"] * 10, *["fast_go"] * 10, at_once=2)
        await done.reached(10)
        assert gate.entered == 1
        gate.open()
        assert outcomes(await task) == ["ok"] * 20


async def test_the_deadline_keeps_what_is_done(tmp_path: Path) -> None:
    """Results of finished calls, the open one at its server cancelled, the others not begun."""
    gate = Gate()
    async with world(tmp_path, server := FakeServer("s", tools={"go": lambda: text("x"), "wait": gate})) as hub:
        await put(hub, server)
        result = await fan_out(hub, Recorder(), "s_go", "s_wait", "s_go", at_once=1, timeout=1)
        assert outcomes(result) == ["ok", "deadline", "not_started"]
        await server.channel.sent("notifications/cancelled")


async def test_limits_of_one_call_and_stop_on_error(tmp_path: Path) -> None:
    """`timeout` for the one that takes too long; what comes after is skipped if the caller wants that."""
    gate = Gate()
    async with world(tmp_path, server := FakeServer("s", tools={"go": lambda: text("x"), "wait": gate})) as hub:
        await put(hub, server)
        names, limits = ("s_wait", "s_go"), {"at_once": 1, "each_timeout": 0.5}
        assert outcomes(await fan_out(hub, Recorder(), *names, **limits)) == ["timeout", "ok"]
        stopped = await fan_out(hub, Recorder(), *names, **limits, stop_on_error=True)
        assert outcomes(stopped) == ["timeout", "skipped"]


async def test_results_together_are_bounded(tmp_path: Path) -> None:
    """A result that does not fit is left out; a smaller one after it is not."""
    tools = {"big": lambda: text("x" * 700_000), "small": lambda: text("y")}
    async with world(tmp_path, server := FakeServer("s", tools=tools)) as hub:
        await put(hub, server)
        result = await fan_out(hub, Recorder(), "s_big", "s_big", "s_small", at_once=1)
        assert outcomes(result) == ["ok", "too_large", "ok"]
        assert result["structuredContent"]["calls"][1]["error"]["code"] == "FAN_OUT_TOO_LARGE"


async def test_progress_is_one_and_increases(tmp_path: Path) -> None:
    """Shares of calls count, whatever servers report; the last number is that of all calls."""

    def working(channel: Any, frame: Json) -> Json:
        token = frame["params"]["_meta"]["progressToken"]
        for done in (1, 3, 2, 3, 4):
            channel.notify("notifications/progress", {"progressToken": token, "progress": done, "total": 4})
        return text("x")

    async with world(tmp_path, server := FakeServer("s", tools={"work": working})) as hub:
        await put(hub, server)
        client = Recorder()
        await fan_out(hub, client, "s_work", "s_work", progress=True)
        told = [params for method, params in client.notes if method == "notifications/progress"]
        numbers = [params["progress"] for params in told]
        assert numbers == sorted(set(numbers)) and len(numbers) > 2 and numbers[-1] == 2
        assert {params["progressToken"] for params in told} == {"p"} and {params["total"] for params in told} == {2}


async def test_a_hundred_cancelled_fan_outs_leave_nothing(tmp_path: Path) -> None:
    """Neither an open call at the server, nor a task, nor a place that stays taken."""
    gate = Gate()
    tools = {"wait": gate, "go": lambda: text("x")}
    async with world(tmp_path, server := FakeServer("s", tools=tools)) as hub:
        await put(hub, server, max_inflight=1000)
        client = Recorder()
        assert outcomes(await fan_out(hub, client, "s_go")) == ["ok"]
        tasks = asyncio.all_tasks()
        fanned = [fan_out(hub, client, *["s_wait"] * 4) for _ in range(100)]
        await gate.reached(400)
        for task in fanned:
            task.cancel()
        await asyncio.wait(fanned)
        assert all(task.cancelled() for task in fanned)
        await server.channel.sent("notifications/cancelled", 400)
        begun = {each["id"] for each in server.channel.got("tools/call") if each["params"]["name"] == "wait"}
        ended = {each["params"]["requestId"] for each in server.channel.got("notifications/cancelled")}
        assert begun == ended and len(begun) == 400
        for task in server.channel.running.values():
            task.cancel()  # as a server does that is told so
        await until(lambda: not asyncio.all_tasks() - tasks)
        assert outcomes(await fan_out(hub, client, "s_go")) == ["ok"]
