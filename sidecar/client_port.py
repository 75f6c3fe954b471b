"""The client behind a server that is its own."""

from __future__ import annotations

from typing import Any, Protocol

from sidecar.channel import Frame


class ClientPort(Protocol):
    """The client behind a `per_client` upstream: what it can do, and the way to ask it."""

    @property
    def capabilities(self) -> dict[str, Any]:
        """What the client declared in its handshake."""

    @property
    def log_level(self) -> str | None:
        """The least level of log messages that is wanted in an answer, if any is (modern servers)."""

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Send a request to the client and return its response frame (its `id` means nothing).

        Cancelled, it tells the client so, with the server's reason: the message of the CancelledError, if it has one.
        """

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """The server sent a notification."""
