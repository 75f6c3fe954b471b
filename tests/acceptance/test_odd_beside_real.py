"""Real servers, one with its database down, beside odd ones in one workspace: every good tool, for every client.

`make real-servers` does the same with 25 real servers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.odd.servers import odd_servers
from tests.support import sidecar
from tests.support.clients import USES, Calls
from tests.support.sidecar import Sidecar

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = ("sdk-http-modern", "sdk-sse-legacy", "typescript-sse", "smolagents-http", "mcp1-http")
DEGRADED = {"postgres", "list-error", "list-silent", "schema-null"}
REAL_TOOLS = {"everything_echo", "filesystem_list_allowed_directories", "time_get_current_time", "postgres_query"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sidecar]:
    """All of them in the workspace `all`."""
    files = tmp_path_factory.mktemp("files")
    real = [sidecar.everything(), sidecar.filesystem(files), sidecar.time(), sidecar.postgres()]
    servers = [*real, *(each.spec for each in odd_servers())]
    async with sidecar.running(*servers, sidecar.workspace("all", *servers)) as running:
        yield running


async def test_what_is_wrong_with_one_server_stays_there(hub: Sidecar) -> None:
    """Every server serves; those that lack something say so, with the list or the item and what to do."""
    servers = {server.key: server for server in (await hub.status()).servers}
    assert {key for key, server in servers.items() if server.state == "degraded"} == DEGRADED
    assert {server.state for server in servers.values()} == {"ready", "degraded"}
    assert all(trouble.message and trouble.hint for key in DEGRADED for trouble in servers[key].troubles)
    assert "`resources/list`" in servers["postgres"].troubles[0].message


@pytest.mark.parametrize("client", CLIENTS)
async def test_every_good_tool_is_listed_and_callable(hub: Sidecar, client: str) -> None:
    """By the SDKs for Python 1 and 2 and for TypeScript, and by smolagents."""
    odd = odd_servers()
    wanted = {f"{each.spec.key}_{tool}" for each in odd for tool in each.good_tools} | REAL_TOOLS
    calls: Calls = [(f"{each.spec.key}_{each.good_tools[0]}", {}) for each in odd]
    calls += [("everything_echo", {"message": "hello"}), ("filesystem_list_allowed_directories", {})]
    listed, texts = await USES[client](hub.http("all"), calls)
    seen = set(listed)
    assert [name for name in sorted(wanted) if name not in seen and name.replace("-", "_") not in seen] == []
    assert [text[:4] for text in texts[: len(odd)]] == ["fine"] * len(odd)
    assert texts[len(odd)] == "Echo: hello"
