"""When a sidecar that was replaced gives a kept server away; tests/integration/test_kept_over_reload.py does it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from bridge.models import ContainerSettings, ServerSettings, ServerSpec, StdioLaunch
from sidecar.listener.client_connections import Connection, Owed
from sidecar.succession.kept_servers import RECEIVE_SECONDS, SETTLE_SECONDS, KeptServers, is_kept
from sidecar.upstream.upstream import Upstream


class FakeUpstream:
    """What is looked at of an upstream."""

    transport = "stdio"

    def __init__(self, *, for_key: bool = False, **settings: Any) -> None:
        launch = StdioLaunch(command="c")
        self.spec = ServerSpec(key="c", namespace="c", launch=launch, settings=ServerSettings(**settings))
        self.for_key = for_key
        self.in_flight = 0
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


class FakeConnection:
    """A connection whose client owes a part of a request, or nothing."""

    def __init__(self) -> None:
        self.part: Owed | None = None

    def owed(self) -> Owed | None:
        return self.part


def test_after_its_calls() -> None:
    """When it has had no call for a while, and no request is being received, unless that takes long."""
    upstream, connection = FakeUpstream(keep=True), FakeConnection()
    given = KeptServers(lambda: [cast("Upstream", upstream)], lambda: [cast("Connection", connection)])
    now = given._began
    upstream.in_flight = 1
    given._look(now + SETTLE_SECONDS)
    upstream.in_flight = 0
    given._look(now + SETTLE_SECONDS * 1.5)
    connection.part = "body"
    given._look(now + SETTLE_SECONDS * 2.5)
    connection.part = None
    given._look(now + SETTLE_SECONDS * 3)
    assert not upstream.stopped
    given._look(now + SETTLE_SECONDS * 3.6)
    assert upstream.stopped
    slow = FakeUpstream(keep=True)
    connection.part = "head"
    given = KeptServers(lambda: [cast("Upstream", slow)], lambda: [cast("Connection", connection)])
    given._look(given._began + RECEIVE_SECONDS / 2)
    assert not slow.stopped
    given._look(given._began + RECEIVE_SECONDS * 2)
    assert slow.stopped


@pytest.mark.parametrize(
    "upstream",
    [
        FakeUpstream(),
        FakeUpstream(keep=True, session="per_client"),
        FakeUpstream(keep=True, for_key=True),
        FakeUpstream(keep=True, container=ContainerSettings(image="i")),
    ],
)
def test_only_what_is_kept(upstream: FakeUpstream) -> None:
    """Not what ends with this sidecar in any case."""
    assert not is_kept(cast("Upstream", upstream))
