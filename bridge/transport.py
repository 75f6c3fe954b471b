"""What the bridge needs of a carrier of bytes: ZeroMQ's sockets (bridge.sockets), or memory (bridge.memory)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Link(Protocol):
    """Whom a dealer reports to. Called from the loop; must neither block nor raise."""

    def up(self) -> None:
        """The server can be reached."""

    def down(self) -> None:
        """The connection ended; what was sent and not answered will not be."""

    def message(self, data: bytes) -> None:
        """The server sent this."""


class Dealer(Protocol):
    """A client's end. It connects, and again after each loss, for as long as `run` runs."""

    def send(self, data: bytes) -> bool:
        """Hand over a message; False when there is no connection or no room."""

    async def run(self, link: Link) -> None:
        """Keep the connection up and report to `link`, until cancelled."""


class Router(Protocol):
    """A server's end, bound."""

    async def receive(self) -> tuple[bytes, bytes]:
        """The next message: who sent it, and its bytes."""

    def send(self, peer: bytes, data: bytes) -> None:
        """Hand over an answer; dropped when the peer has gone, or takes none of its answers."""


class Fanout(Protocol):
    """A publisher's end, bound."""

    def send(self, topic: bytes, data: bytes) -> None:
        """Hand over a message for each subscriber of the topic; dropped for those who do not keep up."""

    async def subscribed(self) -> bytes:
        """The next topic that a subscriber asks for."""


class Listener(Protocol):
    """A subscriber's end. It connects, and again after each loss."""

    async def receive(self) -> bytes:
        """The next message of the topics asked for."""


class Transport(Protocol):
    """A carrier of bytes. Contexts that bind raise AddressTaken where another process has bound."""

    def router(self, address: str) -> AbstractAsyncContextManager[Router]:
        """Bind a server's end."""

    def dealer(self, address: str) -> Dealer:
        """A client's end."""

    def fanout(self, address: str) -> AbstractAsyncContextManager[Fanout]:
        """Bind a publisher's end."""

    def listener(self, address: str, topics: tuple[bytes, ...]) -> AbstractAsyncContextManager[Listener]:
        """A subscriber's end; topics are asked for in sorted order."""
