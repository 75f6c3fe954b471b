"""The exception for a server's JSON-RPC error response."""

from __future__ import annotations

from typing import Any


class ErrorResponse(Exception):
    """The server answered with a JSON-RPC error. `error` is its error object, as clients of the era get it."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("message")))
        self.error = error
