"""The client's side of a demo server that runs in this process, on a thread, over a pair of pipes."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from demo_servers.toolkit.stdio_server import Server

Json = dict[str, Any]
META = "io.modelcontextprotocol/"


class Peer:
    """Sends frames, reads frames; requests are answered in any order, notifications are kept."""

    def __init__(self, server: Server, *, capabilities: Json | None = None) -> None:
        incoming, self._outgoing = os.pipe()
        self._answers, outgoing = os.pipe()
        self._reader = os.fdopen(self._answers, "rb")
        self._streams = os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb")
        self._thread = threading.Thread(target=server.run, args=self._streams)
        self._thread.start()
        self._id = 0
        self.capabilities = capabilities or {}
        self.notes: list[Json] = []

    def send(self, frame: Json | bytes) -> None:
        """Send a frame, or a line of bytes as it is."""
        data = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
        os.write(self._outgoing, data + b"\n")

    def receive(self) -> Json:
        """The next frame."""
        found: Json = json.loads(self._reader.readline())
        return found

    def until(self, method: str) -> Json:
        """The parameters of the next notification or request of this method; what comes before is kept."""
        while (frame := self.receive()).get("method") != method:
            self.notes.append(frame)
        return frame

    def start(self, method: str, params: Json | None = None) -> int:
        """Send a request; its id."""
        self._id += 1
        self.send({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params or {}})
        return self._id

    def answer(self, request: int) -> Json:
        """The response to a request; notifications before it are kept."""
        while (frame := self.receive()).get("id") != request or "method" in frame:
            self.notes.append(frame)
        return frame

    def ask(self, method: str, params: Json | None = None) -> Json:
        """Send a request and give its result; an error fails the test."""
        frame = self.answer(self.start(method, params))
        assert "result" in frame, frame
        found: Json = frame["result"]
        return found

    def fail(self, method: str, params: Json | None = None) -> Json:
        """Send a request and give its error; a result fails the test."""
        frame = self.answer(self.start(method, params))
        assert "error" in frame, frame
        found: Json = frame["error"]
        return found

    def notify(self, method: str, params: Json | None = None) -> None:
        """Send a notification."""
        self.send({"jsonrpc": "2.0", "method": method, "params": params or {}})

    def call(self, name: str, /, **arguments: Any) -> Json:
        """Call a tool, legacy era."""
        return self.ask("tools/call", {"name": name, "arguments": arguments})

    def handshake(self, version: str = "2025-11-25") -> Json:
        """Open a legacy connection."""
        client = {"name": "peer", "version": "1"}
        params = {"protocolVersion": version, "capabilities": self.capabilities, "clientInfo": client}
        result = self.ask("initialize", params)
        self.notify("notifications/initialized")
        return result

    def envelope(self, version: str = "2026-07-28", **meta: Any) -> Json:
        """Parameters with the envelope of the modern era."""
        own = {f"{META}protocolVersion": version, f"{META}clientCapabilities": self.capabilities}
        return {"_meta": {**own, **{f"{META}{key}": value for key, value in meta.items()}}}

    def close(self) -> None:
        """End of input; the server ends."""
        os.close(self._outgoing)
        self._thread.join(5)
        assert not self._thread.is_alive()
        for stream in (self._reader, *self._streams):
            stream.close()


@contextmanager
def connected(server: Server, *, handshake: bool = True, capabilities: Json | None = None) -> Iterator[Peer]:
    """A peer of a running server; with `handshake`, a legacy connection is open."""
    peer = Peer(server, capabilities=capabilities)
    try:
        if handshake:
            peer.handshake()
        yield peer
    finally:
        peer.close()
