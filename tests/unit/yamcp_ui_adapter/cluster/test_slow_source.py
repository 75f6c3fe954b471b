"""The state of the shared configuration while its source is slow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from yamcp_ui_adapter.cluster import shared
from yamcp_ui_adapter.cluster.copy import WorkingCopy
from yamcp_ui_adapter.cluster.errors import ConfigDatabaseUnavailable
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

    def fixed(self, names: object) -> tuple[str, ...]:
        """See Source."""
        return ()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """See Source."""
        await asyncio.Event().wait()
        yield


async def test_the_state_is_told_although_the_source_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a network that is cut looks like: what it said last counts, until the hub knows that it is away."""
    monkeypatch.setattr(shared, "STATE_SECONDS", 0.01)
    made = shared_config()
    for _ in range(2):
        found = await made.state()
        assert found.state == "current"
        assert [each.name for each in found.replicas] == ["r1"]


async def test_an_edit_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked for it gets the reason, and it is known that the source is away."""
    monkeypatch.setattr(shared, "EDIT_SECONDS", 0.01)
    made = shared_config()
    with pytest.raises(ConfigDatabaseUnavailable, match="not free for this edit"):
        async with made.editing("providers.json"):
            raise AssertionError
    assert (await made.state()).state == "unavailable"


def shared_config() -> SharedConfig:
    """One with a slow source."""
    copy: Any = SimpleNamespace(
        base=SimpleNamespace(epoch=7, identity="one", documents={}), common=lambda identity: dict.fromkeys((), identity)
    )
    nothing: Any = None
    source = cast("Source", SlowSource())
    return SharedConfig(source, cast("WorkingCopy", copy), asyncio.Lock(), nothing, nothing, lambda: None)
