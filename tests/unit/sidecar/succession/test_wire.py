"""Messages between a sidecar and its successor."""

from __future__ import annotations

import asyncio
import socket

from sidecar.succession.wire import Peer


async def test_messages_of_several_tasks() -> None:
    """Large messages that are sent at once arrive whole, one after the other."""
    ours, theirs = (Peer(sock) for sock in socket.socketpair())
    texts = [letter * 1_000_000 for letter in "abc"]
    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        for text in texts:
            tasks.create_task(ours.send({"text": text}))
        received = [(await theirs.receive()).body["text"] for _ in texts]
    assert received == texts
    ours.close()
    theirs.close()
