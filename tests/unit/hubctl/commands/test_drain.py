"""`hubctl drain` with a hub that says what the test wants."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from bridge.models import Drain, DrainState
from hubctl.commands.replicas import drain as module
from hubctl.commands.replicas.drain import drain
from hubctl.context import Context


class Asked:
    """A context whose hub gives these answers, one after the other."""

    def __init__(self, *states: DrainState, json: bool = False) -> None:
        self.states = list(states)
        self.json = json
        self.said: list[Any] = []
        self.emit = self.said.append

    def say(self, *lines: str) -> None:
        """Note these lines."""
        self.said.extend(lines)

    @contextlib.asynccontextmanager
    async def actual(self) -> AsyncIterator[Asked]:
        """The hub."""
        yield self

    async def request(self, request: object) -> DrainState:
        """The next answer."""
        assert request == Drain()
        return self.states.pop(0)


async def test_a_replica_that_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked until it is done; calls in progress are an exit status of 1."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0)
    begun = DrainState(seconds=0, busy=3, done=False)
    for last, code, said, why in (
        (
            DrainState(seconds=5.04, busy=0, done=True),
            0,
            "This replica has nothing in progress after 5.0 s: stop it now.",
            "",
        ),
        (
            DrainState(seconds=30, busy=1, done=True),
            1,
            "1 connection still in use after 30.0 s (HUB_DRAIN_TIMEOUT).",
            "a longer HUB_DRAIN_TIMEOUT",
        ),
        (
            DrainState(seconds=30, busy=2, late=7, done=True),
            1,
            "2 connections still in use after 30.0 s (HUB_DRAIN_TIMEOUT).",
            "7 requests came after HUB_DRAIN_SECONDS, so the load balancer still sends requests here.",
        ),
    ):
        context = Asked(begun, begun, last)
        assert await drain(cast("Context", context)) == code
        assert context.said[0] == said
        assert why in " ".join(context.said[1:])
        context = Asked(last, json=True)
        assert await drain(cast("Context", context)) == code
        assert context.said == [last]
