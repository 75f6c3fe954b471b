"""How long a command may wait for Redis: a busy loop is not taken for a Redis that does not answer."""

from __future__ import annotations

import asyncio
import time

import pytest

from sidecar import redis_connection
from sidecar.redis_connection import in_time


async def test_a_busy_loop_is_no_slow_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is there, but the loop does other things for longer than the command may take."""
    monkeypatch.setattr(redis_connection, "TIMEOUT_SECONDS", 0.05)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def busy() -> None:
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            pass
        loop.call_soon(loop.call_soon, answer.set_result, "PONG")  # as reading a socket takes the loop some turns

    async def command() -> str:
        loop.call_soon(busy)
        return await answer

    assert await in_time(command) == "PONG"


async def test_a_silent_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is given up, and cancelled."""
    monkeypatch.setattr(redis_connection, "TIMEOUT_SECONDS", 0.01)
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def command() -> str:
        return await answer

    with pytest.raises(TimeoutError):
        await in_time(command)
    assert answer.cancelled()
