"""Finds the address of the client of a request that came through proxies. Pure.

The front has the same rule (front/server/http/client.mjs); bridge/vectors/client_addresses.json holds both to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

MAX_HOPS = 20
"""Limit for the proxies in X-Forwarded-For that are followed."""
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+")

Networks = tuple[IPv4Network | IPv6Network, ...]


def networks(listed: Iterable[str]) -> Networks:
    """Parse the addresses and networks of a setting."""
    return tuple(ip_network(each, strict=False) for each in listed)


def plain(address: str) -> str:
    """An address without port, brackets, and the prefix of an IPv4 address mapped to IPv6."""
    match = _WITH_PORT.fullmatch(address)
    bare = (match[1] or match[2]) if match else address
    return bare[7:] if bare.lower().startswith("::ffff:") and "." in bare else bare


def is_trusted(address: str, trusted: Networks) -> bool:
    """Whether an address is in one of these networks."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found.version == network.version and found in network for network in trusted)


def client_address(peer: str, forwarded: str, trusted: Networks) -> str:
    """The address of the client: `peer`, or if that is a trusted proxy, the one in its X-Forwarded-For header.

    Each proxy appends the address of its peer. So, read from the end, the first address that is not a trusted proxy is
    the client, whatever the client itself wrote into the header.
    """
    address = plain(peer)
    said = forwarded.split(",")[-MAX_HOPS:]
    while said and is_trusted(address, trusted):
        following = plain(said.pop().strip())
        try:
            ip_address(following)
        except ValueError:
            break
        address = following
    return address
