"""The last seconds of a sidecar: requests in progress are answered, streams end, and connections leave (ADR 35)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from sidecar.listener.http_protocol import Move
from sidecar.listener.server import HttpServer

POLL_SECONDS = 0.02


class Streams(Protocol):
    """A transport with streams (`StreamSessions`), or all `subscriptions/listen` streams of the hub."""

    def end_idle_streams(self) -> None:
        """End each stream that no request in progress needs."""


async def drain(
    server: HttpServer, streams: Iterable[Streams], move: Move | None, seconds: float, at_once: Callable[[], bool]
) -> bool:
    """Have every connection leave, and wait for that at most `seconds`, or until `at_once` is true.

    A connection leaves when it is between two requests: it is moved, or closed where `move` is None. Returns whether
    all have left.
    """
    deadline = time.monotonic() + seconds
    while True:
        for each in streams:
            each.end_idle_streams()
        for connection in server.connections:
            connection.leave(move)
        if not server.connections:
            return True
        if at_once() or time.monotonic() >= deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
