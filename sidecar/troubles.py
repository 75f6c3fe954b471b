"""What is wrong with a server that is connected and can be used: the state `degraded` (docs/adr/0022)."""

from __future__ import annotations

import logging

from bridge.errors import ErrorBody

log = logging.getLogger(__name__)

MOST_LOGGED = 5


class Troubles:
    """The troubles of one server, from several sources, each of which tells all that it sees at the moment."""

    def __init__(self) -> None:
        self.all: tuple[ErrorBody, ...] = ()
        self._by_source: dict[str, tuple[ErrorBody, ...]] = {}

    def set(self, server: str, source: str, troubles: tuple[ErrorBody, ...]) -> bool:
        """Replace those of one source; whether that is a change, of which the log is told then."""
        if self._by_source.get(source, ()) == troubles:
            return False
        self._by_source[source] = troubles
        self.all = tuple(trouble for each in self._by_source.values() for trouble in each)
        if self.all:
            words = [f"{trouble.code}: {trouble.message}" for trouble in self.all[:MOST_LOGGED]]
            log.warning("server degraded", extra={"server": server, "troubles": words, "count": len(self.all)})
        else:
            log.info("server no longer degraded", extra={"server": server})
        return True
