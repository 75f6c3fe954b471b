"""Lazy start and idle stop: when a server sleeps, and what wakes it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import ServerExited, ServerUnavailable
from sidecar.observe.metrics import Metrics
from sidecar.protocol.catalog import Catalog
from sidecar.supervision import idle_timer, sleep
from sidecar.supervision.known_lists import KnownLists
from sidecar.upstream.upstream import Upstream
from tests.support.fake_server import FakeServer, Gate, settle, text, until, within
from tests.unit.sidecar.upstream.test_upstream import Subscriber, Watcher, call

SOON = 0.02
"""An idle time in seconds that a test can wait for."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was started to read its lists is stopped soon, and failed starts follow each other at once."""
    monkeypatch.setattr(sleep, "LEARNED_SECONDS", SOON)
    monkeypatch.setattr("sidecar.supervision.backoff.FIRST_DELAY", 0.001)


@contextlib.asynccontextmanager
async def running(
    server: FakeServer, known: KnownLists | None = None, **settings: Any
) -> AsyncIterator[tuple[Upstream, Watcher]]:
    """An upstream with these settings, and lists that are kept in `known`."""
    watcher = Watcher()
    upstream = Upstream("f", server.spec(**settings), server.connect, watcher, Metrics())
    upstream.sleep.known_lists = known
    task = asyncio.create_task(upstream.run())
    try:
        yield upstream, watcher
    finally:
        upstream.stop()
        await within(task)
        assert (server.open, upstream.state) == (0, "stopped")


def tools(catalog: Catalog | None) -> list[str]:
    """The names of the tools."""
    return [tool["name"] for tool in catalog.tools] if catalog else []


async def asleep(upstream: Upstream) -> None:
    """Wait until it sleeps."""
    await until(lambda: upstream.state == "sleeping")


async def test_lazy_start() -> None:
    """A lazy server is started once to read its lists, sleeps, and is started by the first calls, which wait."""
    server = FakeServer()
    async with running(server, start="lazy") as (upstream, watcher):
        await asleep(upstream)
        assert (server.open, tools(upstream.catalog), upstream.first_attempt_over) == (0, ["echo"], True)
        assert (upstream.reason, upstream.restarts, upstream.is_down) == (None, 0, False)
        server.door.clear()
        calls = [call(upstream, "echo", n=number) for number in range(3)]
        await settle()
        server.door.set()
        assert [(await within(each))["result"] for each in calls] == [text(f"[('n', {n})]") for n in range(3)]
        assert (len(server.channels), upstream.restarts) == (2, 0)
        await asyncio.sleep(3 * SOON)  # longer than a server sleeps again that nobody needed
        assert upstream.state == "ready"
    assert watcher.states == ["starting", "ready", "sleeping", "starting", "ready", "stopped"]


async def test_lists_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With lists of an earlier process a lazy server is not started; a call starts it, and reads its lists.

    Nobody waits for the disk meanwhile: lists that are lost are read again.
    """
    path, server, synced = tmp_path / "lists.json", FakeServer(), list[int]()
    monkeypatch.setattr("os.fsync", synced.append)
    server.instructions = "Say hello."
    async with running(server, KnownLists(path), start="lazy") as (upstream, _):
        await asleep(upstream)
    assert path.stat().st_mode & 0o777 == 0o600
    server.tools["new"] = server.tools["echo"]
    async with running(server, KnownLists(path), start="lazy") as (upstream, watcher):
        await asleep(upstream)
        assert watcher.states == ["sleeping"]
        assert tools(upstream.catalog) == ["echo"]
        assert upstream.catalog is not None
        assert upstream.catalog.greeting.instructions == "Say hello."
        assert len(server.channels) == 1
        await within(call(upstream, "echo"))
        assert tools(upstream.catalog) == ["echo", "new"]
    assert tools(KnownLists(path).get("f")) == ["echo", "new"]
    kept = KnownLists(path)
    kept.keep(set())
    assert KnownLists(path).get("f") is None
    assert synced == []


NO_ITEMS = b'"tools": [], "prompts": [], "resources": [], "templates": []'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 2, "lists": {"f": {}}}',
        b'{"format": 1, "lists": {"f": {"greeting": 1}}}',
        b'{"format": 1, "lists": {"f": {"greeting": {"x": 1}, %s}}}' % NO_ITEMS,
        b'{"format": 1, "lists": {"f": {"greeting": {}, %s}}}' % NO_ITEMS.replace(b"[]", b'["x"]', 1),
    ],
)
async def test_lists_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    """A damaged file, or one of another version, is as none: the server is started to read its lists."""
    path, server = tmp_path / "lists.json", FakeServer()
    path.write_bytes(content)
    async with running(server, KnownLists(path), start="lazy") as (upstream, _):
        await asleep(upstream)
        assert len(server.channels) == 1
    assert tools(KnownLists(path).get("f")) == ["echo"]


async def test_used_while_its_lists_are_read() -> None:
    """A lazy server that is called while it runs for its lists only is not stopped as one that nobody needed: without
    `idle_stop` it runs on, since its process may have state by now."""
    server = FakeServer()
    async with running(server, start="lazy") as (upstream, watcher):
        await within(call(upstream, "echo"))
        await asyncio.sleep(3 * SOON)
        assert (upstream.state, len(server.channels)) == ("ready", 1)
    assert "sleeping" not in watcher.states
    async with running(server, start="lazy", idle_stop=2 * SOON) as (upstream, _):
        await within(call(upstream, "echo"))
        await asleep(upstream)


async def test_stopped_before_it_has_begun(tmp_path: Path) -> None:
    """A lazy server whose last workspace goes at once does not sleep, since nobody would wake it."""
    known, server = KnownLists(tmp_path / "lists.json"), FakeServer()
    async with running(server, known, start="lazy") as (upstream, _):
        await asleep(upstream)
    upstream = Upstream("f", server.spec(start="lazy"), server.connect, Watcher(), Metrics())
    upstream.sleep.known_lists = known
    task = asyncio.create_task(upstream.run())
    upstream.stop()
    await within(task)
    assert upstream.state == "stopped"


async def test_stopped_as_it_falls_asleep() -> None:
    """A server that is found to be unused after `stop` was called, and before its connection has ended, is stopped."""
    server, watcher = FakeServer(), Watcher()
    upstream = Upstream("f", server.spec(idle_stop=1000), server.connect, watcher, Metrics())
    task = asyncio.create_task(upstream.run())
    await within(upstream.ready(100))
    upstream.stop()
    upstream.sleep._fall()
    await within(task)
    assert "sleeping" not in watcher.states


async def test_woken_after_failures() -> None:
    """A server that failed several times before it was ready, and then fell asleep, is no broken one: the call that
    wakes it waits for its start."""
    server = FakeServer()
    server.refusal = ServerExited("It exited with code 3.")
    async with running(server, idle_stop=SOON) as (upstream, _):
        await until(lambda: upstream.is_down)
        server.refusal = None
        await asleep(upstream)
        assert not upstream.is_down
        assert "result" in await within(call(upstream, "echo"))


async def test_idle_stop() -> None:
    """A server that nobody used for a while is stopped, with its tools listed; the next call starts it."""
    server = FakeServer()
    async with running(server, idle_stop=SOON) as (upstream, watcher):
        await within(call(upstream, "echo"))
        await asleep(upstream)
        assert (server.open, tools(upstream.catalog)) == (0, ["echo"])
        assert "result" in await within(call(upstream, "echo"))
        assert upstream.restarts == 0
        await asleep(upstream)
    assert watcher.states == ["starting", "ready", "sleeping"] * 2 + ["stopped"]


async def test_idle_stop_ends_no_call() -> None:
    """A call under way keeps a server running however long it takes; the server is stopped a while after its end."""
    gate = Gate()
    server = FakeServer(tools={"gate": gate})
    async with running(server, idle_stop=SOON) as (upstream, _):
        calling = call(upstream, "gate")
        await gate.reached()
        await asyncio.sleep(5 * SOON)
        assert (upstream.state, calling.done(), gate.cancelled) == ("ready", False, 0)
        gate.open()
        assert (await within(calling))["result"] == text("through")
        await asleep(upstream)


@pytest.mark.parametrize("by", ["subscription", "task"])
async def test_idle_stop_ends_no_subscription(by: str) -> None:
    """A subscription to a resource, or a task that the server runs, keeps it running until it is over."""
    server, subscriber, busy = FakeServer(), Subscriber(), by == "task"
    async with running(server, idle_stop=SOON) as (upstream, _):
        upstream.sleep.in_use = lambda: busy
        await within(upstream.ready(100))
        if by == "subscription":
            await within(upstream.subscribe("a://x", subscriber))
        await asyncio.sleep(5 * SOON)
        assert upstream.state == "ready"
        busy = False
        if by == "subscription":
            await within(upstream.unsubscribe("a://x", subscriber))
        await asleep(upstream)


async def test_call_while_it_falls_asleep() -> None:
    """A call that comes while the process is being stopped gets a new one, and counts as no restart."""
    server = FakeServer()
    server.closing.clear()
    async with running(server, idle_stop=SOON) as (upstream, watcher):
        await until(lambda: upstream.sleep.falling)
        calling = call(upstream, "echo")
        await settle()
        assert not calling.done()
        server.closing.set()
        assert "result" in await within(calling)
        assert (upstream.restarts, len(server.channels)) == (0, 2)
    assert "sleeping" not in watcher.states[:4]


async def test_per_client_never_sleeps() -> None:
    """The process of a session keeps that session's state, so it ends with the session."""
    server = FakeServer()
    async with running(server, idle_stop=SOON, start="lazy", session="per_client") as (upstream, _):
        await within(upstream.ready(100))
        await asyncio.sleep(5 * SOON)
        assert upstream.state == "ready"


async def test_woken_in_vain() -> None:
    """A call to a sleeping server that does not start fails with the reason, and the server is tried again as any."""
    server = FakeServer()
    async with running(server, idle_stop=SOON) as (upstream, _):
        await asleep(upstream)
        server.refusal = ServerExited("It exited with code 3.")
        with pytest.raises(ServerUnavailable, match="It exited with code 3"):
            await within(call(upstream, "echo"))
        server.refusal = None
        await until(lambda: upstream.state == "ready")
        await asleep(upstream)


async def test_restart_and_edits() -> None:
    """Restart starts a sleeping server to read its lists; changed settings apply without a reconnection."""
    server = FakeServer()
    async with running(server, start="lazy") as (upstream, _):
        await asleep(upstream)
        upstream.restart()
        await until(lambda: len(server.channels) == 2 and upstream.state == "ready")
        upstream.update_spec(server.spec(idle_stop=SOON))
        await asleep(upstream)
        upstream.update_spec(server.spec())
        await until(lambda: upstream.state == "ready")
        upstream.update_spec(server.spec(idle_stop=SOON))
        await asleep(upstream)
        assert len(server.channels) == 3


async def test_usage_that_is_seen_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer starts anew with each request that it finds, and is stopped by 0."""
    used, idle = 0, asyncio.Event()
    timer = idle_timer.IdleTimer(lambda: used, idle.set)
    timer.start(0.04)
    for _ in range(12):
        used += 1
        await asyncio.sleep(0.01)
        assert not idle.is_set()
    await within(idle.wait())
    idle.clear()
    timer.start(0.01)
    timer.start(0)
    await asyncio.sleep(0.03)
    assert not idle.is_set()
