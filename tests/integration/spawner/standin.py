"""A stand-in for the sidecar, to be killed: `standin.py RUNTIME TOKEN [NPX_DIRECTORY]`.

It runs three nasty servers, or with a directory the real server-everything by npx there; says its spawner's pid when
all of them answered.
"""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from bridge.models import StdioLaunch
from sidecar.channels.stdio import open_stdio
from sidecar.spawner.client import Spawner

NASTY = str(Path(__file__).with_name("nasty.py"))
CREW = (("deaf", "kid", "loner", "daemon"), ("daemon", "bare"), ())


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
}


def launches(token: str, npx: str = "") -> list[StdioLaunch]:
    """The servers to run."""
    if npx:
        return [StdioLaunch(command="npx", args=("--no-install", "mcp-server-everything", "stdio", token), cwd=npx)]
    return [StdioLaunch(command=sys.executable, args=("-S", NASTY, token, *habits)) for habits in CREW]


async def main() -> None:
    """Run the crew until SIGTERM."""
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    async with Spawner(Path(sys.argv[1])) as spawner, AsyncExitStack() as stack:
        for launch in launches(*sys.argv[2:]):
            ready = asyncio.Event()
            channel = await stack.enter_async_context(
                open_stdio(spawner, launch, on_frame=lambda _, ready=ready: ready.set(), redact=str, grace=0.2)
            )
            await channel.send(INITIALIZE)
            await ready.wait()
        print(spawner.pid, flush=True)
        await done.wait()


if __name__ == "__main__":
    os.umask(0o077)
    uvloop.run(main())
