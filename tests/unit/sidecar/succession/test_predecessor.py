"""A sidecar that waits for its successor, whatever else connects to it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bridge.settings import Settings
from sidecar.succession import predecessor
from sidecar.succession.predecessor import Predecessor, State
from sidecar.succession.wire import SOCKET, Peer, connect
from tests.support.fake_server import until, within


async def _release() -> None:
    """Nothing is listened on."""


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Of a hub in a directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as root:
        Path(root).chmod(0o700)
        yield Settings(data_dir=Path(root), runtime_dir=Path(root))


@contextlib.asynccontextmanager
async def waiting(settings: Settings) -> AsyncIterator[tuple[Predecessor, str]]:
    """A predecessor with no sockets to give away, and the address at which it waits."""
    ended = asyncio.Event()
    made = Predecessor(settings, lambda: State(None, []), _release, lambda _: False)
    running = asyncio.create_task(made.run(ended, []))
    await until(lambda: made.waiting)
    try:
        yield made, str(settings.runtime / SOCKET)
    finally:
        ended.set()
        await within(running)


async def met(address: str) -> Peer:
    """A connection to the predecessor, which has told its state."""
    peer = await connect(address)
    assert peer is not None
    assert (await within(peer.receive())).body["ready"] == []
    return peer


async def test_what_cannot_be_read(settings: Settings) -> None:
    """A message that is none ends that connection alone: the next successor is served."""
    async with waiting(settings) as (made, address):
        peer = await met(address)
        await asyncio.get_running_loop().sock_sendall(peer._sock, b"\0\0\0\1{")
        next_one = await met(address)
        assert made.waiting
        peer.close()
        next_one.close()


async def test_no_descriptor_is_free(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A successor that cannot be accepted for the moment is accepted later."""
    monkeypatch.setattr(predecessor, "RETRY_SECONDS", 0.01)
    refused = 0

    async def accept(self: object, sock: object) -> object:
        nonlocal refused
        refused += 1
        if refused < 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return await original(sock)  # type: ignore[arg-type]

    loop = asyncio.get_running_loop()
    original = loop.sock_accept
    monkeypatch.setattr(type(loop), "sock_accept", accept)
    async with waiting(settings) as (_, address):
        peer = await met(address)
        assert refused == 3
        peer.close()
