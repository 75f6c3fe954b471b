"""The side of the sidecar that serves: waits for a successor, and gives it what it needs to take over (ADR 35).

The successor is told the snapshot in force and the servers that are ready. When it is ready itself, it asks for the
listening sockets. Both accept connections then, until the successor says that it serves: whichever of them is killed
before that, the other one goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from bridge.settings import Settings
from sidecar.listener.server import Listener, bind_unix
from sidecar.sessions.earlier import Forwarded
from sidecar.succession.wire import SOCKET, VERSION, Peer, PeerGone

log = logging.getLogger(__name__)

READY_TIMEOUT = 90.0
"""Seconds after which a successor that has not taken over is given up."""
STEP_TIMEOUT = 10.0
"""Seconds for each step of the take-over itself, which takes milliseconds."""
RETRY_SECONDS = 1.0
"""Seconds before a connection is accepted again after that failed, as without a free descriptor."""


class State(NamedTuple):
    """What a successor begins with."""

    snapshot: dict[str, Any] | None
    """The snapshot in force."""
    ready: list[str]
    """The keys of the servers that are ready."""


class Predecessor:
    """Listens for a successor while `run` runs; `replaced` is set when one has taken over.

    `state` returns what the successor begins with. `release` stops listening for clients, and gives the addresses of
    the bridge up. `deliver` gets messages of clients for calls that this process still has, which have reached the
    successor; it returns whether one was delivered.
    """

    def __init__(
        self,
        settings: Settings,
        state: Callable[[], State],
        release: Callable[[], Awaitable[None]],
        deliver: Callable[[Forwarded], bool],
    ) -> None:
        self.replaced = asyncio.Event()
        self.waiting = False
        """Whether a successor can connect."""
        self._path = settings.runtime / SOCKET
        self._state = state
        self._release = release
        self._deliver = deliver
        self._successor: Peer | None = None

    async def run(self, until: asyncio.Event, listeners: Sequence[Listener]) -> None:
        """Serve one successor at a time until `until` is set, or one has taken over.

        Raises:
            AddressTaken, RuntimeDirUnsafe: the Unix socket cannot be created.
        """
        listener = Listener(bind_unix(self._path), self._path)
        self.waiting = True
        serving = asyncio.create_task(self._serve(listener, listeners))
        waiting = asyncio.create_task(until.wait())
        try:
            await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (serving, waiting):
                task.cancel()
            await asyncio.gather(serving, waiting, return_exceptions=True)
            listener.close()
            self.waiting = False

    async def _serve(self, own: Listener, listeners: Sequence[Listener]) -> None:
        while not self.replaced.is_set():
            peer = await self._accepted(own)
            try:
                async with asyncio.timeout(READY_TIMEOUT):
                    await self._prepare(peer)
                    await self._hand_over(peer, own, listeners)
            except (PeerGone, TimeoutError):
                log.warning("a successor has ended before it took over; this sidecar goes on")
            except Exception:  # else no later successor would be served
                log.exception("a take-over has failed")
            finally:
                if self._successor is not peer:
                    peer.close()

    async def _accepted(self, own: Listener) -> Peer:
        """The next successor that connects."""
        while True:
            try:
                sock, _ = await asyncio.get_running_loop().sock_accept(own.sock)
            except OSError as error:
                log.warning("a successor cannot be accepted", extra={"reason": error.strerror})
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return Peer(sock)

    async def take_messages(self) -> None:
        """Deliver the messages that the successor passes back, until cancelled or the successor has ended."""
        if (peer := self._successor) is None:
            return
        try:
            while True:
                body, _ = await peer.receive()
                forwarded = Forwarded(**body["forwarded"])
                await peer.send({"id": body["id"], "delivered": self._deliver(forwarded)})
        except (PeerGone, KeyError, TypeError):
            log.debug("the successor passes no messages back any more")
        finally:
            peer.close()

    async def _prepare(self, peer: Peer) -> None:
        """Wait until the successor is ready. Raises PeerGone."""
        await peer.send({"version": VERSION, **self._state()._asdict()})
        await peer.receive()

    async def _hand_over(self, peer: Peer, own: Listener, listeners: Sequence[Listener]) -> None:
        """Give the listening sockets away. Raises PeerGone if the successor has ended before it served."""
        try:
            await peer.send(self._state()._asdict(), [listener.give() for listener in listeners])
            async with asyncio.timeout(STEP_TIMEOUT):
                await peer.receive()
        except (PeerGone, TimeoutError):
            for listener in listeners:
                listener.keep()
            raise
        log.info("a successor serves; this sidecar finishes what is in progress")
        try:
            await self._leave(peer, own)
        finally:  # whatever has failed: the successor serves
            self.replaced.set()

    async def _leave(self, peer: Peer, own: Listener) -> None:
        """Leave everything else to the successor, which accepts connections."""
        await self._release()
        own.close()
        try:
            async with asyncio.timeout(STEP_TIMEOUT):
                await peer.send({"released": True})
                await peer.receive()
            self._successor = peer
        except (PeerGone, TimeoutError):
            log.warning("the successor has ended after it took over; its supervisor starts it again")
