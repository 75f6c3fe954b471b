"""`hubctl limits` against a hub of canned answers."""

from __future__ import annotations

import json
import time

import pytest

from bridge.models import LimitsState, LimitUse, PrincipalLimits, ReadLimits
from tests.unit.hubctl.canned import CannedHub

pytestmark = pytest.mark.outside


def known() -> LimitsState:
    """A key that was refused, and another."""
    uses = (
        LimitUse(kind="rate", limit=2.5, burst=5, used=1.4),
        LimitUse(kind="concurrent", servers=("search",), tools=("find*", "get"), limit=2, used=2),
    )
    busy = PrincipalLimits(
        id="k1",
        name="c\x1bi",
        kind="key",
        uses=uses,
        refused={"concurrent": 3, "rate": 1},
        last_refused=time.time() - 61,
        last_code="TOO_MANY_CALLS",
        last_server="search",
        last_tool="find",
    )
    calm = PrincipalLimits(
        id="u2", name="Ada", kind="user", uses=(LimitUse(kind="bytes_per_day", limit=1e9, used=1234567),)
    )
    return LimitsState(store="shared_away", principals=(busy, calm), total=3)


async def test_what_is_used(hub: CannedHub) -> None:
    """A line for each limit; where is counted; how many there are."""
    assert await hub.hubctl("limits") == (0, "No limit is in force: access.json has none.\n", "")
    hub.limits = LimitsState(store="memory")
    assert "No principal with limits has sent a request yet." in (await hub.hubctl("limits"))[1]
    hub.limits = known()
    code, out, _ = await hub.hubctl("limits", "-n", "2")
    assert (code, hub.asked[-1]) == (0, ReadLimits(limit=2))
    away, header, rate, tool, day, more = out.splitlines()
    assert "counts for itself" in away and header.split()[0] == "PRINCIPAL"
    for cell in (
        "c\\x1bi",
        "requests per second",
        "all",
        "1.4 of a burst of 5, 2.5/s",
        " 4 ",
        "1 min ago, TOO_MANY_CALLS",
    ):
        assert cell in rate
    assert "calls at once" in tool and "search / find*, get" in tool and "2 of 2" in tool
    assert "Ada" in day and "1,234,567 of 1,000,000,000" in day
    assert more == "2 of 3 principals; --limit shows more."
    assert json.loads((await hub.hubctl("limits", "--json"))[1])["total"] == 3
