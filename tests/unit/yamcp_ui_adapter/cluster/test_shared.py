"""The state of the shared configuration while its source is slow."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from yamcp_ui_adapter.cluster import shared
from yamcp_ui_adapter.cluster.copy import WorkingCopy
from yamcp_ui_adapter.cluster.shared import SharedConfig
from yamcp_ui_adapter.cluster.source import Applied, Source


class SlowSource:
    """It answers the first time only."""

    kind = "database"
    target = "a database"

    def __init__(self) -> None:
        self.asked = 0

    async def applied(self) -> list[Applied]:
        """See Source."""
        self.asked += 1
        if self.asked > 1:
            await asyncio.Event().wait()
        return [Applied("r1", 7, "hash", 1.0)]


async def test_the_state_is_told_although_the_source_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a network that is cut looks like: what it said last counts, until the hub knows that it is away."""
    monkeypatch.setattr(shared, "STATE_SECONDS", 0.01)
    copy: Any = SimpleNamespace(
        base=SimpleNamespace(epoch=7, identity="one", documents={}), common=lambda identity: dict.fromkeys((), identity)
    )
    nothing: Any = None
    source = cast("Source", SlowSource())
    made = SharedConfig(source, cast("WorkingCopy", copy), asyncio.Lock(), nothing, nothing, nothing)
    for _ in range(2):
        found = await made.state()
        assert found.state == "current"
        assert [each.name for each in found.replicas] == ["r1"]
