"""Two replicas of the hub in the test's loop, with a scripted server, and without a load balancer."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.client import BridgeClient
from bridge.memory import MemoryBridge
from bridge.models import Snapshot
from bridge.settings import Settings
from sidecar import app as app_module
from sidecar.app import App
from tests.support.fake_server import FakeChannel, FakeServer, Gate, until, within
from tests.support.fake_server import text as answered
from tests.support.hub import free_ports
from tests.support.inprocess import space
from tests.support.raw_client import Client, Connection, Way, connected, read

SECRET = "s" * 32
WAIT = {"name": "a_wait", "arguments": {}}


class Replicas:
    """r0 and r1. Each has a connection of its own to the server `a`, whose tool `who` says which one it is."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = Gate()
        self.server = FakeServer(tools={"who": self._who, "wait": self.gate})
        monkeypatch.setattr(app_module, "Connector", lambda *_, **__: lambda _, **__: self.server.connect)
        self.ports = free_ports(2)
        addresses = ",".join(f"r{number}=http://127.0.0.1:{port}" for number, port in enumerate(self.ports))
        self.settings = [
            Settings(
                sidecar_port=port,
                data_dir=root / name,
                runtime_dir=root / name / "run",
                adapter_grace=60,
                replica=name,
                replicas=addresses,
                replicas_secret=SecretStr(SECRET),
                drain_seconds=0.3,
            )
            for name, port in zip(("r0", "r1"), self.ports, strict=True)
        ]
        self.apps: list[App] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.ready = {0, 1}
        """Which of them a load balancer would choose."""

    def _who(self, channel: FakeChannel) -> Any:
        return answered(f"r{self.server.channels.index(channel)}")

    def ready_port(self) -> int:
        """The port of any replica that is ready."""
        return self.ports[random.choice(sorted(self.ready))]

    async def start(self, settings: Settings, place: int | None = None, **server: Any) -> App:
        """Start one, in the place of one that has ended; `server` are the server's settings."""
        transport = MemoryBridge()
        settings.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        app = App(settings, transport)
        place = len(self.apps) if place is None else place
        self.apps[place : place + 1] = [app]
        self.tasks[place : place + 1] = [asyncio.create_task(app.run())]
        snapshot = Snapshot.of(1, 1, (self.server.spec("a", **server),), (space("a"),))
        async with BridgeClient(settings.actual_address, transport=transport) as bridge:
            await bridge.request(snapshot, timeout=100)
        await until(lambda: app.predecessor.waiting and app.hub.snapshot is not None)
        await until(lambda: all(each.state == "ready" for each in app.hub.pool))
        return app

    async def start_both(self, **server: Any) -> None:
        """Start both, one after the other."""
        for settings in self.settings:
            await self.start(settings, **server)

    async def leave(self, number: int) -> None:
        """Stop one, as SIGTERM does."""
        self.apps[number].leave.set()
        await within(self.tasks[number])

    async def end(self, number: int) -> None:
        """End one at once."""
        self.apps[number].leave.set()
        self.apps[number].stop.set()
        await within(asyncio.gather(self.tasks[number], return_exceptions=True))

    @contextlib.asynccontextmanager
    async def strayed(self, way: Way) -> AsyncIterator[Client]:
        """A client whose session is in r0, and whose POSTs go to r1."""
        async with connected(self.ports[0], "w", way) as client:
            client._posts.writer.close()
            client._posts = Connection(*await asyncio.open_connection("127.0.0.1", self.ports[1]))
            try:
                yield client
            finally:
                client._posts.writer.close()


def text(pieces: list[bytes]) -> str:
    """The text that a tool answered."""
    message = read(pieces)
    assert "result" in message, message
    return str(message["result"]["content"][0]["text"])


def code(pieces: list[bytes]) -> str:
    """The code of an error."""
    return str(read(pieces)["error"]["data"]["code"])
