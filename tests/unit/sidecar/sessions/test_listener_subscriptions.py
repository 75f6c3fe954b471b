"""The resources that modern clients listen to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sidecar.sessions.listener_subscriptions import ListenerSubscriptions
from tests.support.fake_server import FakeServer, RpcError, settle, within
from tests.support.inprocess import space, world

pytestmark = pytest.mark.outside

UPDATED = "notifications/resources/updated"


def refuse(*_: Any) -> Any:
    """No."""
    raise RpcError(-32002, "no such resource")


async def test_a_place_that_refuses(tmp_path: Path) -> None:
    """Listeners hear of the old place until the new one grants the subscription; then of the new one alone."""
    first, second, heard = FakeServer("first"), FakeServer("second"), list[str]()
    async with world(tmp_path, first, second) as made:
        made.put(first.spec("a"), space("a"), space("a", name="other"))
        await made.settled()
        listened = ListenerSubscriptions(lambda: made.workspace().view, heard.append)
        await listened.add("note://a/1")
        await listened.add("note://a/1")
        assert len(first.channel.got("resources/subscribe")) == 1
        made.put(first.spec("kept"), space("kept", name="other"))
        second.handlers["resources/subscribe"] = refuse
        made.put(second.spec("a"))
        await made.settled()
        await listened.follow()
        assert listened.outdated() == ["note://a/1"]
        assert first.channel.got("resources/unsubscribe") == []
        made.hub.upstream_notified(made.workspace("other").members["kept"].upstream, UPDATED, {"uri": "note://1"})  # type: ignore[arg-type]
        assert heard == ["note://a/1"]
        del second.handlers["resources/subscribe"]
        await listened.follow()
        assert listened.outdated() == []
        await first.channel.sent("resources/unsubscribe")
        second.channel.notify(UPDATED, {"uri": "note://1"})
        assert heard == ["note://a/1"] * 2
        await listened.remove("note://a/1")
        assert second.channel.got("resources/unsubscribe") == []
        await listened.remove("note://a/1")
        await second.channel.sent("resources/unsubscribe")


async def test_what_could_not_be_subscribed_to_is_tried_again(tmp_path: Path) -> None:
    """A listener that came while the server refused is heard when it does not; one that left meanwhile is not."""
    server, heard, door = FakeServer(), list[str](), asyncio.Event()
    server.handlers["resources/subscribe"] = refuse
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        listened = ListenerSubscriptions(lambda: made.workspace().view, heard.append)
        await listened.add("note://a/1")
        await listened.add("note://nowhere/1")
        assert listened.outdated() == ["note://a/1"]

        async def wait(*_: Any) -> dict[str, Any]:
            await door.wait()
            return {}

        server.handlers["resources/subscribe"] = wait
        following = asyncio.create_task(listened.follow())
        await server.channel.sent("resources/subscribe", 2)
        leaving = asyncio.create_task(listened.remove("note://a/1"))
        await settle()
        door.set()
        await within(asyncio.gather(following, leaving))
        await server.channel.sent("resources/unsubscribe")
        server.channel.notify(UPDATED, {"uri": "note://1"})
        assert heard == []
