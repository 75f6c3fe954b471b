"""sidecar.upstream_auth.fetching: which URLs a remote server may name, and how much is read of them."""

from __future__ import annotations

import pytest

from sidecar.channels.connections import Connections
from sidecar.sign_in_errors import SignInFailed, SignInUnavailable
from sidecar.upstream_auth import fetching
from sidecar.upstream_auth.fetching import Fetcher
from tests.support.oauth_server import OAuthServer

OUTSIDE, LOCAL, INSIDE = "https://93.184.215.14/mcp", "http://127.0.0.1:9000/mcp", "https://10.0.0.7/mcp"


@pytest.mark.parametrize(
    ("server", "url"),
    [
        (OUTSIDE, "https://93.184.215.15/token"),
        (LOCAL, "http://127.0.0.1:9001/token"),
        (LOCAL, "http://localhost:9001/token"),
        (LOCAL, "https://93.184.215.14/token"),
        (INSIDE, "https://10.0.0.8/token"),
        ("http://93.184.215.14/mcp", "http://93.184.215.14:8080/token"),
    ],
)
async def test_allowed(server: str, url: str) -> None:
    """https anywhere outside, http on the host of an http server, and the hub's own network for servers in it."""
    assert await Fetcher(Connections(), server).check(url) == url


@pytest.mark.parametrize(
    ("server", "url"),
    [
        (OUTSIDE, "http://93.184.215.15/token"),
        (OUTSIDE, "http://127.0.0.1:8765/token"),
        (OUTSIDE, "https://127.0.0.1/token"),
        (OUTSIDE, "https://localhost/token"),
        (OUTSIDE, "https://10.0.0.7/token"),
        (OUTSIDE, "https://[::1]/token"),
        (OUTSIDE, "https://169.254.169.254/latest/meta-data"),
        (OUTSIDE, "https://[::ffff:10.0.0.7]/token"),
        (INSIDE, "http://10.0.0.8/token"),
        (LOCAL, "http://93.184.215.14/token"),
        (LOCAL, "javascript:alert(1)"),
        (LOCAL, "file:///etc/passwd"),
        (LOCAL, "https://user@93.184.215.14/token"),
        (LOCAL, "https:///token"),
        (LOCAL, "https://93.184.215.14:99999/token"),
        (LOCAL, "https://93.184.215.14/token#fragment"),
    ],
)
async def test_refused(server: str, url: str) -> None:
    """A server on the internet cannot have the hub ask a service in the hub's network, nor anybody in the clear."""
    with pytest.raises(SignInFailed):
        await Fetcher(Connections(), server).check(url)


async def test_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is too long is given up, and one that says 503 is told apart from one that does not come."""
    async with OAuthServer().serving() as remote, Connections() as connections:
        fetcher = Fetcher(connections, f"{remote.url}/mcp")
        remote.answers["/long"] = {"x": "y" * 2000}
        monkeypatch.setattr(fetching, "MAX_BYTES", 1000)
        with pytest.raises(SignInFailed, match="more than 1000 bytes"):
            await fetcher.get(f"{remote.url}/long")
        remote.answers["/away"] = 503
        assert (await fetcher.get(f"{remote.url}/away")).status == 503
    async with Connections() as connections:
        with pytest.raises(SignInUnavailable):
            await Fetcher(connections, f"{remote.url}/mcp").get(f"{remote.url}/gone")
