"""Callers of the public port: clients of each mode that call without a pause, each call with a nonce."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Protocol

from bench.load import open_sessions
from bench.peers.peer import Mode
from bench.session import Session, SessionError, SseSession
from bench.ways import MODES

EACH = 4
"""Callers of each mode."""
CALLS = 10
"""Calls of each caller that are waited for while something is away, and again when it is back."""


class Public(Protocol):
    """A hub with a public port."""

    def public_sse(self, slug: str) -> str:
        """The HTTP+SSE endpoint of a workspace at the public port."""

    def public_http(self, slug: str) -> str:
        """The Streamable HTTP endpoint of a workspace at the public port."""


class Caller:
    """A client that calls a tool again and again, each time with a nonce, and connects anew when it has to."""

    def __init__(self, hub: Public, mode: Mode) -> None:
        self._transport, self._era = MODES[mode]
        self._url = hub.public_sse("w") if mode == "sse" else hub.public_http("w")
        self.answered = 0
        self.wrong: list[str] = []
        """What was answered instead of the result of the call."""
        self.lost = 0
        """Calls and handshakes whose connection ended before an answer came."""
        self.away = 0
        """Calls and handshakes that were refused because the sidecar was away for too long."""
        self.codes: list[str] = []
        """The codes of calls that were answered with an error of the hub."""
        self.progress = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def start(self, group: asyncio.TaskGroup) -> None:
        """Call until `end`."""
        self._task = group.create_task(self._run())

    def end(self) -> None:
        """Call no more. In Python 3.11 `asyncio.wait_for` may lose a cancellation, and so the flag."""
        assert self._task is not None
        self._ended = True
        self._task.cancel()

    async def _run(self) -> None:
        while not self._ended:
            try:
                async with open_sessions(self._url, 1, transport=self._transport, era=self._era) as [session]:
                    await self._call(session)
            except (OSError, SessionError) as error:
                self._failed(str(error))

    async def _call(self, session: Session) -> None:
        """Call until the session's stream is lost."""
        while not (self._ended or (isinstance(session, SseSession) and session.lost.is_set())):
            nonce = secrets.token_hex(8)
            prepared = session.prepare("tools/call", {"name": "e_echo", "arguments": {"text": nonce}})
            frame = await session._roundtrip(prepared)
            if error := frame.get("error"):
                if code := (error.get("data") or {}).get("code"):
                    self.codes.append(code)
                else:
                    self._failed(str(error.get("message")))
                continue
            result = frame["result"]
            if result["content"] != [{"type": "text", "text": nonce}]:
                self.wrong.append(f"{nonce}: {result}")
            self.answered += 1
            self.progress.set()

    def _failed(self, why: str) -> None:
        if "lost" in why or "HTTP 404" in why:  # 404: an SSE session ends with its stream
            self.lost += 1
        elif "HTTP 503" in why:
            self.away += 1
        else:
            self.wrong.append(why)

    async def answers(self, count: int) -> None:
        """Wait for as many more answers."""
        wanted = self.answered + count
        while self.answered < wanted:
            self.progress.clear()
            await self.progress.wait()


@contextlib.asynccontextmanager
async def calling(hub: Public) -> AsyncIterator[list[Caller]]:
    """Callers of each mode, all under way."""
    callers = [Caller(hub, mode) for mode in MODES for _ in range(EACH)]
    async with asyncio.TaskGroup() as group:
        for caller in callers:
            caller.start(group)
        await all_answered(callers)
        yield callers
        for caller in callers:
            caller.end()


async def all_answered(callers: list[Caller]) -> None:
    """Wait until each has had `CALLS` answers more."""
    async with asyncio.timeout(100):
        await asyncio.gather(*(caller.answers(CALLS) for caller in callers))


def assert_unharmed(callers: list[Caller]) -> None:
    """No call was lost, refused or answered with something else."""
    found = [(caller.lost, caller.away, caller.codes, caller.wrong) for caller in callers]
    assert found == [(0, 0, [], [])] * len(callers)
