"""How much of a bounded resource one holder may use, so that other holders still get some. Pure.

Implements dynamic thresholds (A. K. Choudhury and E. L. Hahne, "Dynamic queue length thresholds for shared-memory
packet switches", IEEE/ACM Transactions on Networking 6(2), 1998) with a factor of 1: a holder may take one more unit
only while it holds less than what is free. A single holder gets at most half of the resource, two get a third each,
and so on; a holder that has nothing may take whatever is left. Nothing has to be configured, and nothing is reserved
for holders that may never come (ADR 0026).
"""

from __future__ import annotations

from typing import NamedTuple


class Caller(NamedTuple):
    """The client on whose behalf a request goes to a server."""

    key: str = ""
    """Id of its access key; empty for the hub's own clients, and for every client of a hub without access keys."""
    client: str = ""
    """Distinguishes the clients of one key: the session's id, or the client's address where there is no session."""


HUB_CALLER = Caller()
"""The hub itself, which for example asks servers for the state of tasks."""


def may_take(held: int, used: int, capacity: int, *, contested: bool) -> bool:
    """Whether a holder of `held` units may take one more, where all holders together use `used` of `capacity`.

    `contested`: there are several holders. A single one may use the whole capacity.
    """
    free = capacity - used
    return free > 0 and (not contested or held == 0 or held < free)


def uncontested() -> bool:
    """A `contested` for hubs that a single key uses: always False."""
    return False
