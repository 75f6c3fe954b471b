"""A stand-in for the sidecar, to be killed: `standin.py RUNTIME TOKEN`. Says its spawner's pid when all is running."""

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


async def main() -> None:
    """Run the crew until SIGTERM."""
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    async with Spawner(Path(sys.argv[1])) as spawner, AsyncExitStack() as stack:
        for habits in CREW:
            ready = asyncio.Event()
            launch = StdioLaunch(command=sys.executable, args=("-S", NASTY, sys.argv[2], *habits))
            await stack.enter_async_context(
                open_stdio(spawner, launch, on_frame=lambda _, ready=ready: ready.set(), redact=str, grace=0.2)
            )
            await ready.wait()
        print(spawner.pid, flush=True)
        await done.wait()


if __name__ == "__main__":
    os.umask(0o077)
    uvloop.run(main())
