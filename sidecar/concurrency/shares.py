"""How much of a bounded resource one holder may have, so that every other holder still finds room. Pure.

The rule is that of dynamic thresholds (A. K. Choudhury and E. L. Hahne, "Dynamic queue length thresholds for
shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998) with a factor of 1: a holder may take
one more only while it has less than what is free. One holder gets at most half of the resource, two get a third each,
and so on; who has nothing yet may have whatever is left. No number has to be configured, and no place is reserved for
holders that may never come (ADR 0026).
"""

from __future__ import annotations

from typing import NamedTuple


class Caller(NamedTuple):
    """Who asks a server for something."""

    key: str = ""
    """Id of the access key; empty for the hub's own clients, which is everybody in an unprotected hub."""
    client: str = ""
    """What tells the clients of one key apart: the session, or the address where there is no session."""


HUB = Caller()
"""The hub itself, as when it asks for the state of tasks."""


def may_take(held: int, used: int, capacity: int, *, contested: bool) -> bool:
    """Whether a holder that has `held` may take one more of a resource of which all together use `used`.

    With `contested` false there is one holder only, which may have everything.
    """
    free = capacity - used
    return free > 0 and (not contested or held == 0 or held < free)


def uncontested() -> bool:
    """Whether several keys use the hub: no, so that nobody has to leave anything to others."""
    return False
