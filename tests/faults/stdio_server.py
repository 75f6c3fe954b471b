"""An MCP server on stdio that misbehaves on request. Standard library only.

Its tool `echo` answers its argument `text`. Its tool `misbehave` (kind, seconds) is answered at once; after that, and
for so many seconds, the server has the fault `kind`, one of FLOODS, ANSWERS, STOPS and LIMITS.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]

BATCH = 200
"""Messages of a flood that are written together."""
LATE = 3.0
"""Seconds until a late answer, which is more than the `call_timeout` that the tests give this server."""


def notification(method: str, **params: Any) -> bytes:
    """A line with a notification."""
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode() + b"\n"


def request(number: int, method: str) -> bytes:
    """A line with a request of the server."""
    return json.dumps({"jsonrpc": "2.0", "id": f"f{number}", "method": method}).encode() + b"\n"


FLOODS: Mapping[str, Callable[[int], bytes]] = {
    "pings": lambda n: request(n, "ping"),
    "requests": lambda n: request(n, "roots/list"),
    "log_messages": lambda n: notification("notifications/message", level="info", data=f"line {n}"),
    "notifications": lambda n: notification("notifications/custom", n=n),
    "progress": lambda n: notification("notifications/progress", progressToken=n % 50, progress=n),
    "list_changes": lambda _: notification("notifications/tools/list_changed"),
    "resource_updates": lambda n: notification("notifications/resources/updated", uri=f"x://{n}"),
    "cancellations": lambda n: notification("notifications/cancelled", requestId=n),
    "unasked_answers": lambda n: json.dumps({"jsonrpc": "2.0", "id": n + 10**9, "result": {}}).encode() + b"\n",
    "garbage": lambda _: b"INFO: nothing that is JSON\n",
    "broken_json": lambda n: b'{"jsonrpc": "2.0", "id": %d, "result": \n' % n,
    "blank_lines": lambda _: b"\n\n\n\n",
    "batches": lambda n: b"[" + b",".join([notification("notifications/custom", n=n)[:-1]] * 10) + b"]\n",
    "deep_json": lambda _: b'{"jsonrpc":"2.0","method":"x","params":' + b'{"a":' * 150 + b"1" + b"}" * 151 + b"\n",
}
"""What is sent without a pause."""

ANSWERS: Mapping[str, Callable[[Json], list[Any]]] = {
    "never": lambda _: [],
    "twice": lambda frame: [frame, frame],
    "for_another": lambda frame: [{**frame, "id": 10**9}],
    "null": lambda frame: [{**frame, "result": None}],
    "text": lambda frame: [{**frame, "result": "done"}],
    "list": lambda frame: [{**frame, "result": [1]}],
    "number": lambda frame: [{**frame, "result": 5}],
    "no_result": lambda frame: [{"jsonrpc": "2.0", "id": frame["id"]}],
    "content_text": lambda frame: [{**frame, "result": {"content": "done"}}],
    "result_and_error": lambda frame: [{**frame, "error": {"code": 1, "message": "both"}}],
    "wrong_version": lambda frame: [{**frame, "jsonrpc": "1.0"}],
}
"""What `echo` is answered with, given the right answer."""

STOPS = ("half_a_frame", "late", "does_not_read", "huge_line", "endless_line", "stderr", "exits", "closes_stdout")


def leak() -> None:
    """Take memory, up to 1 GB, and keep it."""
    kept = []
    for _ in range(250):
        kept.append(bytearray(os.urandom(4096) * 1024))
        time.sleep(0.001)
    time.sleep(600)


def fork() -> None:
    """Have 300 children that sleep, or as many as the system permits."""
    with contextlib.suppress(OSError):
        for _ in range(300):
            if os.fork() == 0:
                time.sleep(600)
                os._exit(0)
    time.sleep(600)


LIMITS: Mapping[str, Callable[[], None]] = {"leaks": leak, "forks": fork}
"""What the next call to `echo` leads to, which is not answered: more than a server's limits may permit."""


class Server:
    """The server: a thread reads stdin, another one writes a flood."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kind = ""
        self._until = 0.0

    def write(self, data: bytes) -> None:
        """Write to stdout, not between parts of another message."""
        with self._lock:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def send(self, frame: Any) -> None:
        """Write a message."""
        self.write(json.dumps(frame).encode() + b"\n")

    def serve(self) -> None:
        """Answer requests until stdin ends."""
        for line in sys.stdin.buffer:
            if self._kind == "does_not_read":
                time.sleep(max(0.0, self._until - time.monotonic()))
            frame = json.loads(line)
            if "id" in frame and "method" in frame:
                self._answer(frame)

    def _answer(self, frame: Json) -> None:
        method, params = frame["method"], frame.get("params") or {}
        if method == "initialize":
            info = {"name": "faulty", "version": "1"}
            result: Json = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": info,
            }
        elif method == "tools/list":
            schema = {"type": "object", "properties": {}}
            result = {"tools": [{"name": name, "inputSchema": schema} for name in ("echo", "misbehave")]}
        elif method == "tools/call":
            self._call({"jsonrpc": "2.0", "id": frame["id"]}, params["name"], params.get("arguments") or {})
            return
        else:
            result = {}
        self.send({"jsonrpc": "2.0", "id": frame["id"], "result": result})

    def _call(self, answer: Json, tool: str, arguments: Json) -> None:
        if tool == "misbehave":
            self._kind, self._until = arguments["kind"], time.monotonic() + arguments["seconds"]
            self.send({**answer, "result": {"content": []}})
            threading.Thread(target=self._begin, args=(self._kind,), daemon=True).start()
            return
        answer["result"] = {"content": [{"type": "text", "text": arguments.get("text", "")}]}
        kind = self._kind if time.monotonic() < self._until else ""
        if kind in ANSWERS:
            for frame in ANSWERS[kind](answer):
                self.send(frame)
        elif kind in LIMITS:
            LIMITS[kind]()
        elif kind == "late":
            threading.Timer(LATE, self.send, [answer]).start()
        elif kind == "half_a_frame":
            data = json.dumps(answer).encode()
            with self._lock:
                sys.stdout.buffer.write(data[: len(data) // 2])
                sys.stdout.buffer.flush()
                time.sleep(max(0.0, self._until - time.monotonic()))
                sys.stdout.buffer.write(data[len(data) // 2 :] + b"\n")
                sys.stdout.buffer.flush()
        else:
            self.send(answer)

    def _begin(self, kind: str) -> None:
        if make := FLOODS.get(kind):
            self._flood(make)
        elif kind == "exits":
            os._exit(3)
        elif kind == "closes_stdout":
            with self._lock:
                os.close(1)
        elif kind == "huge_line":
            self.write(b'{"jsonrpc":"2.0","method":"x","params":"' + b"x" * (40 << 20) + b'"}\n')
        elif kind == "endless_line":
            while time.monotonic() < self._until:
                self.write(b"x" * (1 << 20))
            self.write(b"\n")
        elif kind == "stderr":
            while time.monotonic() < self._until:
                os.write(2, b"a line of stderr\n" * 3000)

    def _flood(self, make: Callable[[int], bytes]) -> None:
        number = 0
        while time.monotonic() < self._until:
            self.write(b"".join(make(number + each) for each in range(BATCH)))
            number += BATCH


if __name__ == "__main__":
    Server().serve()
