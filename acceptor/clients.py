"""Limits for the number of connections in this process, in total and per client address (ADR 25)."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address

MAX_CONNECTIONS = 16_384
"""Limit for the number of connections, whatever the limit of open files is."""
UNUSED_SECONDS = 2.0
"""Seconds after which a connection that has sent nothing may be ended to make room for others."""

Networks = tuple[IPv4Network | IPv6Network, ...]


def most_connections() -> int:
    """The limit for connections; each one may need a second file descriptor for a connection to the front."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    files = 1 << 20 if files == resource.RLIM_INFINITY else files
    return max(16, min(MAX_CONNECTIONS, (files - 64) // 2))


def plain(address: str) -> str:
    """An address without zone id, and without the prefix of IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2)."""
    return address.removeprefix("::ffff:").partition("%")[0] if "." in address else address.partition("%")[0]


class Clients:
    """Counts connections from `entered` to `left`. If a limit is reached, one that has sent nothing yet is ended."""

    def __init__(self, most: int, trusted: Networks = ()) -> None:
        self.most = most
        self._trusted = trusted
        self._count = 0
        self._shares: Counter[str] = Counter()
        self._fresh: dict[int, tuple[str, float, Callable[[], None]]] = {}
        """The connections that have sent nothing, oldest first, by number: address, since when, how to end it."""
        self._numbers = 0

    def __len__(self) -> int:
        return self._count

    @property
    def share(self) -> int:
        """The limit for the connections of one address."""
        return max(16, self.most // 4)

    def admit(self, address: str, now: float) -> bool:
        """Whether one more connection of this address is allowed, if necessary after ending an unused one.

        `now` is the time (`time.monotonic`).
        """
        if self._has_share(address) and self._shares[address] >= self.share:
            return self._make_room(now, address)
        return self._count < self.most or self._make_room(now)

    def entered(self, address: str) -> None:
        """Count a connection."""
        self._count += 1
        self._shares[address] += 1

    def left(self, address: str) -> None:
        """A counted connection has ended, or was handed over."""
        self._count -= 1
        self._shares[address] -= 1
        if not self._shares[address]:
            del self._shares[address]

    def fresh(self, address: str, now: float, end: Callable[[], None]) -> int:
        """Register a connection that has sent nothing; `end` ends it. Returns its number for `begun`."""
        self._numbers += 1
        self._fresh[self._numbers] = address, now, end
        return self._numbers

    def begun(self, number: int) -> None:
        """The connection with this number has sent something, or has ended."""
        self._fresh.pop(number, None)

    def _make_room(self, now: float, address: str | None = None) -> bool:
        for of, since, end in self._fresh.values():
            if address in (None, of):
                if now - since < UNUSED_SECONDS and address is None:
                    return False
                end()
                return True
        return False

    def _has_share(self, address: str) -> bool:
        """Whether the limit applies to an address: not to loopback and trusted proxies, which serve many clients."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return not found.is_loopback and not any(
            found.version == network.version and found in network for network in self._trusted
        )
