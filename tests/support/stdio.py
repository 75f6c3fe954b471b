"""`hubctl run <workspace>` as a client's command, driven over its raw pipes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.run import HUBCTL
from tests.support.yamcp import ROOT

Json = dict[str, Any]
TIMEOUT = 100.0
"""Seconds that a message may take."""
INFO = {"name": "pipes", "version": "1"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": INFO,
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Pipes:
    """The process, and the messages that it wrote; each line of its stdout has to be one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.kept: list[Json] = []
        """What was read and not asked for yet."""

    async def write(self, text: str | Json) -> None:
        """Write a line."""
        assert self.process.stdin
        line = text if isinstance(text, str) else json.dumps({"jsonrpc": "2.0", **text})
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def until(self, wanted: Callable[[Json], bool]) -> Json:
        """The next message that is as wanted; the others are kept."""
        for place, message in enumerate(self.kept):
            if wanted(message):
                return self.kept.pop(place)
        assert self.process.stdout
        async with asyncio.timeout(TIMEOUT):
            while line := await self.process.stdout.readline():
                found: Json = json.loads(line)
                assert found["jsonrpc"] == "2.0"
                if wanted(found):
                    return found
                self.kept.append(found)
        raise AssertionError(f"its output ended; kept: {self.kept}")

    async def answer(self, request_id: Any) -> Json:
        """The response to a request."""
        return await self.until(lambda message: "method" not in message and message["id"] == request_id)

    async def notice(self, method: str) -> Json:
        """The next request or notification of this method."""
        return await self.until(lambda message: message.get("method") == method)

    async def ask(self, request_id: Any, method: str, **params: Any) -> Json:
        """Send a request, and wait for its response."""
        await self.write({"id": request_id, "method": method, "params": params})
        return await self.answer(request_id)

    async def handshake(self, **capabilities: Any) -> Json:
        """The handshake of the legacy era."""
        params = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": INFO}
        answer = await self.ask("greet", "initialize", **params)
        await self.write({"method": "notifications/initialized"})
        return answer

    async def read_no_more(self) -> None:
        """Close its output, and wait until the pipe is closed: what is written from now on fails."""
        reader: Any = self.process.stdout
        reader._transport.close()  # subprocess has no other way
        async with asyncio.timeout(TIMEOUT):
            await reader.read()  # it ends after the pipe is closed

    async def end(self) -> tuple[int, str]:
        """End its input; its exit code and what it wrote on stderr."""
        assert self.process.stdin
        self.process.stdin.close()
        return await self.ended()

    async def ended(self) -> tuple[int, str]:
        """Wait for its end; its exit code and what it wrote on stderr. The rest of its messages is kept."""
        assert self.process.stdout
        assert self.process.stderr
        async with asyncio.timeout(TIMEOUT):
            out, err = await asyncio.gather(self.process.stdout.read(), self.process.stderr.read())
            self.kept += [json.loads(line) for line in out.splitlines()]
            return await self.process.wait(), err.decode()


@contextlib.asynccontextmanager
async def piped(env: Mapping[str, str], *words: str, cwd: Path = ROOT, **streams: Any) -> AsyncIterator[Pipes]:
    """`hubctl run` with these words; killed at the end if it still runs. It waits for a hub as long as a test does."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *HUBCTL,
        "run",
        *words,
        cwd=cwd,
        env={"HUB_STDIO_WAIT": str(TIMEOUT), **env},
        limit=1 << 26,
        **{"stdin": pipe, "stdout": pipe, "stderr": pipe} | streams,
    )
    try:
        yield Pipes(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
