"""The delay before the hub connects again to a server that failed: exponential backoff. Times are in seconds."""

from __future__ import annotations

import random
import time

FIRST_DELAY = 0.25
MAX_DELAY = 3.0
"""Longest delay while a server has not failed for long: it is ready within 5 s after its fault is mended."""
LONG_FAILURE_SECONDS = 300.0
MAX_LATE_DELAY = 30.0
LATE_DELAY_FACTOR = 20
"""After `LONG_FAILURE_SECONDS` of failing, a delay is this many times the duration of the attempt, between `MAX_DELAY`
and `MAX_LATE_DELAY`. A server that fails at once is still tried every 3 s; one that fails slowly (as `npx` without
network) does not use the processor all the time."""
PERMANENT_DELAY = 180.0
"""Delay after a failure that does not mend itself, such as a missing command or rejected credentials."""
STABLE_SECONDS = 5.0
"""A server that was ready for this long starts from `FIRST_DELAY` again; one that crashes earlier does not."""
DOWN_AFTER = 3
"""Failed starts in a row after which a server counts as down."""
JITTER = 0.25
"""Delays are shortened by a random part of at most this much, so that servers that failed together are not all
started at once."""


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
        self._permanent = False

    def reset(self) -> None:
        """Forget the failures."""
        self.attempts = 0
        self._failing_since = None
        self._permanent = False

    @property
    def _recovered(self) -> bool:
        """Whether the server has worked since its last failure: it answered a request, or was ready for long enough."""
        ready_since = self._ready_since
        return self.has_answered or (ready_since is not None and time.monotonic() - ready_since >= STABLE_SECONDS)

    def ready(self) -> None:
        """Note that the server has become ready."""
        self._ready_since = time.monotonic()

    @property
    def down(self) -> bool:
        """Whether the server has failed so often in a row that requests should not wait for its next attempt."""
        return self.attempts >= DOWN_AFTER and not self._recovered

    @property
    def failing_for_long(self) -> bool:
        """Whether the server has been failing for longer than `LONG_FAILURE_SECONDS`."""
        return self._failing_since is not None and time.monotonic() - self._failing_since > LONG_FAILURE_SECONDS

    @property
    def hopeless(self) -> bool:
        """Whether the server has failed for long, or in a way that does not mend itself."""
        return self._permanent or self.failing_for_long

    def next_delay(self, took: float, permanent_after: int | None = None) -> float:
        """Count a failed attempt that lasted `took` seconds; returns the seconds to wait before the next attempt.

        `permanent_after`: the failure does not mend itself, so from that many attempts on the server is tried every
        `PERMANENT_DELAY` seconds only.
        """
        now = time.monotonic()
        if self._recovered:
            self.reset()
        self.has_answered = False
        self._ready_since = None
        self.attempts += 1
        self._failing_since = self._failing_since or now
        self._permanent = permanent_after is not None and self.attempts >= permanent_after
        return self._delay(took) * (1 - JITTER * random.random())  # noqa: S311 - no secret depends on it

    def _delay(self, took: float) -> float:
        if self._permanent:
            return PERMANENT_DELAY
        if self.failing_for_long:
            return min(MAX_LATE_DELAY, max(MAX_DELAY, LATE_DELAY_FACTOR * took))
        return min(MAX_DELAY, FIRST_DELAY * 2.0 ** min(self.attempts - 1, 10))
