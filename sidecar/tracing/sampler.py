"""Decides which requests are traced."""

from __future__ import annotations

import random
from collections.abc import Callable

from sidecar.admission.context import CallContext, RequestContext
from sidecar.tracing import trace_context
from sidecar.tracing.trace_context import TraceContext

MAX_POSTPONED = 1000
"""Limit for requests that were chosen on the direct way and have not come on the waiting way yet."""


class Sampler:
    """Follows the client where it says whether it records its trace; chooses a share of all other requests.

    A request that is chosen on the direct way takes the waiting way, since only that knows spans. The choice is
    remembered as a number, so that the next request on the waiting way is chosen in its place: the share stays the
    same, and no request is tossed for twice.
    """

    __slots__ = ("_postponed", "_random", "_share")

    def __init__(self, share: float, random_number: Callable[[], float] = random.random) -> None:
        """`share` of the requests without a trace context of the client's is traced: 0 for none, 1 for all."""
        self._share = share
        self._random = random_number
        self._postponed = 0

    def chooses(self, call: CallContext, parent: TraceContext | None) -> bool:
        """Whether to trace a request; `parent` is what the client sent."""
        if parent is not None:
            return parent.sampled
        if self._share >= 1:
            return True
        waiting = isinstance(call, RequestContext)
        if waiting and self._postponed:
            self._postponed -= 1
            return True
        chosen = self._random() < self._share
        if chosen and not waiting:
            self._postponed = min(self._postponed + 1, MAX_POSTPONED)
        return chosen


def parent_of(call: CallContext) -> TraceContext | None:
    """The trace context that the client sent with a request."""
    return trace_context.parse(call.trace)
