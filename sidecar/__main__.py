"""The sidecar process: `python -m sidecar`."""

from __future__ import annotations

import asyncio
import gc
import sys

import uvloop

from bridge.errors import HubError
from bridge.settings import load
from sidecar.app import App


async def _main() -> None:
    await App(load()).run()


def main() -> int:
    """Run until SIGTERM or SIGINT; 2 when a setting cannot be used."""
    gc.collect()
    gc.freeze()  # what was imported stays: to look through it for garbage held every client up for 80 ms each time
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_main())
    except HubError as error:
        sys.stderr.write(f"{error.code}: {error.message} {error.advice}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
