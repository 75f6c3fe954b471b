"""What `per_client` servers say of themselves (`instructions`): asked before a client has one of its own.

The handshake with a client tells the instructions of the workspace's servers, but a `per_client` server first runs when
its client needs it, after the handshake. So each definition is asked once, over a connection of the hub's own, without
client features, that ends at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from bridge.models import ServerSpec
from sidecar.errors import SidecarError
from sidecar.upstream.feature_probe import read_catalog
from sidecar.upstream.upstream import Connect

log = logging.getLogger(__name__)

HANDSHAKE = 5.0
"""Most seconds that a client's handshake waits for servers that are being asked."""


class Introductions:
    """Owned by the hub; `run` owns the tasks that ask. What was learned is kept by fingerprint."""

    def __init__(self, connect: Callable[[ServerSpec], Connect], fingerprint: Callable[[ServerSpec], str]) -> None:
        self._connect = connect
        self._fingerprint = fingerprint
        self._known: dict[str, str] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Ask what is wanted, until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None

    def keep(self, fingerprints: set[str]) -> None:
        """Forget all servers but these."""
        for gone in self._known.keys() - fingerprints:
            del self._known[gone]

    def text(self, spec: ServerSpec) -> str | None:
        """What a server said; empty where it says nothing or could not be asked, none where it was not asked."""
        return self._known.get(self._fingerprint(spec))

    async def learn(self, specs: Iterable[ServerSpec]) -> None:
        """Have these servers asked, if they were not; waits for them, but not for long."""
        asking = [task for spec in specs if (task := self._asked(spec))]
        if asking:
            await asyncio.wait(asking, timeout=HANDSHAKE)

    def _asked(self, spec: ServerSpec) -> asyncio.Task[None] | None:
        """The task that asks a server, if its answer is still to come."""
        key = self._fingerprint(spec)
        if key in self._asking or key in self._known or self._tasks is None or spec.settings.container:
            return self._asking.get(key)
        task = self._asking[key] = self._tasks.create_task(self._ask(key, spec))
        task.add_done_callback(lambda _: self._asking.pop(key, None))
        return task

    async def _ask(self, key: str, spec: ServerSpec) -> None:
        self._known[key] = ""  # also where it fails: its clients' own will say why, and no handshake waits again
        try:
            catalog = await read_catalog(spec, self._connect(spec), frozenset())
        except Exception as error:  # whatever a server does must not end the hub
            expected = isinstance(error, SidecarError | TimeoutError)
            extra = {"server": spec.key, "reason": str(error)}
            log.log(
                logging.INFO if expected else logging.ERROR,
                "a server could not be asked for its instructions",
                extra=extra,
                exc_info=not expected,
            )
            return
        self._known[key] = catalog.greeting.instructions
