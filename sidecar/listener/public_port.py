"""The sidecar's part in the public port: connections come from the acceptor, and some go back to it (ADR 24).

They come over a Unix socket, as descriptors with one byte each. A byte is answered for each *before* anything is read
of the connection; if that cannot be sent, the acceptor has given up on it, and it is let go of.
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
from sidecar.listener.http_protocol import refusal
from sidecar.listener.origins import Origins
from sidecar.listener.plain_head import PlainHead
from sidecar.listener.public_protocol import PublicProtocol
from sidecar.listener.server import HttpServer, bind_unix

log = logging.getLogger(__name__)

LENGTH = struct.Struct(">I")
"""What goes before the bytes that were read of a connection that is given back."""
TAKEN = b"+"
AT_ONCE = 32
"""Connections that are taken before anything else is looked at."""
PATIENCE = 5.0
"""Seconds that a connection waits for the acceptor."""
RETRY = 0.05


class PublicPort:
    """Takes connections while `run` runs. `gate` is that of a protected hub."""

    def __init__(self, settings: Settings, server: HttpServer, gate: Gate | None) -> None:
        self._settings = settings
        self._server = server
        self._gate = gate
        self._origins = Origins(settings)
        self._trusted = networks(listed(settings.trusted_proxies))
        self._share = max(16, server.clients.limits.connections // 4)
        """Connections, or requests by a proxy, that one address may have."""
        self._connections: dict[str, dict[PublicProtocol, None]] = {}
        """Those of each address that has a share, oldest first."""
        self._requests: Counter[str] = Counter()
        self._channels: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, until: asyncio.Event) -> None:
        """Take connections until `until` is set.

        Raises:
            AddressTaken, RuntimeDirUnsafe: the Unix socket cannot be had.
        """
        loop, path = asyncio.get_running_loop(), self._settings.handover_socket
        listener = bind_unix(path)
        mine = path.lstat().st_ino
        loop.add_reader(listener, self._accept, listener)
        try:
            await until.wait()
        finally:
            loop.remove_reader(listener)
            listener.close()
            for channel in tuple(self._channels):
                self._hang_up(channel)
            with contextlib.suppress(FileNotFoundError):
                if path.lstat().st_ino == mine:
                    path.unlink()
            for task in tuple(self._tasks):
                task.cancel()

    # --- connections come --------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            channel, _ = listener.accept()
            channel.setblocking(False)
            self._channels.add(channel)
            asyncio.get_running_loop().add_reader(channel, self._receive, channel)

    def _receive(self, channel: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                data, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            if not data or not descriptors:  # its end; or no descriptor is left here, and it tries again
                self._hang_up(channel)
                return
            sock = socket.socket(fileno=descriptors[0])
            try:
                channel.send(TAKEN)
            except OSError:
                sock.close()
                self._hang_up(channel)
                return
            self._start(self._take(sock))

    def _hang_up(self, channel: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(channel)
        self._channels.discard(channel)
        channel.close()

    async def _take(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, sock)
        except OSError:  # the client has left
            sock.close()

    def _protocol(self) -> PublicProtocol:
        return PublicProtocol(self, config=self._server.config, server_state=self._server.server_state, app_state={})

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what connections ask ------------------------------------------------------------------------------------

    def serves(self, head: PlainHead) -> bool:
        """Whether the request would be let in here; what is refused, the front refuses, and counts wrong tokens."""
        if head.length > self._settings.max_body_bytes:
            return False
        if self._gate is not None:
            return self._gate.admits(head.authorization)
        return self._origins.refusal(head.host, "", "") is None

    def address(self, peer: str, forwarded: str) -> str:
        """Whose request it is."""
        return client_address(peer, forwarded, self._trusted)

    def opened(self, connection: PublicProtocol, peer: str) -> None:
        """A client has connected: where its address has its share, an unused connection of it makes room."""
        if not self._has_share(peer):
            return
        of_address = self._connections.setdefault(peer, {})
        if len(of_address) >= self._share:
            spare = next((each for each in of_address if each.unused()), connection)
            spare.refuse(ConnectionsLimit(f"{peer} has {len(of_address)} connections open."))
            of_address.pop(spare, None)
        of_address[connection] = None

    def closed(self, connection: PublicProtocol, peer: str) -> None:
        """It is over."""
        of_address = self._connections.get(peer)
        if of_address is not None:
            of_address.pop(connection, None)
            if not of_address:
                del self._connections[peer]

    def began(self, address: str) -> bool:
        """A proxy has sent a request of this address; False: it has too many."""
        self._requests[address] += 1
        return self._requests[address] <= self._share or not self._has_share(address)

    def ended(self, address: str) -> None:
        """It is answered."""
        self._requests[address] -= 1
        if not self._requests[address]:
            del self._requests[address]

    def _has_share(self, address: str) -> bool:
        """Whether an address is one client's: neither this machine's nor a proxy's."""
        try:
            return not ip_address(address).is_loopback and not is_trusted(address, self._trusted)
        except ValueError:
            return False

    # --- connections go ----------------------------------------------------------------------------------------------

    def give_back(self, descriptor: int, data: bytes) -> None:
        """Have the front serve a connection, of which `data` was read."""
        self._start(self._give_back(socket.socket(fileno=descriptor), data))

    async def _give_back(self, client: socket.socket, data: bytes) -> None:
        with client:
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        if await self._to_acceptor(client, data):
                            return
                await asyncio.sleep(RETRY)
            log.warning("a connection could not be given back", extra={"code": FrontAway.code})
            with contextlib.suppress(OSError):
                client.send(refusal(FrontAway("The front, which serves the hub's pages and API, does not answer.")))

    async def _to_acceptor(self, client: socket.socket, data: bytes) -> bool:
        """Whether it has it. Raises OSError."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.setblocking(False)
            await loop.sock_connect(channel, str(self._settings.acceptor_socket))
            socket.send_fds(channel, [LENGTH.pack(len(data))], [client.fileno()])
            await loop.sock_sendall(channel, data)
            return bool(await loop.sock_recv(channel, 1))
