"""The error for a request to a server that another replica runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.placement.errors import PlacedElsewhere, PlacementUnavailable
from sidecar.supervision import unavailable


@pytest.mark.parametrize("kind", [PlacedElsewhere, PlacementUnavailable])
def test_a_request_learns_which_replica_runs_it(kind: type[PlacedElsewhere]) -> None:
    """With the code of the reason, not as a server that is down."""
    reason = kind("It runs at 'r1'.", data={"server": "a", "replica": "r1"}).body()
    server: Any = SimpleNamespace(state="elsewhere", reason=reason)
    error = unavailable.error(server)
    assert (error.code, error.message, error.data) == (kind.code, reason.message, {"server": "a", "replica": "r1"})
