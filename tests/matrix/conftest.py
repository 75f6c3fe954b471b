"""The matrix's table, which is shown at the end."""

from __future__ import annotations

import os

import pytest

from tests.matrix import document
from tests.matrix.table import Cells

CELLS = pytest.StashKey[Cells]()


def pytest_configure(config: pytest.Config) -> None:
    """Nothing has been tried."""
    config.stash[CELLS] = Cells()


@pytest.fixture
def cells(request: pytest.FixtureRequest) -> Cells:
    """Where a test tells what worked."""
    return request.config.stash[CELLS]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the table."""
    terminalreporter.section("client matrix")
    for line in config.stash[CELLS].lines():
        terminalreporter.line(line)
    if os.environ.get("MATRIX_WRITE"):
        assert config.stash[CELLS].complete, "the table is written when every client was tried"
        document.write(config.stash[CELLS].lines())
        terminalreporter.line("written: docs/clients.md")
