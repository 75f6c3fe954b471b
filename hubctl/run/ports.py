"""Check that the ports and sockets that the hub listens on are free and distinct."""

from __future__ import annotations

import errno
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bridge.errors import HubError, PortTaken, SettingInvalid
from bridge.runtime import is_served
from bridge.settings import Settings

PROC = Path("/proc")
TCP_LISTEN = "0A"
BACKLOG = 1024
"""Maximum number of connections that wait to be accepted."""
_NO_SUCH_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # localhost names ::1 where there may be no IPv6


class Port(NamedTuple):
    """A port, and the setting that it comes from."""

    setting: str
    host: str
    number: int


def ports(settings: Settings) -> list[Port]:
    """Return the ports that a hub with these settings listens on; a protected hub has only the public port."""
    host = settings.host.strip("[]")
    found = [Port("HUB_PORT", host, settings.port)]
    if settings.protected:
        return found
    return [*found, Port("HUB_SIDECAR_PORT", host, settings.sidecar_port)]


def sockets(settings: Settings) -> list[Path]:
    """Return the Unix sockets that a hub with these settings listens on."""
    found = [settings.sidecar_socket] if settings.protected else []
    found += [] if settings.tls_cert else [settings.handover_socket, settings.acceptor_socket, settings.front_socket]
    return [*found, settings.yamcp_ui_socket] if settings.yamcp_ui_dir else found


def check_ports(settings: Settings) -> None:
    """Check that every port is free and that no two are equal.

    Raises:
        PortTaken: another program listens there.
        SettingInvalid: two ports are equal, or this user may not listen on one.
    """
    for problem in port_problems(settings):
        raise problem


def port_problems(settings: Settings) -> Iterator[HubError]:
    """Return all errors that `check_ports` could raise."""
    wanted = ports(settings)
    for one, other in itertools.combinations(wanted, 2):
        if one.number == other.number:
            yield SettingInvalid(f"{one.setting} and {other.setting} are both {one.number}; each needs its own.")
    for port in wanted:
        try:
            check_port(port)
        except HubError as error:
            yield error
    for path in sockets(settings):
        try:
            check_socket(path)
        except HubError as error:
            yield error


def check_socket(path: Path) -> None:
    """Check that a Unix socket of the hub is free. A stale socket of a dead process is: the next owner replaces it.

    Raises:
        PortTaken: a process listens there, or the path is no socket.
    """
    try:
        taken = is_served(path) if path.is_socket() else os.path.lexists(path)
    except OSError:
        taken = True
    if taken:
        raise PortTaken(f"HUB_RUNTIME_DIR: {path} is taken.", hint="End what listens there, or remove the file.")


def check_port(port: Port) -> None:
    """Check that a port is free.

    Raises:
        PortTaken: another program listens there.
        SettingInvalid: this user may not listen on the address or port.
    """
    setting, host, number = port
    for family, kind, protocol, _, address in socket.getaddrinfo(host, number, type=socket.SOCK_STREAM):
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(f"{setting}: port {number} on {host} is taken{owner(number)}.") from None
            if error.errno not in _NO_SUCH_FAMILY:
                why = f"port {number} on {host} cannot be listened on: {error.strerror}"
                raise SettingInvalid(f"{setting}: {why}.") from None


def listen(settings: Settings) -> int:
    """Listen on the public port; return the descriptor, which supervisord inherits and passes to the acceptor.

    With HUB_REPLICA, only bind it: the acceptor listens when the hub can answer, as a load balancer wants it.

    Raises:
        PortTaken: another program listens there.
    """
    host, port = settings.host.strip("[]"), settings.port
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        if not settings.replica:
            listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortTaken(f"HUB_PORT: port {port} on {host} cannot be listened on: {error.strerror}.") from None
    listener.set_inheritable(True)
    return listener.detach()


def owner(port: int) -> str:
    """Return ` by <program> (pid n)`, or an empty text if unknown: Linux tells it of this user's processes only."""
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(PROC / "net" / table, port)}
    for process in PROC.glob("[0-9]*") if sockets else ():
        try:
            if any(str(each.readlink()) in sockets for each in (process / "fd").iterdir()):
                return f" by {(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:  # another user's, or it has ended
            continue
    return ""


def _listening(table: Path, port: int) -> Iterator[str]:
    """Return the inodes of the sockets that listen on the port, from a table of the kernel (proc(5), /proc/net/tcp)."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return
    for row in rows:
        if row[3] == TCP_LISTEN and int(row[1].rpartition(":")[2], 16) == port:
            yield row[9]
