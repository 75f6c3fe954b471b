"""The interface of a transport of the bridge: ZeroMQ sockets (bridge.sockets), or memory (bridge.memory)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Link(Protocol):
    """The callbacks of a dealer. Called on the event loop; must neither block nor raise."""

    def up(self) -> None:
        """Called when a connection is established."""

    def down(self) -> None:
        """Called when the connection has ended: unanswered messages will not be answered."""

    def message(self, data: bytes) -> None:
        """Called with each message of the server."""


class Dealer(Protocol):
    """The client side. It connects, and reconnects after each loss, while `run` runs."""

    def send(self, data: bytes) -> bool:
        """Queue a message; False if there is no connection or no room."""

    async def run(self, link: Link) -> None:
        """Keep the connection up and call `link`, until cancelled."""


class Router(Protocol):
    """The server side, bound to an address."""

    async def receive(self) -> tuple[bytes, bytes]:
        """The next message: the peer that sent it, and its bytes."""

    def send(self, peer: bytes, data: bytes) -> None:
        """Queue an answer; dropped if the peer has gone or does not read its answers."""

    async def release(self) -> None:
        """Give the address up, so that another process can bind it; existing connections go on."""


class Fanout(Protocol):
    """The publisher side, bound to an address."""

    def send(self, topic: bytes, data: bytes) -> None:
        """Queue a message for each subscriber of the topic; dropped for those that do not keep up."""

    async def subscribed(self) -> bytes:
        """The topic of the next subscription."""

    async def release(self) -> None:
        """Give the address up, so that another process can bind it; existing connections go on."""


class Listener(Protocol):
    """The subscriber side. It connects, and reconnects after each loss."""

    async def receive(self) -> bytes:
        """The next message of the subscribed topics."""


class Transport(Protocol):
    """A message transport. Contexts that bind raise AddressTaken if another process has bound the address."""

    def router(self, address: str) -> AbstractAsyncContextManager[Router]:
        """Bind the server side."""

    def dealer(self, address: str) -> Dealer:
        """Create the client side."""

    def fanout(self, address: str) -> AbstractAsyncContextManager[Fanout]:
        """Bind the publisher side."""

    def listener(self, address: str, topics: tuple[bytes, ...]) -> AbstractAsyncContextManager[Listener]:
        """Create the subscriber side; it subscribes to the topics in sorted order."""
