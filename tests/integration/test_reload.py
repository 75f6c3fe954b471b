"""`hubctl reload` under load: a new sidecar takes over, and no call over Streamable HTTP fails, in either era."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator
from typing import Any

import mcp
import pytest

from tests.support import clients
from tests.support.clients import Mode
from tests.support.peers import Transport
from tests.support.run import Run, prepared
from tests.support.yamcp import mock, write_in_place

RELOADS = int(os.environ.get("RELOADS", "2"))
"""How often the sidecar is replaced under load; 20 for the long form."""
KINDS: list[tuple[Transport, Mode]] = [("http", "legacy"), ("http", "2026-07-28"), ("sse", "legacy"), ("http", "auto")]
CLIENTS = 8
PAUSE = 0.02
"""Seconds between two calls of a client, so that some connections are idle when the sidecar changes."""
SLOW = 0.3
"""Seconds of every tenth call, so that some are in flight."""


@pytest.fixture
async def hub() -> AsyncIterator[Run]:
    """A hub that runs, with one server."""
    async with prepared() as run:
        (run.root / "yamcp").mkdir()
        write_in_place(run.root / "yamcp" / "workspaces.json", {"w": ["a"]})
        write_in_place(run.root / "yamcp" / "providers.json", {"a": mock("a")})
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
        self._bases = [f"http://127.0.0.1:{port}/mcp/w" for port in (hub.port, hub.sidecar_port)]
        self._over = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The clients call; at the end each finishes its last call."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(CLIENTS):
                transport, mode = KINDS[number % len(KINDS)]
                tasks.create_task(self._client(self._bases[number // len(KINDS) % 2], transport, mode))
            try:
                yield
            finally:
                self._over.set()

    async def _client(self, base: str, transport: Transport, mode: Mode) -> None:
        while not self._over.is_set():
            try:
                async with clients.sdk(base, transport, mode) as client:
                    await self._calls(client, f"{transport} {mode} at {base}")
            except Exception as error:
                told = f"{transport} {mode} at {base}: {type(error).__name__}: {error}"
                (self.lost if transport == "sse" else self.failed).append(told)

    async def _calls(self, client: mcp.Client, name: str) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            nonce = f"{name} {secrets.token_hex(8)}"
            if number % 10 == 0:
                result: Any = await client.call_tool("a_slow", {"seconds": SLOW})
                assert not result.is_error, result
            else:
                result = await client.call_tool("a_echo", {"text": nonce})
                assert result.content[0].text == nonce, (result, nonce)
            self.done += 1
            await asyncio.sleep(PAUSE)


@pytest.mark.timeout(60 + 30 * RELOADS)
async def test_no_call_fails_under_load(hub: Run) -> None:
    """Clients of both eras call on, at both ports, while the sidecar is replaced; each answer is the call's own."""
    load = Load(hub)
    pids = []
    async with load.running():
        for _ in range(RELOADS):
            before = load.done
            told = await reload(hub)
            pids.append(told["pid"])
            assert told["ended_seconds"] is not None
            assert load.done > before
    assert load.failed == []
    assert len(set(pids)) == RELOADS
    print(f"{load.done} calls, {len(load.lost)} lost over SSE", *sorted(set(load.lost))[:6], sep="\n")
    assert len(load.lost) <= RELOADS * CLIENTS, load.lost
    code, out, _ = await hub.hubctl("status", "--json")
    assert (code, json.loads(out)["pid"]) == (0, pids[-1])
    assert await hub.end(signal.SIGINT) == (0, [])
    assert await hub.left() == []
