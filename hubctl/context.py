"""What every command gets: the settings in force, where to write and how, and the way to the hub."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any, TextIO

import orjson
from pydantic import BaseModel

from bridge.client import BridgeClient, Subscriber
from bridge.settings import Settings
from bridge.sockets import ZMQ
from bridge.transport import Transport
from hubctl.render import Paint, visible


@dataclass(frozen=True)
class Context:
    """A command's surroundings. `transport` is the bridge's memory in tests."""

    settings: Settings
    json: bool = False
    paint: Paint = field(default_factory=Paint)
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    transport: Transport = ZMQ
    columns: int | None = None
    """The width of the terminal, where the output is one; else lines are as long as they need to be."""

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
        """Write lines, at once. Whatever is in them, a terminal obeys nothing of it but the colours of `paint`."""
        for line in lines:
            self.out.write(visible(line, self.paint) + "\n")
        self.out.flush()

    def emit(self, value: Any) -> None:
        """Write one JSON value on a line, for a script."""
        self.say(dumps(value))


def dumps(value: Any) -> str:
    """A model, or any plain value, as one line of JSON.

    Control characters, C1 and those that turn the direction of text too, are escaped: a program reads the same value,
    and a terminal obeys none of them.
    """
    try:
        line = orjson.dumps(value, default=_plain).decode()
    except orjson.JSONEncodeError:  # half a character, or an integer of more than 64 bits
        line = json.dumps(value, default=_plain, separators=(",", ":"))
    return line if line.isprintable() else "".join(map(_escaped, line))


def _escaped(char: str) -> str:
    """A character of a JSON text; one that a terminal obeys, or shows elsewhere, as its escape."""
    return char if char.isprintable() else json.dumps(char)[1:-1]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError
