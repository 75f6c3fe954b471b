"""Follows variables.json: servers whose definitions refer to a changed variable get new processes, as for an edit."""

from __future__ import annotations

import asyncio
import logging

from bridge.models import ServerSpec
from sidecar.hub.hub import Hub
from sidecar.secret_sources.variables_file import VariablesFile
from sidecar.upstream.variables import names_in

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
"""Seconds between two looks at the file, which may be on a volume that tells of no changes."""


class LiveVariables:
    """Looks at the file, and tells the hub which servers are concerned."""

    def __init__(self, hub: Hub, file: VariablesFile) -> None:
        self._hub = hub
        self.file = file

    async def run(self) -> None:
        """Look at the file every POLL_SECONDS, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(POLL_SECONDS)

    def look(self) -> None:
        """Look at the file now."""
        if not (changed := self.file.look()):
            return
        snapshot = self._hub.snapshot
        keys = {server.key for server in snapshot.servers if _refers(server, changed)} if snapshot else set[str]()
        log.info("variables changed", extra={"variables": sorted(changed), "servers": sorted(keys)})
        if snapshot and keys:
            self._hub.apply(snapshot, keys)


def _refers(spec: ServerSpec, names: frozenset[str]) -> bool:
    return not names.isdisjoint(names_in(spec.launch))
