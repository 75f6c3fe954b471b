"""Brings the newest snapshot to the sidecar, and again, until it is acknowledged by the run of it that is there now."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from pydantic import ValidationError

from bridge.client import BridgeClient
from bridge.errors import ErrorBody, HubError, RemoteError, StaleSnapshot
from bridge.models import Ping, Snapshot, SnapshotId
from bridge.sockets import ZMQ
from bridge.transport import Transport

log = logging.getLogger("yamcp_ui_adapter.publish")  # the name that log filters know

FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0


class Publisher:
    """A slot for the newest snapshot, and the loop that empties it over the bridge.

    `on_stale` is called when the sidecar has seen a newer snapshot than any that was offered here, with its id;
    `on_change` when `published` or `error` may have changed.
    """

    def __init__(
        self,
        address: str,
        on_stale: Callable[[SnapshotId], None] = lambda _: None,
        on_change: Callable[[], None] = lambda: None,
        *,
        transport: Transport = ZMQ,
        first_wait: float = FIRST_WAIT,
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

    def offer(self, snapshot: Snapshot) -> None:
        """Publish this one, and none of those before it that still wait."""
        self._snapshot = snapshot
        self._news.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        async with BridgeClient(self._address, on_peer=self._meet, transport=self._transport) as client:
            wait = self._first_wait
            while True:
                self._news.clear()
                if await self._publish(client):
                    wait = self._first_wait
                    await self._news.wait()
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._news.wait()
                wait = min(2 * wait, LONGEST_WAIT)

    def _meet(self, _: str) -> None:
        """Another run of the sidecar is there: it knows nothing yet."""
        self.published = None
        self._on_change()
        self._news.set()

    async def _publish(self, client: BridgeClient) -> bool:
        """Offer the newest snapshot to the sidecar; whether that is done, and nothing is to be tried again."""
        snapshot = self._snapshot
        if snapshot is None:
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
        """Which run of the sidecar is there. Raises PeerUnavailable while none is."""
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
