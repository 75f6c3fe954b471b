"""The log records of all replicas, asked for at one: protected hubs, which ask each other at their public ports."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import httpx2

from tests.support.fake_server import until
from tests.support.hub import free_ports, running
from tests.support.keys import HUB_TOKEN
from tests.support.replicas import SECRET
from tests.support.yamcp import mock

TOKEN = HUB_TOKEN
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PATH = "/mcp/_replica/logs"


def listens(port: int) -> bool:
    """Whether something takes connections there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def test_the_logs_of_all_replicas() -> None:
    """Each record names its replica; one that is gone is named; and no client gets any, whatever its token."""
    ports = free_ports(2)
    addresses = ",".join(f"r{number}=http://127.0.0.1:{port}" for number, port in enumerate(ports))
    common = {"HUB_REPLICAS": addresses, "HUB_REPLICAS_SECRET": SECRET, "HUB_TOKEN": TOKEN}
    async with contextlib.AsyncExitStack() as stack:
        starts = [
            running({"m": mock("m")}, {"w": ["m"]}, front=name == "r1", HUB_REPLICA=name, HUB_PORT=str(port), **common)
            for name, port in zip(("r0", "r1"), ports, strict=True)
        ]
        r0, r1 = await asyncio.gather(*(stack.enter_async_context(each) for each in starts))
        await r0.start("acceptor")
        await until(lambda: listens(ports[0]))
        api = await stack.enter_async_context(httpx2.AsyncClient(base_url=r1.public, headers=BEARER, timeout=100))
        for asked, named in (("r0", {"r0"}), ("r1", {"r1"}), ("all", {"r0", "r1"})):
            found = (await api.get("/api/hub/logs", params={"replica": asked, "limit": "500"})).json()
            assert {each["logged_by"] for each in found["records"]} == named == set(found["replicas"])
            assert found["unanswered"] == []
            pids = {each["logged_by"]: each["pid"] for each in found["records"] if each["message"] == "sidecar started"}
            assert pids == {name: {"r0": r0, "r1": r1}[name].pid("sidecar") for name in named}
            assert TOKEN not in str(found)
        own = (await api.get("/api/hub/logs")).json()
        assert own["records"]
        assert not any("logged_by" in each for each in own["records"])
        unknown = await api.get("/api/hub/logs", params={"replica": "r7"})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "REPLICA_UNKNOWN")
        for headers in ({}, BEARER, {"Yamcp-Replica": "1 r1 r0 0 0 1 - 00"}):
            refused = await api.post(PATH, json={"limit": 5}, headers=headers)
            assert (refused.status_code, "records" in refused.text) == (403, False)
        await r0.kill("sidecar")
        await r0.kill("acceptor")
        found = (await api.get("/api/hub/logs", params={"replica": "all"})).json()
        assert {each["logged_by"] for each in found["records"]} == {"r1"}
        assert [(each["name"], each["error"]["code"]) for each in found["unanswered"]] == [("r0", "REPLICA_SILENT")]
