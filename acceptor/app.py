"""The acceptor: accepts connections, finds by their first bytes who serves them, and hands them over."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import NamedTuple

from acceptor import refusals
from acceptor.clients import Clients, Networks, most_connections, plain
from acceptor.handover import Handover
from acceptor.log import Log
from acceptor.loop import Loop, Timer
from acceptor.opening import Opening, shut
from acceptor.peek import MAX_PEEK, owner
from acceptor.refusals import Form, Refusal, response
from acceptor.relay import Relay
from acceptor.returns import Returns

HEAD_TIME = 15.0
"""Seconds within which the first bytes of a connection must arrive."""
MAX_ACCEPTS = 64
"""Connections that are accepted in one iteration of the event loop."""
ACCEPT_PAUSE = 0.2
"""Seconds for which no connection is accepted after no file descriptor was free."""
REFUSAL_SECONDS = 2.0
"""Seconds that a client has to read an error response before its connection is closed."""
REFUSAL_BYTES = 16 * 1024 * 1024
"""Limit for the bytes of its request that are discarded meanwhile."""
READ_BYTES = 64 * 1024


class SocketPaths(NamedTuple):
    """Paths of Unix sockets: of the sidecar, of the front, and of this process for returned connections."""

    sidecar: str
    front: str
    own: str


class Connection:
    """A client's connection in this process. `number` is the one that `Clients.fresh` returned."""

    __slots__ = ("address", "discarded", "number", "sock", "timer")

    def __init__(self, sock: socket.socket, address: str) -> None:
        self.sock = sock
        self.address = address
        self.discarded = 0  # bytes
        self.number = 0
        self.timer: Timer | None = None


class Acceptor:
    """Accepts the connections of a listening socket, and hands each to the sidecar or the front."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        places: SocketPaths,
        log: Log,
        trusted: Networks = (),
        *,
        replica: bool = False,
    ) -> None:
        """`replica`: `listener` is bound only, and listens while the sidecar can take connections (opening.py)."""
        self._loop = loop
        self._listener = listener
        self._places = places
        self._log = log
        self._clients = Clients(most_connections(), trusted)
        self._handover = Handover(loop, places.sidecar)
        self._returns = Returns(loop, places.own, self._came_back)
        self._replica, self._listening = replica, False
        listener.setblocking(False)
        if replica:
            Opening(loop, listener, places.sidecar, self._open)
        else:
            self._open()

    def close(self) -> None:
        """Accept no more connections, and refuse those that are not handed over yet."""
        self._loop.forget(self._listener)
        self._listener.close()
        self._returns.close()
        self._handover.close()

    def finish(self, seconds: float) -> None:
        """Accept no more connections, and wait at most `seconds` for the existing ones to end."""
        deadline = time.monotonic() + seconds
        if self._replica and self._listening:
            self._accept()
            shut(self._listener)
            self._loop.forget(self._listener)
            while len(self._handover) and time.monotonic() < deadline:
                self._loop.run_once(0.1)
        self.close()
        while len(self._clients) and time.monotonic() < deadline:
            self._loop.run_once(0.1)

    def _open(self) -> None:
        self._listening = True
        self._loop.watch(self._listener, self._accept)

    # --- accepting ---------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTS):
            try:
                sock, peer = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:  # the client has disconnected already
                continue
            except OSError as error:
                self._log.sometimes("CONNECTIONS_LIMIT", f"no connection can be accepted: {error.strerror}")
                self._loop.forget(self._listener)
                self._loop.later(ACCEPT_PAUSE, lambda: self._loop.watch(self._listener, self._accept))
                return
            self._opened(sock, plain(peer[0]))

    def _opened(self, sock: socket.socket, address: str) -> None:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, address)
        admitted = self._clients.admit(address, time.monotonic())
        self._clients.entered(address)
        if not admitted:
            self._refuse(connection, refusals.CONNECTIONS_LIMIT, "api")
            return
        connection.number = self._clients.fresh(address, time.monotonic(), lambda: self._end_unused(connection))
        connection.timer = self._loop.later(HEAD_TIME, lambda: self._head_timeout(connection))
        self._find_owner(connection)

    def _find_owner(self, connection: Connection) -> None:
        """Find out who serves the connection, once enough bytes have arrived; they stay in the buffer."""
        try:
            first = connection.sock.recv(MAX_PEEK, socket.MSG_PEEK)
        except BlockingIOError:
            self._loop.watch(connection.sock, lambda: self._find_owner(connection))
            return
        except OSError:
            first = b""
        if not first:
            self._end(connection)
        elif (found := owner(first)) is None:
            # SO_RCVLOWAT (socket(7)): the socket becomes readable when more bytes have arrived, or at its end
            self._watch_for_more(connection, first)
        else:
            self._owner_found(connection)
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            if found == "sidecar":
                self._to_sidecar(connection)
            else:
                self._to_front(connection, b"")

    def _watch_for_more(self, connection: Connection, first: bytes) -> None:
        lowest = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
        if lowest > len(first):  # readable although no more bytes have arrived: the client has closed its side
            self._end(connection)
            return
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(first) + 1)
        self._loop.watch(connection.sock, lambda: self._find_owner(connection))

    def _owner_found(self, connection: Connection) -> None:
        self._loop.forget(connection.sock)
        self._clients.begun(connection.number)
        if connection.timer:
            connection.timer.cancel()

    # --- handing over ------------------------------------------------------------------------------------------------

    def _to_sidecar(self, connection: Connection) -> None:
        self._handover.give(
            connection.sock,
            lambda: self._end(connection),
            lambda: self._refuse(connection, refusals.SIDECAR_AWAY, "rpc"),
        )

    def _to_front(self, connection: Connection, first: bytes) -> None:
        Relay(
            self._loop,
            connection.sock,
            self._places.front,
            first,
            lambda: self._end(connection),
            lambda: self._refuse(connection, refusals.FRONT_AWAY, "api"),
        ).start()

    def _came_back(self, sock: socket.socket, first: bytes) -> None:
        """The sidecar has given a connection back."""
        try:
            address = plain(sock.getpeername()[0])
        except (OSError, IndexError):
            sock.close()
            return
        connection = Connection(sock, address)
        self._clients.entered(address)
        self._to_front(connection, first)

    # --- ending connections ------------------------------------------------------------------------------------------

    def _end_unused(self, connection: Connection) -> None:
        self._log.sometimes("CONNECTIONS_LIMIT", "connections that were not used made room for others")
        self._end(connection)

    def _head_timeout(self, connection: Connection) -> None:
        self._owner_found(connection)
        if connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) > 1:  # something came, and no more
            self._refuse(connection, refusals.REQUEST_TIMEOUT, "rpc")
        else:
            self._log.sometimes("REQUEST_TIMEOUT", "connections without a request were ended")
            self._end(connection)

    def _refuse(self, connection: Connection, refusal: Refusal, form: Form) -> None:
        """Send an error response, and close the connection after the client has read it: closing with unread bytes in
        the buffer would reset the connection, and the client might not get the response."""
        self._log.sometimes(refusal.code, "connections of clients were refused")
        sock = connection.sock
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        try:
            sock.send(response(refusal, form))
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(connection)
            return
        connection.timer = self._loop.later(REFUSAL_SECONDS, lambda: self._end(connection))
        self._loop.watch(sock, lambda: self._drain(connection))

    def _drain(self, connection: Connection) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                received = len(connection.sock.recv(READ_BYTES))
                connection.discarded += received
                if received and connection.discarded <= REFUSAL_BYTES:
                    return
            except ConnectionError:
                pass
            self._end(connection)

    def _end(self, connection: Connection) -> None:
        self._owner_found(connection)
        self._clients.left(connection.address)
        connection.sock.close()
