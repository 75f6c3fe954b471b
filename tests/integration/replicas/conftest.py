"""Replicas for the tests of this folder."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sidecar.observe.log_buffer import SERVER_LOGGER
from tests.support.replicas import Replicas


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """The app configures logging for its process: take that back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("mcp", "uvicorn", "fastmcp"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.getLogger(SERVER_LOGGER).filters.clear()


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
