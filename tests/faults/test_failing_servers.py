"""One server's trouble is its own: the others serve, its reason is shown, and it is back soon after its cause."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.errors import RemoteError
from bridge.models import ReadDesired, Restart, ServerStatus, SetWorkspace, Snapshot, Status
from tests.acceptance.steps import ask, call, code, pids, tools, until
from tests.support import peers, sidecar, yamcp
from tests.support.hub import running
from tests.support.peers import Json, Peer
from tests.support.sidecar import Sidecar
from tests.support.yamcp import MOCK

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = 5.0
"""Seconds within which a server that fails is tried again, so that it is back soon after its cause is gone."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """A sidecar for all of these tests; each has a workspace of its own."""
    async with sidecar.running() as running:
        yield running


async def state(hub: Sidecar, key: str, wanted: str, timeout: float = 100) -> ServerStatus:
    """Wait for a server's state."""

    def reached(status: Status) -> bool:
        return any(server.key == key and server.state == wanted for server in status.servers)

    await hub.wait_status(reached, f"{key} {wanted}", timeout)
    return await hub.server(key)


async def test_servers_that_do_not_start(hub: Sidecar, tmp_path: Path) -> None:
    """One that hangs, one that exits, one that is missing: the rest is usable; each tells why, and is back."""
    mended, command = tmp_path / "mended", tmp_path / "bin" / "server"
    waits = ("--start-when-file", str(mended))
    servers = [
        sidecar.mock("good"),
        sidecar.mock("hangs", "--hang-on-start", "--stderr", "waiting for the database", *waits),
        sidecar.mock("slow", "--hang-on-start", "--stderr", "still waiting", *waits, start_timeout=0.8),
        sidecar.mock("exits", "--exit-at-once", "3", "--stderr", "no database", *waits),
        sidecar.stdio("missing", str(command)),
    ]
    await hub.put(*servers, sidecar.workspace("w", *servers), settle=False)
    await state(hub, "good", "ready")
    async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
        assert await call(peer, "good_echo", text="hello") == "hello"
        hangs = await hub.server("hangs")  # for as long as `mended` is not there: nobody waited for it
        assert (hangs.state, hangs.attempts) == ("starting", 0)
        assert all(name.startswith("good_") for name in await tools(peer))

        await _tell_why(hub)
        exits = await until(lambda: hub.server("exits"), lambda server: server.attempts >= 5)
        hangs = await hub.server("hangs")
        assert hangs.reason is not None
        assert (hangs.state, hangs.reason.code) == ("starting", "SERVER_STILL_STARTING")
        assert exits.state == "backoff"  # as long as it ever waits, and it has just begun to
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {MOCK} "$@"\n')
        command.chmod(0o755)
        mended.touch()
        now = time.time()
        retries = [
            server.retry_at for server in (await hub.status()).servers if server.retry_at and server.key != "missing"
        ]
        assert max(retries, default=now) - now < SOON
        await hub.actual.request(
            Restart(key="missing")
        )  # nobody else notices before some minutes that the program is there
        for key in ("hangs", "slow", "exits", "missing"):
            await state(hub, key, "ready")
            assert await call(peer, f"{key}_echo", text=key) == key
        assert len([note for note in peer.notes if note["method"] == "notifications/tools/list_changed"]) >= 4
    for server in (await hub.status()).servers:
        assert (server.state, server.reason, server.restarts) == ("ready", None, 0)
    await hub.remove("w")


async def _tell_why(hub: Sidecar) -> None:
    """The reasons and last words of those that do not start."""
    hangs = await until(lambda: hub.server("hangs"), lambda server: server.stderr)
    assert (hangs.state, hangs.stderr) == ("starting", ("waiting for the database",))
    slow = await state(hub, "slow", "backoff")
    assert slow.reason is not None
    assert (slow.reason.code, slow.stderr) == ("SERVER_START_TIMEOUT", ("still waiting",))
    exits = await state(hub, "exits", "backoff")
    assert exits.reason is not None
    assert (exits.reason.code, exits.stderr) == ("SERVER_EXITED", ("no database",))
    assert "3" in exits.reason.message
    missing = await state(hub, "missing", "failed")  # it does not mend itself
    assert missing.reason is not None
    assert missing.reason.code == "SERVER_COMMAND_MISSING"
    assert "bin/server" in missing.reason.message


async def test_missing_variable(hub: Sidecar) -> None:
    """A `${VAR}` that is not set makes its server failed, with a message that names it; the other one serves."""
    broken = sidecar.mock("broken", "--instructions", "${THERE_IS_NO_SUCH_VARIABLE}")
    good = sidecar.mock("good")
    await hub.put(broken, good, sidecar.workspace("w", broken, good))
    found = await hub.server("broken")
    assert found.reason is not None
    assert (found.state, found.reason.code) == ("failed", "SERVER_VARIABLE_MISSING")
    assert found.retry_at is not None
    assert found.retry_at - time.time() > SOON  # every few minutes
    assert "THERE_IS_NO_SUCH_VARIABLE" in found.reason.message
    async with peers.connected(hub.http("w"), "http", "modern") as peer:
        assert await call(peer, "good_echo", text="hello") == "hello"
    await hub.remove("w")


async def test_killed_under_call(hub: Sidecar) -> None:
    """After kill -9 of a ready server its reason is shown, it is back, and calls made meanwhile succeed."""
    spec = sidecar.mock("victim", "--start-delay", "0.4")
    await hub.put(spec, sidecar.workspace("w", spec))
    async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
        pid = int(await call(peer, "victim_pid"))
        listed, since = await tools(peer), len(hub.events)
        os.kill(pid, signal.SIGKILL)
        down = await until(lambda: hub.server("victim"), lambda server: server.reason)
        assert down.reason is not None
        assert down.reason.code == "SERVER_EXITED"
        assert "SIGKILL" in down.reason.message
        assert await tools(peer) == listed
        answers = await asyncio.gather(*(call(peer, "victim_pid") for _ in range(5)))
        assert len(set(answers)) == 1
        assert int(answers[0]) != pid
        await state(hub, "victim", "ready")
        assert (await hub.server("victim")).restarts == 1
        assert [note["method"] for note in peer.notes] == []
        states = [
            event.data["state"]
            for _, event in hub.events[since:]
            if event.subject == "victim" and "state" in event.data
        ]
        assert states[0] == "backoff"
    await hub.remove("w")


async def test_slow_and_hanging_tools_delay_nobody(hub: Sidecar) -> None:
    """While tools sleep or never answer, the same server, the same session, and others are answered at once."""
    first, second = sidecar.mock("first"), sidecar.mock("second")
    await hub.put(first, second, sidecar.workspace("w", first, second))
    async with (
        peers.connected(hub.http("w"), "sse", "legacy") as peer,
        peers.connected(hub.http("w"), "http", "modern") as other,
    ):
        slow = [asyncio.create_task(ask(peer, tool)) for tool in ("first_never", "second_never")]
        await until(lambda: hub.server("first"), lambda server: server.calls_in_flight == 1)
        for caller in (peer, other):
            for tool in ("first_echo", "second_echo"):
                assert await call(caller, tool, text="hello") == "hello"
        assert not any(task.done() for task in slow)
        for task in slow:
            task.cancel()
        await asyncio.wait(slow)
    await hub.remove("w")


async def test_timeout_is_cancelled_at_the_server(hub: Sidecar) -> None:
    """A call that takes too long gets its code after its tool's own timeout, and the server is told to cancel."""
    spec = sidecar.mock("patient", call_timeout=10, tool_timeouts={"slow": 0.3})
    await hub.put(spec, sidecar.workspace("w", spec))
    async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
        assert code(await ask(peer, "patient_slow", seconds=60)) == "CALL_TIMEOUT"
        await until(lambda: insight(peer, "patient"), lambda seen: seen["cancelled"] and not seen["in_flight"])
    await hub.remove("w")


async def test_cancelling_reaches_the_server(hub: Sidecar) -> None:
    """A client that cancels its call, and one that vanishes, stop the call at the server."""
    spec = sidecar.mock("patient")
    await hub.put(spec, sidecar.workspace("w", spec))
    slow = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "patient_slow", "arguments": {"seconds": 60}}}
    async with peers.connected(hub.http("w"), "sse", "legacy") as watcher:
        async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
            calls = [asyncio.create_task(peer._ask({**slow, "id": name})) for name in ("first", "second")]
            await until(lambda: hub.server("patient"), lambda server: server.calls_in_flight == 2)
            await peer.notify("notifications/cancelled", {"requestId": "first"})
            await until(lambda: hub.server("patient"), lambda server: server.calls_in_flight == 1)
            assert (await calls[0]).answer["error"]["code"] == -32800
        calls[1].cancel()
        await until(lambda: hub.server("patient"), lambda server: server.calls_in_flight == 0)
        await until(lambda: insight(watcher, "patient"), lambda seen: seen["cancelled"] == 2 and not seen["in_flight"])
    await hub.remove("w")


async def insight(peer: Peer, server: str) -> Json:
    """What a mock knows of its connection."""
    found: Json = (await ask(peer, f"{server}_connection")).result["structuredContent"]
    return found


async def test_garbage_and_chatter(hub: Sidecar) -> None:
    """Lines that are no JSON, floods of stderr and of notices change no answer, and delay no other server."""
    messy, good = sidecar.mock("messy", "--garbage-on-start"), sidecar.mock("good")
    await hub.put(messy, good, sidecar.workspace("w", messy, good))
    async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
        quiet = asyncio.Event()

        async def noise(tool: str, told: str, **arguments: Any) -> None:
            """Without a pause, for as long as the other server is asked."""
            while True:
                assert await call(peer, f"messy_{tool}", **arguments) == told
                if quiet.is_set():
                    return

        async with asyncio.TaskGroup() as group:
            group.create_task(noise("garbage", "done", lines=2000))
            group.create_task(noise("stderr", "done", text="x" * 1000, times=5000))
            group.create_task(noise("chatty", "said 2000 things", count=2000))
            for _ in range(20):
                assert await call(peer, "good_echo", text="hello") == "hello"
            quiet.set()
        assert await call(peer, "messy_echo", text="fine") == "fine"
    found = await hub.server("messy")
    assert (found.state, found.restarts) == ("ready", 0)
    assert found.stderr[-1].startswith("x" * 100)
    assert sum(map(len, found.stderr)) < 100_000
    await hub.remove("w")


async def test_dies_again_and_again(hub: Sidecar) -> None:
    """A server that exits after three calls, or under one, is started each time; the calls between are answered."""
    spec = sidecar.mock("mortal", "--die-after", "3")
    await hub.put(spec, sidecar.workspace("w", spec))
    async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
        lives = set()
        for _ in range(2):
            lives.add(await call(peer, "mortal_pid"))
            for _ in range(2):
                assert await call(peer, "mortal_echo", text="hello") == "hello"
            await until(lambda: hub.server("mortal"), lambda server: server.restarts == 2 * len(lives) - 1)
            assert code(await ask(peer, "mortal_crash")) == "SERVER_CONNECTION_LOST"
        assert len(lives) == 2
    await until(lambda: hub.server("mortal"), lambda server: (server.state, server.restarts) == ("ready", 4))
    await hub.remove("w")


async def test_full_disk() -> None:
    """Where the applied snapshot cannot be written, the snapshot is in force all the same, and calls go on."""
    first, second = sidecar.mock("first"), sidecar.mock("second")
    async with sidecar.running(first, sidecar.workspace("w", first)) as hub:  # noqa: SIM117 (one opens the other)
        async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
            resource.prlimit(hub.pid("sidecar"), resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            await hub.put(second, sidecar.workspace("w", first, second))
            for server in ("first", "second"):
                assert await call(peer, f"{server}_echo", text=server) == server
            kept = Snapshot.model_validate_json((hub.data_dir / "applied.json").read_bytes())
            assert (kept.id.revision, hub.revision) == (1, 2)

            resource.prlimit(hub.pid("sidecar"), resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            await hub.put(sidecar.workspace("w", second))
            kept = Snapshot.model_validate_json((hub.data_dir / "applied.json").read_bytes())
            assert kept.id.revision == 3
            assert await call(peer, "second_echo", text="again") == "again"


async def test_full_disk_under_the_adapter() -> None:
    """Where nothing can be kept, an edit takes effect all the same; a switch is refused, with the reason."""
    entries = {name: yamcp.mock(name) for name in ("first", "second")}
    async with running(entries, {"w": ["first"]}) as hub:
        full = (0, resource.RLIM_INFINITY)
        for name in ("adapter", "sidecar"):
            resource.prlimit(hub.pid(name), resource.RLIMIT_FSIZE, full)
        async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
            before = await pids(hub)
            hub.write(workspaces={"w": ["first", "second"]})
            await peer.wait_note("notifications/tools/list_changed")
            assert await call(peer, "second_echo", text="edited") == "edited"
            with pytest.raises(RemoteError) as refused:
                await hub.desired.request(SetWorkspace(name="w", enabled=False))
            assert refused.value.remote_code == "DATA_DIR_UNUSABLE"
            assert [issue.code for issue in (await hub.desired.request(ReadDesired())).issues] == ["STATE_NOT_SAVED"]
            await hub.restart("adapter")
            await hub.wait_settled()
            assert await call(peer, "second_echo", text="restarted") == "restarted"
            assert (await pids(hub))["first"] == before["first"]
