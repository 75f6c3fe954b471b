"""The entry point of the acceptor process, `python -m acceptor`, which `hubctl run` starts."""

from __future__ import annotations

import argparse
import gc
import signal
import socket
import sys
from ipaddress import ip_network

from acceptor import heartbeat
from acceptor.app import Acceptor, SocketPaths
from acceptor.log import LEVELS, Log
from acceptor.loop import Loop

SHUTDOWN_SECONDS = 2.0
"""Seconds that connections to the front have to end when the acceptor stops, besides `--stop-timeout`; the front itself
takes less."""


def main(arguments: list[str] | None = None) -> int:
    """Accept connections until SIGTERM or SIGINT. Returns the exit status: 2 if the port is in use."""
    options = _arguments(arguments)
    log = Log(options.log_level)
    try:
        listener = _listener(options)
    except OSError as error:
        log.write("error", f"Port {options.port} on {options.host} cannot be used: {error.strerror}", code="PORT_TAKEN")
        return 2
    loop = Loop()
    # Python restarts `select` after a signal unless the handler raises, so a byte on a socket wakes it up
    wake, woken = socket.socketpair()
    for each in (wake, woken):
        each.setblocking(False)
    loop.watch(woken, loop.stop)
    signal.set_wakeup_fd(wake.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    trusted = tuple(ip_network(each, strict=False) for each in options.trusted)
    places = SocketPaths(options.sidecar, options.front, options.own)
    acceptor = Acceptor(loop, listener, places, log, trusted, replica=options.replica)
    log.write("info", "acceptor started", port=listener.getsockname()[1])
    heartbeat.start(loop)
    gc.freeze()
    loop.run()
    acceptor.finish(options.stop_timeout + SHUTDOWN_SECONDS)
    return 0


def _listener(options: argparse.Namespace) -> socket.socket:
    """The inherited listening socket, or a new one. Raises OSError."""
    if options.listener is not None:
        return socket.socket(fileno=options.listener)
    return listening(options.host, options.port)


def listening(host: str, port: int) -> socket.socket:
    """A new listening TCP socket. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m acceptor", description=__doc__)
    parser.add_argument("--listener", type=int, help="descriptor of a socket that listens; else --host and --port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--sidecar", required=True, help="Unix socket that the sidecar takes connections at")
    parser.add_argument("--front", required=True, help="Unix socket that the front listens on")
    parser.add_argument("--own", required=True, help="Unix socket that the sidecar gives connections back at")
    parser.add_argument("--replica", action="store_true", help="listen only while the sidecar takes connections")
    parser.add_argument("--stop-timeout", type=float, default=0, help="seconds that requests may go on at a stop")
    parser.add_argument("--trusted", action="append", default=[], help="network of trusted proxies; may be repeated")
    parser.add_argument("--log-level", choices=LEVELS, default="info")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
