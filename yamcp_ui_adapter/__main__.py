"""`python -m yamcp_ui_adapter`: runs the adapter as a process. Exit status 2, with one line on stderr: it
cannot start.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys

from bridge import heartbeat
from bridge.errors import HubError
from bridge.logs import configure
from bridge.settings import Settings, load
from yamcp_ui_adapter.app import run


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
    try:
        settings = load()
        configure("adapter", settings.log_level)
        logging.getLogger("watchfiles").setLevel(logging.WARNING)
        gc.freeze()  # what is imported stays: without it a collection takes longer than reading 100 workspaces
        asyncio.run(_run_until_signal(settings))
    except HubError as error:
        return _cannot_start(error)
    except BaseExceptionGroup as group:
        if found := _single_error(group):
            return _cannot_start(found)
        raise
    return 0


async def _run_until_signal(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    heartbeat.start()
    adapter = asyncio.ensure_future(run(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, adapter.cancel)
    try:
        await adapter
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("stopped")


def _single_error(group: BaseExceptionGroup[BaseException]) -> HubError | None:
    """Return the error in the group that prevented the start, if there is exactly one."""
    ours, others = group.split(HubError)
    if ours is None or others is not None:
        return None
    found: BaseException = ours
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, HubError) else None


def _cannot_start(error: HubError) -> int:
    sys.stderr.write(f"{error.code}: {error.message} {error.advice}".replace("\n", " ") + "\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
