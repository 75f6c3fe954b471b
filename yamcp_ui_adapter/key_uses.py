"""Keeps the time of each named key's last use in keys_used.json, so that users see which keys are no longer needed.

The file is separate from keys.json, because front and sidecar read keys.json again after each change.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bridge.client import BridgeClient
from bridge.errors import HubError
from bridge.models import ReadKeyUses
from bridge.private import write_file
from bridge.transport import Transport

log = logging.getLogger(__name__)

USES_FILE = "keys_used.json"
SAVE_INTERVAL_SECONDS = 60.0
"""Seconds between two requests to the sidecar, each followed by a write of the file."""
SIDECAR_TIMEOUT_SECONDS = 1.0
"""Seconds that a list of the keys waits for the sidecar's answer."""


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    used: dict[str, float]


class KeyUses:
    """The times of last use, in memory, and written to the file at most a minute later. `known` returns the ids of all
    keys.
    """

    def __init__(self, path: Path, known: Callable[[], Collection[str]]) -> None:
        self._path = path
        self._known = known
        self._client: BridgeClient | None = None
        self.on_grants: Callable[[Mapping[str, float]], None] | None = None
        """Called with the uses of OAuth grants that the sidecar knows of, by the grants' ids."""
        self._written = _read(path)
        self._used = dict(self._written)

    def last(self, key: str) -> float | None:
        """Return when the key with that id was last used (Unix time); None if unknown."""
        return self._used.get(key)

    def note(self, uses: Mapping[str, float]) -> None:
        """Record later times for keys that exist; a time in the future is replaced by the present time."""
        known, now = self._known(), time.time()
        for key, at in uses.items():
            if key in known and math.isfinite(at):
                self._used[key] = max(self._used.get(key, 0.0), min(at, now))

    async def fetch(self) -> None:
        """Record the uses that the sidecar knows of. If it is away, or of an older version, nothing changes."""
        client = self._client
        if client is None or client.peer_session is None or not (self._known() or self.on_grants):
            return
        try:
            found = await client.request(ReadKeyUses(), timeout=SIDECAR_TIMEOUT_SECONDS)
        except HubError as error:
            log.debug("the sidecar does not say which keys were used", extra={"code": error.code})
            return
        self.note(found.uses)
        if self.on_grants:
            self.on_grants(found.grants)

    async def run(self, address: str, transport: Transport) -> None:
        """Fetch uses from the sidecar at that address and write the file each minute, until cancelled."""
        async with BridgeClient(address, transport=transport) as client:
            self._client = client
            try:
                while True:
                    await asyncio.sleep(SAVE_INTERVAL_SECONDS)
                    await self.fetch()
                    self.save()
            finally:
                self._client = None
                self.save()

    def save(self) -> None:
        """Write the file if its content changes. A failure is logged, not raised."""
        known = self._known()
        self._used = {key: at for key, at in self._used.items() if key in known}
        if self._used == self._written:
            return
        try:
            write_file(self._path, json.dumps({"used": self._used}).encode(), sync=False)
        except OSError as error:
            log.warning("the times of key uses cannot be written", extra={"file": USES_FILE, "why": error.strerror})
        else:
            self._written = dict(self._used)


def _read(path: Path) -> dict[str, float]:
    """Return the times in the file; empty if it is missing or unusable."""
    try:
        return _Content.model_validate_json(path.read_bytes()).used
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        log.warning("the times of key uses are unknown: the file is unusable", extra={"file": USES_FILE})
        return {}
