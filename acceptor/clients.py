"""All connections that this process has: how many there may be, in all and of one address (ADR 25)."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address

MOST = 16_384
"""Connections, however many files may be open."""
SOON = 2.0
"""Seconds after which one that has sent nothing makes room for others."""

Networks = tuple[IPv4Network | IPv6Network, ...]


def most_connections() -> int:
    """How many connections leave room for one more to the front each."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    files = 1 << 20 if files == resource.RLIM_INFINITY else files
    return max(16, min(MOST, (files - 64) // 2))


def plain(address: str) -> str:
    """An IPv4 address that came over an IPv6 socket as itself (RFC 4291, 2.5.5.2), and without a zone."""
    return address.removeprefix("::ffff:").partition("%")[0] if "." in address else address.partition("%")[0]


class Clients:
    """Counts connections from `entered` to `left`. Those that have sent nothing yet make room for new ones."""

    def __init__(self, most: int, trusted: Networks = ()) -> None:
        self.most = most
        self._trusted = trusted
        self._count = 0
        self._shares: Counter[str] = Counter()
        self._fresh: dict[int, tuple[str, float, Callable[[], None]]] = {}
        """Those that have sent nothing, oldest first, by number: address, since when, and what ends it."""
        self._numbers = 0

    def __len__(self) -> int:
        return self._count

    @property
    def share(self) -> int:
        """Connections of one address."""
        return max(16, self.most // 4)

    def admit(self, address: str, now: float) -> bool:
        """Whether there is room for one more of this address; it is made, where only unused ones are in the way."""
        if self._has_share(address) and self._shares[address] >= self.share:
            return self._make_room(now, address)
        return self._count < self.most or self._make_room(now)

    def entered(self, address: str) -> None:
        """A connection is there."""
        self._count += 1
        self._shares[address] += 1

    def left(self, address: str) -> None:
        """It is over, or another process's."""
        self._count -= 1
        self._shares[address] -= 1
        if not self._shares[address]:
            del self._shares[address]

    def fresh(self, address: str, now: float, end: Callable[[], None]) -> int:
        """It has sent nothing yet; `end` ends it. Returns the number that `begun` wants."""
        self._numbers += 1
        self._fresh[self._numbers] = address, now, end
        return self._numbers

    def begun(self, number: int) -> None:
        """It has sent something, or is over."""
        self._fresh.pop(number, None)

    def _make_room(self, now: float, address: str | None = None) -> bool:
        for of, since, end in self._fresh.values():
            if address in (None, of):
                if now - since < SOON and address is None:
                    return False
                end()
                return True
        return False

    def _has_share(self, address: str) -> bool:
        """Whether its connections are one client's: not those of this machine, nor of a proxy."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return not found.is_loopback and not any(
            found.version == network.version and found in network for network in self._trusted
        )
