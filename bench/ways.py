"""Everything that is measured side by side, up at once: the hub, the peers, FastMCP's own ways, and the yardstick."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from bench.load import open_sessions
from bench.peers.all import PEERS
from bench.peers.peer import ECHO, Mode, Program, Start, Started, programs
from bench.session import SessionError
from bridge.models.keys import AddKey
from tests.support.hub import Hub, Name, running
from tests.support.yamcp import ROOT, module

MODES: Mapping[Mode, tuple[str, str]] = {
    "sse": ("sse", "legacy"),
    "http": ("http", "legacy"),
    "modern": ("http", "modern"),
}
"""Transport and era of each way to call."""
TITLES: Mapping[Mode, str] = {
    "sse": "SSE",
    "http": "Streamable HTTP, legacy era",
    "modern": "Streamable HTTP, modern era",
}
HUB, BARE, PLAIN, PROXY = "the hub", "bare relay", "plain FastMCP server", "FastMCP create_proxy"
OWN_PORT, PROTECTED = "the hub, the sidecar's own port", "the hub, protected, with a key"
FLOOR = "bare relay without uvicorn"
PROCESSES: tuple[Name, ...] = ("sidecar", "adapter", "acceptor", "front")
READY_SECONDS = 5.0
"""How long one that listens may refuse calls."""


@dataclass
class Way:
    """One of them while it runs."""

    name: str
    started: Started
    tools: dict[Mode, dict[str, str]] = field(default_factory=dict)
    """Of each mode that works: the names under which `echo` and `blob` are served there."""
    notes: dict[Mode, str] = field(default_factory=dict)
    """Why a mode does not."""

    async def probe(self) -> None:
        """Find out what works, by one call in each mode; some listen before they can be called."""
        until = time.monotonic() + READY_SECONDS
        for mode in self.started.urls:
            while mode not in self.tools:
                try:
                    self.tools[mode] = await self.call(mode)
                except Exception as error:  # whatever a peer does, the others are measured
                    if time.monotonic() > until:
                        self.notes[mode] = f"{type(error).__name__}: {error}".replace(self.started.urls[mode], "")[:120]
                        break
                    await asyncio.sleep(0.05)

    async def call(self, mode: Mode) -> dict[str, str]:
        """One session, one list, one call of `echo`; the names of the tools."""
        transport, era = MODES[mode]
        url, bearer = self.started.urls[mode], self.started.bearer
        async with open_sessions(url, 1, transport=transport, era=era, bearer=bearer) as [session]:
            listed = [tool["name"] for tool in (await session.request("tools/list"))["tools"]]
            names = {end: name for end in ("echo", "blob") for name in reversed(listed) if name.endswith(end)}
            if len(names) < 2:
                raise SessionError("its tools/list lacks the echo server's tools")
            await session.request("tools/call", {"name": names["echo"], "arguments": {"text": "x"}})
            return names

    def memory(self) -> float:
        """Proportional set size in MB of all its processes but the echo servers."""
        return sum(process.memory_full_info().pss / 1e6 for process in self._processes() if not _echoes(process))

    def _processes(self) -> list[psutil.Process]:
        found = {process.pid: process for process in self.started.processes}
        for process in self.started.processes:
            found |= {child.pid: child for child in process.children(recursive=True)}
        return list(found.values())


def _echoes(process: psutil.Process) -> bool:
    words = process.cmdline()[1:]
    return words[:1] == [ECHO[1]] or words[:2] == ["-m", "bench.echo_server"]


def _ours(file: str, *arguments: str, **paths: str) -> Program:
    """A program of bench/ that needs nothing else of it (-P: nor takes its files for modules)."""
    return Program((sys.executable, "-P", str(ROOT / "bench" / file), *arguments, "{port}"), paths)


@asynccontextmanager
async def _hub(own_port: bool = False, **variables: str) -> AsyncIterator[tuple[Hub, Started]]:
    """A hub with everything switched on, at its public port or at the sidecar's own; all its processes count."""
    providers, workspaces = {"raw": module("raw", "bench.echo_server")}, {"w": ["raw"]}
    async with running(providers, workspaces, front=True, HUB_MAX_SESSIONS="2000", **variables) as it:
        sse, http = (it.sse("w"), it.http("w")) if own_port else (it.public_sse("w"), it.public_http("w"))
        processes = tuple(psutil.Process(it.pid(name)) for name in PROCESSES)
        yield it, Started({"sse": sse, "http": http, "modern": http}, processes)


@asynccontextmanager
async def hub(_: Path) -> AsyncIterator[Started]:
    """A hub at the address that users copy."""
    async with _hub() as (_, way):
        yield way


@asynccontextmanager
async def hub_at_own_port(_: Path) -> AsyncIterator[Started]:
    """A hub at the sidecar's own port, which `hubctl url --direct` prints."""
    async with _hub(own_port=True) as (_, way):
        yield way


@asynccontextmanager
async def protected_hub(_: Path) -> AsyncIterator[Started]:
    """A hub with a token at its public port; its clients have a key for one workspace."""
    async with _hub(HUB_TOKEN=secrets.token_hex(16)) as (it, way):
        yield replace(way, bearer=await made_key(it, "w"))


async def made_key(hub: Hub, workspace: str) -> str:
    """The secret of a new key for this workspace alone."""
    return (await hub.desired.request(AddKey(name="bench", workspaces=(workspace,)), timeout=10)).token


OURS: Mapping[str, Start] = {
    HUB: hub,
    OWN_PORT: hub_at_own_port,
    PROTECTED: protected_hub,
    BARE: programs(_ours("bare_relay.py", sse="/sse", http="/mcp", modern="/mcp")),
    FLOOR: programs(_ours("bare_relay.py", "--floor", sse="/sse", http="/mcp", modern="/mcp")),
    PLAIN: programs(
        _ours("plain_server.py", "sse", sse="/sse"), _ours("plain_server.py", "http", http="/mcp", modern="/mcp")
    ),
    PROXY: programs(
        _ours("fastmcp_proxy.py", "sse", sse="/sse"), _ours("fastmcp_proxy.py", "http", http="/mcp", modern="/mcp")
    ),
}
STARTS: Mapping[str, Start] = {**OURS, **{peer.name: peer.start for peer in PEERS}}
PEER_NAMES = tuple(peer.name for peer in PEERS)


def missing() -> dict[str, str]:
    """The peers that are not installed, and why they are not measured."""
    return {peer.name: "not installed: bash bench/peers/setup.sh" for peer in PEERS if not peer.installed}


def versions() -> str:
    """The peers with their pinned versions."""
    return ", ".join(f"{peer.name} {peer.version}" for peer in PEERS)


@asynccontextmanager
async def started(name: str) -> AsyncIterator[Way]:
    """One of them, alone, listening but not called yet. Raises what its start does when it fails."""
    directory = Path(tempfile.mkdtemp(prefix="way"))
    try:
        async with STARTS[name](directory) as it:
            yield Way(name, it)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def side_by_side(names: tuple[str, ...]) -> AsyncIterator[tuple[list[Way], dict[str, str]]]:
    """Those of `names` that run, probed, and why the others do not."""
    notes = {name: note for name, note in missing().items() if name in names}
    async with AsyncExitStack() as stack:
        ways = []
        for name in names:
            if name in notes:
                continue
            try:
                way = await stack.enter_async_context(started(name))
            except Exception as error:  # as above
                notes[name] = f"does not start: {type(error).__name__}: {error}"[:160]
                continue
            await way.probe()
            ways.append(way)
        yield ways, notes
