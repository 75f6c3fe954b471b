"""A fixture for tests that run sidecars in the tests' own process."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

import pytest

from sidecar.observe.log_buffer import SERVER_LOGGER
from sidecar.spawner import proc
from sidecar.spawner.client import set_subreaper


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """Take back what a sidecar changes in its process: logging, and that it is a child subreaper (prctl(2)).

    Each spawner restores that by itself, but several in one process end in another order than they began. What the
    process has adopted meanwhile, and is dead, is reaped.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    subreaper = set_subreaper(False)
    set_subreaper(subreaper)
    yield
    set_subreaper(subreaper)
    for child in proc.Table().children(os.getpid()):
        if not child.alive:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("mcp", "uvicorn", "fastmcp"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.getLogger(SERVER_LOGGER).filters.clear()
