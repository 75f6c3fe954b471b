"""The context of a command: the settings, the output streams and their format, and clients of the bridge."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any, TextIO

import orjson
from pydantic import BaseModel

from bridge.author import Author
from bridge.client import BridgeClient, Subscriber
from bridge.settings import Settings
from bridge.sockets import ZMQ
from bridge.transport import Transport
from hubctl.render import Paint, visible

AUTHOR = Author(principal="local", source="hubctl")
"""Who makes the edits of hubctl: whoever may use the hub's sockets."""


@dataclass(frozen=True)
class Context:
    """The context that every command gets. `transport` is in-memory in tests."""

    settings: Settings
    json: bool = False
    paint: Paint = field(default_factory=Paint)
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    transport: Transport = ZMQ
    columns: int | None = None
    """The terminal's width; None if the output is no terminal, and lines need no limit."""

    def actual(self) -> BridgeClient:
        """Return a bridge client of the sidecar, which knows the actual state."""
        return BridgeClient(self.settings.actual_address, transport=self.transport)

    def desired(self) -> BridgeClient:
        """Return a bridge client of the adapter, which knows the desired state."""
        return BridgeClient(self.settings.desired_address, transport=self.transport, by=AUTHOR)

    def records(self) -> BridgeClient:
        """Return a bridge client of the recorder, which keeps the history."""
        return BridgeClient(self.settings.records_address, transport=self.transport)

    def events(self, *topics: str) -> Subscriber:
        """Subscribe to the sidecar's events of these topics; without topics, to all events."""
        if not topics:
            return Subscriber(self.settings.events_address, transport=self.transport)
        return Subscriber(self.settings.events_address, topics, transport=self.transport)

    def say(self, *lines: str) -> None:
        """Write lines and flush. Control characters are escaped, except for the colours that `paint` adds."""
        for line in lines:
            self.out.write(visible(line, self.paint) + "\n")
        self.out.flush()

    def part(self, text: str) -> None:
        """Write a part of a file as it is. It has no control characters but tabs and ends of lines."""
        self.out.write(text)

    def emit(self, value: Any) -> None:
        """Write a value as one line of JSON, for scripts."""
        self.say(dumps(value))


def dumps(value: Any) -> str:
    """Encode a model, or any JSON value, as one line of JSON.

    Control characters, including C1 and bidirectional controls, are escaped: the value stays the same for a program,
    and a terminal does not interpret them.
    """
    try:
        line = orjson.dumps(value, default=_plain).decode()
    except orjson.JSONEncodeError:  # half a character, or an integer of more than 64 bits
        line = json.dumps(value, default=_plain, separators=(",", ":"))
    return line if line.isprintable() else "".join(map(_escaped, line))


def _escaped(char: str) -> str:
    """Escape a character of a JSON text if a terminal would interpret it."""
    return char if char.isprintable() else json.dumps(char)[1:-1]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError
