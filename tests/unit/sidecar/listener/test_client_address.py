"""Whose a request is, behind proxies: as the front finds it (tests/front/protection.test.mjs has the same cases)."""

from __future__ import annotations

import pytest

from sidecar.listener.client_address import client_address, networks

PROXIES = networks(["10.0.0.0/8", "::1", "192.0.2.9"])


@pytest.mark.parametrize(
    ("peer", "said", "found"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2, 192.0.2.9", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, unknown", "10.0.0.1"),
        ("10.0.0.1", ", ".join(["10.0.0.2"] * 30), "10.0.0.2"),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_first_that_is_no_trusted_proxy(peer: str, said: str, found: str) -> None:
    """Read from the end; what it wrote itself counts for nothing."""
    assert client_address(peer, said, PROXIES) == found
