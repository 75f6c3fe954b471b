"""The HTTP server: uvicorn with the hub's protocol class, and the sockets that it listens on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
import uvicorn.server

from bridge.errors import AddressTaken, PortTaken
from bridge.runtime import claim_socket
from bridge.settings import Settings
from sidecar.listener.client_connections import ClientConnections, Limits
from sidecar.listener.http_protocol import HttpProtocol

SHUTDOWN_SECONDS = 3
"""Seconds that open HTTP connections have to end when the server stops."""


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

    async def on_tick(self, counter: int) -> bool:
        """Call `ClientConnections.tick` once per second; uvicorn calls this ten times per second."""
        if counter % 10 == 0:
            self.clients.tick()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers: the app has its own."""
        yield

    async def serve_until(self, until: asyncio.Event, listener: socket.socket) -> None:
        """Serve on a bound socket until `until` is set."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.serve(sockets=[listener]))
            await until.wait()
            self.should_exit = True


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """The listening socket: a TCP port, or in a protected hub a Unix socket, whose file is removed at the end.

    Raises:
        PortTaken, AddressTaken, RuntimeDirUnsafe: the socket cannot be created.
    """
    if not settings.protected:
        with bind(settings) as listener:
            yield listener
        return
    path = settings.sidecar_socket
    with bind_unix(path) as listener:
        mine = path.lstat().st_ino
        try:
            yield listener
        finally:
            with contextlib.suppress(FileNotFoundError):
                if path.lstat().st_ino == mine:
                    path.unlink()


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket that only this user may connect to. Raises AddressTaken, RuntimeDirUnsafe."""
    claim_socket(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))  # the directory is closed to other users, so the mode may be set afterwards
        path.chmod(0o600)
        listener.listen()  # at once: another process may claim a socket file on which nobody listens
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
