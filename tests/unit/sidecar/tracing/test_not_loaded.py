"""A hub without an OTLP endpoint loads nothing of OpenTelemetry's SDK."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import sidecar.app
unwanted = ("opentelemetry.sdk", "opentelemetry.exporter", "sidecar.tracing")
found = [name for name in sys.modules if name.startswith(unwanted)]
sys.exit(str(found) if found else 0)
"""


@pytest.mark.outside
def test_nothing_is_loaded() -> None:
    """By the modules of the sidecar that every hub imports."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=100)
