"""A server's own error as the outcome of a request."""

from __future__ import annotations

from typing import Any


class Answered(Exception):
    """The server itself answered with an error; `error` is that of the JSON-RPC response, in the client's era."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("message")))
        self.error = error
