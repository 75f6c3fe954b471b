"""Servers whose lists are odd beside good ones, as the clients' own models see them through one workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.odd import items
from tests.odd.items import STRUCTURED
from tests.support import clients
from tests.support.clients import Json
from tests.support.fake_server import FakeServer, RpcError, text
from tests.support.inprocess import World, space, world

LISTS = ("tools", "prompts", "resources", "templates")
ODD: dict[str, items.Odd] = {
    "tools": {**items.TOOLS, **items.LEGACY_TOOLS},
    "prompts": items.PROMPTS,
    "resources": items.RESOURCES,
    "templates": items.TEMPLATES,
}


def odd_server() -> FakeServer:
    """Lists every odd item of the table, and what has no name at all."""
    server = FakeServer("odd", tools={"good": lambda: text("good")})
    server.extra_tools = [*items.NAMELESS, *items.listed("tools", ODD["tools"])]
    server.prompts = [*items.NAMELESS, *items.listed("prompts", ODD["prompts"])]
    server.resources = [*items.NAMELESS, *items.listed("resources", ODD["resources"])]
    server.templates = [*items.NAMELESS, *items.listed("templates", ODD["templates"])]
    return server


def structured(value: Any) -> Json:
    """A tool's result with structured content."""
    return {**text("x"), "structuredContent": value}


def structured_server(era: str) -> FakeServer:
    """Its tools have output schemas and results that are no objects."""
    server = FakeServer(era, era=era)
    server.tools = {name: partial(structured, value) for name, (_, value) in STRUCTURED.items()}
    server.tools["without_schema"] = partial(structured, [1])
    listed = [
        {"name": name, "inputSchema": {"type": "object"}, "outputSchema": schema}
        for name, (schema, _) in STRUCTURED.items()
    ]
    listed.append({"name": "without_schema"})
    server.handlers["tools/list"] = lambda *_: server._complete({"tools": listed})
    return server


def broken_server() -> FakeServer:
    """One of its lists is an error."""
    server = FakeServer("broken")

    def fail(*_: Any) -> None:
        raise RpcError(-32000, "no database")

    server.handlers["resources/list"] = fail
    return server


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[World]:
    """All of them in the workspace `w`."""
    servers = [odd_server(), structured_server("legacy"), structured_server("modern"), broken_server()]
    async with world(tmp_path, *servers, serve=True) as made:
        made.put(*(server.spec() for server in servers), space(*(server.name for server in servers)))
        await made.settled()
        yield made


def expected() -> dict[str, set[str]]:
    """What every client must have listed, by list."""
    tools = {f"odd_{item['name']}" for item in items.served("tools", ODD["tools"])} | {"odd_good", "broken_echo"}
    tools |= {f"{era}_{name}" for era in ("legacy", "modern") for name in (*STRUCTURED, "without_schema")}
    return {
        "tools": tools,
        "prompts": {f"odd_{item['name']}" for item in items.served("prompts", ODD["prompts"])},
        "resources": {f"odd://odd/{item['name']}" for item in items.served("resources", ODD["resources"])},
        "templates": {f"odd://odd/{item['name']}/{{id}}" for item in items.served("templates", ODD["templates"])},
    }


NAMES = [f"{era}_{name}" for era in ("legacy", "modern") for name in (*STRUCTURED, "without_schema")]
CALLS = clients.calling([(name, {}) for name in NAMES])


def check_results(results: list[Json], *, wrapped: bool) -> None:
    """Each structured result, which the client has checked against the schema that it was given."""
    for name, outcome in zip(NAMES, results, strict=True):
        assert "error" not in outcome, outcome
        value = STRUCTURED.get(name.split("_", 1)[1], (None, [1]))[1]
        wraps = wrapped and name != "legacy_either"  # a legacy server's schema without a type is one of objects
        assert outcome["result"]["structuredContent"] == ({"result": value} if wraps else value), name


def check_lists(report: Json, *lists: str) -> None:
    """The lists of a report, of names or of items."""
    field = {"resources": "uri", "templates": "uriTemplate"}
    for kind in lists or LISTS:
        names = [item if isinstance(item, str) else item[field.get(kind, "name")] for item in report[kind]]
        assert set(names) == expected()[kind], kind
        assert len(names) == len(expected()[kind])


async def test_typescript_1(hub: World) -> None:
    """The TypeScript SDK before version 2."""
    report = await clients.typescript(f"{hub.base}/mcp/w", "http", *CALLS)
    check_lists(report)
    check_results(report["results"], wrapped=True)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_typescript_2(hub: World, mode: str) -> None:
    """The TypeScript SDK's version 2, in either era."""
    report = await clients.typescript2(f"{hub.base}/mcp/w", "--mode", mode, *CALLS)
    assert report["version"] == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    check_lists(report)
    check_results(report["results"], wrapped=mode == "legacy")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_python_2(hub: World, mode: Any) -> None:
    """The Python SDK's version 2, in either era."""
    async with clients.sdk(f"{hub.base}/mcp/w", "http", mode) as client:
        report: Json = {
            "tools": [item.name for item in (await client.list_tools()).tools],
            "prompts": [item.name for item in (await client.list_prompts()).prompts],
            "resources": [str(item.uri) for item in (await client.list_resources()).resources],
            "templates": [item.uri_template for item in (await client.list_resource_templates()).resource_templates],
        }
        results = [
            {"result": {"structuredContent": (await client.call_tool(name)).structured_content}} for name in NAMES
        ]
    check_lists(report)
    check_results(results, wrapped=mode == "legacy")


async def test_python_1(hub: World) -> None:
    """The Python SDK before version 2."""
    report = await clients.mcp1(f"{hub.base}/mcp/w", "http", *CALLS)
    check_lists(report)
    check_results([{"result": {"structuredContent": value}} for value in report["structured"]], wrapped=True)


async def test_smolagents(hub: World) -> None:
    """smolagents, whose adapter loses all tools for one without `properties`."""
    report = await clients.smolagents(
        f"{hub.base}/mcp/w", "http", "--agent", "code", *clients.calling([("odd_good", {})])
    )
    assert set(report["tools"]) - {"final_answer"} == expected()["tools"]
    assert report["answer"] == {"odd_good": "good"}


async def test_what_is_told(hub: World) -> None:
    """The servers with something wrong are `degraded`, each with what is left out, and the others are ready."""
    status = {server.key: server for server in (await hub.reporter.status()).servers}
    assert {key: server.state for key, server in status.items()} == {
        "odd": "degraded",
        "broken": "degraded",
        "legacy": "ready",
        "modern": "ready",
    }
    [trouble] = status["broken"].troubles
    assert (trouble.code, trouble.data) == ("SERVER_LIST_FAILED", {"list": "resources/list"})
    left_out = {(trouble.data["list"], trouble.data.get("item")) for trouble in status["odd"].troubles}
    assert ("tools/list", "input_string") in left_out
    assert ("prompts/list", "arguments_text") in left_out
