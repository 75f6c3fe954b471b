"""`python rewriter.py FILE PREFIX COUNT`: adds entries to a file as YAMCP-UI does: read, change, truncate, write."""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

PAUSE = 0.012
"""Seconds between two changes, on average."""


def read(path: Path) -> dict[str, Any]:
    """What the file says, once it says anything."""
    while True:
        try:
            return dict(json.loads(path.read_text("utf-8")))
        except ValueError:
            time.sleep(0.0005)


def main(path: Path, prefix: str, count: int) -> None:
    """Add that many entries, one by one."""
    entry: Any = ["a"] if prefix == "w" else {"namespace": "n", "type": "stdio", "providerParameters": {"command": "c"}}
    pauses = random.Random(prefix)
    for number in range(count):
        content = read(path)
        time.sleep(0.0005)  # as long as a Node program takes between reading and writing
        content[f"{prefix}{number}"] = entry
        with path.open("w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        time.sleep(PAUSE * 2 * pauses.random())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
