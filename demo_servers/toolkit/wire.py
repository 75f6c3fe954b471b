"""JSON-RPC over a pair of pipes, one message a line, and the errors that a handler may raise."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO

Json = dict[str, Any]

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
RESOURCE_NOT_FOUND = -32002  # legacy era only; the modern one answers INVALID_PARAMS
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022
URL_ELICITATION_REQUIRED = -32042  # legacy era only


class RpcError(Exception):
    """Answered to the client as a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> Json:
        """The `error` member of the response."""
        body: Json = {"code": self.code, "message": self.message}
        if self.data is not None:
            body["data"] = self.data
        return body


class ToolError(Exception):
    """Answered to the client as a tool result with `isError`, which a model can read and act upon."""


class Cancelled(Exception):
    """The client cancelled the call: nothing is answered."""


class InputRequired(Exception):
    """Modern era: the call needs answers from the client, who asks again with them."""

    def __init__(self, requests: Json, state: str) -> None:
        super().__init__("input required")
        self.requests = requests
        self.state = state


class Pipe:
    """Both ends of one connection. Any thread may send; one thread reads."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()

    def send(self, frame: Json) -> None:
        """Write one message. A client that has gone is not an error: the reader will see its end of input."""
        self.send_raw(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    def send_raw(self, line: str) -> None:
        """Write a line that need not be JSON."""
        data = line.encode("utf-8", "replace") + b"\n"
        with self._lock:
            try:
                self._writer.write(data)
                self._writer.flush()
            except (BrokenPipeError, ValueError):
                pass

    def frames(self) -> Iterator[Json]:
        """Messages until end of input; what is not a message is answered with an error and left out."""
        for line in self._reader:
            if not line.strip():
                continue
            try:
                frame = json.loads(line)
            except (ValueError, RecursionError):
                self.refuse(PARSE_ERROR, "This line is not JSON")
                continue
            if isinstance(frame, dict) and frame.get("jsonrpc") == "2.0":
                yield frame
            else:
                self.refuse(INVALID_REQUEST, "Not one JSON-RPC 2.0 message")

    def refuse(self, code: int, message: str) -> None:
        """Answer something that has no usable id."""
        self.send({"jsonrpc": "2.0", "id": None, "error": RpcError(code, message).body()})
