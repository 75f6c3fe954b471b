"""A stand-in for the sidecar with a kept server, to be killed: `kept_standin.py RUNTIME TOKEN [CHANGED]`.

It says whether it has to wait for another one. Then it calls the counter once and says what that knows, and its
spawner's pid; then it waits for SIGTERM. With `CHANGED`, the server's definition has another argument. The variable
`SLOT` is its slot.
"""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import uvloop

from bridge.models import ServerSettings, ServerSpec, StdioLaunch
from sidecar.channels.connections import Connections
from sidecar.errors import ConnectionLost
from sidecar.observe.metrics import Metrics
from sidecar.observe.redaction import Redactor
from sidecar.spawner.client import Spawner
from sidecar.upstream.connector import Connector
from sidecar.upstream.upstream import Upstream
from tests.integration.spawner.test_once import Nobody

COUNTER = str(Path(__file__).with_name("counter.py"))


async def main() -> None:
    """Run the server until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    launch = StdioLaunch(command=sys.executable, args=("-S", COUNTER, *sys.argv[2:]))
    spec = ServerSpec(key="c", namespace="c", launch=launch, settings=ServerSettings(keep=True))
    async with (
        Spawner(Path(sys.argv[1]), int(os.environ["SLOT"]), "off", stop.is_set) as spawner,
        Connections() as connections,
    ):
        connect = Connector(spawner, connections, Redactor(), ())(spec, shared=True)
        upstream = Upstream("f", spec, connect, Nobody(), Metrics())
        task = asyncio.create_task(upstream.run())
        while upstream.state != "ready" and not upstream.opening.delayed:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.002)
        print(json.dumps(upstream.opening.delayed), flush=True)
        await upstream.ready(100)
        await tell(upstream, spawner)
        await stop.wait()
        upstream.stop()
        await task


async def tell(upstream: Upstream, spawner: Spawner) -> None:
    """Leave a call without an answer, and say what the server knows after another."""
    asyncio.get_running_loop().create_task(hold(upstream))
    await call(upstream, "count", n="x", pad=100_000)
    print(json.dumps(json.loads(await call(upstream, "state")) | {"spawner": spawner.pid}), flush=True)


async def hold(upstream: Upstream) -> None:
    """A call that is never answered."""
    with suppress(ConnectionLost):
        await upstream.request("tools/call", {"name": "hold", "arguments": {}}, timeout=100)


async def call(upstream: Upstream, tool: str, **arguments: object) -> str:
    """Call a tool; what it answers."""
    frame = await upstream.request("tools/call", {"name": tool, "arguments": arguments}, timeout=100)
    return frame["result"]["content"][0]["text"]


if __name__ == "__main__":
    os.umask(0o077)
    uvloop.run(main())
