"""What these tests do with a client, in a line each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psutil

from tests.support import peers
from tests.support.hub import Hub
from tests.support.peers import Exchange, Json, Peer
from tests.support.yamcp import MOCK

T = TypeVar("T")


async def tools(peer: Peer) -> set[str]:
    """The names of the tools that a client is shown."""
    return {tool["name"] for tool in (await peer.request("tools/list")).result["tools"]}


async def ask(peer: Peer, tool: str, **arguments: Any) -> Exchange:
    """Call a tool, whatever comes of it."""
    return await peer.request("tools/call", {"name": tool, "arguments": arguments})


async def call(peer: Peer, tool: str, **arguments: Any) -> str:
    """Call a tool; its first text. Raises AssertionError when it fails."""
    result = (await ask(peer, tool, **arguments)).result
    assert not result.get("isError"), result
    return str(result["content"][0]["text"])


def code(exchange: Exchange) -> str:
    """The hub's code in an error; empty when there is none."""
    error: Json = exchange.answer.get("error", {})
    return str((error.get("data") or {}).get("code", ""))


async def pids(hub: Hub) -> dict[str, tuple[int, ...]]:
    """The processes of each server."""
    return {server.key: server.pids for server in (await hub.status()).servers}


def signal_to(pids: tuple[int, ...], sig: signal.Signals) -> None:
    """Send a signal to each of these processes: SIGSTOP keeps a server from answering until SIGCONT."""
    for pid in pids:
        os.kill(pid, sig)


def mocks(hub: Hub) -> dict[int, dict[str, str]]:
    """The environment of each process of a mock server."""
    found = {}
    for process in hub.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if str(MOCK) in process.cmdline():
                found[process.pid] = process.environ()
    return found


async def until(probe: Callable[[], Awaitable[T]], wanted: Callable[[T], object], timeout: float = 100) -> T:
    """Look again and again, where no event tells; the first value that is as wanted. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not wanted(value := await probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {value!r} after {timeout} s")
        await asyncio.sleep(0.02)
    return value


async def known(hub: Hub, token: str) -> str:
    """A token of a protected hub, once the sidecar has looked at the file of keys."""
    async with peers.client(token, hub.settings.sidecar_socket) as client:
        await until(lambda: client.get("http://localhost/nothing"), lambda reply: reply.status_code == 404)
    return token
