"""An unprotected hub loads nothing of sign-in, permissions and limits."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import sidecar.app
unwanted = (
    "bridge.access.", "bridge.credentials.", "sidecar.access.", "sidecar.quotas.", "sidecar.upstream_auth.",
    "mcp.client.auth",
)
wanted = {"bridge.access.patterns", "sidecar.access.credential", "sidecar.quotas.on_demand"}
found = [name for name in sys.modules if name.startswith(unwanted) and name not in wanted]
sys.exit(str(found) if found else 0)
"""
"""`credential` names holders of sessions, and `on_demand` loads the limits with the first one."""


@pytest.mark.outside
def test_nothing_is_loaded() -> None:
    """By the modules of the sidecar that every hub imports."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=100)
