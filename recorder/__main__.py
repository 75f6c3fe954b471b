"""`python -m recorder`: runs the recorder as a process. Exit status 2, with one line on stderr: it cannot start."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys

from bridge.errors import HubError
from bridge.logs import configure
from bridge.settings import Settings, load
from recorder.app import run

NICENESS = 10
"""Added to the process's niceness: whoever calls servers comes first, and the spool waits."""


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
    os.nice(NICENESS)
    try:
        settings = load()
        configure("recorder", settings.log_level)
        gc.freeze()
        asyncio.run(_run_until_signal(settings))
    except HubError as error:
        return _cannot_start(error)
    except BaseExceptionGroup as group:
        if isinstance(found := group.exceptions[0], HubError):
            return _cannot_start(found)
        raise
    return 0


async def _run_until_signal(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    recorder = asyncio.ensure_future(run(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, recorder.cancel)
    try:
        await recorder
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("stopped")


def _cannot_start(error: HubError) -> int:
    sys.stderr.write(f"{error.code}: {error.message} {error.advice}".replace("\n", " ") + "\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
