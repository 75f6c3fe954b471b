"""However the hub ends, nothing of any server is left: launchers, their children, and those with the worst manners."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from bridge.models import ServerSpec, StdioLaunch
from tests.acceptance.steps import ask, call, code, pids, until
from tests.support import peers, sidecar
from tests.support.hub import Hub
from tests.support.run import Run, prepared
from tests.support.yamcp import ROOT, stdio, write_in_place

NPX = ("--offline", "--prefix", str(ROOT / "tests/real"))
RUDE = ("--ignore-term", "--setsid")
SERVERS = {"everything", "filesystem", "rude", "launched", "polite"}


def servers() -> list[ServerSpec]:
    """Real ones behind npx (npm, a shell, node), one that wants to stay, such a one behind a launcher, a good one."""
    return [
        sidecar.stdio("everything", "npx", *NPX, "mcp-server-everything", "stdio"),
        sidecar.stdio("filesystem", "npx", *NPX, "mcp-server-filesystem", "/tmp"),
        sidecar.mock("rude", *RUDE),
        sidecar.mock("launched", "--launcher", *RUDE),
        sidecar.mock("polite"),
    ]


def crew(hub: Hub) -> list[psutil.Process]:
    """Every process of every server: all but the spawner."""
    return [process for process in hub.children() if process.pid != spawner(hub)]


def spawner(hub: Hub) -> int:
    """The process that starts the servers."""
    return next(
        child.pid for child in psutil.Process(hub.pid("sidecar")).children() if "spawner" in str(child.cmdline())
    )


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; safe against pids that are used again."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda sig: sig.name)
async def test_end_of_the_sidecar(sig: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and kill -9 of the sidecar: calls under way or not, all servers end, and its next run serves."""
    specs = servers()
    async with sidecar.running(*specs, sidecar.workspace("w", *specs)) as hub:
        assert (await pids(hub)).keys() == SERVERS
        before = crew(hub)
        assert len(before) >= 3 + 3 + 2 + 2 + 1  # an npx is npm, a shell and node; a launcher has a child
        async with peers.connected(hub.http("w"), "http", "modern") as peer:
            assert await call(peer, "polite_echo", text="hello") == "hello"
        await hub.kill("sidecar", sig)
        assert await hub.wait_gone() == []
        assert alive(before) == []
        if sig is signal.SIGKILL:
            await hub.start("sidecar")  # without an adapter: it serves what it applied last
            await hub.wait_status(lambda status: status.settled and len(status.servers) == 5, "served again")
            async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
                assert await call(peer, "everything_echo", message="back") == "Echo: back"


async def test_death_of_the_spawner() -> None:
    """kill -9 of the spawner: no server of it is left, each is back under a new one, sessions stay, calls are told."""
    specs = servers()
    async with sidecar.running(*specs, sidecar.workspace("w", *specs)) as hub:  # noqa: SIM117 (one opens the other)
        async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
            under_way = asyncio.create_task(ask(peer, "polite_never"))
            await until(lambda: hub.server("polite"), lambda server: server.calls_in_flight)
            before, first = crew(hub), spawner(hub)
            os.kill(first, signal.SIGKILL)
            assert code(await under_way) == "SERVER_CONNECTION_LOST"
            await hub.wait_status(lambda status: all(server.restarts for server in status.servers), "noticed")
            for spec in specs:
                tool = {"everything": "echo", "filesystem": "list_allowed_directories"}.get(spec.key, "echo")
                found = await ask(peer, f"{spec.key}_{tool}", text="again", message="again")
                assert "result" in found.answer, (spec.key, code(found))
            await hub.wait_status(lambda status: all(server.state == "ready" for server in status.servers), "ready")
            assert spawner(hub) != first
            assert alive(before) == []
            assert len(crew(hub)) == len(before)


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    """`hubctl run` with the same servers, settled."""
    async with prepared() as hub:
        (hub.root / "yamcp").mkdir()
        write_in_place(hub.root / "yamcp/workspaces.json", {"w": sorted(SERVERS)})
        write_in_place(hub.root / "yamcp/providers.json", {spec.key: entry(spec) for spec in servers()})
        await hub.start()
        await hub.until("w: ready")
        yield hub


def entry(spec: ServerSpec) -> dict[str, Any]:
    """A server as YAMCP has it."""
    assert isinstance(spec.launch, StdioLaunch)
    return stdio(spec.key, spec.launch.command, *spec.launch.args, env=spec.launch.env)


async def told(run: Run) -> dict[str, Any]:
    """The status, as hubctl tells it; empty while there is none."""
    code, out, _ = await run.hubctl("status", "--json")
    found: dict[str, Any] = json.loads(out) if code == 0 else {}
    return found


def ready(status: dict[str, Any]) -> bool:
    """Whether every server is."""
    return bool(status.get("servers")) and all(each["state"] == "ready" for each in status["servers"])


async def test_kills_under_supervision(run: Run) -> None:
    """kill -9 of each process below supervisord: it is back, clients connect again; Ctrl-C then leaves nothing."""
    status = await told(run)
    before = [psutil.Process(pid) for server in status["servers"] for pid in server["pids"]]
    before += [child for process in before for child in process.children(recursive=True)]
    os.kill(status["pid"], signal.SIGKILL)
    again = await until(lambda: told(run), lambda found: ready(found) and found["pid"] != status["pid"])
    assert alive(before) == []
    async with peers.connected(f"http://127.0.0.1:{run.port}/mcp/w", "sse", "legacy") as peer:
        assert await call(peer, "everything_echo", message="again") == "Echo: again"

    for process in run.processes():
        if process.ppid() == run.process.pid and process.pid != again["pid"]:  # adapter and watch
            process.kill()
    spawned = next(child for child in psutil.Process(again["pid"]).children() if "spawner" in str(child.cmdline()))
    spawned.kill()
    await until(lambda: told(run), lambda found: ready(found) and all(each["restarts"] for each in found["servers"]))
    write_in_place(run.root / "yamcp/workspaces.json", {"w": ["polite"]})
    await until(lambda: told(run), lambda found: [len(each["servers"]) for each in found["workspaces"]] == [1])
    assert (await told(run))["pid"] == again["pid"]
    assert (await run.end(signal.SIGINT))[0] == 0
    assert await run.left() == []


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM], ids=lambda sig: sig.name)
async def test_end_of_the_hub(run: Run, sig: signal.Signals) -> None:
    """Ctrl-C and SIGTERM of `hubctl run`, while a client's call is under way, leave no process of any server."""
    async with contextlib.AsyncExitStack() as stack:
        peer = await stack.enter_async_context(peers.connected(f"http://127.0.0.1:{run.port}/mcp/w", "http", "modern"))
        under_way = asyncio.create_task(ask(peer, "rude_never"))
        await until(lambda: told(run), lambda found: any(each["calls_in_flight"] for each in found["servers"]))
        before = run.processes()
        assert len(before) > len(SERVERS) + 4
        assert await run.end(sig) == (0, [])
        assert await run.left() == []
        assert alive(before) == []
        await asyncio.wait([under_way])
        assert under_way.exception() or "error" in under_way.result().answer
