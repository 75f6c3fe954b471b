"""What a 401 asks for, in words."""

from __future__ import annotations

import time

import pytest

from sidecar.channels.challenge import challenge

METADATA = "https://as.example/.well-known/oauth-protected-resource/mcp"
OAUTH = ": it wants an OAuth access token"
SECRET = "t0kent0kent0kent0ken"


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (f'Bearer resource_metadata="{METADATA}"', f"{OAUTH}; {METADATA} says who issues tokens"),
        (f"Bearer resource_metadata={METADATA}", f"{OAUTH}; {METADATA} says who issues tokens"),
        (f'Bearer realm="x", scope="a b", RESOURCE_METADATA = "{METADATA}"', f"{OAUTH}; {METADATA}"),
        (f'Basic realm="x", Bearer resource_metadata="{METADATA}"', OAUTH),
        ("Bearer", ": it wants a bearer token"),
        ('Basic realm="x"', ": it wants credentials (Basic)"),
        ("", ""),
        ("nonsense", ""),
    ],
)  # fmt: skip
def test_what_is_wanted(header: str, text: str) -> None:
    """The scheme and the metadata say it; the hint has the header to configure."""
    found = challenge(header, "https://h/mcp", authorized=False)
    assert found.text.startswith(text)
    assert bool(found.text) == bool(text)
    assert "`headers`" in found.hint


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://u:p@as.example/x?key=s#f", "https://as.example/x"),
        (f"https://as.example/.well-known/oauth-protected-resource/{SECRET}", "/oauth-protected-resource/***"),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        ("https://", ""),
        ("https://[bad/x", ""),
        ("https://as.example/\x1b[31m", ""),
        ("https://as.example/\u202e", ""),
        ("https://as.example/a b", ""),
        ("https://as.example/" + "x" * 400, ""),
    ],
)
def test_a_url_that_a_server_names_is_shown_only_if_fit(value: str, shown: str) -> None:
    """No secret of the configured URL, no control characters, nothing long, HTTP only."""
    found = challenge(f'Bearer resource_metadata="{value}"', f"https://h/{SECRET}", authorized=False)
    assert shown in found.metadata
    assert bool(found.metadata) == bool(shown)
    assert SECRET not in found.text + found.hint


def test_credentials_that_are_not_accepted() -> None:
    """Who has configured some is told that they are wrong, with the server's own code."""
    found = challenge('Bearer error="invalid_token"', "https://h/", authorized=True)
    assert found.text == ": it does not accept the configured credentials (invalid_token)"
    assert "expired" in found.hint


def test_a_long_header_costs_nothing() -> None:
    """Whatever a server sends is read in linear time."""
    began = time.process_time()
    for piece in ("resource_metadata=", 'resource_metadata="', "error=", ",bearer", " "):
        challenge(piece * 100_000, "https://h/", authorized=False)
    assert time.process_time() - began < 0.5
