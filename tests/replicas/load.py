"""Clients that go on calling while something happens to the replicas, and what became of their calls."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

from tests.replicas.client import Client, Failed
from tests.support.raw_client import Way

WAYS: tuple[Way, ...] = ("sse", "http", "modern")
NAMES = {"sse": "HTTP+SSE", "http": "Streamable HTTP, legacy", "modern": "Streamable HTTP, modern"}
THINK_SECONDS = 0.2
"""Mean time between an answer and the next call of a client."""
ANEW = {"SESSION_UNKNOWN", "STREAM_ENDED"}
"""What makes a client open a new session, and ask again: the call was not carried out, or may not have been."""


@dataclass
class Player:
    """A client that calls until it is told to stop."""

    client: Client
    number: int
    calls: int = 0
    anew: int = 0
    """Sessions that it had to open after its first one."""
    failures: Counter[str] = field(default_factory=Counter)
    """Of calls, by code. A call that another session is opened for counts, too."""
    was: str = ""
    """The owner of its session when `mark` was called."""

    async def run(self, stop: asyncio.Event) -> None:
        """Call, and open a new session whenever the old one is gone."""
        await self._open()
        while not stop.is_set():
            if self.client.cut_off:
                await self._anew()
            try:
                await self.client.call(f"{self.client.way} {self.number} {self.calls}")
                self.calls += 1
            except Failed as failed:
                self.failures[failed.code] += 1
                if failed.code.startswith("HTTP_"):
                    print(f"       {self.client.way} {self.client.owner} at {self.client.ports}: {failed}", flush=True)
                if failed.code in ANEW:
                    await self._anew()
            await asyncio.sleep(random.uniform(0, 2 * THINK_SECONDS))

    async def _anew(self) -> None:
        self.anew += 1
        await self._open()

    async def _open(self) -> None:
        """Open a session; as a client does that is told to come later, try again. No call is lost by that."""
        while True:
            try:
                return await self.client.open()
            except Failed:
                await asyncio.sleep(THINK_SECONDS)


class Load:
    """All players."""

    def __init__(self, players: list[Player], tasks: Sequence[asyncio.Task[None]]) -> None:
        self.players, self._tasks = players, tasks

    def of(self, *ways: Way) -> list[Player]:
        """Those of some transports and eras."""
        return [each for each in self.players if each.client.way in ways]

    @property
    def calls(self) -> int:
        """Calls that were answered as they should be."""
        return sum(each.calls for each in self.players)

    def mark(self) -> None:
        """Something is about to happen: forget what was before."""
        for each in self.players:
            each.was = each.client.owner
            each.failures.clear()
            each.anew = 0

    async def each_calls(self, count: int = 5) -> None:
        """Wait until each player has made that many further calls. Raises what ended one."""
        goals = [each.calls + count for each in self.players]
        async with asyncio.timeout(300):
            while any(each.calls < goal for each, goal in zip(self.players, goals, strict=True)):
                for task in self._tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.05)


def failures(players: Iterable[Player]) -> Counter[str]:
    """Of all of these, by code."""
    return sum((each.failures for each in players), Counter())


def anew(players: Iterable[Player]) -> int:
    """Sessions that these opened anew."""
    return sum(each.anew for each in players)


@contextlib.asynccontextmanager
async def load(ports: Sequence[Sequence[int]], clients: int) -> AsyncIterator[Load]:
    """That many players of each way, which have called; each gets the next of the lists of ports."""
    given = itertools.cycle(ports)
    players = [Player(Client(way, list(next(given))), number) for way in WAYS for number in range(clients)]
    stop = asyncio.Event()
    tasks = [asyncio.create_task(each.run(stop)) for each in players]
    made = Load(players, tasks)
    try:
        await made.each_calls(3)
        yield made
        stop.set()
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in players:
            each.client.close()
