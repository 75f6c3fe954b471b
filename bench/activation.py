"""How long it takes from `activate` to the first call, and from a start without a network to it.

`python -m bench.activation` builds a package of npm and one of Python, and adds both with real npm and pip, whose
registries cannot be reached. Exit code 1: a bar is missed.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.integration.activation.test_activation import DEAD, activated, called, offer
from tests.support.hub import Hub, running
from tests.support.packages import entry, tarball, wheel

ADDED, STARTED = 10.0, 3.0
"""The bars, in seconds: from `activate` to the result of the first call; from the start of the sidecar to it."""


async def added(hub: Hub, name: str, key: str) -> float:
    """The seconds from `activate` to the result of the first call."""
    began = time.monotonic()
    await activated(hub, name, key=key)
    await called(hub, f"{key}_greet")
    return time.monotonic() - began


async def main() -> int:
    """Print what was measured."""
    with tempfile.TemporaryDirectory() as built:
        async with running({}, {"w": []}, **DEAD) as hub:
            offer(hub, entry(tarball(Path(built)), "bench/node"), entry(wheel(Path(built)), "bench/python"))
            npm, pip = await added(hub, "bench/node", "node"), await added(hub, "bench/python", "py")
            await hub.stop("sidecar")
            began = time.monotonic()
            await hub.start("sidecar")
            await hub.wait_settled()
            await called(hub, "node_greet")
            await called(hub, "py_greet")
            started = time.monotonic() - began
    print(f"npm: {npm:.1f} s, pip: {pip:.1f} s from `activate` to the first call (bar: {ADDED:g} s)")
    print(f"start without a network: {started:.1f} s until both were called (bar: {STARTED:g} s)")
    return int(max(npm, pip) > ADDED or started > STARTED)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
