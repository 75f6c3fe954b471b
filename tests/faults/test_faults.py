"""One server or client at fault, under load of 50 sessions: nobody else notices (issue 14)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.faults import FAULTS
from tests.faults.results import record
from tests.faults.scene import Scene, scene

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at() -> AsyncIterator[Scene]:
    """One hub under load for all faults."""
    async with scene() as found:
        yield found


@pytest.mark.parametrize("name", FAULTS)
async def test_fault(at: Scene, name: str) -> None:
    """The others' calls go on; calls to the faulty server end with a code in time; it is back soon; nothing is left."""
    server, fault = FAULTS[name]
    found = await at.undergo(name, server, fault)
    record(found.as_json())
    assert found.problems == [], found
