"""Servers that only one replica runs, with leases in a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import signal
import time
from itertools import pairwise
from typing import Any

import asyncpg
import httpx2
import mcp
import mcp_types
import psutil
from fastmcp.exceptions import McpError, ToolError

from bridge.keys import key_id
from bridge.models import (
    BeginUpstreamSignIn,
    Drain,
    EndUpstreamSignIn,
    FinishUpstreamSignIn,
    RemoteLaunch,
    ServerSettings,
    ServerSpec,
    ServerStatus,
    Status,
)
from sidecar.placement.leases import StoreFailed
from sidecar.placement.postgresql import PostgresLeases
from sidecar.protocol.eras import MODERN_VERSION
from tests.support.clients import fast, sdk
from tests.support.hub import free_ports
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.oauth_server import OAuthServer
from tests.support.postgres import Postgres
from tests.support.sidecar import Sidecar, mock, running, workspace

CONTESTS = 1000
END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'idle'"


async def test_two_holders_never_both(postgres: Postgres, schema: str) -> None:
    """Contests of two holders, whose connections the database ends now and then; the epoch grows with the holder."""
    inside: set[str] = set()
    won: list[tuple[str, int]] = []
    chance = random.Random(CONTESTS)
    admin = await asyncpg.connect(postgres.url())

    async def contend(name: str) -> None:
        leases = PostgresLeases(postgres.url(), schema, name, name)
        while len(won) < CONTESTS:
            try:
                if answer := (await leases.acquire("a", 0.5)).epoch:
                    assert not inside
                    inside.add(name)
                    won.append((name, answer))
                    await asyncio.sleep(chance.uniform(0, 0.004))
                    inside.remove(name)
                    if chance.random() < 0.02:
                        await admin.execute(END_ALL)
                    await leases.release(["a"])
            except StoreFailed:
                continue
            await asyncio.sleep(chance.uniform(0, 0.004))
        await leases.close()

    try:
        await asyncio.gather(contend("one"), contend("two"))
    finally:
        await admin.close()
    one, two = (PostgresLeases(postgres.url(), schema, name, name) for name in ("one", "two"))
    assert await one.taker("a") == "", "nobody has it"
    await one.acquire("a", 60)
    assert (await one.taker("a"), await two.taker("a")) == ("", "one")
    for each in (one, two):
        await each.close()
    assert {name for name, _ in won} == {"one", "two"}
    epochs = [epoch for _, epoch in won]
    assert epochs == sorted(epochs)
    assert all(x[1] < y[1] for x, y in pairwise(won) if x[0] != y[0])


def state_of(status: Status) -> ServerStatus:
    """The server `a`."""
    return next(each for each in status.servers if each.key == "a")


async def until(sidecar: Sidecar, state: str) -> ServerStatus:
    """Wait until the server `a` is in that state."""
    return state_of(await sidecar.wait_status(lambda status: state_of(status).state == state, state))


async def test_one_of_two_sidecars_runs_it(postgres: Postgres, schema: str) -> None:
    """The other shows where it runs, refuses calls, and takes it over when the first has gone."""
    items = mock("a", placement="one"), workspace("w", mock("a"))
    database = {"HUB_CONFIG_DATABASE": postgres.url(), "HUB_CONFIG_SCHEMA": schema}
    admin = await asyncpg.connect(postgres.url())
    try:
        async with running(*items, HUB_REPLICA="r1", **database) as one:
            assert (await until(one, "ready")).pids
            async with running(*items, HUB_REPLICA="r2", **database) as two:
                found = await until(two, "elsewhere")
                assert found.reason
                assert found.reason.code == "SERVER_PLACED_ELSEWHERE"
                assert "'r1'" in found.reason.message
                assert not found.pids
                await one.kill("sidecar", signal.SIGKILL)
                await admin.execute(f"UPDATE {schema}.leases SET until = clock_timestamp()")  # 20 s have passed
                taken = await until(two, "ready")
                assert all(psutil.Process(pid).environ()["YAMCP_HUB_LEASE_EPOCH"] == "2" for pid in taken.pids)
                # its lease is somebody else's, as after a long outage: it stops the server
                await admin.execute(f"UPDATE {schema}.leases SET holder = 'x', until = 'infinity'")
                assert not (await until(two, "elsewhere")).pids
                assert not any(psutil.pid_exists(pid) for pid in taken.pids)
    finally:
        await admin.close()


def replicas(postgres: Postgres, schema: str, **more: str) -> tuple[dict[str, int], dict[str, str]]:
    """The ports of two replicas that reach each other, and the settings that they have in common."""
    ports = dict(zip(("r1", "r2"), free_ports(2), strict=True))
    database = {"HUB_CONFIG_DATABASE": postgres.url(), "HUB_CONFIG_SCHEMA": schema}
    addresses = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in ports.items())
    return ports, {**database, "HUB_REPLICAS": addresses, "HUB_REPLICAS_SECRET": "s" * 32, **more}


async def test_the_other_uses_it_there(postgres: Postgres, schema: str) -> None:
    """With HUB_REPLICAS, both list and call its tools, in one process, also with two clients' processes of their own;
    when the holder drains, the other one runs them at once, and the holder uses them there."""
    items = mock("a", placement="one"), mock("b", placement="one", session="per_client"), workspace("w", mock("a"))
    ports, shared = replicas(postgres, schema)
    items = (*items, workspace("own", mock("b")))

    def variables(name: str) -> dict[str, str]:
        own = {"HUB_REPLICA": name, "HUB_SIDECAR_PORT": str(ports[name]), "HUB_DRAIN_SECONDS": "0"}
        return {**shared, **own}

    async with running(*items, **variables("r1")) as one, running(*items, **variables("r2")) as two:
        pids = (await until(one, "ready")).pids
        assert not (await until(two, "ready")).pids
        changed = asyncio.Event()

        async def heard(message: Any) -> None:
            if isinstance(message, mcp_types.ToolListChangedNotification):
                changed.set()

        async with (
            sdk(one.http("w"), "http", "legacy") as near,
            sdk(two.http("w"), "http", "legacy", message_handler=heard) as far,
        ):
            names = [{tool.name for tool in (await each.list_tools()).tools} for each in (near, far)]
            assert "a_pid" in names[0]
            assert names[0] == names[1]
            assert await told(near, "a_pid") == await told(far, "a_pid") in {str(pid) for pid in pids}
            assert (await far.read_resource("mock://counter")).contents
            assert (await far.list_prompts()).prompts
            reports: list[float] = []

            async def progressed(value: float, total: float | None, text: str | None) -> None:
                reports.append(value)

            await far.call_tool("a_chatty", {"count": 3, "delay": 0}, progress_callback=progressed)
            assert reports == [1, 2, 3]
            waiting = asyncio.create_task(far.call_tool("a_slow", {"seconds": 1000}))
            while json.loads(await told(near, "a_connection"))["in_flight"] != 1:
                pass
            waiting.cancel()
            while json.loads(await told(near, "a_connection"))["in_flight"]:
                pass
            await near.call_tool("a_change_tools", {"name": "more"})
            await asyncio.wait_for(changed.wait(), 60)
            assert "a_more" in {tool.name for tool in (await far.list_tools()).tools}
        async with sdk(one.http("own"), "http", "legacy") as near, sdk(two.http("own"), "http", "legacy") as far:
            own = {int(await told(each, "b_pid")) for each in (near, far)}
            assert len(own) == 2
            assert any(own <= children(each) for each in (one, two)), "both have their process at the same replica"
        refused = await post(ports["r1"], {"yamcp-replica": f"1 r2 r1 {int(time.time())} x 1 - {'0' * 64}"})
        assert (refused.status_code, refused.json()["error"]["data"]["code"]) == (403, "REPLICA_SIGNATURE_INVALID")
        assert (await post(ports["r1"], {})).status_code == 404
        await one.actual.request(Drain())
        taken = state_of(await two.wait_status(lambda status: bool(state_of(status).pids), "taken over"))
        assert not any(psutil.pid_exists(pid) for pid in pids)
        async with sdk(two.http("w"), "http", "legacy") as far, sdk(one.http("w"), "http", MODERN_VERSION) as near:
            assert await told(far, "a_pid") == await told(near, "a_pid") in {str(pid) for pid in taken.pids}


async def test_each_user_is_itself_there(postgres: Postgres, schema: str) -> None:
    """A server at which users sign in, and that gets their ids: each user's calls go to it from the replica with the
    lease, with that user's account and id, whichever replica the user has signed in through or calls."""
    ports, shared = replicas(postgres, schema, HUB_TOKEN=HUB_TOKEN)
    async with OAuthServer().serving() as remote, contextlib.AsyncExitStack() as stack:
        launch = RemoteLaunch(url=f"{remote.url}/mcp", headers={"x-user": "${user.id}"})
        spec = ServerSpec(
            key="a", namespace="a", launch=launch, settings=ServerSettings(sign_in="user", placement="one")
        )
        sites = []
        for name, port in ports.items():
            site = running(spec, workspace("w", spec), public=True, HUB_REPLICA=name, HUB_PORT=str(port), **shared)
            sites.append(await stack.enter_async_context(site))
        one, two = sites
        keys = KeyFile(one.settings.data_dir)
        users = {person: keys.add(person) for person in ("ada", "eve")}
        shutil.copy(keys.path, two.settings.keys_file)
        for site, person in ((two, "ada"), (one, "eve")):
            who = {"principal": key_id(users[person]) or "", "browser": "b" * 32}
            where = f"http://127.0.0.1:{ports['r1']}/connect/callback"
            begun = await site.actual.request(BeginUpstreamSignIn(server="a", redirect_uri=where, **who))
            said = await remote.agree(begun.url, person)
            await site.actual.request(FinishUpstreamSignIn(**said, **who))
        for site in (two, one):
            for person, token in users.items():
                assert await as_user(site, token) == person
        called = {(person, headers["x-user"]) for person, _, headers in remote.heads if person}
        assert called == {(person, key_id(token)) for person, token in users.items()}
        assert one.log("sidecar").count("another replica uses a server") >= 2
        assert "another replica uses a server" not in two.log("sidecar")
        await one.actual.request(EndUpstreamSignIn(principal=key_id(users["ada"]) or "", server="a"))
        async with asyncio.timeout(100):
            while "sign in" not in await as_user(two, users["ada"]):
                pass
        assert await as_user(two, users["eve"]) == "eve"


async def as_user(site: Sidecar, token: str) -> str:
    """Who the server says the user with that key is; or the text of the error with which the call fails."""
    try:
        async with fast(site.http("w"), "http", "legacy", auth=token) as client:
            return str((await client.call_tool("a_whoami", {})).content[0].text)  # type: ignore[union-attr]
    except (ToolError, McpError) as error:
        return str(error)


def children(site: Sidecar) -> set[int]:
    """The processes of a sidecar."""
    return {each.pid for each in psutil.Process(site.pid("sidecar")).children(recursive=True)}


async def told(client: mcp.Client, tool: str) -> str:
    """The text that a tool answers."""
    answer = (await client.call_tool(tool, {})).content[0]
    assert isinstance(answer, mcp_types.TextContent)
    return answer.text


async def post(port: int, headers: dict[str, str]) -> httpx2.Response:
    """A request as of another replica."""
    async with httpx2.AsyncClient() as client:
        return await client.post(f"http://127.0.0.1:{port}/mcp/replicas/placed", json={"server": "a"}, headers=headers)
