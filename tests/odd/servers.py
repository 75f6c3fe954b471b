"""The odd servers of stdio_server.py as the hub starts them, and which of their tools must be listed and callable."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from bridge.models import ServerSpec
from tests.odd.stdio_server import HABITS, ODD_TOOLS
from tests.support import sidecar

PROGRAM = Path(__file__).with_name("stdio_server.py")
START = 10
"""Seconds that one may take to start; `list-silent` takes as long for one of its lists."""
REPAIRED = {
    "schema-null": ("null", "missing", "described"),
    "schema-odd": ("empty", "bare", "required", "untyped", "icons"),
    "no-properties": ("plain",),
    "scalar-output": ("scalar",),
}
"""Tools that are odd, and are listed all the same; docs/transparency.md has the table of repairs."""


@dataclass(frozen=True, slots=True)
class OddServer:
    """A server, and the tools that every client has to see; the first of them answers `fine`."""

    spec: ServerSpec
    good_tools: tuple[str, ...]


def odd_servers() -> list[OddServer]:
    """One for each habit."""
    assert REPAIRED.keys() == ODD_TOOLS.keys()
    return [
        OddServer(
            sidecar.stdio(habit, sys.executable, str(PROGRAM), habit, start_timeout=START),
            ("fine", *REPAIRED.get(habit, ())),
        )
        for habit in HABITS
    ]
