"""The exception with which the opening of a channel is put off."""

from __future__ import annotations

import asyncio

from bridge.errors import ErrorBody


class OpenLater(Exception):
    """A channel cannot be opened before `until` is done, which may take any time; `reason` says why."""

    def __init__(self, reason: ErrorBody, until: asyncio.Future[None]) -> None:
        super().__init__(reason.message)
        self.reason = reason
        self.until = until
