"""Every client over both transports, with and without a token: what it sees is what the hub has (docs/clients.md)."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.matrix.clients import CLIENTS, HERE, TRANSPORTS, Client, Step
from tests.matrix.table import Access, Cells
from tests.support import clients
from tests.support.peers import Transport
from tests.support.run import Run, prepared
from tests.support.yamcp import MOCK, stdio, write_in_place

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "the-token-of-this-hub"
NOTES = MOCK.parent / "notes.py"
EXPECTED: dict[Step, str] = {
    "call": '"title": "Hello"',
    "resource": "These notes live in memory only",
    "prompt": "Summarize these notes in three sentences",
}
"""What each text has in it; pydantic-ai gives a structured result as Python writes it."""


@dataclass(frozen=True)
class Address:
    """Where a workspace is, and what opens it."""

    url: str
    tools: tuple[str, ...]
    """The names of the tools there, in order."""
    variables: dict[str, str]


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
    url = f"http://127.0.0.1:{run.port}/mcp/demo"
    return Address(url, names, {"YAMCP_HUB_URL": url} | ({"YAMCP_HUB_TOKEN": token} if token else {}))


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


@pytest.mark.parametrize("access", ["open", "token"])
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
async def test_client(
    hubs: dict[Access, Address], cells: Cells, tmp_path: Path, client: Client, transport: Transport, access: Access
) -> None:
    """It connects, lists every tool in the hub's order, calls one, and reads a resource and a prompt if it can."""
    address = hubs[access]
    cells.begin(client, transport, access)
    output = await clients.run(
        *client.command,
        str(client.source),
        *(["sse"] if transport == "sse" else []),
        cwd=HERE,
        env=address.variables | {"MCP_REMOTE_CONFIG_DIR": str(tmp_path)},
    )
    seen = client.seen(output)
    cells.passed(client, transport, access, "connect")
    assert seen["tools"] == [client.known_as(name) for name in address.tools]
    cells.passed(client, transport, access, "list")
    for step, text in EXPECTED.items():
        if step in client.steps:
            assert text in seen[step].replace("'", '"')
            cells.passed(client, transport, access, step)
    assert set(seen) == {"tools"} | (set(client.steps) & set(EXPECTED))
