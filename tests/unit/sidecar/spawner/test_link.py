"""The sidecar's end of the socket to the spawner."""

import asyncio
import os
import socket

from sidecar.spawner.link import Link
from sidecar.spawner.wire import Decoder, Message, encode


async def test_waits_for_room() -> None:
    """What the socket does not take at once is sent when there is room; descriptors are closed once sent."""
    ours, theirs = socket.socketpair()
    link = Link(ours, lambda message: None)
    readable, writable = os.pipe()
    messages = [("spawn", n, b"x" * 300_000) for n in range(3)]
    for message in messages[:2]:
        link.send(message)
    link.send(messages[2], [writable])
    theirs.setblocking(False)
    decoder, found = Decoder(), []
    while len(found) < 3:
        found += decoder.feed(await read(theirs))
    assert found == messages
    link.close()
    theirs.close()
    assert os.read(readable, 1) == b""
    os.close(readable)


async def test_close_gives_up() -> None:
    """Closing drops what was not sent, with its descriptors, and tells that the other side is gone; twice is once."""
    ours, theirs = socket.socketpair()
    link = Link(ours, lambda message: None)
    readable, writable = os.pipe()
    link.send(("spawn", b"x" * 1_000_000))
    link.send(("spawn",), [writable])
    link.close()
    link.close()
    assert link.lost.done()
    assert os.read(readable, 1) == b""
    os.close(readable)
    theirs.close()


async def test_other_side_gone() -> None:
    """A message to a dead spawner ends the link instead of raising."""
    ours, theirs = socket.socketpair()
    link = Link(ours, lambda message: None)
    theirs.close()
    link.send(("stop", 1, 0.0))
    await link.lost


async def test_receives_then_ends() -> None:
    """Messages that came before the end are handed on before it is told."""
    ours, theirs = socket.socketpair()
    found: list[Message] = []
    link = Link(ours, found.append)
    theirs.send(encode(("ready", "x")) + encode(("note", "y")))
    theirs.close()
    await link.lost
    assert found == [("ready", "x"), ("note", "y")]


async def read(end: socket.socket) -> bytes:
    """Some bytes, once there are any."""
    return await asyncio.get_running_loop().sock_recv(end, 65536)
