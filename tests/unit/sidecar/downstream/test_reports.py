"""What a client says while it answers a server: its progress, over either transport."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import CreateMessageResult, TextContent

from tests.support import clients
from tests.support.fake_server import FakeChannel, FakeServer, text, within
from tests.support.inprocess import space, world
from tests.support.peers import Transport

pytestmark = pytest.mark.outside


@pytest.mark.filterwarnings(f"ignore::{MCPDeprecationWarning.__module__}.MCPDeprecationWarning")
@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_progress_of_the_client(tmp_path: Path, transport: Transport) -> None:
    """A server that asks its client with a progress token gets the client's reports under that token."""
    params = {
        "messages": [{"role": "user", "content": {"type": "text", "text": "?"}}],
        "maxTokens": 1,
        "_meta": {"progressToken": "server's own"},
    }
    reported: list[dict[str, Any]] = []

    async def think(channel: FakeChannel) -> dict[str, Any]:
        await channel.ask("sampling/createMessage", params)
        return text("thought")

    server = FakeServer(tools={"think": think})
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        await made.settled()

        async def sample(_: Any, asked: Any) -> CreateMessageResult:
            token = asked.meta["progress_token"] if "progress_token" in asked.meta else asked.meta["progressToken"]
            await client.session.send_progress_notification(token, 0.5, 1.0, "half")
            await server.channel.sent("notifications/progress")
            reported.append(server.channel.got("notifications/progress")[0]["params"])
            return CreateMessageResult(role="assistant", content=TextContent(text="yes"), model="m")

        base = f"{made.base}/mcp/w"
        async with clients.sdk(base, transport, "legacy", sampling_callback=sample) as client:
            result = await within(client.call_tool("a_think", {}))
            assert result.content[0].text == "thought"
    assert reported == [{"progressToken": "server's own", "progress": 0.5, "total": 1.0, "message": "half"}]
