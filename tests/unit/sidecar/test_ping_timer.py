"""Pings of many responses by one timer."""

from __future__ import annotations

import asyncio

from sidecar.ping_timer import PingTimer
from tests.support.fake_server import within


class Response:
    """Tells that it was pinged."""

    def __init__(self) -> None:
        self.pinged = asyncio.Event()
        self.count = 0

    def ping(self) -> None:
        """Count."""
        self.count += 1
        self.pinged.set()


async def test_pings_come_once_and_in_turn() -> None:
    """Each response that is still open is pinged once, also one that was added while the timer ran."""
    pings = PingTimer(0.01)
    first, dropped, later = Response(), Response(), Response()
    pings.add(first)
    pings.add(dropped)
    pings.drop(dropped)
    await within(first.pinged.wait())
    pings.add(later)
    await within(later.pinged.wait())
    pings.drop(later)
    assert (first.count, dropped.count, later.count) == (1, 0, 1)


async def test_a_closed_timer_pings_nobody() -> None:
    """What was added before is forgotten."""
    pings = PingTimer(0.0)
    response, other = Response(), Response()
    pings.add(response)
    pings.close()
    pings.add(other)
    await within(other.pinged.wait())
    assert response.count == 0
