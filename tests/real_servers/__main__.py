"""`make real-servers`: 25 servers of npm and PyPI and ten odd ones in one workspace, used by four makes of clients.

What each server lists to a client that is connected to it directly has to be listed through the hub, and callable.
Exit code 0: nothing is missing; 1: a line says what is.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from bridge.models import ServerSpec, Status
from sidecar.features import names
from tests.odd.servers import odd_servers
from tests.real_servers.catalogue import START, Json, RealServer, direct_tools, real_servers
from tests.support import clients, sidecar
from tests.support.clients import USES
from tests.support.exposed_names import expose

CLIENTS = ("sdk-http-modern", "sdk-sse-legacy", "typescript-http", "typescript-sse", "smolagents-http", "mcp1-http")
DIRECT_AT_ONCE = 3
"""Servers that are asked directly at the same time, before the hub starts them all."""

Call = tuple[str, Json]


async def main() -> int:
    """Measure, print and judge."""
    clients.TIMEOUT = 240  # smolagents imports for long, and there are 500 tools
    with tempfile.TemporaryDirectory(prefix="real") as directory:
        real = list(real_servers(Path(directory)))
        expected = await tools_of(real)
        odd = odd_servers()
        specs = [*(each.spec for each in real), *(each.spec for each in odd)]
        wanted = exposed(specs, {**expected, **{each.spec.key: list(each.good_tools) for each in odd}})
        calls = [(wanted[each.spec.key, each.call[0]], each.call[1]) for each in real if each.call]
        calls += [(wanted[each.spec.key, each.good_tools[0]], {}) for each in odd]
        async with sidecar.running(*specs, sidecar.workspace("all", *specs), HUB_PROBE_FEATURES="false") as hub:
            await hub.wait_status(tried, "every server was tried", timeout=START)
            report(await hub.status(), expected)
            missing = [await used_by(name, hub.http("all"), set(wanted.values()), calls) for name in CLIENTS]
    print(f"{len(real)} real and {len(odd)} odd servers, {len(wanted)} tools: {sum(missing)} faults")
    return int(any(missing))


async def tools_of(real: Iterable[RealServer]) -> dict[str, list[str]]:
    """What each server lists when it is connected to directly."""
    turn = asyncio.Semaphore(DIRECT_AT_ONCE)

    async def one(server: RealServer) -> tuple[str, list[str]]:
        async with turn, asyncio.timeout(START):
            try:
                return server.spec.key, await direct_tools(server.spec)
            except ExceptionGroup as error:
                raise RuntimeError(f"{server.spec.key} does not start: {server.spec.launch}") from error

    return dict(await asyncio.gather(*(one(server) for server in real)))


def exposed(specs: Iterable[ServerSpec], tools: dict[str, list[str]]) -> dict[tuple[str, str], str]:
    """The name that the workspace gives each tool, by server and the server's own name."""
    entries = [names.Entry(spec.key, spec.namespace, tool) for spec in specs for tool in tools[spec.key]]
    return {(entry.server, entry.name): name for name, entry in expose(entries, "{namespace}_{name}").items()}


def tried(status: Status) -> bool:
    """Whether every server is ready, or has failed at least once."""
    return all(server.state not in ("starting", "stopped") for server in status.servers)


def report(status: Status, expected: dict[str, list[str]]) -> None:
    """A line for each server."""
    for server in status.servers:
        direct = len(expected[server.key]) if server.key in expected else "-"
        print(f"  {server.key:<24} {server.state:<9} {server.tools:>4} tools, directly {direct}")


async def used_by(client: str, base: str, wanted: set[str], calls: list[Call]) -> int:
    """Have one client list and call; print what is missing; the number of faults."""
    try:
        listed, texts = await USES[client](base, calls)
    except Exception as error:
        print(f"  {client}: FAILED: {str(error)[-2000:]}")
        return 1
    seen = set(listed)
    lost = sorted(name for name in wanted if name not in seen and name.replace("-", "_") not in seen)
    silent = [name for (name, _), text in zip(calls, texts, strict=True) if not text]
    print(f"  {client:<16} {len(listed)} tools listed, {len(calls) - len(silent)} of {len(calls)} calls answered")
    for name in lost:
        print(f"    not listed: {name}")
    for name in silent:
        print(f"    no answer: {name}")
    return len(lost) + len(silent)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
