"""The delay before the hub connects again to a server that failed: exponential backoff. Times are in seconds."""

from __future__ import annotations

import time

FIRST_DELAY = 0.25
MAX_DELAY = 4.0
"""Longest delay while a server has not failed for long: it is ready within 5 s after its fault is mended."""
LONG_FAILURE_SECONDS = 300.0
MAX_LATE_DELAY = 30.0
LATE_DELAY_FACTOR = 20
"""After `LONG_FAILURE_SECONDS` of failing, a delay is this many times the duration of the attempt, between `MAX_DELAY`
and `MAX_LATE_DELAY`. A server that fails at once is still tried every 4 s; one that fails slowly (as `npx` without
network) does not use the processor all the time."""
STABLE_SECONDS = 5.0
"""A server that was ready for this long starts from `FIRST_DELAY` again; one that crashes earlier does not."""


class Backoff:
    """Counts the failures of one server. Delays double up to `MAX_DELAY`; after a long time of failing they depend on
    how long an attempt takes."""

    def __init__(self) -> None:
        self.attempts = 0
        self.has_answered = False
        """Whether the server has answered a request since it became ready. Such a server is not in a crash loop, so
        its next delay is `FIRST_DELAY`."""
        self._failing_since: float | None = None
        self._ready_since: float | None = None

    def reset(self) -> None:
        """Forget the failures."""
        self.attempts = 0
        self._failing_since = None

    def ready(self) -> None:
        """Note that the server has become ready."""
        self._ready_since = time.monotonic()

    @property
    def failing_for_long(self) -> bool:
        """Whether the server has been failing for longer than `LONG_FAILURE_SECONDS`."""
        return self._failing_since is not None and time.monotonic() - self._failing_since > LONG_FAILURE_SECONDS

    def next_delay(self, took: float) -> float:
        """Count a failed attempt that lasted `took` seconds; returns the seconds to wait before the next attempt."""
        now = time.monotonic()
        if self.has_answered or (self._ready_since is not None and now - self._ready_since >= STABLE_SECONDS):
            self.reset()
        self.has_answered = False
        self._ready_since = None
        self.attempts += 1
        self._failing_since = self._failing_since or now
        if self.failing_for_long:
            return min(MAX_LATE_DELAY, max(MAX_DELAY, LATE_DELAY_FACTOR * took))
        return min(MAX_DELAY, FIRST_DELAY * 2.0 ** min(self.attempts - 1, 10))
