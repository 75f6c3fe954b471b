"""Which time limits apply to a call of a tool."""

from __future__ import annotations

import pytest

from bridge.models import ServerSettings
from sidecar.routing.limits import Limits, limits_of

SETTINGS = ServerSettings(
    call_timeout=9,
    idle_timeout=3,
    tool_timeouts={"index": 100, "index_*": 200, "index_all_*": 300, "*[0-9]": 5},
    tool_idle_timeouts={"index*": 50, "quick": 0},
)


@pytest.mark.parametrize(
    ("tool", "limits"),
    [
        ("", (9, 3)),
        ("other", (9, 3)),
        ("index", (100, 50)),
        ("index_one", (200, 50)),
        ("index_all_files", (300, 50)),
        ("quick", (9, 0)),
        ("tool7", (5, 3)),
        ("INDEX", (9, 3)),
    ],
)
def test_limits(tool: str, limits: tuple[float, float]) -> None:
    """A tool's own name comes first, then the longest pattern that matches, then the server's own limit."""
    assert limits_of(SETTINGS, tool) == Limits(*limits, 0)
