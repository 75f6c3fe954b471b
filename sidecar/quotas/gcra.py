"""The generic cell rate algorithm, which limits a rate and allows bursts. Pure.

Source: ITU-T Recommendation I.371 (Traffic control and congestion control in B-ISDN), Annex A, "virtual scheduling
algorithm". Its state is one number: the theoretical arrival time (TAT) of the next request, were requests evenly
spaced. A request conforms if it comes at most a tolerance before the TAT. It is equivalent to a token bucket that holds
`burst` tokens and gains `rate` per second, without a timer that refills it.
"""

from __future__ import annotations

ROUNDING = 1e-6
"""Seconds by which a request may come early, since sums of intervals are not exact."""


class Gcra:
    """A limit of `rate` requests per second, of which `burst` may come at once. Times are seconds of any clock."""

    __slots__ = ("burst", "interval", "rate", "tat", "tolerance")

    def __init__(self, rate: float, burst: int, tat: float = 0.0) -> None:
        self.rate, self.burst = rate, burst
        self.interval = 1 / rate
        """Seconds between two requests at the rate (the emission interval)."""
        self.tolerance = self.interval * (burst - 1) + ROUNDING
        """Seconds that a request may come before its theoretical arrival time (the limit of the algorithm)."""
        self.tat = tat

    def wait(self, now: float) -> float:
        """Seconds until a request conforms; 0 or less if it conforms now."""
        return self.tat - self.tolerance - now

    def charge(self, now: float) -> None:
        """Count a request that conforms."""
        tat = self.tat
        self.tat = (tat if tat > now else now) + self.interval

    def refund(self, now: float, charged_at: float) -> None:
        """Take back a request that was charged at `charged_at`, since it did not begin.

        What time has given back since then is not given back again. So the rate holds for the requests that began,
        however many others are taken back.
        """
        left = self.interval - (now - charged_at)
        if left > 0:
            self.tat -= left
