"""Rate limit for the unsolicited messages of a server, so that it does not take the event loop from the others.

Unsolicited are notifications, requests of the server, answers to no request, and output that is not MCP. Answers to
requests in progress do not count: `max_inflight` bounds them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

RATE = 8000.0
"""Units per second that one connection may send for long. A message is one unit, and one more for each KiB."""
BROKEN, NOISE, BLANK = 2, 1 / 4, 1 / 32
"""Units of a line that begins like a message but is none, of any other line that is no message, each with one more for
each KiB; and of an empty line. Their ratio is about that of the CPU time they cost."""
BURST = 256.0
"""Units that it may send at once. They take the event loop a few milliseconds."""
MAX_PAUSE = 1.0
"""Longest pause, in seconds, whatever was sent."""
SLOWED_SECONDS = 1.0
"""Seconds after which a server that is being slowed down is reported."""
FLOOD_SECONDS = 60.0
"""Seconds of being slowed down without a break after which the connection is closed."""


class Pace:
    """A token bucket for the unasked messages of one connection. Times in seconds.

    `report` is called once for each flood, with a sentence for people.
    """

    def __init__(self, report: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._left = BURST
        self._counted_at = clock()
        self._flooding_since: float | None = None
        self._reported = False
        self._noise = False

    def take(self, size: int) -> None:
        """Count an unasked message of `size` bytes."""
        self._left -= 1 + size / 1024
        self._noise = False

    def take_noise(self, size: int, *, broken: bool = False) -> None:
        """Count a line of `size` bytes that is no message. `broken`: it begins like one, so that it was parsed."""
        self._left -= (BROKEN if broken else NOISE) + size / 1024 if size else BLANK
        self._noise = True

    @property
    def exceeded(self) -> bool:
        """Whether the connection must pause before its next message."""
        return self._left <= 0

    def pause(self) -> float:
        """How long the connection must pause now; 0 if it need not."""
        now = self._clock()
        self._left = max(self._left, BURST / 2 - RATE * MAX_PAUSE) + RATE * (now - self._counted_at)
        self._counted_at = now
        if self._left >= BURST:  # it has sent little for a while
            self._left, self._flooding_since, self._reported = BURST, None, False
        if self._left > BURST / 4:  # less would only last for a few more messages
            return 0.0
        if self._flooding_since is None:
            self._flooding_since = now
        elif now - self._flooding_since >= SLOWED_SECONDS and not self._reported:
            self._reported = True
            what = "much output that is not an MCP message" if self._noise else "many unsolicited messages"
            self._report(f"it sends too {what}, and the hub slows it down")
        return (BURST / 2 - self._left) / RATE

    @property
    def slowed(self) -> bool:
        """Whether it has been reported as being slowed down, and has sent too much ever since."""
        return self._reported and self._left + RATE * (self._clock() - self._counted_at) < BURST

    @property
    def floods(self) -> bool:
        """Whether the connection has been slowed down for too long."""
        return self._flooding_since is not None and self._clock() - self._flooding_since >= FLOOD_SECONDS
