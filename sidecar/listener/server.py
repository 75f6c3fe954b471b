"""The HTTP server: uvicorn with the hub's protocol class, and the sockets that it listens on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import uvicorn
import uvicorn.server

from bridge.errors import AddressTaken, PortTaken
from bridge.runtime import claim_socket
from bridge.settings import Settings
from sidecar.listener.client_connections import ClientConnections, Limits
from sidecar.listener.http_protocol import HttpProtocol

SHUTDOWN_SECONDS = 3
"""Seconds that open HTTP connections have to end when the server stops."""


BACKLOG = 1024
"""Connections that may wait at a Unix socket."""


class State(uvicorn.server.ServerState):
    """The state that all connections of one server share."""

    def __init__(self, clients: ClientConnections) -> None:
        super().__init__()
        self.clients = clients


class HttpServer(uvicorn.Server):
    """uvicorn, run in a task of the app. `on_end` gets the error code of each connection that the hub ends."""

    def __init__(self, app: Any, settings: Settings, on_end: Callable[[str], None] = lambda _: None) -> None:
        config = uvicorn.Config(
            app,
            http=HttpProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            date_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            timeout_keep_alive=75,
        )
        super().__init__(config)
        self.clients = ClientConnections(Limits.of(settings), on_end)
        self.server_state = State(self.clients)
        self.servers: list[asyncio.base_events.Server] = []
        self._listener: Listener | None = None

    async def on_tick(self, counter: int) -> bool:
        """Call `ClientConnections.tick` once per second; uvicorn calls this ten times per second."""
        if counter % 10 == 0:
            self.clients.tick()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers: the app has its own."""
        yield

    async def serve_until(self, until: asyncio.Event, listener: Listener) -> None:
        """Serve on a listening socket until `until` is set."""
        self._listener = listener
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.serve(sockets=[listener.sock]))
            await until.wait()
            self.should_exit = True
        listener.close()

    def stop_listening(self) -> None:
        """Accept no more connections; those that are open go on."""
        for server in self.servers:
            server.close()
        if self._listener is not None:
            self._listener.close()

    @property
    def connections(self) -> tuple[HttpProtocol, ...]:
        """The open connections."""
        return tuple(cast("set[HttpProtocol]", self.server_state.connections))


class Listener:
    """A listening socket, and the file of a Unix socket. `path` is None for a TCP port."""

    def __init__(self, sock: socket.socket, path: Path | None = None) -> None:
        self.sock = sock
        self._path = path
        self._file = path.lstat().st_ino if path is not None else 0
        self._given = False

    def give(self) -> int:
        """The descriptor, for another process that listens from now on; then `close` leaves the file alone."""
        self._given = True
        return self.sock.fileno()

    def keep(self) -> None:
        """The other process does not listen after all."""
        self._given = False

    def close(self) -> None:
        """Stop listening, and remove the file unless it is another process's by now."""
        self.sock.close()
        if self._path is not None and not self._given:
            with contextlib.suppress(FileNotFoundError):
                if self._path.lstat().st_ino == self._file:
                    self._path.unlink()


def listen(settings: Settings) -> Listener:
    """Listen for requests: at a TCP port, or in a protected hub at a Unix socket.

    Raises:
        PortTaken, AddressTaken, RuntimeDirUnsafe: the socket cannot be created.
    """
    if not settings.protected:
        return Listener(bind(settings))
    return Listener(bind_unix(settings.sidecar_socket), settings.sidecar_socket)


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket that only this user may connect to. Raises AddressTaken, RuntimeDirUnsafe."""
    claim_socket(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))  # the directory is closed to other users, so the mode may be set afterwards
        path.chmod(0o600)
        listener.listen(BACKLOG)  # at once: another process may claim a socket file on which nobody listens
    except OSError as error:
        listener.close()
        raise AddressTaken(f"{path} cannot be listened on: {error.strerror}.") from None
    listener.setblocking(False)
    return listener


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Raises PortTaken."""
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, settings.sidecar_port))
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"Port {settings.sidecar_port} on {host} (HUB_SIDECAR_PORT) cannot be used: {error.strerror}."
        ) from None
    listener.setblocking(False)
    return listener
