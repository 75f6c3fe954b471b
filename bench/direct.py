"""What an upstream does without any hub: servers as processes, and a stdio server called over its pipes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import psutil

from bench.session import CLIENT, LEGACY
from tests.support.hub import free_port
from tests.support.yamcp import ROOT

START_SECONDS = 60.0


@contextlib.asynccontextmanager
async def serving(module: str, *arguments: str, path: str) -> AsyncIterator[str]:
    """The URL of a server module of bench/, run as its own process with a free port as its last argument."""
    port = free_port()
    async with program(sys.executable, "-m", module, *arguments, str(port), port=port):
        yield f"http://127.0.0.1:{port}{path}"


@contextlib.asynccontextmanager
async def node(script: str, *arguments: str, port: int) -> AsyncIterator[None]:
    """A Node program of bench/ that listens on this port."""
    async with program("node", str(ROOT / "bench" / script), *arguments, port=port):
        yield


@contextlib.asynccontextmanager
async def program(
    *command: str, port: int, cwd: Path = ROOT, env: Mapping[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[psutil.Process]:
    """A process that listens on this port; it and its children are gone at the end. `log` takes what it writes.

    Raises RuntimeError when it ends instead, TimeoutError when it does neither.
    """
    with log.open("ab") if log else contextlib.nullcontext() as output:
        process = await asyncio.create_subprocess_exec(*command, cwd=cwd, env=env, stdout=output, stderr=output)
    try:
        await _listening(port, process)
        yield psutil.Process(process.pid)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        process.kill()
    await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(START_SECONDS):
        while process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)
    raise RuntimeError(f"the server on port {port} ended with {process.returncode}")


Call = tuple[str, dict[str, Any]]
HELLO: Call = "echo", {"text": "hello"}


async def call_stdio(
    module: str, *arguments: str, inflight: int, seconds: float, call: Call = HELLO
) -> tuple[float, list[float]]:
    """Call a tool of a stdio server over its pipes, `inflight` calls at a time: calls/s, and each one's seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    assert process.stdin is not None
    try:
        await _handshake(process)
        await _calls(process, inflight, 0.5, call)
        return await _calls(process, inflight, seconds, call)
    finally:
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _handshake(process: asyncio.subprocess.Process) -> None:
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
    _write(process, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), 30)
    _write(process, {"jsonrpc": "2.0", "method": "notifications/initialized"})


def _write(process: asyncio.subprocess.Process, frame: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(orjson.dumps(frame) + b"\n")


async def _calls(
    process: asyncio.subprocess.Process, inflight: int, seconds: float, call: Call
) -> tuple[float, list[float]]:
    assert process.stdout is not None
    params = {"name": call[0], "arguments": call[1]}
    sent: dict[int, float] = {}
    latencies: list[float] = []
    begin = time.perf_counter()
    ident = 0
    while True:
        while len(sent) < inflight and time.perf_counter() - begin < seconds:
            ident += 1
            sent[ident] = time.perf_counter()
            _write(process, {"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": params})
        if not sent:
            return len(latencies) / (time.perf_counter() - begin), latencies
        frame = orjson.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        if frame.get("id") in sent:
            latencies.append(time.perf_counter() - sent.pop(frame["id"]))
