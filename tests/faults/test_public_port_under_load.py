"""The public port while clients call without a pause and a process is stopped or killed (issue 13; ADR 24)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import psutil
import pytest
import pytest_asyncio

from tests.faults.public_port import CALLS, Caller, all_answered, assert_unharmed, calling
from tests.support.hub import Hub, Name, running
from tests.support.yamcp import module

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Hub]:
    """One that asks nobody for a token."""
    providers, workspaces = {"e": module("e", "bench.echo_server")}, {"w": ["e"]}
    async with running(providers, workspaces, front=True) as made:
        yield made


@contextlib.asynccontextmanager
async def hanging(hub: Hub, name: Name) -> AsyncIterator[None]:
    """The process is stopped meanwhile."""
    process = psutil.Process(hub.pid(name))
    process.suspend()
    try:
        yield
    finally:
        process.resume()


@contextlib.asynccontextmanager
async def killed(hub: Hub, name: Name) -> AsyncIterator[None]:
    """The process is dead meanwhile."""
    await hub.kill(name)
    try:
        yield
    finally:
        await hub.start(name)


Fault = Callable[[Hub, Name], contextlib.AbstractAsyncContextManager[None]]


@pytest.mark.parametrize("fault", [hanging, killed])
async def test_calls_go_on_without_the_front(hub: Hub, fault: Fault) -> None:
    """Neither calls under way nor new clients notice; pages are served again when the front is back."""
    async with calling(hub) as callers:
        async with fault(hub, "front"):
            await all_answered(callers)
            async with calling(hub) as more:
                assert_unharmed(more)
        await hub.wait_front()
        await all_answered(callers)
        assert_unharmed(callers)


@pytest.mark.parametrize("fault", [hanging, killed])
async def test_calls_under_way_go_on_without_the_acceptor(hub: Hub, fault: Fault) -> None:
    """New clients wait for it."""
    late = Caller(hub, "http")
    async with calling(hub) as callers, asyncio.TaskGroup() as group:
        async with fault(hub, "acceptor"):
            late.start(group)
            await all_answered(callers)
            assert late.answered == 0
        await late.answers(CALLS)
        late.end()
        assert_unharmed(callers)


async def test_calls_wait_for_a_sidecar_that_hangs(hub: Hub) -> None:
    """The front says so meanwhile; then each call gets its own answer."""
    async with calling(hub) as callers:
        async with hanging(hub, "sidecar"):
            assert (await health(hub)) == 503
        await all_answered(callers)
        assert_unharmed(callers)


async def test_a_killed_sidecar_costs_the_calls_under_way_alone(hub: Hub) -> None:
    """Each caller loses one connection and connects anew; nobody gets a wrong answer; no process is left."""
    async with calling(hub) as callers:
        async with killed(hub, "sidecar"):
            before = {process.pid for process in hub.children()}
        await all_answered(callers)
        assert [caller.wrong for caller in callers] == [[]] * len(callers)
        assert min(caller.lost + caller.away for caller in callers) >= 1
        await hub.wait_settled()
        left = before & {process.pid for process in hub.children()}
        assert left == set(), "servers of the sidecar that was killed"


async def health(hub: Hub) -> int:
    """The status of the public /healthz."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.settings.port)
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
