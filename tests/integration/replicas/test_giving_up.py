"""A replica that leaves, and runs a server that only one may run: another one takes the server over at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.models import ServerSpec
from sidecar import app as app_module
from sidecar import optional
from sidecar.placement.kubernetes import KubernetesLeases
from sidecar.placement.leases import LeaseKeeper, boot_time
from sidecar.protocol.channel import Channel, OnFrame
from sidecar.upstream.connector import Connector
from tests.support.fake_server import FakeServer, until, within
from tests.support.hub import free_ports
from tests.support.lease_api import LeaseApi, service_account
from tests.support.leases import MemoryLeases, Rows
from tests.support.raw_client import Client, Connection, Way, connected
from tests.support.replicas import WAIT, Replicas, text
from tests.support.tls import certificate

optional_placement = optional.placement


@pytest.fixture
def placed(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """The server `a` of both replicas, which have leases of it in memory."""
    server, rows = replicas.server, Rows()

    class ToServer(Connector):
        """Opens channels to the server, where it may run, or at the other replica."""

        @asynccontextmanager
        async def _open(self, spec: ServerSpec, on_frame: OnFrame, *_: Any) -> AsyncIterator[Channel]:
            assert server.open == 0, "it never runs twice"
            async with server.connect(on_frame) as channel:
                yield channel

    def keeper(settings: Any, hub: Any) -> LeaseKeeper:
        store = MemoryLeases(boot_time, rows, settings.replica)
        return LeaseKeeper(store, lambda: {"a"}, lambda key: hub.pool.reconnect(key))  # noqa: PLW0108  # it has none yet

    monkeypatch.setattr(app_module, "Connector", ToServer)
    monkeypatch.setattr(optional, "placement", keeper)
    return server


async def renew(client: Client, port: int) -> None:
    """Have a client send its next request on a new connection."""
    client._posts.writer.close()
    await client._posts.writer.wait_closed()
    client._posts = Connection(*await asyncio.open_connection("127.0.0.1", port))


@pytest.fixture
async def leased(
    replicas: Replicas, placed: FakeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[LeaseApi]:
    """Has the leases in Kubernetes."""
    api, pair = LeaseApi(), certificate(tmp_path)
    monkeypatch.setattr(optional, "placement", optional_placement)
    replicas.settings = [each.model_copy(update={"placement": "kubernetes"}) for each in replicas.settings]
    (port,) = free_ports(1)
    monkeypatch.setattr(KubernetesLeases.__init__, "__defaults__", (service_account(tmp_path, pair), boot_time))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
    async with api.serving(pair, port):
        yield api


async def test_leases_in_kubernetes(replicas: Replicas, placed: FakeServer, leased: LeaseApi) -> None:
    """One replica runs the server, the other uses it there, takes it over, and gives it back at its end."""
    await replicas.start_both(placement="one")
    r0, _ = replicas.apps
    async with connected(replicas.ports[1], "w", "http") as client:
        assert text(await client.call("a_who")) == "r0"
        assert r0.forwarding
        r0.forwarding.draining.begin()
        await until(lambda: len(placed.channels) == 2 and placed.open == 1)
        assert text(await client.call("a_who")) == "r1"
    (spec,) = (lease["spec"] for lease in leased.objects.values())
    assert (spec["holderIdentity"].partition("_")[0], spec["leaseTransitions"]) == ("r1", 1)
    for number in (0, 1):
        await replicas.end(number)
    (spec,) = (lease["spec"] for lease in leased.objects.values())
    assert "holderIdentity" not in spec


async def test_calls_of_all_replicas_go_on(replicas: Replicas, placed: FakeServer) -> None:
    """The server moves when a call in progress has ended; none fails, at either replica."""
    await replicas.start_both(placement="one")
    r0, _ = replicas.apps
    over, calls = asyncio.Event(), dict[tuple[int, Way], int]()

    async def call(number: int, way: Way) -> None:
        async with connected(replicas.ports[number], "w", way) as client:
            while not over.is_set():
                await renew(client, replicas.ports[number])  # a replica that drains ends connections
                assert text(await client.call("a_who")) == f"r{len(placed.channels) - 1}"
                calls[number, way] = calls.get((number, way), 0) + 1
            client._posts.writer.close()

    async with asyncio.TaskGroup() as tasks, connected(replicas.ports[1], "w", "http") as patient:
        waiting = asyncio.create_task(patient.ask("tools/call", WAIT))
        await replicas.gate.reached()
        ways: tuple[Way, ...] = ("http", "modern")
        for number, way in ((number, way) for number in (0, 1) for way in ways):
            tasks.create_task(call(number, way))
        await until(lambda: len(calls) == 4)
        assert r0.forwarding
        draining = r0.forwarding.draining
        draining.begin()
        await until(lambda: draining.noticed)
        calls.clear()
        await until(lambda: len(calls) == 4)
        assert len(placed.channels) == 1, "a call is in progress"
        replicas.gate.open()
        assert text(await within(waiting)) == "through"
        await until(lambda: len(placed.channels) == 2 and placed.open == 1)
        calls.clear()
        await until(lambda: len(calls) == 4)
        over.set()
