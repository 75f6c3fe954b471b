"""Files of a user as servers, in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import mcp
import pytest
from mcp.client.stdio import StdioServerParameters, stdio_client

from bridge.models import Call
from hubctl.commands.entries import new_entry, read_options
from hubctl.grammar import parser
from own_servers.__main__ import arguments, server_of
from own_servers.errors import OwnServerError
from own_servers.openapi import all_set
from own_servers.python_file import MODULE
from tests.support.sidecar import running, stdio, workspace
from tests.support.yamcp import ROOT

TOOLS = '''"""Sums for my shop."""
import helper
from datetime import date
from os.path import join

print("this line is no message")


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    print("neither is this one")
    return a + b


async def shift(day: date, days: int) -> date:
    """A later day."""
    return day + helper.days(days)


def broken() -> str:
    """Fails."""
    raise ValueError("no stock left")


def _hidden() -> None:
    """Not a tool."""
'''
HELPER = "from datetime import timedelta\n\ndef days(number):\n    return timedelta(days=number)\n"
OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/items/{id}": {
            "get": {
                "operationId": "getItem",
                "summary": "An item by its number",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "it"}},
            }
        },
        "/items": {
            "post": {
                "operationId": "addItem",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"type": "object", "properties": {"name": {"type": "string"}}}}
                    },
                },
                "responses": {"200": {"description": "it"}},
            }
        },
    },
}


def command(*args: str) -> list[str]:
    """The arguments for Python."""
    return ["-P", "-m", "own_servers", *args]


@contextlib.asynccontextmanager
async def served(*args: str, env: dict[str, str] | None = None) -> AsyncIterator[mcp.Client]:
    """A client of the server."""
    launch = StdioServerParameters(command=sys.executable, args=command(*args), env=env, cwd=str(ROOT))
    async with mcp.Client(stdio_client(launch), mode="legacy") as client:
        yield client


async def failed(*args: str) -> tuple[int | None, str]:
    """Run a server that cannot start: its exit code, and what it writes to stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command(*args), stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=ROOT
    )
    out, error = await asyncio.wait_for(process.communicate(), 60)
    assert out == b""
    return process.returncode, error.decode()


def refused(*args: str) -> str:
    """The reason why a server is not made, in this process."""
    with pytest.raises(OwnServerError) as raised:
        server_of(arguments(args))
    return str(raised.value)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a file of a user changes in this process is undone."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, MODULE, sys)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A file with functions, and a module beside it."""
    (tmp_path / "helper.py").write_text(HELPER)
    path = tmp_path / "tools.py"
    path.write_text(TOOLS)
    return path


async def test_functions_of_a_file_are_tools(tools: Path) -> None:
    """Those that it defines and that are public, with types and docstrings; what they print disturbs nothing."""
    async with served("python", str(tools)) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(listed) == ["add", "shift", "broken"]
        assert listed["add"].description == "Add two numbers."
        assert listed["add"].input_schema["required"] == ["a"]
        assert (await client.call_tool("add", {"a": 1})).structured_content == {"result": 3}
        day = await client.call_tool("shift", {"day": "2026-11-30", "days": 2})
        assert day.structured_content == {"result": "2026-12-02"}
        wrong = await client.call_tool("broken", {})
        assert wrong.is_error and "no stock left" in str(wrong.content)
        assert (await client.call_tool("add", {"a": "x"})).is_error


async def test_a_fastmcp_object_is_served_as_it_is(tmp_path: Path) -> None:
    """With the names that it gives its tools; other functions of the file are not served."""
    path = tmp_path / "server.py"
    path.write_text(
        "from fastmcp import FastMCP\nserver = FastMCP('mine')\n\n@server.tool(name='double')\n"
        "def _double(x: int) -> int:\n    return 2 * x\n\ndef other() -> int:\n    return 1\n"
    )
    async with served("python", str(path)) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["double"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("def f(:\n    pass\n", 1, "SyntaxError"),
        ("\n\nimport nowhere_at_all\n", 3, "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("def g():\n    return 1 / 0\n\ng()\n", 2, "ZeroDivisionError"),
        ("import sys\nsys.exit('not today')\n", 2, "SystemExit: not today"),
        ("x = 1\n\ndef f(*args):\n    pass\n", 3, "f cannot be a tool"),
        ("from os.path import join\n", None, "no public function"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(
    alone: None, tmp_path: Path, text: str, line: int | None, reason: str
) -> None:
    """Its file and line come first."""
    path = tmp_path / "wrong.py"
    path.write_text(text)
    place = f"{path}:{line}:" if line else f"{path}:"
    error = refused("python", str(path))
    assert error.startswith(f"{place} ") and reason in error and len(error.splitlines()) == 1


async def test_missing_and_foreign_files(alone: None, tmp_path: Path) -> None:
    """Neither is served; the reason is one line on stderr, which the hub shows."""
    code, error = await failed("python", str(tmp_path / "none.py"))
    assert code == 1 and error == f"error: {tmp_path}/none.py: there is no such file\n"
    text = tmp_path / "tools.txt"
    text.write_text("def f(): pass")
    assert "must end in .py" in refused("python", str(text))


async def test_a_changed_file_ends_the_process(tools: Path) -> None:
    """The hub starts it again with the new content."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command("python", str(tools)), stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=ROOT
    )
    await answered_initialize(process)
    await asyncio.to_thread(tools.write_text, TOOLS.replace("Add two numbers.", "Add them."))
    assert await asyncio.wait_for(process.wait(), 60) == 3
    assert process.stderr is not None
    assert "has changed" in (await process.stderr.read()).decode()


async def answered_initialize(process: Process) -> None:
    """Shake hands with the server."""
    assert process.stdin is not None and process.stdout is not None
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    frame = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    process.stdin.write(json.dumps(frame).encode() + b"\n")
    assert b'"serverInfo"' in await asyncio.wait_for(process.stdout.readline(), 60)


@contextlib.asynccontextmanager
async def shop() -> AsyncIterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    """An API: its address, and the requests that it got."""
    requests: list[tuple[str, dict[str, str], bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        requests.append((head[0], headers, await reader.readexactly(int(headers.get("content-length", "0")))))
        body = b'{"name": "pen"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", requests


@pytest.mark.parametrize("suffix", ["json", "yaml"])
async def test_operations_of_a_document_are_tools(tmp_path: Path, suffix: str) -> None:
    """Reading ones too. The secret of a header comes from the environment."""
    path = tmp_path / f"shop.{suffix}"
    path.write_text(json.dumps(OPENAPI))  # which is YAML as well
    async with shop() as (url, requests):
        args = ("openapi", str(path), "--url", url, "--header", "Authorization=Bearer ${SHOP_TOKEN}")
        async with served(*args, env={"SHOP_TOKEN": "secret-1"}) as client:
            listed = {tool.name: tool.description for tool in (await client.list_tools()).tools}
            assert set(listed) == {"getItem", "addItem"}
            found = await client.call_tool("getItem", {"id": 7})
            assert found.structured_content == {"name": "pen"}
            await client.call_tool("addItem", {"name": "pen"})
    assert [line for line, _, _ in requests] == ["GET /v1/items/7 HTTP/1.1", "POST /v1/items HTTP/1.1"]
    assert all(headers["authorization"] == "Bearer secret-1" for _, headers, _ in requests)
    assert json.loads(requests[1][2]) == {"name": "pen"}


@pytest.mark.parametrize(
    ("text", "args", "reason"),
    [
        ("{}", (), "not an OpenAPI document of version 3"),
        ("{", (), "line 1"),
        (json.dumps(OPENAPI), ("--header", "Authorization=Bearer ${NOBODY_SET_THIS}"), "NOBODY_SET_THIS is not set"),
        (json.dumps(OPENAPI), ("--header", "no value"), "not NAME=VALUE"),
        (json.dumps(OPENAPI), ("--url", "file:///etc"), "not an http or https address"),
    ],
)
def test_wrong_documents_and_arguments(tmp_path: Path, text: str, args: Sequence[str], reason: str) -> None:
    """Are told in one line."""
    path = tmp_path / "shop.json"
    path.write_text(text)
    error = refused("openapi", str(path), "--url", "http://127.0.0.1:9", *args)
    assert reason in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(("environment", "sent"), [({}, False), ({"KEY": ""}, False), ({"KEY": "k"}, True)])
def test_a_header_may_be_left_out_while_its_variable_has_no_value(environment: dict[str, str], sent: bool) -> None:
    """As in the catalogue's entry, where the secret is optional."""
    assert all_set("Authorization=Bearer ${KEY}", environment) is sent


async def test_the_hub_serves_a_file_and_its_next_version(tmp_path: Path) -> None:
    """As `hubctl add --python` writes it: after an edit the new tools are there; after a wrong one the line is told."""
    path = tmp_path / "shop.py"
    path.write_text("def price() -> int:\n    return 1\n")
    entry = new_entry("shop", read_options(parser().parse_args(["add", "shop", "--python", str(path)]), {}))
    made = entry["providerParameters"]
    shop_server = stdio("shop", made["command"], *made["args"])
    async with running(shop_server, workspace("work", shop_server)) as hub:
        answer = await hub.actual.request(
            Call(workspace="work", tool="shop_price", arguments={}, timeout=60), timeout=100
        )
        assert answer.result["structuredContent"] == {"result": 1}
        await asyncio.to_thread(
            path.write_text, "def price() -> int:\n    return 1\n\ndef stock() -> int:\n    return 5\n"
        )
        await hub.wait_status(lambda status: status.workspaces[0].tools == 2, "serves the new version")
        await asyncio.to_thread(path.write_text, "def price() -> int:\n    return ]\n")
        await hub.wait_status(lambda status: f"{path}:2: SyntaxError" in str(status.servers), "tells the line")
