"""Real clients of an endpoint: the Python SDK's, FastMCP's, the TypeScript SDK's and smolagents'."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import fastmcp
import mcp
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from mcp.client.sse import sse_client

from tests.support.peers import Transport
from tests.support.sidecar import SMOLAGENTS
from tests.support.yamcp import ROOT

Json = dict[str, Any]
Mode = Literal["legacy", "auto", "2026-07-28"]
REAL = ROOT / "tests/real"
TIMEOUT = 100.0
"""Seconds that a client may take from start to end; smolagents takes long to import."""


def url_of(base: str, transport: Transport) -> str:
    """The URL for a transport; `base` is the Streamable HTTP one."""
    return f"{base}/sse" if transport == "sse" else base


def sdk(base: str, transport: Transport, mode: Mode = "auto", **options: Any) -> mcp.Client:
    """The Python SDK's client."""
    server: Any = sse_client(f"{base}/sse") if transport == "sse" else base
    return mcp.Client(server, mode=mode, **options)


def fast(base: str, transport: Transport, mode: Mode = "auto", **options: Any) -> fastmcp.Client[Any]:
    """FastMCP's client."""
    chosen = SSETransport(f"{base}/sse") if transport == "sse" else StreamableHttpTransport(base)
    return fastmcp.Client(chosen, mode=mode, **options)


async def typescript(base: str, transport: Transport, *flags: str) -> Json:
    """One run of the TypeScript SDK's client (tests/real/ts_client.mjs); its report."""
    url = url_of(base, transport)
    return await _run("node", str(REAL / "ts_client.mjs"), url, "--transport", transport, *flags)


async def typescript2(base: str, *flags: str) -> Json:
    """One run of version 2 of the TypeScript SDK's client (tests/real/ts2_client.mjs); its report."""
    return await _run("node", str(REAL / "ts2_client.mjs"), base, *flags)


async def smolagents(base: str, transport: Transport, *flags: str) -> Json:
    """One run of an agent of smolagents with a scripted model (tests/real/smolagents_client.py); its report."""
    url, name = url_of(base, transport), "sse" if transport == "sse" else "streamable-http"
    return await _run(str(SMOLAGENTS), str(REAL / "smolagents_client.py"), url, "--transport", name, *flags)


async def mcp1(base: str, transport: Transport, *flags: str) -> Json:
    """One run of the Python SDK's client before version 2 (tests/real/mcp1_client.py); its report."""
    url, name = url_of(base, transport), "sse" if transport == "sse" else "streamable-http"
    return await _run(str(SMOLAGENTS), str(REAL / "mcp1_client.py"), url, "--transport", name, *flags)


def calling(calls: list[tuple[str, Json]]) -> list[str]:
    """The flags that make either of these programs call tools."""
    return [part for name, arguments in calls for part in ("--call", name, json.dumps(arguments))]


async def run(*command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end; its stdout. Raises AssertionError when it fails. `env`: further variables."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=pipe, stderr=pipe, start_new_session=True
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            out, err = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it started, too
    assert process.returncode == 0, (command, out.decode(), err.decode())
    return out.decode()


async def _run(*command: str) -> Json:
    found: Json = json.loads((await run(*command)).splitlines()[-1])
    return found


class Watcher:
    """The TypeScript SDK's client while it stays connected."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self, key: str) -> Json:
        """The next line that has this key."""
        assert self.process.stdout
        async with asyncio.timeout(TIMEOUT):
            while line := await self.process.stdout.readline():
                found: Json = json.loads(line)
                assert "closed" not in found, "the connection ended"
                if key in found:
                    return found
        raise AssertionError("the client ended")

    async def changed(self, kind: str, wanted: Callable[[list[str]], bool]) -> list[str]:
        """The first list of names, announced by list_changed and then asked for, that is as wanted."""
        while True:
            line = await self.line("changed")
            if line["changed"] == kind and wanted(line["names"]):
                names: list[str] = line["names"]
                return names

    async def ask(self, **command: Any) -> Json:
        """Give it a command, such as `call="x", arguments={}`; the reply."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        await self.process.stdin.drain()
        reply: Json = (await self.line("reply"))["reply"]
        return reply


@contextlib.asynccontextmanager
async def watching(base: str, transport: Transport) -> AsyncIterator[tuple[Watcher, Json]]:
    """The TypeScript client, connected, with its first report, until the context ends."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(REAL / "ts_client.mjs"),
        url_of(base, transport),
        "--transport",
        transport,
        "--watch",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
    )
    try:
        watcher = Watcher(process)
        yield watcher, await watcher.line("tools")
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


Call = Callable[[str, Json], Awaitable[str]]
"""Calls a tool; the first text of its result. Raises AssertionError where it fails."""


@contextlib.asynccontextmanager
async def lining(program: str, base: str, transport: Transport) -> AsyncIterator[Call]:
    """A program of tests/real that takes calls, one a line, over one connection: `smolagents_client.py`, say."""
    pipe, name = asyncio.subprocess.PIPE, "sse" if transport == "sse" else "streamable-http"
    command = [str(SMOLAGENTS), str(REAL / program), url_of(base, transport), "--transport", name, "--lines"]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=16 * 1024 * 1024)
    assert process.stdin and process.stdout
    stdin, stdout = process.stdin, process.stdout

    async def call(tool: str, arguments: Json) -> str:
        stdin.write(json.dumps({"tool": tool, "arguments": arguments}).encode() + b"\n")
        async with asyncio.timeout(TIMEOUT):
            reply = json.loads(await stdout.readline())
        assert "result" in reply, reply
        return str(reply["result"])

    try:
        async with asyncio.timeout(TIMEOUT):
            assert json.loads(await stdout.readline())["tools"]
        yield call
    finally:
        stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


Calls = list[tuple[str, Json]]
Use = Callable[[str, Calls], Awaitable[tuple[list[str], list[str]]]]
"""(base URL, calls) -> the tools' names as the client has them, and the first text of each call's result."""


def _sdk_use(transport: Transport, mode: Mode) -> Use:
    async def use(base: str, calls: Calls) -> tuple[list[str], list[str]]:
        async with sdk(base, transport, mode) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            results = [await client.call_tool(name, arguments) for name, arguments in calls]
            return names, [str(getattr(result.content[0], "text", "")) for result in results]

    return use


def _fastmcp_use(transport: Transport, mode: Mode) -> Use:
    async def use(base: str, calls: Calls) -> tuple[list[str], list[str]]:
        async with fast(base, transport, mode) as client:
            names = [tool.name for tool in await client.list_tools()]
            results = [await client.call_tool(name, arguments) for name, arguments in calls]
            return names, [str(getattr(result.content[0], "text", "")) for result in results]

    return use


def _typescript_use(transport: Transport) -> Use:
    async def use(base: str, calls: Calls) -> tuple[list[str], list[str]]:
        report = await typescript(base, transport, *calling(calls))
        names = [tool["name"] for tool in report["tools"]]
        return names, [each["result"]["content"][0].get("text", "") for each in report["results"]]

    return use


def _smolagents_use(transport: Transport) -> Use:
    async def use(base: str, calls: Calls) -> tuple[list[str], list[str]]:
        calls = [(name.replace("-", "_"), arguments) for name, arguments in calls]
        report = await smolagents(base, transport, "--agent", "code", *calling(calls))
        return report["tools"], [report["answer"][name] for name, _ in calls]

    return use


def _mcp1_use(transport: Transport) -> Use:
    async def use(base: str, calls: Calls) -> tuple[list[str], list[str]]:
        report = await mcp1(base, transport, "--tools-only", *calling(calls))
        return report["tools"], report["texts"]

    return use


USES: dict[str, Use] = {
    "sdk-sse-legacy": _sdk_use("sse", "legacy"),
    "sdk-sse-modern": _sdk_use("sse", "auto"),
    "sdk-http-legacy": _sdk_use("http", "legacy"),
    "sdk-http-modern": _sdk_use("http", "auto"),
    "fastmcp-sse": _fastmcp_use("sse", "auto"),
    "fastmcp-http-legacy": _fastmcp_use("http", "legacy"),
    "fastmcp-http-modern": _fastmcp_use("http", "auto"),
    "typescript-sse": _typescript_use("sse"),
    "typescript-http": _typescript_use("http"),
    "smolagents-sse": _smolagents_use("sse"),
    "smolagents-http": _smolagents_use("http"),
    "mcp1-http": _mcp1_use("http"),
}
