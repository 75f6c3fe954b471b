"""Clients' connections, on the event loop that the sidecar runs on: asyncio's lets pass what uvloop refuses."""

from collections.abc import Callable

import uvloop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], object]]:
    """One loop only."""
    return {"uvloop": uvloop.new_event_loop}
