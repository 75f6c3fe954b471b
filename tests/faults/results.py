"""The file of findings that `tests.faults.report` reads: JSON lines, at HUB_FAULTS_RESULTS."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def record(found: dict[str, Any]) -> None:
    """Add a finding to the file, if one is named."""
    if path := os.environ.get("HUB_FAULTS_RESULTS"):
        with Path(path).open("a") as file:
            file.write(json.dumps(found) + "\n")
