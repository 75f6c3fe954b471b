"""How long to wait before a server is tried again."""

from __future__ import annotations

import time

FIRST = 0.25
SOON = 4.0
"""Longest wait at first: a server is back within 5 s after its trouble is gone."""
PATIENCE = 300.0
RARELY = 30.0
SHARE = 20
"""After `PATIENCE` seconds of failing, a wait is this many times as long as the attempt took, at most `RARELY`: what
fails at once is still tried every 4 s, and what fails slowly (npx) does not keep the processor busy for nothing."""
STEADY = 5.0
"""A server that was ready this long starts from the shortest wait again; one that crashes at once does not."""


class Backoff:
    """Exponential up to `SOON`; for what has been failing for long, by what an attempt costs. Times in seconds."""

    def __init__(self) -> None:
        self.attempts = 0
        self.useful = False
        """Whether the server has answered a request since it was ready: one that does, and then ends, is in no crash
        loop, and starts from the shortest wait again."""
        self._failing_since: float | None = None
        self._ready_since: float | None = None

    def reset(self) -> None:
        """Forget the failures."""
        self.attempts = 0
        self._failing_since = None

    def ready(self) -> None:
        """The server is ready."""
        self._ready_since = time.monotonic()

    @property
    def hopeless(self) -> bool:
        """Whether it has been failing for so long that nobody seems to mend it."""
        return self._failing_since is not None and time.monotonic() - self._failing_since > PATIENCE

    def next_delay(self, took: float) -> float:
        """Count a failure of an attempt that took so long, and say how long to wait after it."""
        now = time.monotonic()
        if self.useful or (self._ready_since is not None and now - self._ready_since >= STEADY):
            self.reset()
        self.useful = False
        self._ready_since = None
        self.attempts += 1
        self._failing_since = self._failing_since or now
        if self.hopeless:
            return min(RARELY, max(SOON, SHARE * took))
        return min(SOON, FIRST * 2.0 ** min(self.attempts - 1, 10))
