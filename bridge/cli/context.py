"""What every command gets: the settings in force, where to write and how, and the way to the hub."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any, TextIO

import orjson
from pydantic import BaseModel

from bridge.cli.render import Paint
from bridge.client import BridgeClient, Subscriber
from bridge.settings import Settings
from bridge.sockets import ZMQ
from bridge.transport import Transport


@dataclass(frozen=True)
class Context:
    """A command's surroundings. `transport` is the bridge's memory in tests."""

    settings: Settings
    json: bool = False
    paint: Paint = field(default_factory=Paint)
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    transport: Transport = ZMQ

    def actual(self) -> BridgeClient:
        """A client of the sidecar: what is."""
        return BridgeClient(self.settings.actual_address, transport=self.transport)

    def desired(self) -> BridgeClient:
        """A client of the adapter: what should be."""
        return BridgeClient(self.settings.desired_address, transport=self.transport)

    def events(self, *topics: str) -> Subscriber:
        """The sidecar's events of these topics; of all when none is named."""
        if not topics:
            return Subscriber(self.settings.events_address, transport=self.transport)
        return Subscriber(self.settings.events_address, topics, transport=self.transport)

    def say(self, *lines: str) -> None:
        """Write lines for a person, at once."""
        for line in lines:
            self.out.write(line + "\n")
        self.out.flush()

    def emit(self, value: Any) -> None:
        """Write one JSON value on a line, for a script."""
        self.say(dumps(value))


def dumps(value: Any) -> str:
    """A model, or any plain value, as one line of JSON."""
    return orjson.dumps(value, default=_plain).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError
