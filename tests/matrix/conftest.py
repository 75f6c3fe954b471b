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
    """Show the table, and with MATRIX_WRITE set put it into docs/clients.md."""
    cells = config.stash[CELLS]
    if cells.tried:
        terminalreporter.section("client matrix")
        terminalreporter.write_line("\n".join(cells.lines()))
    if os.environ.get("MATRIX_WRITE"):
        assert cells.complete, "docs/clients.md shows a table of every client, and not all were tried"
        text = document.written(document.DOCUMENT.read_text("utf-8"))
        document.DOCUMENT.write_text(document.with_results(text, cells.lines()), "utf-8")
        terminalreporter.write_line("written: docs/clients.md")
