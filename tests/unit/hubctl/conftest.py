"""The canned hub as a fixture."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.hubctl.canned import CannedHub, settings


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[CannedHub]:
    """Both sides of a canned hub."""
    async with CannedHub(settings(tmp_path)).serving() as serving:
        yield serving
