"""Health checks of a connected server: ping, lists, and tools that vanish."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sidecar.errors import CallTimeout
from sidecar.protocol.channel import Frame
from sidecar.supervision import health
from sidecar.supervision.expected_tools import MAX_EXPECTED, ExpectedTools
from sidecar.upstream.changes import ChangeDebouncer
from tests.support.fake_server import FakeServer, Gate, RpcError, until, within
from tests.unit.sidecar.upstream.test_upstream import call, running

OFTEN = 0.01
"""Seconds between two checks."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once."""
    monkeypatch.setattr("sidecar.supervision.backoff.FIRST_DELAY", 0.001)


def hang(channel: Any, frame: Any) -> Any:
    """A handler that never answers."""
    return asyncio.Event().wait()


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_checks(era: str) -> None:
    """An idle server is asked for a sign of life and for the lists that it declares, again and again."""
    server = FakeServer(era=era)
    server.capabilities = {"tools": {}}
    asked = "ping" if era == "legacy" else "server/discover"
    server.handlers["ping"] = lambda channel, frame: {}
    async with running(server, health_interval=OFTEN) as (upstream, _):
        await within(upstream.ready(100))
        before = len(server.channel.got(asked))
        await server.channel.sent(asked, before + 3)
        await server.channel.sent("tools/list", 4)
        assert len(server.channel.got("resources/list")) <= 1  # not declared
        assert (upstream.state, len(server.channels)) == ("ready", 1)


async def test_off() -> None:
    """Without an interval there are no checks; an interval that is set later applies to the same connection."""
    server = FakeServer()
    async with running(server, health_interval=0) as (upstream, _):
        await within(upstream.ready(100))
        await asyncio.sleep(5 * OFTEN)
        assert server.channel.got("ping") == []


async def test_hanging_server_is_connected_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers nothing is connected anew, and the reason says so."""
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.05)
    server, reasons = FakeServer(), []
    async with running(server, health_interval=OFTEN) as (upstream, _):
        await within(upstream.ready(100))
        enter = upstream._enter
        monkeypatch.setattr(upstream, "_enter", lambda state, reason: (reasons.append(reason), enter(state, reason)))
        hanging = server.channel

        def hang_here(channel: Any, frame: Any) -> Any:
            if channel is hanging:
                return hang(channel, frame)
            server.handlers.clear()
            return server.answer(channel, frame)

        lists = [f"{kind}/list" for kind in ("tools", "prompts", "resources", "resources/templates")]
        server.handlers = dict.fromkeys(["ping", *lists], hang_here)
        await until(lambda: len(server.channels) > 1 and upstream.state == "ready")
        assert "SERVER_UNRESPONSIVE" in [reason.code for reason in reasons if reason]


@pytest.mark.parametrize("ping", [hang, RpcError(-32601, "unknown"), RpcError(-32000, "no")])
async def test_servers_without_ping(monkeypatch: pytest.MonkeyPatch, ping: Any) -> None:
    """A server that knows no ping, or does not answer it, works as long as its lists are answered."""
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.05)
    server = FakeServer()

    def refuse(channel: Any, frame: Any) -> Any:
        raise ping

    server.handlers["ping"] = refuse if isinstance(ping, RpcError) else ping
    async with running(server, health_interval=OFTEN) as (upstream, _):
        await within(upstream.ready(100))
        await server.channel.sent("ping", 3)
        assert (upstream.state, len(server.channels)) == ("ready", 1)


async def test_busy_server_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a call is under way there is no check: a server may do one thing at a time."""
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.01)
    gate = Gate()
    server = FakeServer(tools={"gate": gate})
    async with running(server, health_interval=0.1) as (upstream, _):
        await within(upstream.ready(100))
        calling = call(upstream, "gate")
        await gate.reached()
        server.handlers["ping"] = hang
        asked = len(server.channel.got("ping"))
        await asyncio.sleep(0.25)
        assert (len(server.channel.got("ping")), len(server.channels)) == (asked, 1)
        gate.open()
        await within(calling)


async def test_slow_lists_are_read_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists that take long are read in few checks; but also in others if the ping is not answered."""
    loop = asyncio.get_running_loop()
    readings: list[float] = []
    answered, pings, silent = 0.0, 0, False

    def read_lists() -> None:
        nonlocal answered
        readings.append(loop.time())
        answered = loop.time() + 100.0

    async def ask(timeout: float) -> Frame:
        nonlocal pings
        pings += 1
        if silent:
            raise CallTimeout("late")
        return {}

    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.01)
    checks = health.HealthChecks(lambda: 0.001, lambda: False, ask, read_lists, lambda: answered, lambda: 100.0)
    task = asyncio.create_task(checks.run())
    await until(lambda: pings > 5)
    assert len(readings) == 1
    silent = True
    await until(lambda: len(readings) == 3)  # each time, since they are the only sign of life
    assert not task.done()
    task.cancel()


async def test_lists_that_are_read_between_checks() -> None:
    """A reading that a server's announcement led to, long after a check, does not make the check's reading a slow one:
    lists are read in the next checks, too."""
    loop = asyncio.get_running_loop()
    readings: list[float] = []

    async def ask(timeout: float) -> Frame:
        return {}

    checks = health.HealthChecks(
        lambda: 0.001, lambda: False, ask, lambda: readings.append(loop.time()), lambda: loop.time() + 1000, lambda: 0.0
    )
    task = asyncio.create_task(checks.run())
    await until(lambda: len(readings) > 3)
    task.cancel()


async def test_tools_that_vanish() -> None:
    """Fewer tools than before, without a notice, are `degraded` with their names; it is over when they are back."""
    tools = dict.fromkeys(("read", "write", "list"), dict)
    server = FakeServer(tools=tools)
    async with running(server, health_interval=OFTEN) as (upstream, _):
        await within(upstream.ready(100))
        del server.tools["read"], server.tools["write"]
        await until(lambda: upstream.shown_state == "degraded")
        (trouble,) = upstream.troubles.all
        assert trouble.code == "SERVER_TOOLS_VANISHED"
        assert trouble.message.startswith("2 tools are missing that it listed before")
        assert trouble.message.endswith(": read, write.")
        assert upstream.catalog is not None
        assert [tool["name"] for tool in upstream.catalog.tools] == ["list"]
        assert len(server.channels) == 1
        server.tools.update(tools)
        await until(lambda: upstream.shown_state == "ready")


async def test_tools_that_vanish_over_a_restart() -> None:
    """A server that comes back with fewer tools is `degraded`; the user's Restart takes its list for the right one."""
    server = FakeServer(tools={"read": dict, "write": dict})
    async with running(server, health_interval=0) as (upstream, _):
        await within(upstream.ready(100))
        del server.tools["read"]
        server.channel.close()
        await until(lambda: len(server.channels) == 2 and upstream.state == "ready")
        assert [trouble.code for trouble in upstream.troubles.all] == ["SERVER_TOOLS_VANISHED"]
        upstream.restart()
        await until(lambda: len(server.channels) == 3 and upstream.state == "ready")
        assert upstream.troubles.all == ()


async def test_tools_that_are_taken_away() -> None:
    """Tools whose removal the server announces are not missing, in this reading and in later ones."""
    server = FakeServer(tools={"read": dict, "write": dict})
    async with running(server, health_interval=OFTEN) as (upstream, _):
        await within(upstream.ready(100))
        server.channel.notify("notifications/tools/list_changed")
        del server.tools["read"]
        await until(lambda: upstream.catalog is not None and len(upstream.catalog.tools) == 1)
        read = len(server.channel.got("tools/list"))
        await server.channel.sent("tools/list", read + 3)
        assert upstream.troubles.all == ()


def test_expected_tools() -> None:
    """A server that lists other tools each time is not remembered without end, and at most ten names are shown."""
    expected = ExpectedTools()
    assert expected.trouble(tuple({"name": f"t{number:02}"} for number in range(12))) is None
    trouble = expected.trouble(())
    assert trouble is not None
    assert trouble.message.endswith("t08, t09 and 2 more.")
    assert expected.trouble(tuple({"name": f"u{number}"} for number in range(MAX_EXPECTED))) is None
    assert expected.trouble(({"name": "u0"},)) is not None


async def test_requested_readings_delay_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings that the hub asks for find nothing new most of the time, and do not put off an announced one."""
    monkeypatch.setattr("sidecar.upstream.changes.MAX_SPACING_SECONDS", 1000.0)
    changes = ChangeDebouncer()
    for _ in range(12):
        changes.request()
        await within(changes.wait_until_due())
        changes.was_read(differs=False)
    changes.request()
    changes.announced()
    await within(changes.wait_until_due())
    changes.was_read(differs=False)
    assert not changes._announced.is_set()
