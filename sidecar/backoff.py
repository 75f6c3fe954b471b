"""How long to wait before a server is tried again."""

from __future__ import annotations

import time

FIRST = 0.25
SOON = 4.0
"""Longest wait at first: a server is back within 5 s after its trouble is gone."""
PATIENCE = 300.0
RARELY = 30.0
"""Wait once it has been failing for `PATIENCE` seconds: a start costs processor time, and nobody seems to mend it."""
STEADY = 5.0
"""A server that was ready this long starts from the shortest wait again; one that crashes at once does not."""


class Backoff:
    """Exponential, capped low while there is hope, high when it has been failing for long. Times in seconds."""

    def __init__(self) -> None:
        self.attempts = 0
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
        """Whether it has been failing for so long that it is only tried rarely."""
        return self._failing_since is not None and time.monotonic() - self._failing_since > PATIENCE

    def next_delay(self) -> float:
        """Count a failure, and say how long to wait after it."""
        now = time.monotonic()
        if self._ready_since is not None and now - self._ready_since >= STEADY:
            self.reset()
        self._ready_since = None
        self.attempts += 1
        self._failing_since = self._failing_since or now
        return RARELY if self.hopeless else min(SOON, FIRST * 2.0 ** min(self.attempts - 1, 10))
