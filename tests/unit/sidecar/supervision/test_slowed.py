"""A server that is slowed down because it sends too much is shown as degraded, for as long as that lasts."""

from __future__ import annotations

import pytest

from sidecar.supervision import slowed
from tests.support.fake_server import FakeServer, until, within
from tests.unit.sidecar.upstream.test_upstream import running

TEXT = "it sends too many unsolicited messages, and the hub slows it down"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once."""
    monkeypatch.setattr(slowed, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr("sidecar.supervision.backoff.FIRST_DELAY", 0.001)


async def test_a_slowed_server_is_degraded_until_it_stops() -> None:
    """The trouble has a code, and says what the server sends; a second report of the same flood changes nothing."""
    server = FakeServer()
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        channel = server.channel
        assert upstream.shown_state == "ready"
        channel.slowed = True
        channel.on_slowed(TEXT)
        assert upstream.shown_state == "degraded"
        (trouble,) = upstream.troubles.all
        assert (trouble.code, trouble.message) == ("SERVER_SLOWED", f"I{TEXT[1:]}.")
        channel.on_slowed(TEXT)
        assert upstream.troubles.all == (trouble,)
        channel.slowed = False
        await until(lambda: upstream.shown_state == "ready")
        assert upstream.troubles.all == ()


async def test_short_breaks_do_not_end_a_flood() -> None:
    """A look that finds the server quiet is not enough."""
    told: list[int] = []
    watch = slowed.SlowedWatch(lambda troubles: told.append(len(troubles)))
    looks = iter([True, False, False, True, False, False, False])

    class Channel:
        """What the watch needs of a channel."""

        @property
        def slowed(self) -> bool:
            return next(looks)

    channel = Channel()
    watch.watch(channel)  # type: ignore[arg-type]
    channel.on_slowed(TEXT)  # type: ignore[attr-defined]
    await until(lambda: told == [1, 0])
    assert list(looks) == []


async def test_the_trouble_ends_with_the_connection() -> None:
    """The next connection is not blamed for the flood of the one before."""
    server = FakeServer()
    async with running(server) as (upstream, _):
        await within(upstream.ready(100))
        server.channel.slowed = True
        server.channel.on_slowed(TEXT)
        assert upstream.shown_state == "degraded"
        upstream.restart()
        await until(lambda: len(server.channels) == 2 and upstream.state == "ready")
        assert (upstream.shown_state, upstream.troubles.all) == ("ready", ())
