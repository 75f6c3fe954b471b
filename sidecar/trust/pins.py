"""Keeps in pins.json what clients were shown of servers when it was accepted: tools, prompts, templates, instructions.

The file: by server key and by definition (definition.py) the digests and forms of each item. Digests of up to
`MAX_VARIANTS` accepted forms are kept, so that a server may offer principals different ones.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from bridge.private import write_file
from sidecar.trust.tool_hash import digest

log = logging.getLogger(__name__)

FORMAT = 1
MAX_SERVERS, MAX_DEFINITIONS, MAX_VARIANTS = 500, 3, 8
MAX_ITEMS = 5000
"""Items of one server that are pinned; more count as new."""
MAX_FORM = 32 * 1024
"""Bytes of a form that is kept to show what changed; of longer ones only the digest is."""
MAX_FORMS = 1024 * 1024
"""Bytes of the forms of one server that are kept."""

Kind = Literal["tool", "prompt", "template", "instructions"]
LISTED: tuple[Kind, ...] = ("tool", "prompt", "template")
KINDS: tuple[Kind, ...] = (*LISTED, "instructions")


@dataclass(slots=True)
class Pin:
    """An accepted item: the digests of its accepted forms, newest first, and the newest form."""

    digests: list[str]
    form: str | None = None


@dataclass(slots=True)
class ServerPins:
    """The pins of one server with one definition. A kind is missing until the server offered something of it."""

    since: float
    """When they were begun (Unix time, seconds)."""
    renewed: bool = False
    """Whether the server had another definition before."""
    launch: str = ""
    """What was started when the server's lists were last seen (`definition.launch_of`)."""
    kinds: dict[Kind, dict[str, Pin]] = field(default_factory=dict)
    rejected: dict[Kind, dict[str, str]] = field(default_factory=dict)
    """The digests of forms that an administrator has rejected, of each item the last one."""

    def put(self, kind: Kind, name: str, form: bytes) -> None:
        """Pin an item; earlier accepted forms of it stay accepted."""
        pins = self.kinds.setdefault(kind, {})
        if name not in pins and len(pins) >= MAX_ITEMS:
            return
        made, before = digest(form), pins.get(name)
        digests = [made, *(each for each in (before.digests if before else ()) if each != made)][:MAX_VARIANTS]
        kept = sum(len(pin.form or "") for of_kind in self.kinds.values() for pin in of_kind.values())
        fits = len(form) <= MAX_FORM and kept + len(form) <= MAX_FORMS
        pins[name] = Pin(digests, form.decode() if fits else None)
        self.rejected.get(kind, {}).pop(name, None)

    def reject(self, kind: Kind, name: str, rejected: str) -> None:
        """Note the digest of a rejected form of an item."""
        names = self.rejected.setdefault(kind, {})
        if name in names or len(names) < MAX_ITEMS:
            names[name] = rejected

    def is_rejected(self, kind: Kind, name: str, made: str) -> bool:
        """Whether the form with this digest is rejected."""
        return self.rejected.get(kind, {}).get(name) == made


class Pins:
    """All pins. `path` is read when a pin is first asked for; until then nothing is read or kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._servers: dict[str, dict[str, ServerPins]] | None = None

    def of(self, server: str, definition: str, launch: Callable[[], str]) -> ServerPins:
        """The pins of a server with a definition. If the server has no pins at all, it gets those of the server that
        starts the same (`launch`): it was renamed or copied. Otherwise they are new and empty.
        """
        known = self._read().setdefault(server, {})
        if definition not in known:
            twin = None if known else self._twin(definition, launch())
            known[definition] = deepcopy(twin) if twin else ServerPins(time.time(), renewed=bool(known))
            if twin:
                self.write()
        return known[definition]

    def _twin(self, definition: str, launch: str) -> ServerPins | None:
        twins = (each[definition] for each in self._read().values() if definition in each)
        return max((each for each in twins if each.launch == launch), key=lambda each: each.since, default=None)

    def keep(self, modes: Mapping[str, str]) -> None:
        """Forget the pins of servers that allow changes. `modes`: the setting `changes` of all servers, by key.

        Pins of removed servers stay (within `MAX_SERVERS`), so that removing and adding a server resets nothing.
        """
        if self._servers is None and not self._path.exists():
            return
        dropped = [key for key in self._read() if modes.get(key) == "allow"]
        for key in dropped:
            del self._read()[key]
        if dropped:
            self.write()

    def write(self) -> None:
        """Write the file. A failure is logged: the pins count until the process ends."""
        servers = self._read()
        for key in list(servers)[: max(len(servers) - MAX_SERVERS, 0)]:
            del servers[key]
        for key, definitions in servers.items():
            newest = sorted(definitions.items(), key=lambda each: each[1].since)[-MAX_DEFINITIONS:]
            servers[key] = dict(newest)
        try:
            write_file(self._path, orjson.dumps({"format": FORMAT, "servers": servers}))
        except OSError as error:
            log.warning("pins could not be written", extra={"reason": error.strerror})

    def _read(self) -> dict[str, dict[str, ServerPins]]:
        if self._servers is not None:
            return self._servers
        self._servers = {}
        try:
            self._servers = _parsed(orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            aside = self._path.with_suffix(".json.broken")
            with suppress(OSError):
                self._path.rename(aside)
            log.warning(
                "pins.json is broken: it is moved aside, and everything is pinned anew", extra={"to": str(aside)}
            )
        return self._servers


def _parsed(content: Any) -> dict[str, dict[str, ServerPins]]:
    """The pins in the file. Raises ValueError, TypeError, KeyError, AttributeError if it is malformed."""
    if content["format"] != FORMAT:
        raise ValueError(content["format"])
    return {
        key: {made: _server_pins(pins) for made, pins in definitions.items()}
        for key, definitions in content["servers"].items()
    }


def _server_pins(kept: Any) -> ServerPins:
    kinds: dict[Kind, dict[str, Pin]] = {
        kind: {
            name: Pin([str(each) for each in pin["digests"]], pin["form"]) for name, pin in kept["kinds"][kind].items()
        }
        for kind in KINDS
        if kind in kept["kinds"]
    }
    refused = kept.get("rejected", {})
    rejected: dict[Kind, dict[str, str]] = {
        kind: {str(name): str(made) for name, made in refused[kind].items()} for kind in KINDS if kind in refused
    }
    launch = str(kept.get("launch", ""))
    return ServerPins(float(kept["since"]), bool(kept["renewed"]), launch, kinds, rejected)
