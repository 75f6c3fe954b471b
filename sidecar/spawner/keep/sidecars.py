"""The sidecars that a spawner serves: one, or two while one takes over from the other (ADR 35).

The spawner program imports this module and has to stay small.
"""

from __future__ import annotations

import array
import os
import socket

from sidecar.spawner.keep.keeping import SEND_TIMEOUT, hand_over
from sidecar.spawner.wire import Decoder, Message, encode

TYPE_CHECKING = False  # the module typing is too large for the spawner
if TYPE_CHECKING:
    from collections.abc import Iterator

ID_RANGE = 1 << 32
"""Each sidecar has a range of ids for its servers, because a server keeps its id when another sidecar takes it over."""


class SidecarGone(Exception):
    """A sidecar has closed the socket, by its end if not otherwise."""


class SidecarLink:
    """The socket to one sidecar. `leaving`: it gives its servers away, so it must not be offered any."""

    __slots__ = ("_decoder", "_fds", "_out", "first_id", "leaving", "socket")

    def __init__(self, link: socket.socket, number: int) -> None:
        self.socket = link
        self.first_id = number * ID_RANGE + 1
        """The first id of the range for servers that this sidecar starts."""
        self.leaving = False
        self._decoder = Decoder()
        self._fds: list[int] = []
        self._out = bytearray()

    @property
    def unsent(self) -> bool:
        """Whether messages wait for room in the socket."""
        return bool(self._out)

    def receive(self) -> list[Message]:
        """The messages that have come. Raises SidecarGone."""
        room = socket.CMSG_SPACE(64 * array.array("i").itemsize)
        try:
            data, ancillary, _, _ = self.socket.recvmsg(65536, room, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return []
        except OSError:
            raise SidecarGone from None
        for _, _, content in ancillary:
            self._fds += array.array("i", content)
        if not data:
            raise SidecarGone
        return self._decoder.feed(data)

    def take_fds(self, count: int) -> list[int]:
        """The first descriptors that came and were not taken yet; they belong to the message being handled."""
        taken, self._fds = self._fds[:count], self._fds[count:]
        return taken

    def send(self, message: Message) -> None:
        """Queue a message; `flush` sends it."""
        self._out += encode(message)

    def flush(self) -> None:
        """Send what the socket takes. Raises SidecarGone."""
        try:
            while self._out:
                del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            raise SidecarGone from None

    def hand_over(self, messages: list[tuple[Message, list[int]]]) -> None:
        """Send messages with descriptors, after those that are queued. Raises SidecarGone, also after SEND_TIMEOUT."""
        try:
            self.socket.settimeout(SEND_TIMEOUT)
            self.socket.sendall(self._out)
            self._out.clear()
            hand_over(self.socket, messages)
        except OSError:
            raise SidecarGone from None

    def close(self) -> None:
        """Close the socket, and the descriptors that came and were not taken."""
        self.socket.close()
        while self._fds:
            os.close(self._fds.pop())


class Sidecars:
    """All connected sidecars, in the order in which they came."""

    def __init__(self) -> None:
        self._links: list[SidecarLink] = []
        self._count = 0

    def __iter__(self) -> Iterator[SidecarLink]:
        return iter(tuple(self._links))

    def __len__(self) -> int:
        return len(self._links)

    def add(self, link: socket.socket) -> SidecarLink:
        """Add the one at the other end of a socket."""
        added = SidecarLink(link, self._count)
        self._count += 1
        self._links.append(added)
        return added

    def remove(self, link: SidecarLink) -> bool:
        """Close the socket of one that has gone; returns False if that was done before."""
        if link not in self._links:
            return False
        self._links.remove(link)
        link.close()
        return True

    def heir(self) -> SidecarLink | None:
        """The one to which servers are offered that another one has given away or left: the newest."""
        return next((link for link in reversed(self._links) if not link.leaving), None)

    def tell(self, message: Message, besides: SidecarLink | None = None) -> None:
        """Send a message to all of them, except `besides`."""
        for link in self._links:
            if link is not besides:
                link.send(message)
