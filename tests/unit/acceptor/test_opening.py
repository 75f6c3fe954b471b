"""A replica's public port refuses connections while its sidecar takes none, so that a balancer asks another one."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Iterator

import pytest

import acceptor.opening
from acceptor.app import Acceptor, SocketPaths
from acceptor.log import Log
from acceptor.loop import Loop
from tests.unit.acceptor.test_handover import take
from tests.unit.acceptor.wires import accepted, unix, until

pytestmark = pytest.mark.outside


@pytest.fixture
def root() -> Iterator[str]:
    """A short path: Unix sockets lie below it."""
    with tempfile.TemporaryDirectory(prefix="acc") as made:
        yield made


def refused(listener: socket.socket) -> bool:
    """Whether a connection is refused."""
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(listener.getsockname()).close()
        return False
    return True


def test_it_is_open_while_the_sidecar_takes_connections(root: str) -> None:
    """Not before, and not when it ends, also for who has the same descriptor; what it has accepted is handed over."""
    loop = Loop()
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        other = stack.enter_context(listener.dup())
        made = Acceptor(loop, listener, SocketPaths(f"{root}/s", f"{root}/f", f"{root}/o"), Log("error"), replica=True)
        loop.run_once(0.1)
        assert refused(other)
        sidecar = stack.enter_context(unix(f"{root}/s"))
        until(loop, lambda: not refused(other))
        client = stack.enter_context(socket.create_connection(other.getsockname()))
        client.send(b"POST /mcp/w HTTP/1.1\r\n")
        until(loop, lambda: len(made._handover))
        stack.enter_context(accepted(loop, sidecar)).close()  # the look whether it is there
        channel = stack.enter_context(accepted(loop, sidecar))
        taken = take(channel)
        assert taken is not None
        made.finish(5)
        assert not len(made._handover)
        assert refused(other)
        taken.close()
        loop.close()


def test_it_opens_although_there_is_no_sidecar(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some time, so that the pages can say what is wrong; and it can end before."""
    monkeypatch.setattr(acceptor.opening, "LONGEST_SECONDS", 0.1)
    for wait in (True, False):
        loop = Loop()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            places = SocketPaths(f"{root}/s{wait}", f"{root}/f", f"{root}/o{wait}")
            made = Acceptor(loop, listener, places, Log("error"), replica=True)
            if wait:
                until(loop, lambda: not refused(listener))
            made.finish(0)
            loop.close()
