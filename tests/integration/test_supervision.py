"""Supervision of real servers: breaker, lazy start, idle stop, and health of the lists, as users see them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from bridge.client import BridgeClient
from bridge.errors import RemoteError
from bridge.models import Call, ReadStatus, RemoteLaunch, Restart, ServerSettings, ServerSpec, ServerStatus
from bridge.settings import Settings
from hubctl.commands import doctor
from sidecar.app import App
from sidecar.channels import output, pace
from sidecar.supervision import backoff, sleep
from sidecar.upstream import upstream as upstream_module
from sidecar.upstream.upstream import Upstream
from tests.integration.channels.peers import scripted
from tests.integration.test_sidecar_app import running, settings, snapshot
from tests.odd.remotes import Reply, StreamableServer
from tests.support.as_it_was import process_as_it_was
from tests.support.fake_server import until
from tests.support.sidecar import mock, stdio

__all__ = ["process_as_it_was", "settings"]


def of(app: App, key: str) -> Upstream:
    """The upstream of a server."""
    return next(upstream for upstream in app.hub.pool if upstream.spec.key == key)


async def status(client: BridgeClient, key: str) -> ServerStatus:
    """The status of a server."""
    found = await client.request(ReadStatus(), timeout=100)
    return next(server for server in found.servers if server.key == key)


async def call(client: BridgeClient, tool: str, **arguments: object) -> str:
    """The text that a tool answers."""
    answer = await client.request(Call(workspace="w", tool=tool, arguments=arguments), timeout=100)
    return str(answer.result["content"][0]["text"])


async def test_crash_loop(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to a server in a crash loop waits for nothing; status, doctor and metrics agree that it is down."""
    gone = tmp_path / "gone"
    good = mock("bad")
    script = f'if [ -e {gone} ]; then echo "no database" >&2; exit 3; fi; exec "$@"'
    launch = good.launch.model_copy(
        update={"command": "sh", "args": ("-c", script, "sh", good.launch.command, *good.launch.args)}  # type: ignore[union-attr]
    )
    bad = good.model_copy(update={"launch": launch})
    delay = backoff.Backoff._delay
    monkeypatch.setattr(upstream_module, "RECONNECT_WAIT", 1000.0)
    monkeypatch.setattr(
        backoff.Backoff, "_delay", lambda self, took: 1000.0 if self.attempts >= 3 else min(0.05, delay(self, took))
    )
    async with running(settings) as (app, client):
        await client.request(snapshot(1, bad), timeout=100)
        await until(lambda: [each.state for each in app.hub.pool] == ["ready"])
        gone.touch()
        os.kill(of(app, "bad").pids[0], signal.SIGKILL)
        await until(lambda: of(app, "bad").is_down and of(app, "bad").state == "backoff")
        with pytest.raises(RemoteError, match=r"3 starts in a row have failed; it is tried again in") as caught:
            await call(client, "bad_echo", text="hello")  # it would wait 1000 s
        assert caught.value.body().code == "SERVER_UNAVAILABLE"
        found = await status(client, "bad")
        assert (found.state, found.breaker, found.tools > 0) == ("backoff", "open", True)
        (finding,) = [each for each in doctor.servers(await client.request(ReadStatus()), 0) if each.level == "error"]
        assert "Requests for it fail at once." in finding.message
        assert "no database" in finding.message
        assert b'breaker_open{server="bad"} 1.0' in app.metrics.render()[0]
        gone.unlink()
        await client.request(Restart(key="bad"), timeout=100)
        assert await call(client, "bad_echo", text="hello") == "hello"
        assert (await status(client, "bad")).breaker == "closed"


async def test_lazy_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lazy server runs only to read its lists, after a restart of the sidecar not even for that; a call starts it."""
    monkeypatch.setattr(sleep, "LEARNED_SECONDS", 0.1)
    lazy = mock("lazy", start="lazy")
    async with running(settings) as (app, client):
        await client.request(snapshot(1, lazy), timeout=100)
        await until(lambda: [each.state for each in app.hub.pool] == ["sleeping"])
        learned = await status(client, "lazy")
        assert (learned.pids, learned.restarts, learned.tools > 0) == ((), 0, True)
    async with running(settings) as (app, client):
        await client.request(snapshot(2, lazy), timeout=100)
        await until(lambda: [each.state for each in app.hub.pool] == ["sleeping"])
        found = await client.request(ReadStatus(), timeout=100)
        assert (found.servers[0].state, found.servers[0].tools) == ("sleeping", learned.tools)
        assert (found.workspaces[0].state, found.workspaces[0].ready, found.settled) == ("ready", 1, True)
        assert [each.level for each in doctor.servers(found, 0)] == ["ok"]
        pid = await call(client, "lazy_pid")
        assert (await status(client, "lazy")).pids == (int(pid),)


async def test_idle_stop(settings: Settings) -> None:
    """A server is stopped after its last call, never during one; its process ends, and the next call has another."""
    async with running(settings) as (app, client):
        await client.request(snapshot(1, mock("idle", idle_stop=0.2)), timeout=100)
        await until(lambda: [each.first_attempt_over for each in app.hub.pool] == [True])
        slow = asyncio.create_task(call(client, "idle_slow", seconds=1))
        await until(lambda: of(app, "idle").in_flight)
        pid = of(app, "idle").pids[0]
        await slow
        assert of(app, "idle").state == "ready"
        await until(lambda: of(app, "idle").state == "sleeping")
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert int(await call(client, "idle_pid")) != pid
        assert (await status(client, "idle")).restarts == 0


STALLING = """
import json, sys, time
def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()
for line in sys.stdin:
    message = json.loads(line)
    result = {}
    if message["method"] == "initialize":
        info = {"name": "s", "version": "1"}
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
    elif message["method"] == "tools/list":
        result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("half", "deaf", "echo")]}
    elif message["method"] == "tools/call":
        result = {"content": [{"type": "text", "text": message["params"]["name"]}]}
    text, start = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": result}) + "\\n", 0
    if '"half"' in line:
        start = 20
        write(text[:start])
    if '"half"' in line or '"deaf"' in line:
        time.sleep(0.3)
    if "id" in message:
        write(text[start:])
"""


@pytest.mark.parametrize("stall", ["half", "deaf"])
async def test_back_after_a_stall(settings: Settings, stall: str) -> None:
    """A server that stops in the middle of a frame, or reads nothing, goes on where it was."""
    async with running(settings) as (app, client):
        await client.request(snapshot(1, stdio("s", sys.executable, "-c", STALLING)), timeout=100)
        await until(lambda: [each.state for each in app.hub.pool] == ["ready"])
        stalled = asyncio.create_task(call(client, f"s_{stall}"))
        await until(lambda: of(app, "s").in_flight)
        waiting = [
            asyncio.create_task(call(client, "s_echo", padding="x" * 10_000)) for _ in range(20)
        ]  # over the pipe
        assert await stalled == stall
        assert set(await asyncio.gather(*waiting)) == {"echo"}
        assert (of(app, "s").state, of(app, "s").restarts) == ("ready", 0)


async def test_remote_that_was_away(settings: Settings) -> None:
    """A remote server that comes back without its sessions is used again by the next attempt, 3 s later at most."""
    server = StreamableServer()
    async with scripted(server) as url, running(settings) as (app, client):
        launch = RemoteLaunch(url=url, transport="http")
        await client.request(snapshot(1, ServerSpec(key="far", namespace="far", launch=launch)), timeout=100)
        await until(lambda: [each.state for each in app.hub.pool] == ["ready"])
        server.forget()
        assert await call(client, "far_echo", text="one") == "one"  # of a session of its own
        server.forget()
        server.all = Reply("503 Service Unavailable", "", "text/plain")
        with pytest.raises(RemoteError):
            await call(client, "far_echo", text="two")
        await until(lambda: of(app, "far").state == "backoff")
        server.all = None
        assert of(app, "far").retry_at is not None
        assert of(app, "far").retry_at - time.time() <= backoff.MAX_DELAY  # type: ignore[operator]
        assert await call(client, "far_echo", text="three") == "three"  # which waits for that attempt
        assert server.done == ["one", "three"]


async def test_health_of_lists(settings: Settings) -> None:
    """A remote server that answers, but has lost its tools, is degraded and says so until they are back."""
    server = StreamableServer()
    empty = Reply("200 OK", json.dumps({"jsonrpc": "2.0", "id": 0, "result": {"tools": []}}).replace(": 0,", ": {id},"))
    async with scripted(server) as url, running(settings) as (app, client):
        spec = ServerSpec(
            key="far",
            namespace="far",
            launch=RemoteLaunch(url=url, transport="http"),
            settings=ServerSettings(health_interval=0.05),
        )
        await client.request(snapshot(1, spec), timeout=100)
        await until(lambda: [each.shown_state for each in app.hub.pool] == ["ready"])
        before = (await status(client, "far")).tools
        server.refuse["tools/list"] = empty
        await until(lambda: of(app, "far").shown_state == "degraded")
        found = await status(client, "far")
        assert [trouble.code for trouble in found.troubles] == ["SERVER_TOOLS_VANISHED"]
        assert (found.tools, f"{before} tool" in found.troubles[0].message) == (0, True)
        assert [each.code for each in doctor.servers(await client.request(ReadStatus()), 0)] == [
            "SERVER_TOOLS_VANISHED"
        ]
        del server.refuse["tools/list"]
        await until(lambda: of(app, "far").shown_state == "ready")
        assert ((await status(client, "far")).tools, server.opened) == (before, 1)


ASKING = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if "method" not in message or "id" not in message:
        continue
    result = {}
    if message["method"] == "initialize":
        info = {"name": "s", "version": "1"}
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
    elif message["method"] == "tools/list":
        result = {"tools": [{"name": "ask", "inputSchema": {"type": "object"}}]}
    elif message["method"] == "tools/call":
        for number in range(40_000):
            print(json.dumps({"jsonrpc": "2.0", "id": f"q{number}", "method": "roots/list"}))
        result = {"content": [{"type": "text", "text": "asked"}]}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


async def test_a_server_that_asks_much_before_it_reads(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot read the answers to its requests before the hub has read these: neither waits for the other."""
    monkeypatch.setattr(output, "STUCK_SECONDS", 0.2)
    monkeypatch.setattr(pace, "RATE", 40_000.0)
    async with running(settings) as (app, client):
        await client.request(snapshot(1, stdio("s", sys.executable, "-c", ASKING)), timeout=100)
        await until(lambda: [each.state for each in app.hub.pool] == ["ready"])
        async with asyncio.timeout(100):
            assert await call(client, "s_ask") == "asked"
            assert await call(client, "s_ask") == "asked"
