"""A hub whose workspaces show none of the hub's own tools loads nothing of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import sidecar.app
wanted = {"sidecar.hub_tools.on_demand", "sidecar.hub_tools.channel"}
unwanted = ("sidecar.hub_tools.", "sidecar.calls.fan_out")
found = [name for name in sys.modules if name.startswith(unwanted) and name not in wanted]
sys.exit(str(found) if found else 0)
"""
"""`on_demand` loads the tools with the first workspace that shows some."""


@pytest.mark.outside
def test_nothing_is_loaded() -> None:
    """By the modules of the sidecar that every hub imports."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=100)
