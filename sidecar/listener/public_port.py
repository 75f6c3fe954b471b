"""The sidecar's side of the public port: takes connections from the acceptor, and gives some back (ADR 24).

The acceptor sends file descriptors over a Unix socket, each with one byte. The sidecar acknowledges each with a byte
*before* it reads from the connection. If that fails, the acceptor has given up on the handover, and the sidecar closes
its copy.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections import Counter
from collections.abc import Coroutine
from ipaddress import ip_address
from typing import Any

from bridge.settings import Settings, listed
from sidecar.http_errors import ConnectionsLimit, FrontAway
from sidecar.listener.auth import Gate
from sidecar.listener.client_address import client_address, is_trusted, networks
from sidecar.listener.http_protocol import HttpProtocol
from sidecar.listener.origins import Origins
from sidecar.listener.plain_head import PlainHead
from sidecar.listener.public_protocol import PublicProtocol
from sidecar.listener.raw_responses import refuse
from sidecar.listener.server import HttpServer, Listener, bind_unix

log = logging.getLogger(__name__)

LENGTH_PREFIX = struct.Struct(">I")
"""The length prefix of the data that was read from a connection that is given back."""
ACKNOWLEDGED = b"+"
MAX_PER_READ = 32
"""Connections that are taken in one iteration of the event loop."""
ACCEPTOR_TIMEOUT = 5.0
"""Seconds within which the acceptor must take a connection back."""
RETRY_SECONDS = 0.05


def listen(settings: Settings) -> Listener:
    """Listen for the acceptor. Raises AddressTaken, RuntimeDirUnsafe."""
    return Listener(bind_unix(settings.handover_socket), settings.handover_socket)


class PublicPort:
    """Takes connections while `run` runs. `gate` authenticates requests in a protected hub, else it is None."""

    def __init__(self, settings: Settings, server: HttpServer, gate: Gate | None) -> None:
        self._settings = settings
        self._server = server
        self._gate = gate
        self._origins = Origins(settings)
        self._trusted = networks(listed(settings.trusted_proxies))
        self._share = max(16, server.clients.limits.connections // 4)
        """Limit for the connections, or proxied requests, of one address."""
        self._connections: dict[str, dict[PublicProtocol, None]] = {}
        """The connections of each limited address, oldest first."""
        self._requests: Counter[str] = Counter()
        self._channels: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: Listener | None = None

    async def run(self, until: asyncio.Event, listener: Listener) -> None:
        """Take connections at a Unix socket until `until` is set or `stop_listening` is called."""
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener.sock, self._accept, listener.sock)
        try:
            await until.wait()
        finally:
            self.stop_listening()
            for task in tuple(self._tasks):
                task.cancel()

    def stop_listening(self) -> None:
        """Take no more connections; the acceptor keeps those that were not taken for the next sidecar."""
        if self._listener is None:
            return
        asyncio.get_running_loop().remove_reader(self._listener.sock)
        self._listener.close()
        self._listener = None
        for channel in tuple(self._channels):
            self._hang_up(channel)

    # --- taking connections ------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            channel, _ = listener.accept()
            channel.setblocking(False)
            self._channels.add(channel)
            asyncio.get_running_loop().add_reader(channel, self._receive, channel)

    def _receive(self, channel: socket.socket) -> None:
        for _ in range(MAX_PER_READ):
            try:
                data, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            if not data or not descriptors:  # the acceptor has closed; or no descriptor is free here, and it retries
                self._hang_up(channel)
                return
            sock = socket.socket(fileno=descriptors[0])
            try:
                channel.send(ACKNOWLEDGED)
            except OSError:
                sock.close()
                self._hang_up(channel)
                return
            self._start(self._take(sock, data))

    def _hang_up(self, channel: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(channel)
        self._channels.discard(channel)
        channel.close()

    async def _take(self, sock: socket.socket, kind: bytes) -> None:
        """Serve a connection: a new one of the acceptor's, or one that was moved here from an earlier sidecar."""
        sock.setblocking(False)
        make = self._own_protocol if kind == HttpProtocol.kind else self._protocol
        try:
            _, protocol = await asyncio.get_running_loop().connect_accepted_socket(make, sock)
        except OSError:  # the client has left
            sock.close()
            return
        if kind in (HttpProtocol.kind, PublicProtocol.kind):
            protocol.adopt()

    def _protocol(self) -> HttpProtocol:
        return PublicProtocol(self, config=self._server.config, server_state=self._server.server_state, app_state={})

    def _own_protocol(self) -> HttpProtocol:
        return HttpProtocol(config=self._server.config, server_state=self._server.server_state, app_state={})

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- public_protocol.Port ------------------------------------------------------------------------------------

    def serves(self, head: PlainHead) -> bool:
        """Whether the sidecar serves a request. The front gets those that would be refused, and counts wrong tokens."""
        if head.length > self._settings.max_body_bytes:
            return False
        if head.of_replica and self._settings.replicas:
            return True
        if self._gate is not None:
            return self._gate.admits(head.authorization)
        return self._origins.refusal(head.host, "", "") is None

    def address(self, peer: str, forwarded: str) -> str:
        """The address of the client of a request."""
        return client_address(peer, forwarded, self._trusted)

    def opened(self, connection: PublicProtocol, peer: str) -> None:
        """A client has connected. If its address has reached the limit, an unused connection of it is ended, or this
        one."""
        if not self._has_share(peer):
            return
        of_address = self._connections.setdefault(peer, {})
        if len(of_address) >= self._share:
            spare = next((each for each in of_address if each.unused()), connection)
            spare.refuse(ConnectionsLimit(f"{peer} has {len(of_address)} connections open."))
            of_address.pop(spare, None)
        of_address[connection] = None

    def closed(self, connection: PublicProtocol, peer: str) -> None:
        """The connection has ended."""
        of_address = self._connections.get(peer)
        if of_address is not None:
            of_address.pop(connection, None)
            if not of_address:
                del self._connections[peer]

    def began(self, address: str) -> bool:
        """A proxy has sent a request of this client address. Returns False if the address has too many."""
        self._requests[address] += 1
        return self._requests[address] <= self._share or not self._has_share(address)

    def ended(self, address: str) -> None:
        """The request counted by `began` is answered."""
        self._requests[address] -= 1
        if not self._requests[address]:
            del self._requests[address]

    def _has_share(self, address: str) -> bool:
        """Whether the limit applies to an address: not to loopback and trusted proxies, which serve many clients."""
        try:
            return not ip_address(address).is_loopback and not is_trusted(address, self._trusted)
        except ValueError:
            return False

    # --- giving connections back -------------------------------------------------------------------------------------

    def give_back(self, descriptor: int, data: bytes) -> None:
        """Give a connection, from which `data` was read, back to the acceptor for the front."""
        self._start(self._give_back(socket.socket(fileno=descriptor), data))

    async def _give_back(self, client: socket.socket, data: bytes) -> None:
        with client:
            deadline = time.monotonic() + ACCEPTOR_TIMEOUT
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(ACCEPTOR_TIMEOUT):
                        if await self._to_acceptor(client, data):
                            return
                await asyncio.sleep(RETRY_SECONDS)
            log.warning("a connection could not be given back", extra={"code": FrontAway.code})
            away = FrontAway("The front, which serves the hub's pages and API, does not answer.")
            with contextlib.suppress(OSError, TimeoutError):
                await refuse(client, away)

    async def _to_acceptor(self, client: socket.socket, data: bytes) -> bool:
        """Send a connection to the acceptor; returns whether it acknowledged. Raises OSError."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.setblocking(False)
            await loop.sock_connect(channel, str(self._settings.acceptor_socket))
            socket.send_fds(channel, [LENGTH_PREFIX.pack(len(data))], [client.fileno()])
            await loop.sock_sendall(channel, data)
            return bool(await loop.sock_recv(channel, 1))
