"""Which servers' lists changed here, for the other replicas; and what they say of theirs.

A server tells its own connections that a list changed, and many a server tells only one of them. So a replica whose
server has other lists than before tells the others, which read the lists of that server again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sidecar.upstream.upstream import Upstream

QUIET_SECONDS = 10.0
"""For how long after such a reading no change of that server is told: a server whose lists differ with each reading
would have the replicas tell each other of it for ever."""


class ListChanges:
    """Compares the lists of the shared servers with those at the last look."""

    def __init__(
        self, servers: Callable[[], Collection[Upstream]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._servers = servers
        self._clock = clock
        self._seen: dict[Upstream, tuple[Any, ...]] = {}
        """The lists at the last look."""
        self._quiet: dict[str, float] = {}
        """Until when changes of a server are not told."""
        self.untold: set[str] = set()
        """Servers whose lists have changed, of which the others do not know yet."""
        self._marks: dict[str, str] | None = None
        """The mark of the last change of each server, and the newest as that of ''; None before the first look."""

    def look(self) -> None:
        """Find the servers whose lists have changed since the last look."""
        now = self._clock()
        seen: dict[Upstream, tuple[Any, ...]] = {}
        for server in self._servers():
            if server.catalog is not None:
                lists = seen[server] = server.catalog.lists
                if lists != self._seen.get(server, lists) and self._quiet.get(server.spec.key, 0.0) <= now:
                    self.untold.add(server.spec.key)
        self._seen = seen
        self._quiet = {key: until for key, until in self._quiet.items() if until > now}

    def told(self, servers: Collection[str], mark: str) -> None:
        """The others were told of the changes of these servers, which have this mark now."""
        self.untold.difference_update(servers)
        if self._marks is not None:
            self._marks.update(dict.fromkeys(servers, mark))

    def differs(self, newest: str) -> bool:
        """Whether the marks have to be read; `newest` is the newest one."""
        return self._marks is None or newest != self._marks.get("", "")

    def learn(self, marks: dict[str, str]) -> list[str]:
        """Take over the marks, and have the lists read again of the servers that changed elsewhere; returns their keys.
        The first marks say nothing: the lists are not older than these."""
        before, self._marks = self._marks, dict(marks)
        if before is None:
            return []
        until, read = self._clock() + QUIET_SECONDS, set[str]()
        for server in self._servers():
            key = server.spec.key
            if server.connection is not None and marks.get(key, "") not in ("", before.get(key)):
                self._quiet[key] = until
                server.connection.read_lists()
                read.add(key)
        return sorted(read)
