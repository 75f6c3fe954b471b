"""Two small entries of the catalogue, one of npm and one of PyPI, still install, start and list what they say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.catalog.checking import changed, check
from yamcp_ui_adapter.catalog.sources import ShippedEntries

pytestmark = pytest.mark.outside

SMALL = ("yamcp-hub.catalog/memory", "yamcp-hub.catalog/time")


async def test_they_list_as_many_tools_as_they_say(tmp_path: Path) -> None:
    """`make catalog-check` does it with all entries that need no key."""
    entries = [each for each in ShippedEntries().entries() if each["name"] in SMALL]
    outcomes = await asyncio.gather(*(check(each, tmp_path / str(number)) for number, each in enumerate(entries)))
    assert [changed(*pair) for pair in zip(entries, outcomes, strict=True)] == ["", ""]
