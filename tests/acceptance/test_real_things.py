"""Real servers of npm and PyPI behind one workspace, used by real clients and agents; list changes reach them live."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support import clients, sidecar
from tests.support.clients import USES, Json, Mode
from tests.support.peers import Transport
from tests.support.sidecar import SMOLAGENTS, Sidecar

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOON: Json = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
FIRST, SECOND = sidecar.mock("first"), sidecar.mock("second")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sidecar]:
    """A workspace `real` of three real servers, and `demo`, as the first start of the hub makes it."""
    files = tmp_path_factory.mktemp("files")
    (files / "größe.txt").write_text("42", "utf-8")
    servers = [sidecar.everything(), sidecar.filesystem(files), sidecar.time()]
    demo = [sidecar.demo("notes"), sidecar.demo("clock")]
    spaces = [sidecar.workspace("real", *servers), sidecar.workspace("demo", *demo)]
    async with sidecar.running(*servers, *demo, *spaces) as running:
        running.files = files  # type: ignore[attr-defined]
        yield running


def script(hub: Sidecar) -> list[tuple[str, Json]]:
    """Calls of the three servers."""
    files: Path = hub.files  # type: ignore[attr-defined]
    return [
        ("everything_echo", {"message": "hello"}),
        ("everything_get-sum", {"a": 2, "b": 3}),
        ("time_convert_time", NOON),
        ("filesystem_list_directory", {"path": str(files)}),  # has no optional argument: smolagents wants them all
    ]


def check(texts: list[str]) -> None:
    """What the calls of the script answer."""
    assert texts[0] == "Echo: hello"
    assert texts[1].startswith("The sum of 2 and 3 is 5")
    assert "T21:00:00+09:00" in texts[2]
    assert texts[3] == "[FILE] größe.txt"


@pytest.mark.parametrize("client", USES)
async def test_every_client_uses_three_real_servers(hub: Sidecar, client: str) -> None:
    """Tools of server-everything, server-filesystem and mcp-server-time are listed and called side by side."""
    names, texts = await USES[client](hub.http("real"), script(hub))
    assert {name.split("_")[0] for name in names if name != "final_answer"} == {"everything", "filesystem", "time"}
    check(texts)


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_a_tool_calling_agent(hub: Sidecar, transport: Transport) -> None:
    """smolagents' ToolCallingAgent, with a model that follows a script, calls the tools of several servers in turn."""
    calls = [(name.replace("-", "_"), arguments) for name, arguments in script(hub)]
    report = await clients.smolagents(hub.http("real"), transport, "--agent", "tool", *clients.calling(calls))
    check([report["answer"][name] for name, _ in calls])
    assert report["steps"] == len(calls) + 2  # the task, the calls, the final answer


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_typescript_sees_what_else_there_is(hub: Sidecar, transport: Transport) -> None:
    """Resources, templates, prompts and instructions of server-everything arrive through the TypeScript SDK."""
    report = await clients.typescript(
        hub.http("real"),
        transport,
        "--read",
        "demo://everything/resource/dynamic/text/1",
        "--prompt",
        "everything_args-prompt",
        '{"city": "Paris"}',
    )
    assert len(report["resources"]) == 7
    assert report["templates"][0]["uriTemplate"].startswith("demo://everything/")
    assert "# everything" in report["instructions"]
    read, prompt = (each["result"] for each in report["results"])
    assert read["contents"][0]["text"].startswith("Resource 1")
    assert "Paris" in prompt["messages"][0]["content"]["text"]


async def test_the_example_runs(hub: Sidecar) -> None:
    """examples/agent.py prints the tools of the demo workspace, and what they answer."""
    printed = await clients.run(str(SMOLAGENTS), "examples/agent.py", hub.sse("demo"))
    assert f"8 tools at {hub.sse('demo')}" in printed
    assert "notes_search_notes(query, limit): The notes that fulfil a condition" in printed
    assert "Written by a smolagents agent." in printed.split("notes_list_notes -> ")[1]
    assert '"timezone": "UTC"' in printed.split("clock_now -> ")[1]


# --- list changes ----------------------------------------------------------------------------------------------------

Follow = Callable[[Callable[[list[str]], bool]], Awaitable[list[str]]]
"""Waits until the client is told of changed tools and, asking again, gets a list of names that is as wanted."""


class Told:
    """What a client's message handler is told of changed tools."""

    def __init__(self) -> None:
        self.news = asyncio.Event()

    async def __call__(self, message: Any) -> None:
        """The message handler."""
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            self.news.set()

    async def until(self, names: Callable[[], Awaitable[list[str]]], wanted: Callable[[list[str]], bool]) -> list[str]:
        """See `Follow`."""
        async with asyncio.timeout(100):
            while True:
                await self.news.wait()
                self.news.clear()
                if wanted(found := await names()):
                    return found


@contextlib.asynccontextmanager
async def sdk_follows(base: str, transport: Transport, mode: Mode) -> AsyncIterator[Follow]:
    """The Python SDK's client: told on its stream, or, in the modern era, through `subscriptions/listen`."""
    told = Told()

    async def listen(client: Any, listening: asyncio.Event) -> None:
        async with client.listen(tools_list_changed=True) as subscription:
            listening.set()
            async for _ in subscription:
                told.news.set()

    async with clients.sdk(base, transport, mode, message_handler=told) as client:

        async def names() -> list[str]:
            return [tool.name for tool in (await client.list_tools()).tools]

        assert await names()
        task = None
        if mode != "legacy":
            listening = asyncio.Event()
            task = asyncio.create_task(listen(client, listening))
            await listening.wait()
        yield lambda wanted: told.until(names, wanted)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


@contextlib.asynccontextmanager
async def fastmcp_follows(base: str, transport: Transport, mode: Mode) -> AsyncIterator[Follow]:
    """FastMCP's client, told through its message handler."""
    told = Told()
    async with clients.fast(base, transport, mode, message_handler=told) as client:

        async def names() -> list[str]:
            return [tool.name for tool in await client.list_tools()]

        assert await names()
        yield lambda wanted: told.until(names, wanted)


@contextlib.asynccontextmanager
async def typescript_follows(base: str, transport: Transport, mode: Mode) -> AsyncIterator[Follow]:
    """The TypeScript SDK's client, which lists anew when it is told."""
    async with clients.watching(base, transport) as (watcher, report):
        assert report["tools"]
        yield lambda wanted: watcher.changed("tools", wanted)


@pytest.mark.parametrize(
    ("follows", "transport", "mode"),
    [
        (sdk_follows, "sse", "legacy"),
        (sdk_follows, "sse", "auto"),
        (sdk_follows, "http", "legacy"),
        (sdk_follows, "http", "auto"),
        (fastmcp_follows, "sse", "legacy"),
        (fastmcp_follows, "http", "legacy"),
        (typescript_follows, "sse", "legacy"),
        (typescript_follows, "http", "legacy"),
    ],
)
async def test_list_changes_reach_live_clients(hub: Sidecar, follows: Any, transport: Transport, mode: Mode) -> None:
    """A client that stays connected is told when a server comes or goes, and gets the new list by asking again."""
    await hub.put(FIRST, sidecar.workspace("live", FIRST))
    try:
        async with follows(hub.http("live"), transport, mode) as follow:
            await hub.put(SECOND, sidecar.workspace("live", FIRST, SECOND), settle=False)
            assert "first_echo" in await follow(lambda names: "second_echo" in names)
            await hub.put(sidecar.workspace("live", FIRST), settle=False)
            assert "first_echo" in await follow(lambda names: "second_echo" not in names)
            off = sidecar.workspace("live", FIRST).model_copy(update={"enabled": False})
            await hub.put(off, settle=False)
            await follow(lambda names: names == [])
            await hub.put(sidecar.workspace("live", FIRST), settle=False)
            await follow(lambda names: "first_echo" in names)
    finally:
        await hub.remove("live")
