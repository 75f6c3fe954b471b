"""Replicas for the tests of this folder."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.as_it_was import process_as_it_was  # noqa: F401 - a fixture
from tests.support.replicas import Replicas


@pytest.fixture
async def replicas(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Replicas]:
    """Ended at the end."""
    with tempfile.TemporaryDirectory(prefix="hub") as root:
        made = Replicas(Path(root), monkeypatch)
        try:
            yield made
        finally:
            for number in range(len(made.apps)):
                await made.end(number)
