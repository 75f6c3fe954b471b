"""The sidecar put together, in the test's loop, with its real spawner and a real server behind it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from bridge.client import BridgeClient
from bridge.errors import PortTaken
from bridge.memory import MemoryBridge
from bridge.models import FrontRefusal, NoteRefusals, ReadStatus, RemoteLaunch, ServerSpec, Snapshot, StdioLaunch
from bridge.settings import Settings
from sidecar import __main__ as entry
from sidecar.app import App
from sidecar.listener.server import bind
from tests.support.admission import Watcher
from tests.support.as_it_was import process_as_it_was  # noqa: F401 - a fixture
from tests.support.fake_server import until, within
from tests.support.hub import free_port
from tests.support.inprocess import space
from tests.support.keys import HUB_TOKEN
from tests.support.sidecar import mock


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Settings with directories short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub") as root:
        yield Settings(sidecar_port=free_port(), data_dir=Path(root) / "data", runtime_dir=Path(root) / "run")


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[App, BridgeClient]]:
    """The app runs, and is stopped by SIGTERM."""
    transport = MemoryBridge()
    settings.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    app = App(settings, transport)
    task = asyncio.create_task(app.run())
    try:
        async with BridgeClient(settings.actual_address, transport=transport) as client:
            await until(lambda: app.http.started or task.done())
            yield app, client
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await within(task)


def snapshot(revision: int, *servers: ServerSpec) -> Snapshot:
    """One workspace of all."""
    return Snapshot.of(1, revision, servers, (space(*(server.key for server in servers)),))


async def test_from_start_to_stop(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers by stdio and remote are served; what cannot be expanded or started says why; nothing is left."""
    monkeypatch.delenv("TEST_MISSING", raising=False)
    local = mock("local")
    async with running(settings) as (app, client), httpx2.AsyncClient(timeout=100) as http:
        await client.request(snapshot(1, local), timeout=100)
        await until(lambda: [upstream.state for upstream in app.hub.pool] == ["ready"])
        url = f"{settings.sidecar_url}/mcp/w"
        others = [
            ServerSpec(key="remote", namespace="remote", launch=RemoteLaunch(url=url, transport="http")),
            ServerSpec(key="detected", namespace="detected", launch=RemoteLaunch(url=url)),
            ServerSpec(key="lacking", namespace="lacking", launch=StdioLaunch(command="${TEST_MISSING}")),
            ServerSpec(key="absent", namespace="absent", launch=StdioLaunch(command="/no/such/program")),
        ]
        await client.request(snapshot(2, local), timeout=100)
        remote = Snapshot.of(1, 3, (local, *others), (space("local"), space(*(each.key for each in others), name="v")))
        await client.request(remote, timeout=100)
        await until(lambda: all(upstream.first_attempt_over for upstream in app.hub.pool))
        status = await client.request(ReadStatus(), timeout=100)
        shown = {each.key: (each.state, each.transport, each.reason and each.reason.code) for each in status.servers}
        assert shown["local"] == ("ready", "stdio", None)
        assert shown["remote"] == shown["detected"] == ("ready", "http", None)
        assert shown["lacking"] == ("failed", "", "SERVER_VARIABLE_MISSING")
        assert shown["absent"][2] == "SERVER_COMMAND_MISSING"
        assert (await http.get(f"{settings.sidecar_url}/healthz")).status_code == 200
        pids = next(each.pids for each in status.servers if each.key == "local")
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("token", [None, HUB_TOKEN])
async def test_whose_the_requests_are_that_the_front_refused(settings: Settings, token: str | None) -> None:
    """Nobody's in a protected hub, where they had no valid token or were refused before it was looked at."""
    refused = FrontRefusal(code="TOKEN_REQUIRED", path="/mcp/w", address="203.0.113.7")
    given = settings.model_copy(update={"token": token and SecretStr(token)})
    async with running(given) as (app, client):
        watcher = Watcher()
        app.hub.admission.add_observer(watcher)
        await client.request(NoteRefusals(refusals=(refused,), omitted=5), timeout=100)
        [seen] = watcher.take()
        assert seen.principal == ("nobody" if token else "everybody")
        assert app.audit is not None
        await until(lambda: app.audit is not None and app.audit.lost == 5)


async def test_port_taken(settings: Settings) -> None:
    """A port in use is one line that names the port and the setting."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.sidecar_port))
        other.listen()
        with pytest.raises(PortTaken, match=rf"Port {settings.sidecar_port} on 127.0.0.1 \(HUB_SIDECAR_PORT\)"):
            bind(settings)


def test_ipv6(settings: Settings) -> None:
    """The address may be one of IPv6."""
    try:
        listener = bind(settings.model_copy(update={"host": "[::1]"}))
    except PortTaken:
        pytest.skip("there is no IPv6 here")
    with listener:
        assert listener.family == socket.AF_INET6


@pytest.mark.parametrize("wrong", [True, False])
def test_main(settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: Any, wrong: bool) -> None:
    """The process's exit code and last line tell what setting cannot be used."""

    class Stopped(App):
        """An app that is stopped as soon as it runs."""

        async def run(self) -> None:
            self.stop.set()
            await super().run()

    settings.runtime.mkdir(mode=0o700, parents=True)
    monkeypatch.setattr(entry, "App", Stopped)
    monkeypatch.setattr(sys, "argv", ["sidecar"])
    if wrong:
        monkeypatch.setenv("HUB_HOST", "hub.example")
    else:
        monkeypatch.setattr(entry, "load", lambda: settings)
    assert entry.main() == (2 if wrong else 0)
    if wrong:
        assert capfd.readouterr().err.startswith("SETTING_INVALID: HUB_HOST: ")
