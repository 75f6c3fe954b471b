"""How an edit of the hub's files begins and ends: where several hubs share a configuration, in a transaction."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

Editing = Callable[..., AbstractAsyncContextManager[None]]
"""Called with the names of the files that a block is going to change; raises HubError if they may not be changed."""


@contextlib.asynccontextmanager
async def no_source(*_: str) -> AsyncIterator[None]:
    """The edit of a hub that shares its configuration with no other one."""
    yield
