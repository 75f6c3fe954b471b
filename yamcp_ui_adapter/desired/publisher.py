"""Publishes the newest snapshot to the sidecar, and repeats it until the present sidecar process acknowledges it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

from pydantic import ValidationError

from bridge.client import BridgeClient
from bridge.deadlines import set_within
from bridge.errors import ErrorBody, HubError, RemoteError, StaleSnapshot
from bridge.models import Ping, Snapshot, SnapshotId
from bridge.sockets import ZMQ
from bridge.transport import Transport

log = logging.getLogger("yamcp_ui_adapter.publish")  # the name that log filters know

FIRST_RETRY_SECONDS = 0.1
"""Seconds before the first retry; each further wait is twice as long."""
MAX_RETRY_SECONDS = 5.0
"""Limit for the seconds between two retries."""


class SnapshotPublisher:
    """Holds the newest snapshot, and sends it over the bridge in a loop.

    `on_stale` is called with a snapshot id when the sidecar has a newer snapshot than the one that was offered here;
    `on_change` is called when `published` or `error` may have changed.
    """

    def __init__(
        self,
        address: str,
        on_stale: Callable[[SnapshotId], None] = lambda _: None,
        on_change: Callable[[], None] = lambda: None,
        *,
        transport: Transport = ZMQ,
        first_wait: float = FIRST_RETRY_SECONDS,
        timeout: float = 5.0,
    ) -> None:
        self.published: SnapshotId | None = None
        self.error: ErrorBody | None = None
        self._address = address
        self._on_stale = on_stale
        self._on_change = on_change
        self._transport = transport
        self._first_wait = first_wait
        self._timeout = timeout
        self._snapshot: Snapshot | None = None
        self._news = asyncio.Event()
        self._acknowledged: tuple[str, SnapshotId] | None = None
        self._holds = 0

    def offer(self, snapshot: Snapshot) -> None:
        """Publish this snapshot; it replaces an earlier one that is not published yet."""
        self._snapshot = snapshot
        self._news.set()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Send no snapshot during a block, whose change may be taken back at its end."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._news.set()

    async def run(self) -> None:
        """Publish snapshots until cancelled."""
        async with BridgeClient(self._address, on_peer=self._on_new_peer, transport=self._transport) as client:
            wait = self._first_wait
            while True:
                self._news.clear()
                if await self._publish(client):
                    wait = self._first_wait
                    await self._news.wait()
                    continue
                await set_within(self._news, wait)
                wait = min(2 * wait, MAX_RETRY_SECONDS)

    def _on_new_peer(self, _: str) -> None:
        """Publish again: another sidecar process has connected, which has no snapshot yet."""
        self.published = None
        self._on_change()
        self._news.set()

    async def _publish(self, client: BridgeClient) -> bool:
        """Send the newest snapshot to the sidecar; return whether it is acknowledged, so that no retry is needed."""
        snapshot = self._snapshot
        if snapshot is None or self._holds:
            return True
        try:
            peer = await self._peer(client)
            if self._acknowledged != (peer, snapshot.id):
                await client.request(snapshot, timeout=self._timeout)
                self._acknowledged = (peer, snapshot.id)
        except HubError as error:
            return self._refused(snapshot, error)
        self.published, self.error = snapshot.id, None
        self._on_change()
        return client.peer_session == peer

    async def _peer(self, client: BridgeClient) -> str:
        """Return the session id of the present sidecar process.

        Raises:
            PeerUnavailable: no sidecar is connected.
        """
        if client.peer_session is None:
            await client.request(Ping(), timeout=self._timeout)
        return await client.peer()

    def _refused(self, snapshot: Snapshot, error: HubError) -> bool:
        body = error.body()
        if self.error is None or self.error.code != body.code:
            fields = {"code": body.code, "why": body.message, "revision": snapshot.id.revision}
            log.warning("snapshot not acknowledged; trying again", extra=fields)
        self.error = body
        self._on_change()
        if isinstance(error, RemoteError) and body.code == StaleSnapshot.code:
            with contextlib.suppress(ValidationError):
                in_force = SnapshotId.model_validate(body.data.get("in_force"))
                if in_force.newer_than(snapshot.id):
                    self._on_stale(in_force)
        return False
