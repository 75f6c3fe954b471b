"""The demo servers as processes, driven by the real SDK's client over stdio, in both eras."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types import (
    CreateMessageResult,
    ElicitResult,
    ListRootsResult,
    PromptReference,
    ResourceTemplateReference,
    Root,
    TextContent,
)

DEMO = Path(__file__).resolve().parents[3] / "demo_servers"
PROGRAMS = {"notes": DEMO / "notes.py", "clock": DEMO / "clock.py", "mock": DEMO / "mock" / "server.py"}
ERAS = pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])


@asynccontextmanager
async def client(program: str, *flags: str, mode: str = "legacy", **options: Any) -> AsyncIterator[Client]:
    """The SDK's client of one of the demo servers."""
    parameters = StdioServerParameters(command=sys.executable, args=[str(PROGRAMS[program]), *flags])
    async with Client(stdio_client(parameters), mode=mode, **options) as found:
        yield found


def text(result: Any) -> str:
    """The first text block of a result."""
    return str(result.content[0].text)


@ERAS
@pytest.mark.parametrize("program", ["notes", "clock", "mock"])
async def test_lists_pass_the_sdks_models(program: str, mode: str) -> None:
    """Everything listed is valid to the SDK, and an answer has what its schema says (the client checks that)."""
    async with client(program, mode=mode) as session:
        tools = (await session.list_tools()).tools
        assert all(tool.input_schema["type"] == "object" and tool.description for tool in tools)
        assert len({tool.name for tool in tools}) == len(tools)
        await session.list_resources()
        assert (await session.list_resource_templates()).resource_templates
        await session.list_prompts()
        assert session.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")


@ERAS
async def test_notes_and_clock_serve_a_new_user(mode: str) -> None:
    """A note is written and found; the time is told; structured content fits the output schemas."""
    async with client("notes", mode=mode) as session:
        await session.call_tool("add_note", {"title": "Milk", "text": "Two litres", "tags": ["shop"]})
        found = await session.call_tool("search_notes", {"query": {"any": [{"tag": "shop"}, {"word": "x"}]}})
        assert found.structured_content["notes"][0]["title"] == "Milk"
        assert (await session.list_resources()).resources[1].uri == "note://2"
        assert "Two litres" in (await session.read_resource("note://2")).contents[0].text
        prompt = await session.get_prompt("summarize_notes", {"tag": "shop"})
        assert "Milk" in prompt.messages[0].content.text
    async with client("clock", mode=mode) as session:
        now = await session.call_tool("now", {"timezone": "Europe/Paris"})
        assert now.structured_content["timezone"] == "Europe/Paris"
        zone = ResourceTemplateReference(type="ref/resource", uri="clock://now/{timezone}")
        completed = await session.complete(zone, {"name": "timezone", "value": "paris"})
        assert completed.completion.values == ["Europe/Paris"]


@ERAS
async def test_pages_contents_errors_and_progress(mode: str) -> None:
    """The mock in pages, with every kind of content, both kinds of error, and progress."""
    told: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(done)

    async with client("mock", "--paginate", "10", "--tools", "15", mode=mode) as session:
        first = await session.list_tools()
        second = await session.list_tools(cursor=first.next_cursor)
        assert (len(first.tools), len(second.tools)) == (10, 10)
        for tool in ("image", "audio", "embedded", "resource_link", "structured", "garbage"):
            assert (await session.call_tool(tool, {})).content
        assert (await session.call_tool("tool_error", {})).is_error
        with pytest.raises(MCPError, match="failed as asked for"):
            await session.call_tool("fail", {})
        await session.call_tool("chatty", {"count": 3}, progress_callback=progress)
        assert told == [1, 2, 3]
        name = PromptReference(type="ref/prompt", name="greet")
        assert (await session.complete(name, {"name": "name", "value": "A"})).completion.values == ["Ada", "Alan"]


@ERAS
async def test_questions_are_answered_by_the_client(mode: str) -> None:
    """Sampling, elicitation and roots, by request in the legacy era, by input_required in the modern one."""

    async def sample(context: Any, params: Any) -> CreateMessageResult:
        return CreateMessageResult(role="assistant", content=TextContent(type="text", text="hi"), model="scripted")

    async def elicit(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"name": "Ada"})

    async def roots(context: Any) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri="file:///tmp")])

    answers: dict[str, Any] = {
        "sampling_callback": sample,
        "elicitation_callback": elicit,
        "list_roots_callback": roots,
    }
    async with client("mock", mode=mode, **answers) as session:
        sampled = await session.call_tool("sampling", {})
        assert sampled.structured_content["answer"]["content"]["text"] == "hi"
        elicited = await session.call_tool("elicit", {})
        assert elicited.structured_content["answer"]["content"] == {"name": "Ada"}
        listed = await session.call_tool("roots", {})
        assert listed.structured_content["answer"]["roots"][0]["uri"] == "file:///tmp"


async def test_a_timed_out_call_is_cancelled() -> None:
    """The SDK's cancellation reaches the server."""
    async with client("mock") as session:
        with anyio.move_on_after(0.2):
            await session.call_tool("slow", {"seconds": 60})
        seen = (await session.call_tool("connection", {})).structured_content
        assert (seen["cancelled"], seen["in_flight"]) == (1, 0)


async def test_legacy_notices_arrive() -> None:
    """A changed list and a changed resource are told to a legacy session."""
    send, receive = anyio.create_memory_object_stream[str](10)

    async def note(message: Any) -> None:
        if method := getattr(message, "method", None):
            await send.send(method)

    async with send, receive, client("mock", message_handler=note) as session:
        await session.call_tool("change_tools", {})
        assert await receive.receive() == "notifications/tools/list_changed"
        with pytest.warns(MCPDeprecationWarning):  # it is of the legacy era, as this test is
            await session.subscribe_resource("mock://counter")
        await session.call_tool("update_resource", {})
        assert await receive.receive() == "notifications/resources/updated"


async def test_modern_notices_arrive() -> None:
    """The same, to a modern listener."""
    async with (
        client("mock", mode="auto") as session,
        session.listen(tools_list_changed=True, resource_subscriptions=["mock://counter"]) as events,
    ):
        await session.call_tool("change_tools", {})
        assert await anext(events) == ToolsListChanged()
        await session.call_tool("update_resource", {})
        assert await anext(events) == ResourceUpdated(uri="mock://counter")
