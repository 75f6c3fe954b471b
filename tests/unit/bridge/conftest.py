"""Places for conversations: ZeroMQ and memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest

from bridge.memory import MemoryBridge
from bridge.sockets import ZMQ
from tests.unit.bridge.conversation import Place


@pytest.fixture(params=["zmq", "memory"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """One place of each transport: what holds over ZeroMQ holds in memory."""
    if request.param == "memory":
        yield Place(MemoryBridge(), "memory")
        return
    with tempfile.TemporaryDirectory() as directory:
        yield Place(ZMQ, f"ipc://{directory}/run/x.sock")
