"""Keeps the lists of lazy and of kept servers on disk, so that the next sidecar can list their tools at once.

The file is an object: fingerprint of the definition, then the handshake's answer and the lists as they were last read.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from bridge.private import write_file
from sidecar.protocol.catalog import LIST_METHODS, Catalog, Greeting

log = logging.getLogger(__name__)

FORMAT = 1
"""The version of the file's format; a file of another version is not read."""
MAX_BYTES = 4 * 1024 * 1024
"""Largest lists of one server that are kept, as JSON. A server with larger ones is started to read them."""


class KnownLists:
    """The lists by fingerprint; `path` is read when they are first asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, dict[str, Any]] | None = None

    def get(self, fingerprint: str) -> Catalog | None:
        """The lists of a server as they were last read; None if they are not known."""
        kept = self._read().get(fingerprint)
        try:
            return None if kept is None else _catalog(kept)
        except (TypeError, KeyError, AttributeError, ValueError):
            return None

    def put(self, fingerprint: str, catalog: Catalog) -> None:
        """Keep the lists of a server, if they differ from those kept."""
        kept, made = self._read(), asdict(catalog)
        if len(orjson.dumps(made)) <= MAX_BYTES:
            made = orjson.loads(orjson.dumps(made))
            if kept.get(fingerprint) != made:
                self._write({**kept, fingerprint: made})

    def keep(self, fingerprints: set[str]) -> None:
        """Forget all servers but those with these fingerprints."""
        kept = self._read()
        left = {fingerprint: lists for fingerprint, lists in kept.items() if fingerprint in fingerprints}
        if left.keys() != kept.keys():
            self._write(left)

    def _read(self) -> dict[str, dict[str, Any]]:
        if self._kept is None:
            self._kept = {}
            try:
                content = orjson.loads(self._path.read_bytes())
            except (OSError, ValueError):
                return self._kept
            if isinstance(content, dict) and content.get("format") == FORMAT and isinstance(content.get("lists"), dict):
                self._kept = content["lists"]
        return self._kept

    def _write(self, lists: dict[str, dict[str, Any]]) -> None:
        self._kept = lists
        try:
            write_file(self._path, orjson.dumps({"format": FORMAT, "lists": lists}), sync=False)
        except OSError as error:  # the lists are read again after a restart
            log.warning("the lists of lazy servers could not be kept", extra={"reason": error.strerror})


def _catalog(kept: dict[str, Any]) -> Catalog:
    """The catalog in the file. Raises TypeError, KeyError, AttributeError, ValueError if it is malformed."""
    lists: dict[str, Any] = {kind: tuple(dict(item) for item in kept[kind]) for kind in LIST_METHODS}
    return Catalog(greeting=Greeting(**kept["greeting"]), **lists)
