"""Fingerprints: equal for what may share an upstream, different for what may not."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.models import RemoteLaunch, ServerSettings, ServerSpec, StdioLaunch
from sidecar.upstream.fingerprint import fingerprint

KEY = b"k" * 32
LAUNCH = StdioLaunch(command="x", args=("1", "2"), env={"A": "a", "B": "b"})


def spec(launch: Any = LAUNCH, key: str = "s", **settings: Any) -> ServerSpec:
    """A server with these settings."""
    return ServerSpec(key=key, namespace=key, launch=launch, settings=ServerSettings(**settings))


def test_what_does_not_count() -> None:
    """Key, namespace, staleness, timeouts, limits, the switch and the order of variables change nothing."""
    reordered = StdioLaunch(command="x", args=("1", "2"), env={"B": "b", "A": "a"})
    other = spec(reordered, "t", call_timeout=1, max_inflight=1, max_instances=1, start_timeout=1, enabled=False)
    assert fingerprint(spec(), KEY) == fingerprint(other.model_copy(update={"stale": True}), KEY)


@pytest.mark.parametrize(
    "other",
    [
        spec(StdioLaunch(command="y", args=("1", "2"), env={"A": "a", "B": "b"})),
        spec(StdioLaunch(command="x", args=("2", "1"), env={"A": "a", "B": "b"})),
        spec(StdioLaunch(command="x", args=("1", "2"), env={"A": "a", "B": "c"})),
        spec(StdioLaunch(command="x", args=("1", "2"), env={"A": "a", "B": "b"}, cwd="/")),
        spec(RemoteLaunch(url="http://x")),
        spec(session="per_client"),
        spec(era="legacy"),
    ],
)
def test_what_counts(other: ServerSpec) -> None:
    """Anything of the launch, the session mode and the era change it."""
    assert fingerprint(spec(), KEY) != fingerprint(other, KEY)


def test_it_depends_on_the_key() -> None:
    """Without the local key nobody can check a guess against it."""
    assert fingerprint(spec(), KEY) != fingerprint(spec(), b"l" * 32)
    assert len(fingerprint(spec(), KEY)) == 64
