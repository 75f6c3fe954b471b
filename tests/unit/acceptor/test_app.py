"""The acceptor with a sidecar and a front that the test plays: who gets which connection, and what if they are away."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import acceptor.app
import acceptor.relay
from acceptor.__main__ import listening, main
from acceptor.app import Acceptor, SocketPaths
from acceptor.log import Log
from acceptor.loop import Loop
from acceptor.returns import LENGTH
from tests.unit.acceptor.test_handover import take
from tests.unit.acceptor.wires import accepted, got, unix, until

pytestmark = pytest.mark.outside

POST = b"POST /mcp/w HTTP/1.1\r\n"


class Place:
    """It listens; so do the others, where they are there."""

    def __init__(self, root: str) -> None:
        self.loop = Loop()
        self.places = SocketPaths(f"{root}/s", f"{root}/f", f"{root}/o")
        self.listener = listening("127.0.0.1", 0)
        self.address = self.listener.getsockname()
        self.acceptor = Acceptor(self.loop, self.listener, self.places, Log("error"))
        self.sockets: list[socket.socket] = []

    def client(self, data: bytes = b"") -> socket.socket:
        """A client that has sent this."""
        client = socket.create_connection(self.address)
        client.setblocking(False)
        client.send(data)
        self.sockets.append(client)
        return client

    def at(self, path: str) -> socket.socket:
        """Somebody listens there."""
        self.sockets.append(unix(path))
        return self.sockets[-1]

    def accepted(self, listener: socket.socket) -> socket.socket:
        """The next connection there."""
        self.sockets.append(accepted(self.loop, listener))
        return self.sockets[-1]

    def read(self, sock: socket.socket, end: bytes) -> bytes:
        """What comes, up to this."""
        return got(self.loop, sock, lambda data: data.endswith(end))

    @property
    def open(self) -> int:
        """Connections that it has."""
        return len(self.acceptor._clients)


@pytest.fixture
def place() -> Iterator[Place]:
    """It runs, step by step; nothing is left open."""
    with tempfile.TemporaryDirectory(prefix="acc") as root:
        made = Place(root)
        try:
            yield made
        finally:
            for sock in made.sockets:
                sock.close()
            made.acceptor.finish(5)
            assert made.open == 0
            made.loop.close()
            assert not Path(made.places.own).exists()


def test_endpoints_are_the_sidecars_and_all_else_is_the_fronts(place: Place) -> None:
    """Both at once; the sidecar gets the connection itself, the front its bytes, and whose it is."""
    sidecar, front = place.at(place.places.sidecar), place.at(place.places.front)
    mine, page = place.client(POST), place.client(b"GET /hub/ HTTP/1.1\r\n")
    channel, passed = place.accepted(sidecar), place.accepted(front)
    sock = take(channel)
    assert sock
    with sock:
        assert sock.recv(100) == POST
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
    host, port = page.getsockname()
    line = f"PROXY TCP4 {host} {host} {port} {place.address[1]}\r\n".encode()
    assert place.read(passed, b"/1.1\r\n") == line + b"GET /hub/ HTTP/1.1\r\n"
    passed.send(b"answer")
    assert place.read(page, b"answer") == b"answer"
    mine.close()
    until(place.loop, lambda: place.open == 1)


def test_bytes_that_come_one_by_one_are_waited_for(place: Place) -> None:
    """Without looking at them again and again; what is the front's after all goes there whole."""
    sidecar, front = place.at(place.places.sidecar), place.at(place.places.front)
    mine, page = place.client(), place.client()
    for number in range(len(b"GET /mcp/")):
        mine.send(b"GET /mcp/"[number : number + 1])
        page.send(b"GET /mcq/"[number : number + 1])
        for _ in range(5):
            place.loop.run_once(0.005)
    sock = take(place.accepted(sidecar))
    assert sock
    with sock:
        assert sock.recv(100) == b"GET /mcp/"
    assert place.read(place.accepted(front), b"/mcq/").endswith(b"\r\nGET /mcq/")


def test_large_pages_pass_in_both_directions(place: Place) -> None:
    """More than any buffer holds; the end of one direction is passed on, and does not end the other."""
    front = place.at(place.places.front)
    data = os.urandom(1 << 20)
    page = place.client(b"PUT /api HTTP/1.1\r\n\r\n")
    passed = place.accepted(front)
    got(place.loop, passed, lambda found: found.endswith(b"\r\n\r\n"))
    for source, target in ((page, passed), (passed, page)):
        sent, received = 0, bytearray()
        while len(received) < len(data):
            with contextlib.suppress(BlockingIOError):
                sent += source.send(data[sent : sent + 100_000])
            place.loop.run_once(0.001)
            with contextlib.suppress(BlockingIOError):
                received += target.recv(100_000)
        assert bytes(received) == data
        source.shutdown(socket.SHUT_WR)
        assert got(place.loop, target, lambda _: False) == b""
    until(place.loop, lambda: place.open == 0)


def test_what_the_sidecar_gives_back_is_the_fronts(place: Place) -> None:
    """With the bytes that were read of it first, and what the client sends after that."""
    sidecar, front = place.at(place.places.sidecar), place.at(place.places.front)
    client = place.client(POST)
    sock = take(place.accepted(sidecar))
    assert sock
    assert sock.recv(100) == POST
    until(place.loop, lambda: place.open == 0)
    back = socket.socket(socket.AF_UNIX)
    place.sockets.append(back)
    back.connect(place.places.own)
    socket.send_fds(back, [LENGTH.pack(6)], [sock.fileno()])
    sock.close()
    back.setblocking(False)
    back.send(b"GET")
    place.loop.run_once(0.05)
    back.send(b" /h")
    assert got(place.loop, back, bool) == b"+"
    client.send(b"ub/")
    assert place.read(place.accepted(front), b"/hub/").endswith(b"\r\nGET /hub/")


def test_who_is_away_is_waited_for_and_told_of(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in the form that its clients read; the connection ends, and the client has read all of it."""
    monkeypatch.setattr(acceptor.relay, "FRONT_TIMEOUT", 0.2)
    place.acceptor._handover._timeout = 0.2
    mine, page = place.client(POST), place.client(b"GET /hub/")
    for client, code in ((mine, b'"jsonrpc": "2.0"'), (page, b'"code": "FRONT_AWAY"')):
        answer = got(place.loop, client, lambda _: False)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert code in answer
        client.close()
    until(place.loop, lambda: place.open == 0)


def test_who_is_refused_and_goes_on_sending_is_cut_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some bytes, long before its time is over."""
    monkeypatch.setattr(acceptor.app, "REFUSAL_BYTES", 1 << 20)
    monkeypatch.setattr(acceptor.app, "REFUSAL_SECONDS", 1000.0)
    place.acceptor._handover._timeout = 0.01
    client = place.client(POST)
    assert got(place.loop, client, lambda _: False).startswith(b"HTTP/1.1 503 ")

    def cut_off() -> bool:
        try:
            client.send(b" " * 65536)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        return False

    until(place.loop, cut_off)
    assert place.open == 0


def test_who_sends_nothing_or_not_enough_is_not_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """15 s; whoever has begun is told."""
    monkeypatch.setattr(acceptor.app, "HEAD_TIME", 0.1)
    silent, slow, gone = place.client(), place.client(b"GET /mc"), place.client(b"GET")
    gone.shutdown(socket.SHUT_WR)
    assert got(place.loop, silent, lambda _: False) == b""
    assert got(place.loop, slow, lambda _: False).startswith(b"HTTP/1.1 408 ")
    with pytest.raises(ConnectionResetError):  # what it sent was not read
        got(place.loop, gone, lambda _: False)


def test_one_too_many_is_told_so(place: Place) -> None:
    """Those that are in use stay."""
    front = place.at(place.places.front)
    place.acceptor._clients.most = 1
    page = place.client(b"GET /hub/")
    passed = place.accepted(front)
    assert b"CONNECTIONS_LIMIT" in got(place.loop, place.client(b"GET /hub/"), lambda _: False)
    passed.send(b"still there")
    assert place.read(page, b"there") == b"still there"


def test_what_is_under_way_at_the_end_is_finished(place: Place) -> None:
    """As far as the front does so in time; nobody new is accepted."""
    front = place.at(place.places.front)
    page = place.client(b"GET /hub/")
    passed = place.accepted(front)
    passed.send(b"the end")
    passed.close()
    page.shutdown(socket.SHUT_WR)
    place.acceptor.finish(5)
    assert place.open == 0
    page.setblocking(True)
    assert page.recv(100) == b"the end"


def test_a_taken_port_is_told(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    """On one line, with the exit code of a setting that cannot be used."""
    words = ["--port", str(place.address[1]), "--sidecar", "s", "--front", "f", "--own", "o"]
    assert main(words) == 2
    assert '"PORT_TAKEN"' in capsys.readouterr().err
