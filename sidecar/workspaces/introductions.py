"""Reads the `instructions` of `per_client` servers before a client has an instance of its own.

The handshake with a client includes the instructions of the workspace's servers, but a `per_client` server is started
after the handshake, when its client needs it. So the hub connects to each such server once, without client features,
and closes the connection after the server's handshake.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from bridge.models import ServerSpec
from sidecar.errors import SidecarError
from sidecar.supervision.opening import Connect
from sidecar.upstream.feature_probe import read_catalog

log = logging.getLogger(__name__)

HANDSHAKE_WAIT = 5.0
"""Longest time in seconds that a client's handshake waits for the instructions of servers."""


class Introductions:
    """Reads and keeps instructions, by the server's fingerprint. `run` owns the tasks that connect to servers."""

    def __init__(self, connect: Callable[[ServerSpec], Connect], fingerprint: Callable[[ServerSpec], str]) -> None:
        self._connect = connect
        self._fingerprint = fingerprint
        self._known: dict[str, str] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Own the tasks, until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None

    def keep(self, fingerprints: set[str]) -> None:
        """Forget all servers but those with these fingerprints."""
        for gone in self._known.keys() - fingerprints:
            del self._known[gone]

    def text(self, spec: ServerSpec) -> str | None:
        """The instructions of a server: empty if it has none or the connection failed, None if not read yet."""
        return self._known.get(self._fingerprint(spec))

    async def learn(self, specs: Iterable[ServerSpec]) -> None:
        """Read the instructions of servers that were not read yet; waits at most `HANDSHAKE_WAIT` seconds."""
        asking = [task for spec in specs if (task := self._asked(spec))]
        if asking:
            await asyncio.wait(asking, timeout=HANDSHAKE_WAIT)

    def _asked(self, spec: ServerSpec) -> asyncio.Task[None] | None:
        """The task that reads a server's instructions, started if necessary; None if they are known."""
        key = self._fingerprint(spec)
        if key in self._asking or key in self._known or self._tasks is None or spec.settings.container:
            return self._asking.get(key)
        task = self._asking[key] = self._tasks.create_task(self._ask(key, spec))
        task.add_done_callback(lambda _: self._asking.pop(key, None))
        return task

    async def _ask(self, key: str, spec: ServerSpec) -> None:
        self._known[key] = ""  # also if it fails: no handshake waits again, and clients' own instances show the error
        try:
            catalog = await read_catalog(spec, self._connect(spec), frozenset())
        except Exception as error:  # the fault of a server must not end the hub
            expected = isinstance(error, SidecarError | TimeoutError)
            extra = {"server": spec.key, "reason": str(error)}
            log.log(
                logging.INFO if expected else logging.ERROR,
                "the instructions of a server could not be read",
                extra=extra,
                exc_info=not expected,
            )
            return
        self._known[key] = catalog.greeting.instructions
