"""Connections on their way to a sidecar that takes them, ends, hangs, or takes them too late."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from acceptor.handover import Handover
from acceptor.loop import Loop
from tests.unit.acceptor.wires import accepted, pair, unix, until

pytestmark = pytest.mark.outside


class Place:
    """A hand-over, and what becomes of what is given to it."""

    def __init__(self, root: str, patience: float = 60) -> None:
        self.loop = Loop()
        self.path = f"{root}/h"
        self.handover = Handover(self.loop, self.path, timeout=patience)
        self.ends: list[str] = []
        self.sockets: list[socket.socket] = []

    def give(self) -> socket.socket:
        """Give a connection; returns the client's end."""
        client, sock = pair()
        self.sockets += [client, sock]
        number = len(self.sockets) // 2
        client.send(b"%d" % number)
        self.handover.give(
            sock, lambda: self.ends.append(f"taken {number}"), lambda: self.ends.append(f"late {number}")
        )
        return client

    def until(self, *ends: str) -> None:
        """Wait until all given so far have ended so."""
        until(self.loop, lambda: len(self.ends) >= len(ends))
        assert self.ends == list(ends)

    def close(self) -> None:
        """Close everything."""
        self.handover.close()
        for sock in self.sockets:
            sock.close()
        self.loop.close()


@pytest.fixture
def make() -> Iterator[Callable[..., Place]]:
    """Makes one."""
    with tempfile.TemporaryDirectory(prefix="acc") as root, contextlib.ExitStack() as stack:

        def made(**options: float) -> Place:
            place = Place(root, **options)
            stack.callback(place.close)
            return place

        yield made


def take(channel: socket.socket) -> socket.socket | None:
    """Take a connection as the sidecar does; None: it is not to be had any more."""
    _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    sock = socket.socket(fileno=descriptors[0])
    try:
        channel.send(b"+")
    except OSError:
        sock.close()
        return None
    return sock


def test_it_is_the_same_connection_with_all_its_bytes(make: Callable[..., Place]) -> None:
    """Several over one channel; what the client sent is still there to be read."""
    place = make()
    with unix(place.path) as listener:
        clients = [place.give(), place.give()]
        channel = accepted(place.loop, listener)
        for number, client in enumerate(clients, 1):
            sock = take(channel)
            assert sock
            with sock:
                assert (sock.recv(9), sock.getpeername()) == (b"%d" % number, client.getsockname())
        place.until("taken 1", "taken 2")
        channel.close()


def test_it_waits_for_a_sidecar_that_starts(make: Callable[..., Place]) -> None:
    """Nobody listens yet; or the file is that of one that has ended."""
    place = make()
    unix(place.path).close()
    place.give()
    for _ in range(3):
        place.loop.run_once(0.05)
    Path(place.path).unlink()
    with unix(place.path) as listener:
        channel = accepted(place.loop, listener)
        sock = take(channel)
        assert sock
        sock.close()
        place.until("taken 1")
        channel.close()


def test_what_a_sidecar_did_not_take_goes_to_the_next(make: Callable[..., Place]) -> None:
    """It ends after one of three: the other two are given to its successor, in order."""
    place = make()
    with unix(place.path) as listener:
        for _ in range(3):
            place.give()
        first = accepted(place.loop, listener)
        taken = take(first)
        first.close()
        second = accepted(place.loop, listener)
        others = [take(second), take(second)]
        place.until("taken 1", "taken 2", "taken 3")
        assert [sock.recv(9) for sock in (taken, *others) if sock] == [b"1", b"2", b"3"]
        for sock in (taken, *others, second):
            if sock:
                sock.close()


def test_what_is_not_taken_in_time_is_refused_and_never_served(make: Callable[..., Place]) -> None:
    """A sidecar that goes on after it hung cannot take what was refused; a new channel serves the next."""
    place = make(patience=0.2)
    with unix(place.path) as listener:
        place.give()
        channel = accepted(place.loop, listener)
        place.until("late 1")
        assert take(channel) is None
        channel.close()
        place.give()
        channel = accepted(place.loop, listener)
        sock = take(channel)
        assert sock
        sock.close()
        place.until("late 1", "taken 2")
        channel.close()


def test_what_was_taken_just_in_time_is_not_refused(make: Callable[..., Place]) -> None:
    """Its answer waits in the channel when that is given up: each connection has one end."""
    place = make(patience=0.2)
    with unix(place.path) as listener:
        place.give()
        place.give()
        channel = accepted(place.loop, listener)
        sock = take(channel)
        assert sock
        place.loop.forget(place.handover._channel)  # type: ignore[arg-type]  # the answer is not seen before the end
        place.until("taken 1", "late 2")
        sock.close()
        channel.close()


def test_at_the_end_what_waits_is_refused(make: Callable[..., Place]) -> None:
    """The acceptor ends."""
    place = make()
    place.give()
    place.handover.close()
    place.until("late 1")
