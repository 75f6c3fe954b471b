"""`hubctl reload` under load: a new sidecar takes over, and no call over Streamable HTTP fails, in either era.

A server that is kept (ADR 34) goes on counting in the same process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Literal

import httpx2
import mcp
import pytest

from hubctl.run.supervisor import ALIVE, SIDECARS, programs
from sidecar.succession.successor import REPORT
from tests.integration.spawner.kept_standin import COUNTER
from tests.support import clients
from tests.support.clients import Call, Json, Mode, Watcher
from tests.support.peers import Transport
from tests.support.run import Run, prepared
from tests.support.yamcp import mock, stdio, write_in_place

RELOADS = int(os.environ.get("RELOADS", "2"))
"""How often the sidecar is replaced under load; 20 for the long form."""
KINDS: list[tuple[Transport, Mode]] = [("http", "legacy"), ("http", "2026-07-28"), ("sse", "legacy"), ("http", "auto")]
MODES: tuple[Mode, ...] = ("legacy", "2026-07-28")
CLIENTS = int(os.environ.get("RELOAD_CLIENTS", "8"))
"""How many clients call meanwhile; 48 in the long form."""
PAUSE = 0.02
"""Seconds between two calls of a client, so that some connections are idle when the sidecar changes."""
SLOW = 0.3
"""Seconds of every tenth call, so that some are in flight."""


@pytest.fixture
async def hub() -> AsyncIterator[Run]:
    """A hub that runs, with a server, and another one that is kept."""
    async with prepared() as run:
        (run.root / "yamcp").mkdir()
        (run.root / "data").mkdir(mode=0o700)
        write_in_place(run.root / "data" / "hub.json", {"version": 1, "servers": {"k": {"keep": True}}})
        write_in_place(run.root / "yamcp" / "workspaces.json", {"w": ["a", "k"]})
        kept = stdio("k", sys.executable, "-S", COUNTER, run.mark)
        write_in_place(run.root / "yamcp" / "providers.json", {"a": mock("a"), "k": kept})
        await run.start()
        await run.until("w: ready")
        yield run


async def reload(hub: Run) -> dict[str, Any]:
    """`hubctl reload`; what it tells a script."""
    code, out, err = await hub.hubctl("reload", "--json")
    assert code == 0, err + hub.logs()
    found: dict[str, Any] = json.loads(out)
    return found


class Load:
    """Clients that call as long as `run` is open."""

    def __init__(self, hub: Run) -> None:
        self.done = 0
        self.failed: list[str] = []
        self.lost: list[str] = []
        """Calls over SSE that ended with their stream."""
        self.counted: list[int] = []
        """The answers of the kept server."""
        self.health: Counter[int] = Counter()
        """How often /healthz was answered with which status."""
        self._front = f"http://127.0.0.1:{hub.port}"
        self._bases = [f"http://127.0.0.1:{port}/mcp/w" for port in (hub.port, hub.sidecar_port)]
        self._over = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The clients call; at the end each finishes its last call."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(CLIENTS):
                transport, mode = KINDS[number % len(KINDS)]
                tasks.create_task(self._client(self._bases[number // len(KINDS) % 2], transport, mode))
            tasks.create_task(self._look())
            try:
                yield
            finally:
                self._over.set()

    async def _look(self) -> None:
        async with httpx2.AsyncClient(timeout=100) as http:
            while not self._over.is_set():
                self.health[(await http.get(f"{self._front}/healthz")).status_code] += 1
                await asyncio.sleep(PAUSE)

    async def _client(self, base: str, transport: Transport, mode: Mode) -> None:
        while not self._over.is_set():
            try:
                async with clients.sdk(base, transport, mode) as client:
                    await self._calls(client, f"{transport} {mode} at {base}")
            except Exception as error:
                told = f"{transport} {mode} at {base}: {type(error).__name__}: {error}"
                (self.lost if transport == "sse" else self.failed).append(told)

    async def _calls(self, client: mcp.Client, name: str) -> None:
        number = last = 0
        while not self._over.is_set():
            number += 1
            last = await self._count(client, last)
            nonce = f"{name} {secrets.token_hex(8)}"
            if number % 10 == 0:
                result: Any = await client.call_tool("a_slow", {"seconds": SLOW})
                assert not result.is_error, result
            else:
                result = await client.call_tool("a_echo", {"text": nonce})
                assert result.content[0].text == nonce, (result, nonce)
            self.done += 1
            await asyncio.sleep(PAUSE)

    async def _count(self, client: mcp.Client, last: int) -> int:
        """Call the kept server, which has counted to `last` before."""
        nonce = secrets.token_hex(8)
        result: Any = await client.call_tool("k_count", {"n": nonce})
        said, number = result.content[0].text.split()
        assert said == nonce
        assert int(number) > last
        self.counted.append(int(number))
        return int(number)


async def kept_state(hub: Run) -> dict[str, Any]:
    """What the kept server knows."""
    async with clients.sdk(f"http://127.0.0.1:{hub.port}/mcp/w", "http", "legacy") as client:
        found: dict[str, Any] = json.loads(await text_of(client.call_tool, "k_state", {}))
        return found


@contextlib.asynccontextmanager
async def real_clients(base: str) -> AsyncIterator[dict[str, Call]]:
    """Clients as people use them, each connected once: nothing in them knows of reloads."""
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        found: dict[str, Call] = {}
        for name in ("mcp1", "smolagents"):
            found[name] = await enter(clients.lining(f"{name}_client.py", base, transport="http"))
        for mode in MODES:
            found[f"mcp2 {mode}"] = partial(text_of, (await enter(clients.sdk(base, "http", mode))).call_tool)
            found[f"fastmcp {mode}"] = partial(text_of, (await enter(clients.fast(base, "http", mode))).call_tool)
        watcher, _ = await enter(clients.watching(base, "http"))
        found["typescript"] = partial(reply_of, watcher)
        yield found


async def text_of(call: Callable[..., Any], tool: str, arguments: Json) -> str:
    """The first text of a result."""
    return str((await call(tool, arguments)).content[0].text)


async def reply_of(watcher: Watcher, tool: str, arguments: Json) -> str:
    """The same of the TypeScript SDK's client."""
    reply = await watcher.ask(call=tool, arguments=arguments)
    assert "result" in reply, reply
    return str(reply["result"]["content"][0]["text"])


@pytest.mark.timeout(600 + 40 * RELOADS)
async def test_no_call_fails_under_load(hub: Run) -> None:
    """Clients of both eras call on, at both ports, while the sidecar is replaced; each answer is the call's own.

    Real clients, which wait between their calls, go on without a line of theirs changed.
    """
    load = Load(hub)
    pids: list[int] = []
    before_all = await kept_state(hub)
    async with real_clients(f"http://127.0.0.1:{hub.port}/mcp/w") as real, load.running():
        for number in range(RELOADS + 1):
            texts = await asyncio.gather(*(call("a_echo", {"text": f"{name} {number}"}) for name, call in real.items()))
            assert texts == [f"{name} {number}" for name in real]
            if number < RELOADS:
                before = load.done
                told = await reload(hub)
                pids.append(told["pid"])
                assert told["ended_seconds"] is not None
                assert load.done > before
    print(f"{load.done} calls during {RELOADS} reloads, {len(load.lost)} lost over SSE")
    assert load.failed == []
    after = await kept_state(hub)
    assert after == {**before_all, "count": after["count"], "cancelled": after["cancelled"]}
    assert len(set(load.counted)) == len(load.counted) <= after["count"] <= len(load.counted) + len(load.lost)
    assert list(load.health) == [200], "nobody has noticed"
    assert len(set(pids)) == RELOADS
    assert len(load.lost) <= RELOADS * CLIENTS, load.lost
    code, out, _ = await hub.hubctl("status", "--json")
    assert (code, json.loads(out)["pid"]) == (0, pids[-1])
    assert await hub.end(signal.SIGINT) == (0, [])
    assert await hub.left() == []


async def killed_during_a_reload(hub: Run, victim: Literal["old", "new"]) -> None:
    """Kill a sidecar as soon as the new one runs; exactly one is left.

    `hubctl reload` may report a failure if the new one was killed, or a success if its supervisor was quick to start it
    again: in any case the truth.
    """
    (old,) = await alive(hub)
    new = next(name for name in SIDECARS if name != old)
    reloading = asyncio.create_task(hub.hubctl("reload"))
    runtime = hub.root / "run"
    async with asyncio.timeout(100):
        while not (found := await asyncio.to_thread(programs, runtime))[new].pid:  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0.01)
    os.kill(found[new if victim == "new" else old].pid, signal.SIGKILL)
    code, _, err = await reloading
    async with asyncio.timeout(100):
        while len(left := await alive(hub)) != 1:  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0.05)
    if victim == "new":
        assert (code, err.partition(":")[0], left) in ((0, "", [new]), (1, "RELOAD_FAILED", [old])), err


async def killed_after_a_reload(hub: Run) -> None:
    """Kill the new sidecar as soon as it serves: the old one may still be about to give the kept server away."""
    report = hub.root / "run" / REPORT
    report.unlink(missing_ok=True)
    reloading = asyncio.create_task(hub.hubctl("reload"))
    async with asyncio.timeout(100):
        while not report.exists():  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0.002)
    os.kill(json.loads(report.read_bytes())["pid"], signal.SIGKILL)
    await reloading
    async with asyncio.timeout(100), httpx2.AsyncClient(timeout=100) as http:
        while (await http.get(f"http://127.0.0.1:{hub.port}/healthz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_kill_in_the_middle(hub: Run) -> None:
    """`kill -9` of either sidecar before the new one serves: a sidecar serves, exactly one is left, and the kept server
    goes on."""
    base = f"http://127.0.0.1:{hub.port}/mcp/w"
    before = await kept_state(hub)
    victims: tuple[Literal["new", "old"], ...] = ("new", "old")
    for victim in victims:
        await killed_during_a_reload(hub, victim)
        async with clients.sdk(base, "http", "legacy") as client:
            assert await text_of(client.call_tool, "a_echo", {"text": victim}) == victim
            assert (await text_of(client.call_tool, "k_count", {"n": victim})).split()[0] == victim
    await killed_after_a_reload(hub)
    after = await kept_state(hub)
    assert after == {**before, "count": 2, "cancelled": after["cancelled"]}
    assert await hub.end(signal.SIGINT) == (0, [])
    assert await hub.left() == []


async def alive(hub: Run) -> list[str]:
    """The programs of the sidecar that run, or are to be started again."""
    found = await asyncio.to_thread(programs, hub.root / "run")
    return [name for name in SIDECARS if found[name].state in ALIVE]
