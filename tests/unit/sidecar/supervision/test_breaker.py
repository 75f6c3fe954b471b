"""The circuit breaker: what a request to a server costs that is known to be down."""

from __future__ import annotations

import asyncio
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.errors import ErrorBody
from bridge.models import UpstreamState
from sidecar.errors import ConnectionLost, Refused, ServerExited, ServerUnavailable
from sidecar.observe.metrics import Metrics
from sidecar.supervision import backoff
from sidecar.supervision.start_turns import StartTurns
from sidecar.upstream import upstream as module
from sidecar.upstream.upstream import Upstream
from tests.support.fake_server import FakeServer, settle, until, within
from tests.unit.sidecar.upstream.test_upstream import Watcher, call, running


@pytest.fixture(autouse=True)
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a server waits until the test times out; failed starts follow each other at once."""
    monkeypatch.setattr(module, "RECONNECT_WAIT", 1000.0)
    monkeypatch.setattr(backoff, "FIRST_DELAY", 0.001)


def hold_at(monkeypatch: pytest.MonkeyPatch, attempts: int) -> None:
    """Let a server fail so often, then wait for its next attempt as long as the test lasts."""
    delay = backoff.Backoff._delay
    monkeypatch.setattr(
        backoff.Backoff, "_delay", lambda self, took: 1000.0 if self.attempts >= attempts else delay(self, took)
    )


async def test_a_server_that_is_down_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three failed starts a call fails before any time has passed, with the reason and the next attempt."""
    hold_at(monkeypatch, backoff.DOWN_AFTER)
    server = FakeServer()
    server.refusal = ServerExited("It exited with code 3.")
    async with running(server) as (upstream, _):
        await until(lambda: upstream.is_down and upstream.state == "backoff")
        calling = call(upstream, "echo")
        await settle()  # no time passes: only what is ready to run does
        assert calling.done()
        with pytest.raises(
            ServerUnavailable, match=r"It exited with code 3\). 3 starts in a row have failed"
        ) as caught:
            await calling
        data = caught.value.rpc()["data"]
        assert (data["server"], data["state"], data["reason"]) == ("fake", "backoff", "SERVER_EXITED")
        assert 700 < data["retry_in"] <= 1000
        assert upstream.in_flight == 0
        server.refusal = None
        upstream.restart()
        await within(call(upstream, "echo"))  # after Restart a call waits again
        assert not upstream.is_down


async def test_the_clock_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time until the next attempt is told right, whatever the time of day is meanwhile."""
    hold_at(monkeypatch, backoff.DOWN_AFTER)
    server = FakeServer()
    server.refusal = ServerExited("It exited with code 3.")
    async with running(server) as (upstream, _):
        await until(lambda: upstream.is_down and upstream.state == "backoff")
        for jump in (-36000, 36000):
            now = time.time
            with monkeypatch.context() as jumped:
                jumped.setattr(time, "time", lambda now=now, jump=jump: now() + jump)
                with pytest.raises(ServerUnavailable) as caught:
                    await within(call(upstream, "echo"))
            assert 700 < caught.value.data["retry_in"] <= 1000


async def test_a_server_that_is_away_for_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call during the first restart waits and succeeds; one that waits fails once the server counts as down."""
    server = FakeServer()
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        server.door.clear()
        server.channel.close(ServerExited("It exited with code 3."))
        await until(lambda: upstream.state == "starting")
        calling = call(upstream, "echo")
        await settle()
        assert not calling.done()
        server.door.set()
        assert "result" in await within(calling)
        hold_at(monkeypatch, backoff.DOWN_AFTER)
        server.door.clear()
        server.channel.close(ServerExited("It exited with code 3."))
        await until(lambda: upstream.state == "starting")
        calling = call(upstream, "echo")
        await settle()
        server.refusal = ServerExited("It exited with code 4.")
        server.door.set()
        with pytest.raises(ServerUnavailable, match="is not ready"):
            await within(calling)
        assert upstream.backoff.attempts == backoff.DOWN_AFTER


async def test_crash_loop_after_each_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that becomes ready and ends before it has answered a call is down between two starts."""
    hold_at(monkeypatch, 3)
    server = FakeServer()
    async with running(server) as (upstream, watcher):
        for count in (1, 2, 3):
            await until(lambda count=count: len(server.channels) == count and upstream.state == "ready")  # type: ignore[misc]
            server.channel.close(ServerExited("It exited with code 3."))
            await until(lambda count=count: upstream.backoff.attempts == count)  # type: ignore[misc]
        calling = call(upstream, "echo")
        await settle()
        with pytest.raises(ServerUnavailable):
            calling.result()
        assert watcher.states.count("ready") == 3


async def test_rejected_credentials() -> None:
    """A server that answers 401 is failed after some quick attempts, tried every few minutes, and at once if asked."""
    server = FakeServer()
    server.refusal = Refused("It answered HTTP 401.", data={"status": 401})
    async with running(server) as (upstream, _):
        await until(lambda: upstream.state == "failed")
        assert upstream.backoff.attempts == 3
        calling = call(upstream, "echo")
        await settle()
        with pytest.raises(ServerUnavailable) as caught:
            calling.result()
        assert caught.value.data["retry_in"] > 100
        server.refusal = None
        upstream.restart()
        await until(lambda: upstream.state == "ready")


async def test_lists_stay_while_credentials_are_rejected() -> None:
    """A server that was ready keeps its tools in the list although it is failed: a call then says why it fails."""
    server = FakeServer()
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        server.refusal = Refused("It answered HTTP 401.", data={"status": 401})
        server.channel.close(ConnectionLost("gone"))
        await until(lambda: upstream.state == "failed")
        assert upstream.catalog is not None


async def test_failures_before_a_recovery_do_not_count() -> None:
    """A server that failed three times at first and has worked since is waited for when its connection ends."""
    server = FakeServer()
    server.closing.clear()
    server.refusal = ServerExited("It exited with code 3.")
    async with running(server) as (upstream, _):
        await until(lambda: upstream.is_down)
        server.refusal = None
        await until(lambda: upstream.state == "ready")
        assert upstream.backoff.attempts >= backoff.DOWN_AFTER
        await within(call(upstream, "echo"))
        server.channel.close(ServerExited("It exited with code 4."))
        await until(lambda: upstream.connection is None)
        calling = call(upstream, "echo")
        await settle()
        assert (upstream.is_down, calling.done()) == (False, False)
        server.closing.set()
        assert "result" in await within(calling)


async def test_the_reason_stays_while_it_waits_for_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    """A stdio server that fails again and again: each start has the reason of the last failure, which is logged as a
    warning once."""
    server, attempts = FakeServer(), 4
    server.refusal = ServerExited("It exited with code 3.")
    upstream = Upstream("f", server.spec(), server.connect, Watcher(), Metrics())
    upstream.opening.turns = StartTurns(1)
    reasons: list[str | None] = []
    enter = upstream._enter

    def note(state: UpstreamState, reason: ErrorBody | None) -> None:
        if state == "starting":
            reasons.append(reason.code if reason else None)
        enter(state, reason)

    upstream._enter = note  # type: ignore[method-assign]
    task = asyncio.create_task(upstream.run())
    await until(lambda: upstream.backoff.attempts >= attempts)
    upstream.stop()
    await within(task)
    assert reasons[0] is None
    assert set(reasons[1:]) == {"SERVER_EXITED"}
    warnings = [record for record in caplog.records if record.message == "server not ready"]
    assert len([record for record in warnings if record.levelname == "WARNING"]) == 1


async def test_metric() -> None:
    """The metrics tell whether the breaker is open."""
    metrics, server = Metrics(), FakeServer()
    server.refusal = Refused("It answered HTTP 404.", data={"status": 404})
    upstream = Upstream("f", server.spec(), server.connect, Watcher(), metrics)
    task = asyncio.create_task(upstream.run())

    def value() -> float:
        families = text_string_to_metric_families(metrics.render()[0].decode())
        samples = {sample.name: sample.value for family in families for sample in family.samples}
        return samples["yamcp_hub_upstream_breaker_open"]

    await until(lambda: upstream.state == "failed")
    assert value() == 1
    server.refusal = None
    upstream.restart()
    await until(lambda: upstream.state == "ready")
    assert value() == 0
    upstream.stop()
    await within(task)
    metrics.keep_servers(())
    assert b"breaker_open{" not in metrics.render()[0]
