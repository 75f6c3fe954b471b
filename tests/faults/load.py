"""Clients that call without end, each call with a nonce, and what became of their calls. Times in seconds."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bench.session import TRANSPORTS, Session, SessionError, SseSession
from bench.stats import percentile

PATIENCE = 40.0
"""Longest wait for an answer; a call without one counts as an error."""
RECONNECT_PAUSE = 0.05


@dataclass
class Outcome:
    """What became of some calls to one server."""

    latencies: list[float] = field(default_factory=list)
    """Of the calls that were answered rightly."""
    errors: list[str] = field(default_factory=list)
    """Codes, or texts, of the answers that were errors."""
    slowest_error: float = 0.0
    wrong: list[str] = field(default_factory=list)
    """Answers that are another call's, or an empty success."""

    def add(self, other: Outcome) -> None:
        """Add the calls of another one."""
        self.latencies += other.latencies
        self.errors += other.errors
        self.slowest_error = max(self.slowest_error, other.slowest_error)
        self.wrong += other.wrong

    @property
    def p99(self) -> float:
        """The latency that 99 of 100 calls do not exceed."""
        return percentile(self.latencies, 0.99) if self.latencies else 0.0


class Caller:
    """A client that calls `echo` of some servers in turn, about every `period` seconds, until it is ended.

    It connects anew when its session is lost.
    """

    def __init__(self, url: str, way: tuple[str, str], servers: Sequence[str], period: float) -> None:
        self._url, self._way, self._servers, self._period = url, way, servers, period
        self._outcomes: dict[str, Outcome] = {}
        self._answered: dict[str, list[Callable[[], None]]] = {}
        self.sessions_lost = 0
        self._ended = False
        self._random = random.Random(secrets.randbits(32))

    def take(self) -> dict[str, Outcome]:
        """What became of the calls since the last time that this was asked for, by server."""
        taken, self._outcomes = self._outcomes, {}
        return taken

    def end(self) -> None:
        """Call no more after the call under way."""
        self._ended = True

    async def right_answer(self, server: str) -> None:
        """Wait until a call to `server` that begins from now on is answered rightly."""
        event = asyncio.Event()
        self._answered.setdefault(server, []).append(event.set)
        await event.wait()

    async def all_answered(self) -> None:
        """Wait until each of its servers has answered a call rightly."""
        await asyncio.gather(*(self.right_answer(server) for server in self._servers))

    async def run(self) -> None:
        """Call until `end`."""
        while not self._ended:
            session = TRANSPORTS[self._way[0]](self._url, self._way[1])
            try:
                await session.open()
                await self._call_in(session)
            except (OSError, SessionError, TimeoutError) as error:
                self._outcome(self._servers[0]).errors.append(f"no session: {error}"[:300])
                await asyncio.sleep(RECONNECT_PAUSE)
            finally:
                await session.close()

    async def _call_in(self, session: Session) -> None:
        """Call until the session is lost."""
        number = self._random.randrange(len(self._servers))
        await asyncio.sleep(self._random.uniform(0, self._period))
        while not self._ended and not (isinstance(session, SseSession) and session.lost.is_set()):
            number += 1
            lost = await self._call(session, self._servers[number % len(self._servers)])
            if lost:
                self.sessions_lost += 1
                return
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * self._period)

    async def _call(self, session: Session, server: str) -> bool:
        """One call; returns whether the session is lost."""
        waiting, self._answered[server] = self._answered.get(server, []), []
        nonce, began = secrets.token_hex(8), time.perf_counter()
        params = {"name": f"{server}_echo", "arguments": {"text": nonce}}
        frame: dict[str, Any] = {"error": {"message": f"no answer within {PATIENCE:g} s"}}
        with suppress(TimeoutError):
            frame = await asyncio.wait_for(session._roundtrip(session.prepare("tools/call", params)), PATIENCE)
        took, outcome = time.perf_counter() - began, self._outcome(server)
        if error := frame.get("error"):
            code = (error.get("data") or {}).get("code") if isinstance(error, dict) else None
            outcome.errors.append(code or str(error.get("message"))[:300])
            outcome.slowest_error = max(outcome.slowest_error, took)
            self._answered[server] += waiting
            return code is None
        result = frame.get("result")
        if result != {"content": [{"type": "text", "text": nonce}]} and not _same(result, nonce):
            outcome.wrong.append(f"{nonce}: {frame}"[:300])
            self._answered[server] += waiting
            return False
        outcome.latencies.append(took)
        for answered in waiting:
            answered()
        return False

    def _outcome(self, server: str) -> Outcome:
        return self._outcomes.setdefault(server, Outcome())


def _same(result: Any, nonce: str) -> bool:
    """Whether a result has the nonce, apart from the fields that the era adds."""
    return isinstance(result, dict) and result.get("content") == [{"type": "text", "text": nonce}]
