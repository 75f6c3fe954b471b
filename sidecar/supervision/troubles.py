"""The faults of a server that is connected and usable, which put it into the state `degraded` (ADR 22)."""

from __future__ import annotations

import logging

from bridge.errors import ErrorBody

log = logging.getLogger(__name__)

MAX_LOGGED = 5
"""Troubles that are logged with their text; of further ones only the count is."""


class ServerTroubles:
    """The current troubles of one server; changes are logged."""

    def __init__(self) -> None:
        self.all: tuple[ErrorBody, ...] = ()
        self.of_lists: tuple[ErrorBody, ...] = ()
        self._slowed: tuple[ErrorBody, ...] = ()

    def set(self, server: str, troubles: tuple[ErrorBody, ...]) -> None:
        """Replace the troubles of the lists of the server with the key `server`, and log a change."""
        self.of_lists = troubles
        self._update(server)

    def set_slowed(self, server: str, troubles: tuple[ErrorBody, ...]) -> None:
        """Replace the trouble that the server is being slowed down, and log a change."""
        self._slowed = troubles
        self._update(server)

    def _update(self, server: str) -> None:
        troubles = (*self.of_lists, *self._slowed)
        if self.all == troubles:
            return
        self.all = troubles
        if self.all:
            words = [f"{trouble.code}: {trouble.message}" for trouble in self.all[:MAX_LOGGED]]
            log.warning("server degraded", extra={"server": server, "troubles": words, "count": len(self.all)})
        else:
            log.info("server no longer degraded", extra={"server": server})
