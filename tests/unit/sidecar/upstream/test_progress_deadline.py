"""The idle timeout of a call: progress extends it, up to the call's whole time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sidecar.errors import CallTimeout
from tests.support.fake_server import FakeChannel, FakeServer, Gate, text, until, within
from tests.unit.sidecar.upstream.test_upstream import running


class Working:
    """A tool that reports progress `steps` times, one report each `pause` seconds, then answers or goes on silently."""

    def __init__(self, steps: int, pause: float, *, answers: bool = True) -> None:
        self.steps, self.pause, self.answers = steps, pause, answers

    async def __call__(self, channel: FakeChannel, frame: dict[str, Any]) -> dict[str, Any]:
        token = frame["params"]["_meta"]["progressToken"]
        for step in range(self.steps):
            await asyncio.sleep(self.pause)
            channel.notify("notifications/progress", {"progressToken": token, "progress": step})
        if not self.answers:
            await asyncio.Event().wait()
        return text("done")


async def ask(server: FakeServer, timeout: float, idle_timeout: float, **more: Any) -> Any:
    """The answer to a call of the tool `work`."""
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        params = {"name": "work", "arguments": {}}
        try:
            return await within(
                upstream.request("tools/call", params, timeout=timeout, idle_timeout=idle_timeout, **more)
            )
        finally:
            await until(lambda: not upstream.in_flight)


async def test_progress_extends() -> None:
    """A call that reports progress may take longer than the idle timeout; the client's handler gets each report."""
    seen: list[Any] = []
    server = FakeServer(tools={"work": Working(6, 0.1)})
    frame = await ask(server, 100, 0.4, on_progress=seen.append)
    assert frame["result"] == text("done")
    assert [params["progress"] for params in seen] == list(range(6))


async def test_without_progress() -> None:
    """A call without a report for so long is cancelled at the server, with a message that says which limit it was."""
    gate = Gate()
    server = FakeServer(tools={"work": gate})
    with pytest.raises(CallTimeout, match=r"Neither an answer to tools/call nor progress within 0.02 s"):
        await ask(server, 100, 0.02)
    assert server.channel.got("notifications/cancelled")


async def test_after_the_last_progress() -> None:
    """The time counts from the last report."""
    with pytest.raises(CallTimeout, match="nor progress"):
        await ask(FakeServer(tools={"work": Working(2, 0.01, answers=False)}), 100, 0.1)


async def test_hard_maximum() -> None:
    """Progress never extends a call beyond its whole time."""
    server = FakeServer(tools={"work": Working(10_000, 0.01)})
    with pytest.raises(CallTimeout, match=r"No answer to tools/call within 0\.\d+ s"):
        await ask(server, 0.2, 0.1)


async def test_longer_than_the_whole_time() -> None:
    """An idle timeout that is no shorter than the whole time changes nothing: the server is not asked for progress."""
    server = FakeServer(tools={"work": lambda frame: text(str("_meta" in frame["params"]))})
    assert (await ask(server, 10, 10))["result"] == text("False")
    assert (await ask(server, 10, 5))["result"] == text("True")
