"""Clients, as the upstreams see them."""

from __future__ import annotations

from typing import Any, Protocol

from sidecar.protocol.channel import Frame


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


class Client(Protocol):
    """A client that is served through an upstream, with others or alone: a session."""

    @property
    def log_level(self) -> str | None:
        """The least level of log messages that it asked for, if it did."""

    def wants_log(self, level: str) -> bool:
        """Whether it is to have log messages of this level."""

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send it a notification, if it is ready for it; never blocks."""

    def task_changed(self, source: object, method: str, params: dict[str, Any]) -> None:
        """A server told of one of its tasks; `source` is the upstream, as an identity."""
