"""The side of a sidecar that takes over from another one (ADR 35); predecessor.py describes the steps."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from bridge.errors import HubError
from bridge.models import Snapshot
from bridge.private import write_file
from bridge.settings import Settings
from sidecar.errors import SuccessionFailed
from sidecar.listener.server import Listener
from sidecar.protocol import codec
from sidecar.sessions.earlier import Forward, Forwarded, no_predecessor
from sidecar.succession.wire import SOCKET, VERSION, Peer, PeerGone, connect

log = logging.getLogger(__name__)

REPORT = "reload.json"
"""In the runtime directory."""
READY_TIMEOUT = 60.0
"""Seconds within which the servers that the predecessor had ready must be ready here."""
POLL_SECONDS = 0.02


class Successor:
    """The connection to the sidecar that serves. Made by `find`."""

    def __init__(self, settings: Settings, peer: Peer) -> None:
        self._settings = settings
        self._peer = peer
        self._wanted: set[str] = set()
        self._snapshot: Snapshot | None = None
        self._ids = itertools.count(1)
        self._forwarded: dict[int, asyncio.Future[bool]] = {}

    @classmethod
    async def find(cls, settings: Settings) -> Successor | None:
        """Connect to the sidecar that serves; None if there is none."""
        peer = await connect(str(settings.runtime / SOCKET))
        return cls(settings, peer) if peer is not None else None

    async def prepare(self, accept: Callable[[Snapshot], object]) -> bool:
        """Accept the snapshot of the predecessor. Returns False if that has ended.

        Raises:
            SuccessionFailed: the predecessor runs code that is too different.
        """
        try:
            state = (await self._peer.receive()).body
        except PeerGone:
            return False
        if state.get("version") != VERSION:
            raise SuccessionFailed("The sidecar that serves hands over in another way than this version of the hub.")
        try:
            self._accept(state, accept)
        except (ValidationError, KeyError):
            raise SuccessionFailed("This version of the hub cannot read the configuration in force.") from None
        return True

    def _accept(self, state: dict[str, Any], accept: Callable[[Snapshot], object]) -> None:
        self._wanted = set(state["ready"])
        if state["snapshot"] is not None:
            snapshot = Snapshot.model_validate(state["snapshot"])
            if self._snapshot is None or snapshot.id != self._snapshot.id:
                self._snapshot = snapshot
                accept(snapshot)

    async def until_ready(self, applied: Callable[[], bool], ready: Callable[[], Iterable[str]]) -> None:
        """Wait until the snapshot is applied, and each server is ready that is so at the predecessor.

        Raises:
            SuccessionFailed: it takes longer than READY_TIMEOUT.
        """
        deadline = time.monotonic() + READY_TIMEOUT
        while missing := (self._wanted & self._keys()) - set(ready()) or (not applied() and {"the configuration"}):
            if time.monotonic() > deadline:
                names = sorted(missing)
                what = f"Not ready within {READY_TIMEOUT:g} s: {', '.join(names)}."
                raise SuccessionFailed(what, data={"missing": names})
            await asyncio.sleep(POLL_SECONDS)

    def _keys(self) -> set[str]:
        return {server.key for server in self._snapshot.servers} if self._snapshot is not None else set()

    async def take(self, accept: Callable[[Snapshot], object]) -> list[socket.socket] | None:
        """Take the listening sockets, and the snapshot if there is a newer one; None if the predecessor has ended."""
        try:
            await self._peer.send({"ready": True})
            state, descriptors = await self._peer.receive()
        except PeerGone:
            return None
        self._accept(state, accept)
        return [socket.socket(fileno=descriptor) for descriptor in descriptors]

    async def serving(self) -> None:
        """Say that this process accepts connections, and wait until the addresses of the bridge are free."""
        try:
            await self._peer.send({"serving": True})
            await self._peer.receive()
        except PeerGone:
            log.warning("the predecessor has ended during the take-over")

    async def finish(self) -> None:
        """Say that the bridge is served here, too; `forward` can be used while `run` runs."""
        with contextlib.suppress(PeerGone):
            await self._peer.send({"done": True})

    async def run(self, begun: Callable[[Forward], None]) -> None:
        """Receive the answers to forwarded messages until the predecessor has ended; then `begun` gets a function that
        forwards none."""
        begun(self.forward)
        try:
            while True:
                body, _ = await self._peer.receive()
                if (future := self._forwarded.get(body["id"])) and not future.done():
                    future.set_result(body["delivered"])
        except PeerGone:
            log.info("the predecessor has ended")
        finally:
            begun(no_predecessor)
            for future in self._forwarded.values():
                if not future.done():
                    future.set_result(False)
            self._peer.close()

    async def forward(self, forwarded: Forwarded) -> bool:
        """Pass a client's message to the predecessor; returns whether that has delivered it."""
        number = next(self._ids)
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._forwarded[number] = future
        try:
            await self._peer.send({"id": number, "forwarded": forwarded._asdict()})
            return await future
        except PeerGone:
            return False
        finally:
            del self._forwarded[number]

    def close(self) -> None:
        """Leave the predecessor in its place."""
        self._peer.close()


def listeners(settings: Settings, sockets: list[socket.socket]) -> tuple[Listener, Listener]:
    """The listeners for requests and for the acceptor, of the sockets that a predecessor gave."""
    requests, acceptor = sockets
    path = settings.sidecar_socket if settings.protected else None
    return Listener(requests, path), Listener(acceptor, settings.handover_socket)


def report(runtime: Path, outcome: Literal["serving", "failed"], error: HubError | None = None) -> None:
    """Write what has become of a take-over, for `hubctl reload` (hubctl/run/reload.py)."""
    body = {"pid": os.getpid(), "outcome": outcome, "error": error.body().model_dump() if error else None}
    try:
        write_file(runtime / REPORT, codec.dumps(body), sync=False)
    except OSError as failure:
        log.warning("the outcome of the reload cannot be written", extra={"reason": failure.strerror})
