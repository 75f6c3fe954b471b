"""Where a request comes from, behind proxies. Pure.

The front has the same rule (front/server/http/client.mjs); bridge/vectors/client_addresses.json holds both to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

MOST_HOPS = 20
"""Proxies in a row that are followed."""
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+")

Networks = tuple[IPv4Network | IPv6Network, ...]


def networks(listed: Iterable[str]) -> Networks:
    """The addresses and networks of a setting."""
    return tuple(ip_network(each, strict=False) for each in listed)


def plain(address: str) -> str:
    """Without what is added where IPv4 comes in by an IPv6 socket, brackets, and a port."""
    match = _WITH_PORT.fullmatch(address)
    bare = (match[1] or match[2]) if match else address
    return bare[7:] if bare.lower().startswith("::ffff:") and "." in bare else bare


def is_trusted(address: str, trusted: Networks) -> bool:
    """Whether an address is one of these."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found.version == network.version and found in network for network in trusted)


def client_address(peer: str, forwarded: str, trusted: Networks) -> str:
    """The address of the client: `peer`, or what trusted proxies say in X-Forwarded-For.

    Each proxy adds whom it heard from at the end: read from there, the first that is no trusted proxy is the client,
    whatever the client itself wrote before.
    """
    address = plain(peer)
    said = forwarded.split(",")[-MOST_HOPS:]
    while said and is_trusted(address, trusted):
        following = plain(said.pop().strip())
        try:
            ip_address(following)
        except ValueError:
            break
        address = following
    return address
