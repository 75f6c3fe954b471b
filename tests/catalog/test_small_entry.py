"""A small entry of the catalogue still installs, starts and lists what it says; pip takes longer than CI has for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.catalog.checking import changed, check
from yamcp_ui_adapter.catalog.sources import ShippedEntries

pytestmark = pytest.mark.outside

SMALL = "yamcp-hub.catalog/memory"


async def test_it_lists_as_many_tools_as_it_says(tmp_path: Path) -> None:
    """`make catalog-check` does it with all entries that need no key."""
    entry = next(each for each in ShippedEntries().entries() if each["name"] == SMALL)
    assert changed(entry, await check(entry, tmp_path / "place")) == ""
