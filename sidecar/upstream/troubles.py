"""What is wrong with a server that is connected and can be used: the state `degraded` (docs/adr/0022)."""

from __future__ import annotations

import logging

from bridge.errors import ErrorBody

log = logging.getLogger(__name__)

MOST_LOGGED = 5


class Troubles:
    """The troubles of one server."""

    def __init__(self) -> None:
        self.all: tuple[ErrorBody, ...] = ()

    def set(self, server: str, troubles: tuple[ErrorBody, ...]) -> None:
        """Replace them; a change is logged."""
        if self.all == troubles:
            return
        self.all = troubles
        if self.all:
            words = [f"{trouble.code}: {trouble.message}" for trouble in self.all[:MOST_LOGGED]]
            log.warning("server degraded", extra={"server": server, "troubles": words, "count": len(self.all)})
        else:
            log.info("server no longer degraded", extra={"server": server})
