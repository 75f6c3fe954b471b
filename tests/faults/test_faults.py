"""Servers and clients at fault, under load of 50 sessions: nobody else notices (issue 14)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.faults import rounds
from tests.faults.results import record
from tests.faults.scene import Fault, Scene, scene

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at() -> AsyncIterator[Scene]:
    """One hub under load for all faults."""
    async with scene() as found:
        yield found


@pytest.mark.parametrize("faults", rounds(), ids=lambda faults: " with ".join(fault.name for fault in faults))
async def test_faults(at: Scene, faults: tuple[Fault, ...]) -> None:
    """The others' calls go on; calls to the faulty server end with a code in time; it is back soon; nothing is left.

    Each of these faults is of another server or client; `python -m tests.faults.soak` applies one at a time.
    """
    findings = await at.undergo(*faults)
    for found in findings:
        record(found.as_json())
    assert [problem for found in findings for problem in found.problems] == [], findings
