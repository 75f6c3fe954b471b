"""Protocols for the hub's clients, as far as the upstreams need them. The sessions implement them."""

from __future__ import annotations

from typing import Any, Protocol

from sidecar.protocol.channel import Frame


class ClientFeatures(Protocol):
    """The one client of a `per_client` upstream: its capabilities, and a way to send it the server's requests."""

    @property
    def capabilities(self) -> dict[str, Any]:
        """The capabilities that the client declared in its handshake (MCP, `ClientCapabilities`)."""

    @property
    def log_level(self) -> str | None:
        """The minimum level of the log messages that a modern server is to send with its answers; None for none."""

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Send a request to the client and return its response frame, whose `id` has no meaning.

        If this is cancelled, the client is sent `notifications/cancelled` with the message of the CancelledError, the
        server's reason, if it has one.
        """

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """The server sent a notification other than progress and list changes."""


class Client(Protocol):
    """A client that an upstream serves, alone or with others. `Session` implements this."""

    @property
    def log_level(self) -> str | None:
        """The minimum level of log messages that the client asked for; None if it never did."""

    def wants_log(self, level: str) -> bool:
        """Whether log messages of this level are sent to the client."""

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send the client a notification, if it has completed its handshake; never blocks."""

    def task_changed(self, source: object, method: str, params: dict[str, Any]) -> None:
        """A server sent a notification about one of its tasks. `source` is the upstream; only its identity counts."""
