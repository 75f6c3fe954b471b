"""Ends the process when its file changes: the hub then starts it again with the new content."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

SECONDS = 1.0
"""Between two looks at the file."""
EXIT_CODE = 3
Version = tuple[int, int, int] | None


def version_of(path: Path) -> Version:
    """What changes with the content of a file; None if there is no file, as while an editor replaces it."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


async def end_on_change(path: Path, served: Version, seconds: float = SECONDS) -> None:
    """Wait until the file is not the `served` version any more, and has been the same for a look; end the process."""
    before = served
    while True:
        await asyncio.sleep(seconds)
        now = version_of(path)
        if now is not None and now == before != served:
            print(
                f"{path} has changed: the server ends, to be started with the new content", file=sys.stderr, flush=True
            )
            os._exit(EXIT_CODE)
        before = now
