"""Every client over both transports, with and without a token: what it sees is what the hub has (docs/clients.md)."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.matrix.clients import CLIENTS, HERE, TRANSPORTS, Client, Step
from tests.matrix.table import Access, Cells
from tests.matrix.wire import tapped
from tests.support import clients
from tests.support.peers import Era, Transport
from tests.support.run import Run, prepared
from tests.support.yamcp import DEMO, MOCK, stdio, write_in_place

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "the-token-of-this-hub"
NOTES = DEMO / "notes.py"
EXPECTED: dict[Step, str] = {
    "call": '"title": "Hello"',
    "resource": "These notes live in memory only",
    "prompt": "Summarize these notes in three sentences",
}
"""What each text has in it; pydantic-ai gives a structured result as Python writes it."""


@dataclass(frozen=True)
class Address:
    """Where a hub is, and what opens it."""

    port: int
    tools: tuple[str, ...]
    """The names of the workspace's tools, in order."""
    token: str | None


async def started(run: Run, token: str | None) -> Address:
    """Start a hub with one workspace of two servers, and ask it, not by MCP, what tools that has."""
    yamcp = run.root / "yamcp"
    yamcp.mkdir()
    servers = {name: stdio(name, "python3", str(path)) for name, path in (("notes", NOTES), ("mock", MOCK))}
    write_in_place(yamcp / "workspaces.json", {"demo": list(servers)})
    write_in_place(yamcp / "providers.json", servers)
    await run.start()
    await run.until("Streamable HTTP")
    code, out, err = await run.hubctl("tools", "demo", "--json")
    assert code == 0, err
    names = tuple(tool["name"] for tool in json.loads(out))
    return Address(run.port, names, token)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hubs() -> AsyncIterator[dict[Access, Address]]:
    """One that asks for nothing, and one that wants a token."""
    async with prepared() as free, prepared(HUB_TOKEN=TOKEN) as protected:
        addresses = await asyncio.gather(started(free, None), started(protected, TOKEN))
        assert addresses[0].tools == addresses[1].tools
        yield {"open": addresses[0], "token": addresses[1]}
        for run in (free, protected):
            assert (await run.end(signal.SIGTERM))[0] == 0
            assert await run.left() == []


async def run(client: Client, transport: Transport, address: Address, directory: Path) -> tuple[dict[str, Any], Era]:
    """One run of its program: what it saw, and the era in which it spoke."""
    async with tapped(address.port) as (port, tap):
        variables = {"YAMCP_HUB_URL": f"http://127.0.0.1:{port}/mcp/demo", "MCP_REMOTE_CONFIG_DIR": str(directory)}
        if address.token:
            variables["YAMCP_HUB_TOKEN"] = address.token
        flags = ["sse"] if transport == "sse" else []
        output = await clients.run(*client.command, str(client.source), *flags, cwd=HERE, env=variables)
    return client.seen(output), tap.era


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
async def test_client(
    hubs: dict[Access, Address], cells: Cells, tmp_path: Path, client: Client, transport: Transport
) -> None:
    """It connects, lists every tool in the hub's order, calls one, and reads a resource and a prompt if it can."""
    cells.begin(client, transport)
    runs = (run(client, transport, address, tmp_path) for address in hubs.values())
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    for (access, address), outcome in zip(hubs.items(), outcomes, strict=True):
        if isinstance(outcome, BaseException):
            raise outcome
        seen, era = outcome
        assert set(seen) == {"tools"} | (set(client.steps) & set(EXPECTED))
        assert era == client.eras[transport]
        cells.passed(client, transport, access, "connect")
        assert seen["tools"] == [client.known_as(name) for name in address.tools]
        cells.passed(client, transport, access, "list")
        for step in set(EXPECTED) & set(client.steps):
            assert EXPECTED[step] in seen[step].replace("'", '"')
            cells.passed(client, transport, access, step)
