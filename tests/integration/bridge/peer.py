"""A server of the bridge in a process of its own, to be killed: `python -m tests.integration.bridge.peer ADDRESS LOG`.

It appends the revision of each snapshot that it accepts to LOG, a line each, and says `ready` on stdout. `logs` answers
after `limit` milliseconds; `restart` never answers; each `tools` publishes an event about its workspace.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bridge.models import Accepted, Done, Event, ListTools, LogRecords, Logs, Restart, Snapshot, Tools
from bridge.server import BridgeServer, EventPublisher


class Peer:
    """The handlers."""

    def __init__(self, log: Path, publisher: EventPublisher) -> None:
        self._log = log.open("a", buffering=1)
        self._publisher = publisher

    async def apply(self, body: Snapshot) -> Accepted:
        self._log.write(f"{body.id.revision}\n")
        return Accepted(id=body.id)

    async def logs(self, body: Logs) -> LogRecords:
        await asyncio.sleep(body.limit / 1000)
        return LogRecords(records=())

    async def restart(self, _: Restart) -> Done:
        await asyncio.Event().wait()
        return Done()

    async def tools(self, body: ListTools) -> Tools:
        self._publisher.publish(Event(topic="workspace", subject=body.workspace))
        return Tools(tools=())


async def main(address: str, log: str) -> None:
    """Serve until killed."""
    async with EventPublisher(f"{address}.events") as publisher, asyncio.TaskGroup() as tasks:
        peer = Peer(Path(log), publisher)
        handlers = {Snapshot: peer.apply, Logs: peer.logs, Restart: peer.restart, ListTools: peer.tools}
        started = asyncio.Event()
        tasks.create_task(BridgeServer(address, handlers).serve(started))
        await started.wait()
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
