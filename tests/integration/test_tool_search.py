"""Search for tools and `tools: search`, at a sidecar with real servers."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.models.actual import SearchTools
from tests.support.clients import sdk
from tests.support.sidecar import mock, running, workspace


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_tools_are_found_and_called(transport: Any) -> None:
    """Over the bridge, and called by the names that were found."""
    server = mock("mock")
    async with running(server, workspace("work", server)) as hub:
        found = await hub.actual.request(SearchTools(workspace="work", text="echo"), timeout=100)
        assert found.tools[0].tool == "mock_echo" and found.tools[0].server == "mock" and found.tools[0].score > 0
        none = await hub.actual.request(SearchTools(workspace="work", text="echo", server="other"), timeout=100)
        assert none.tools == ()
        async with sdk(f"{hub.base}/mcp/work", transport) as client:
            assert not (await client.call_tool(found.tools[0].tool, {"text": "x"})).is_error
