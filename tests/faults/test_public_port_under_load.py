"""The public port while clients call without a pause and a process is stopped or killed (issue 13; ADR 24)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable

import psutil
import pytest
import pytest_asyncio

from bench.load import open_sessions
from bench.peers.peer import Mode
from bench.session import Session, SessionError, SseSession
from bench.ways import MODES
from tests.support.hub import Hub, Name, running
from tests.support.yamcp import module

pytestmark = pytest.mark.asyncio(loop_scope="module")

EACH = 4
"""Callers of each mode."""
CALLS = 25
"""Calls of each caller that are waited for while something is away, and again when it is back."""


class Caller:
    """A client that calls a tool again and again, each time with a nonce, and connects anew when it has to."""

    def __init__(self, hub: Hub, mode: Mode) -> None:
        self._transport, self._era = MODES[mode]
        self._url = hub.public_sse("w") if mode == "sse" else hub.public_http("w")
        self.answered = 0
        self.wrong: list[str] = []
        """What was answered instead of the result of the call."""
        self.lost = 0
        """Calls and handshakes whose connection ended before an answer came."""
        self.away = 0
        """Calls and handshakes that were refused because the sidecar was away for too long."""
        self.progress = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def start(self, group: asyncio.TaskGroup) -> None:
        """Call until `end`."""
        self._task = group.create_task(self._run())

    def end(self) -> None:
        """Call no more. In Python 3.11 `asyncio.wait_for` may lose a cancellation, and so the flag."""
        assert self._task is not None
        self._ended = True
        self._task.cancel()

    async def _run(self) -> None:
        while not self._ended:
            try:
                async with open_sessions(self._url, 1, transport=self._transport, era=self._era) as [session]:
                    await self._call(session)
            except (OSError, SessionError) as error:
                self._failed(str(error))

    async def _call(self, session: Session) -> None:
        """Call until the session's stream is lost."""
        while not (self._ended or (isinstance(session, SseSession) and session.lost.is_set())):
            nonce = secrets.token_hex(8)
            try:
                result = await session.request("tools/call", {"name": "e_echo", "arguments": {"text": nonce}})
            except SessionError as error:
                self._failed(str(error))
                continue
            if result["content"] != [{"type": "text", "text": nonce}]:
                self.wrong.append(f"{nonce}: {result}")
            self.answered += 1
            self.progress.set()

    def _failed(self, why: str) -> None:
        if "lost" in why or "HTTP 404" in why:  # 404: an SSE session ends with its stream
            self.lost += 1
        elif "HTTP 503" in why:
            self.away += 1
        else:
            self.wrong.append(why)

    async def answers(self, count: int) -> None:
        """Wait for as many more answers."""
        wanted = self.answered + count
        while self.answered < wanted:
            self.progress.clear()
            await self.progress.wait()


@contextlib.asynccontextmanager
async def calling(hub: Hub) -> AsyncIterator[list[Caller]]:
    """Callers of each mode, all under way."""
    callers = [Caller(hub, mode) for mode in MODES for _ in range(EACH)]
    async with asyncio.TaskGroup() as group:
        for caller in callers:
            caller.start(group)
        await all_answered(callers)
        yield callers
        for caller in callers:
            caller.end()


async def all_answered(callers: list[Caller]) -> None:
    """Wait until each has had `CALLS` answers more."""
    async with asyncio.timeout(100):
        await asyncio.gather(*(caller.answers(CALLS) for caller in callers))


def assert_unharmed(callers: list[Caller]) -> None:
    """No call was lost, refused or answered with something else."""
    assert [(caller.lost, caller.away, caller.wrong) for caller in callers] == [(0, 0, [])] * len(callers)


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
