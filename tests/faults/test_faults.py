"""One server or client at fault, under load of 50 sessions: nobody else notices (issue 14)."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.faults import FAULTS
from tests.faults.scene import Finding, Scene, scene

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at() -> AsyncIterator[Scene]:
    """One hub under load for all faults."""
    async with scene() as found:
        yield found


def record(found: Finding) -> None:
    """Add a finding to the file that `python -m tests.faults.report` reads, if one is named."""
    if path := os.environ.get("HUB_FAULTS_RESULTS"):
        with Path(path).open("a") as file:
            file.write(json.dumps(found.as_json()) + "\n")


@pytest.mark.parametrize("name", FAULTS)
async def test_fault(at: Scene, name: str) -> None:
    """The others' calls go on; calls to the faulty server end with a code in time; it is back soon; nothing is left."""
    server, fault = FAULTS[name]
    found = await at.undergo(name, server, fault)
    record(found)
    assert found.problems == [], found
