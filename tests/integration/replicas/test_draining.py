"""A replica that is to stop: what becomes of its sessions, calls and streams (docs/scaling.md)."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any

import pytest

from sidecar import app, optional
from sidecar.replicas.draining import Draining
from sidecar.replicas.errors import ReplicasOff
from sidecar.succession.drain import drain
from tests.support.fake_server import until, within
from tests.support.raw_client import Client, Connection, Way, connected, read, unchunked
from tests.support.replicas import WAIT, Replicas, text

WAYS: list[Way] = ["http", "modern", "sse"]


async def test_a_replica_that_drains(replicas: Replicas) -> None:
    """It finishes its calls, and hands its sessions and new ones over; no request fails."""
    await replicas.start_both()
    r0, _ = replicas.apps
    async with contextlib.AsyncExitStack() as stack:
        strayed = await stack.enter_async_context(replicas.strayed("http"))
        straight = await stack.enter_async_context(connected(replicas.ports[0], "w", "http"))
        sse = await stack.enter_async_context(connected(replicas.ports[0], "w", "sse"))
        stream = Connection(*await asyncio.open_connection("127.0.0.1", replicas.ports[0]))
        stream.send("GET", "/mcp/w", mcp_session_id=straight.session)
        await stream.head()
        assert text(await straight.call("a_who")) == "r0"
        waiting = asyncio.create_task(strayed.ask("tools/call", WAIT))
        await replicas.gate.reached(1)
        assert not (await optional.drain(r0.forwarding)).done
        assert text(await straight.call("a_who")) == "r1", "its session goes on at the other replica"
        async with connected(replicas.ports[0], "w", "http") as new:
            assert new.session.startswith("r1.")
            assert text(await new.call("a_who")) == "r1"
        async with connected(replicas.ports[0], "w", "modern") as modern:
            assert text(await modern.call("a_who")) == "r0"
        for path in ("/mcp/w/sse", "/readyz"):
            asking = Connection(*await asyncio.open_connection("127.0.0.1", replicas.ports[0]))
            asking.send("GET", path)
            head = await asking.head()
            assert head["status"] == "503"
            assert b"HUB_DRAINING" in b"".join(await asking.body(head))
            asking.writer.close()
        assert unchunked(b"".join(await stream.until(b"0\r\n\r\n"))).strip() == b"", "the stream ends in order"
        assert sse._stream is not None
        await within(sse._stream.until(b"0\r\n\r\n"))
        assert not (await optional.drain(r0.forwarding)).done
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": strayed._ids}}
        other = Connection(*await asyncio.open_connection("127.0.0.1", replicas.ports[1]))
        other.send("POST", "/mcp/w", cancelled, mcp_session_id=strayed.session)
        assert (await other.head())["status"] == "202"
        assert read(await within(waiting))["error"]["message"] == "Request cancelled"
        await until(lambda: r0.forwarding and r0.forwarding.draining.begin().done)
        assert text(await strayed.call("a_who")) == "r1"
        for connection in (stream, other):
            connection.writer.close()


async def test_a_call_that_outlasts_a_stop(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the replica drains, it has a half of HUB_STOP_TIMEOUT; the other one after that."""
    seconds = 1.0
    replicas.settings = [each.model_copy(update={"stop_timeout": seconds}) for each in replicas.settings]
    rest: list[float] = []

    async def noted(*given: Any) -> bool:
        rest.append(given[3])
        return await drain(*given)

    monkeypatch.setattr(app, "drain", noted)
    await replicas.start_both()
    async with connected(replicas.ports[0], "w", "http") as client:
        waiting = asyncio.create_task(client.ask("tools/call", WAIT))
        await replicas.gate.reached(1)
        await replicas.leave(0)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await within(waiting)
    assert rest == [seconds / 2]


def drained(draining: Draining) -> bool:
    """Whether a replica that was told to leave may be stopped."""
    return draining.begin().done


class Caller:
    """A client that calls for as long as it may, each time at any replica that is ready. `calls` have an answer each;
    `sessions` are the ones it had."""

    def __init__(self, replicas: Replicas, way: Way) -> None:
        self._replicas, self._way = replicas, way
        self.calls = 0
        self.sessions: list[str] = []

    async def run(self, until: asyncio.Event) -> None:
        """Call until `until` is set; over SSE, connect again when the stream ends."""
        while not until.is_set():
            async with connected(self._replicas.ready_port(), "w", self._way) as client:
                self.sessions.append(client.session)
                try:
                    while not until.is_set():
                        await self._call(client)
                except (ConnectionError, asyncio.IncompleteReadError):
                    if self._way != "sse":
                        raise
                finally:
                    client._posts.writer.close()

    async def _call(self, client: Client) -> None:
        if self._way != "sse":
            client._posts.writer.close()
            client._posts = Connection(*await asyncio.open_connection("127.0.0.1", self._replicas.ready_port()))
        assert text(await client.call("a_who")).startswith("r")
        self.calls += 1
        await asyncio.sleep(0.01)


async def test_a_rolling_restart_under_load(replicas: Replicas) -> None:
    """No call fails; sessions over Streamable HTTP go on, and SSE clients connect again when their replica leaves."""
    await replicas.start_both()
    callers: list[tuple[Way, Caller]] = [(way, Caller(replicas, way)) for way in WAYS for _ in range(4)]
    until_over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _, caller in callers:
            tasks.create_task(caller.run(until_over))
        for number in (0, 1):
            await until(lambda: all(caller.calls > 2 for _, caller in callers))
            layer = replicas.apps[number].forwarding
            assert layer is not None
            replicas.ready.discard(number)
            await until(partial(drained, layer.draining))
            await replicas.leave(number)
            await replicas.start(replicas.settings[number], place=number)
            replicas.ready.add(number)
            for _, caller in callers:
                caller.calls = 0
        await until(lambda: all(caller.calls > 2 for _, caller in callers))
        until_over.set()
    for way, caller in callers:
        assert len(caller.sessions) <= (3 if way == "sse" else 1), way


async def test_a_hub_that_is_alone() -> None:
    """It has nobody to hand its sessions to."""
    with pytest.raises(ReplicasOff):
        await optional.drain(None)
