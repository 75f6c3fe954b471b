"""Requests on their way to a replica at the moment at which it leaves: none is lost, and none is carried out twice."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from sidecar.replicas import connection
from tests.support.fake_server import within
from tests.support.raw_client import read
from tests.support.replicas import WAIT, Replicas, code, text


def begin_to_drain(replicas: Replicas) -> None:
    """Have r0 leave, but not stop."""
    layer = replicas.apps[0].forwarding
    assert layer is not None
    layer.draining.begin()


def handed(replicas: Replicas) -> dict[str, int]:
    """The requests that r1 has counted as those of another replica, by outcome."""
    lines = replicas.apps[1].metrics.render()[0].decode().splitlines()
    found = (line.partition('yamcp_hub_handed_total{outcome="')[2].partition('"} ') for line in lines)
    return {outcome: int(float(number)) for outcome, _, number in found if outcome}


async def test_a_kept_connection_that_the_owner_closes(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has read nothing of a request that comes just then, and says so: the request goes to the heir."""
    await replicas.start_both()
    send = connection.Connection.send

    async def late(self: connection.Connection, request: bytes, seconds: float) -> None:
        for each in replicas.apps[0].http.connections:
            each.leave(None)
        await send(self, request, seconds)

    async with replicas.strayed("http") as client:
        assert text(await client.call("a_who")) == "r0"
        monkeypatch.setattr(connection.Connection, "send", late)
        assert text(await client.call("a_who")) == "r1"
    assert handed(replicas) == {"owner": 1, "here": 1}


async def test_a_new_connection_that_breaks(replicas: Replicas) -> None:
    """Nobody reads a call that would be lost with it: the owner is asked first whether it is there."""
    await replicas.start_both()
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(replicas.strayed("http"))
        await replicas.leave(0)
        accepted: list[Any] = []

        def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.append(writer)
            writer.transport.abort()

        server = await asyncio.start_server(close, "127.0.0.1", replicas.ports[0])
        stack.callback(server.close)
        assert text(await client.call("a_who")) == "r1"
        assert accepted


async def test_a_call_that_may_have_begun(replicas: Replicas) -> None:
    """It is not carried out again elsewhere, although the owner is known to leave by now."""
    await replicas.start_both()
    async with replicas.strayed("http") as first, replicas.strayed("http") as second:
        assert text(await first.call("a_who")) == "r0"
        waiting = asyncio.create_task(first.ask("tools/call", WAIT))
        await replicas.gate.reached(1)
        begin_to_drain(replicas)
        assert text(await second.call("a_who")) == "r1"
        for each in replicas.apps[0].http.connections:
            each.transport.abort()
        assert code(await within(waiting)) == "REPLICA_LOST"
        assert replicas.gate.entered == 1
    assert handed(replicas)["lost"] == 1


async def test_what_a_leaving_replica_still_serves(replicas: Replicas) -> None:
    """Clients of HTTP+SSE stay there until their streams end, so their messages go there, too."""
    replicas.settings = [each.model_copy(update={"drain_seconds": 60.0}) for each in replicas.settings]
    await replicas.start_both()
    async with replicas.strayed("sse") as sse, replicas.strayed("http") as client:
        begin_to_drain(replicas)
        assert text(await client.call("a_who")) == "r1"
        assert text(await sse.call("a_who")) == "r0"
        assert "result" in read(await client.ask("tools/list", {}))
