"""`hub_call_many` over real connections, with servers that are processes."""

from __future__ import annotations

from tests.support.clients import Mode, sdk
from tests.support.peers import Transport
from tests.support.sidecar import demo, running, workspace


async def test_twenty_calls_of_a_process() -> None:
    """Over SSE and Streamable HTTP, both eras."""
    clock = demo("clock")
    ways: list[tuple[Transport, Mode]] = [("sse", "legacy"), ("http", "legacy"), ("http", "2026-07-28")]
    calls = [{"name": "clock_countdown", "arguments": {"seconds": 0.1}}] * 20
    async with running(clock, workspace("work", clock).model_copy(update={"hub_tools": True})) as hub:
        for transport, mode in ways:
            async with sdk(f"{hub.base}/mcp/work", transport, mode) as client:
                done = await client.call_tool("hub_call_many", {"calls": calls})
                assert done.structured_content is not None and done.structured_content["ok"] == len(calls)
                texts = {each["result"]["content"][0]["text"] for each in done.structured_content["calls"]}
                assert texts == {"0.1 seconds have passed"}
