"""keys_used.json: when each named key was last used, for people who look which one is needed no more.

Apart from keys.json, which front and sidecar read anew with each change: a use changes nothing of who is let in.
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

NAME = "keys_used.json"
PERIOD = 60.0
"""Seconds between two questions to the sidecar, and between two writes of the file."""
PATIENCE = 1.0
"""Seconds that a list of the keys waits for the sidecar."""


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    used: dict[str, float]


class KeyUses:
    """The times, in memory, and in the file at most a minute later. `known` gives the ids of the keys there are."""

    def __init__(self, path: Path, known: Callable[[], Collection[str]]) -> None:
        self._path = path
        self._known = known
        self._client: BridgeClient | None = None
        self._written = _read(path)
        self._used = dict(self._written)

    def last(self, key: str) -> float | None:
        """When the key of that id was last used (Unix time); None if that is not known."""
        return self._used.get(key)

    def note(self, uses: Mapping[str, float]) -> None:
        """Take over later times of keys that there are; none is later than now."""
        known, now = self._known(), time.time()
        for key, at in uses.items():
            if key in known and math.isfinite(at):
                self._used[key] = max(self._used.get(key, 0.0), min(at, now))

    async def ask(self) -> None:
        """Take over what the sidecar knows. While it is away, or of an older version, nothing changes."""
        client = self._client
        if client is None or client.peer_session is None or not self._known():
            return
        try:
            self.note((await client.request(ReadKeyUses(), timeout=PATIENCE)).uses)
        except HubError as error:
            log.debug("the sidecar does not say which keys were used", extra={"code": error.code})

    async def run(self, address: str, transport: Transport) -> None:
        """Ask the sidecar at that address and write the file each minute, until cancelled."""
        async with BridgeClient(address, transport=transport) as client:
            self._client = client
            try:
                while True:
                    await asyncio.sleep(PERIOD)
                    await self.ask()
                    self.save()
            finally:
                self._client = None
                self.save()

    def save(self) -> None:
        """Write the file if anything in it is to be another. That it cannot be written is logged, and no error."""
        known = self._known()
        self._used = {key: at for key, at in self._used.items() if key in known}
        if self._used == self._written:
            return
        try:
            write_file(self._path, json.dumps({"used": self._used}).encode(), sync=False)
        except OSError as error:
            log.warning("when keys were used cannot be written", extra={"file": NAME, "why": error.strerror})
        else:
            self._written = dict(self._used)


def _read(path: Path) -> dict[str, float]:
    """What the file says; nothing where it is missing or cannot be used."""
    try:
        return _Content.model_validate_json(path.read_bytes()).used
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        log.warning("when keys were used is not known: the file cannot be used", extra={"file": NAME})
        return {}
