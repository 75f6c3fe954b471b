"""Servers that one replica runs, used by all: when a channel is opened to which replica, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import SecretStr

from bridge.models import RemoteLaunch, ServerSettings, ServerSpec, Snapshot
from bridge.settings import Settings
from sidecar.channels.connections import Connections
from sidecar.observe.redaction import Redactor
from sidecar.placement.errors import PlacedElsewhere, PlacementUnavailable
from sidecar.placement.leases import LeaseKeeper
from sidecar.protocol import codec, jsonrpc
from sidecar.protocol.channel import Channel, Frame, OnFrame
from sidecar.replicas.others import DIGEST, PATH, digest_of, signed
from sidecar.replicas.placed import PlacedServers, ServedChannel
from sidecar.replicas.relay import OwnRelay, SharedRelay
from sidecar.replicas.signature import HEADER, Signer
from sidecar.secret_sources.errors import UserClaimMissing
from sidecar.sign_in_errors import SignInRequired
from sidecar.upstream.connector import Connector, User
from sidecar.upstream.upstream import Upstream
from tests.support.fake_server import FakeServer
from tests.support.sidecar import mock

KEY = b"k" * 32
Json = dict[str, Any]


class Leases:
    """Those of a replica that has the lease of `held`, and none of `lost`."""

    def __init__(self) -> None:
        self.watchers: list[Callable[[str], None]] = []
        self.given = False

    def holds(self, server: str) -> bool:
        """As `LeaseKeeper`."""
        return server == "held" and not self.given

    def give_up(self, is_busy: Callable[[str], bool]) -> None:
        """As `LeaseKeeper`."""
        if not is_busy("held"):
            self.given = True
            for each in self.watchers:
                each("held")

    async def given_up(self, server: str) -> bool:
        """As `LeaseKeeper`, once it is given back."""
        return server == "held" and self.given


@pytest.fixture
def place() -> PlacedServers:
    """The layer of r0, which has the lease of `held`, and none of `lost`."""
    settings = Settings(
        replica="r0",
        replicas="r0=http://127.0.0.1:1,r1=http://127.0.0.1:2",
        replicas_secret=SecretStr("s" * 32),
    )
    pool = SimpleNamespace(in_flight=lambda _: 0)
    hub: Any = SimpleNamespace(snapshot=Snapshot.of(1, 1, (), ()), pool=pool)
    return PlacedServers(settings, KEY, hub, cast("LeaseKeeper", Leases()))


@pytest.fixture
def ask(place: PlacedServers) -> Callable[..., Awaitable[tuple[int, str]]]:
    """Ask as another replica, signed unless `header` is given; returns the status and the code of an error."""

    async def rest(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    layer, signer = place.around(rest), Signer(KEY, "r1")

    async def ask(
        message: Json, to: str = "r0", header: bytes | None = None, path: str = PATH, body: bytes | None = None
    ) -> tuple[int, str]:
        sent, digest = list[Any](), digest_of(codec.dumps(message))
        body = codec.dumps(message) if body is None else body
        header = signer.sign(to, "", signed("POST", digest)) if header is None else header
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        scope |= {"headers": [(HEADER, header), (DIGEST, digest)] if header else [], "state": {}}

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        async def send(event: Any) -> None:
            sent.append(event)

        await layer(cast("Any", scope), receive, send)
        answer = codec.loads(sent[1]["body"] or b"{}")
        return sent[0]["status"], str(answer.get("error", {}).get("data", {}).get("code", ""))

    return ask


async def test_only_replicas_get_there(ask: Callable[..., Awaitable[tuple[int, str]]]) -> None:
    """All others get what they get at a path of no workspace; a request is never handed on."""
    held = {"server": "held", "shared": True}
    assert await ask(held, header=b"") == (418, "")
    assert await ask(held, path="/mcp/w") == (418, "")
    assert await ask(held, header=b"1 r1 r0 1 x 1 - 00") == (403, "REPLICA_SIGNATURE_INVALID")
    assert await ask(held, body=b"{}") == (403, "REPLICA_SIGNATURE_INVALID"), "another body than the signed one"
    assert await ask(held, to="r2") == (508, "REPLICA_LOOP")
    assert await ask({"server": "lost", "shared": True}) == (400, "SERVER_PLACED_ELSEWHERE")
    assert await ask({"server": "lost", "shared": False}) == (400, "SERVER_PLACED_ELSEWHERE")
    assert await ask(held) == (400, "SERVER_PLACED_ELSEWHERE"), "it is in no snapshot yet"


async def test_nobody_acts_for_somebody_else(
    place: PlacedServers, ask: Callable[..., Awaitable[tuple[int, str]]]
) -> None:
    """A replica whose definition of a server is another one gets no connection: neither that of nobody in particular to
    a server that has one for each user, nor the reverse."""
    cast("Any", place._hub).snapshot = Snapshot.of(1, 1, (personal("held"),), ())
    for asked in ({"shared": True}, {"shared": False}, {"shared": True, "user": {"id": "k1", "claims": {}}}):
        assert await ask({"server": "held", **asked}) == (400, "SERVER_PLACED_ELSEWHERE")
    cast("Any", place._hub).snapshot = Snapshot.of(1, 2, (mock("held", placement="one"),), ())
    assert await ask({"server": "held", "user": {"id": "k1"}}) == (400, "SERVER_PLACED_ELSEWHERE")


async def test_nothing_is_opened_at_the_end(
    place: PlacedServers, ask: Callable[..., Awaitable[tuple[int, str]]]
) -> None:
    """Neither at the holder, when it is about to stop: it says so when another one can get the lease."""
    place.end_idle_streams()
    assert await ask({"server": "held", "shared": True}) == (400, "SERVER_PLACED_ELSEWHERE")


class Taken:
    """A relay that keeps what it gets."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.busy = False

    async def take(self, frame: Frame) -> None:
        """Keep it."""
        self.frames.append(frame)


async def test_messages_arrive_once_and_in_order(
    place: PlacedServers, ask: Callable[..., Awaitable[tuple[int, str]]]
) -> None:
    """A request that comes twice counts once; after a gap, or the end, the channel has to be opened anew."""
    channel, relay = ServedChannel("held"), Taken()
    channel.relay = relay
    place._channels[channel.id] = channel
    first, second = {"channel": channel.id, "number": 1, "frames": [{"id": 1}, {"id": 2}]}, [{"id": 3}]
    assert await ask(first) == (202, "")
    assert await ask(first) == (202, "")
    assert await ask({"channel": channel.id, "number": 2, "frames": second}) == (202, "")
    assert [frame["id"] for frame in relay.frames] == [1, 2, 3]
    relay.busy = True
    place.end_idle_streams()
    assert not channel.ended, "a request is in progress"
    place._lease_changed("other")
    assert not channel.ended
    place.give_up()
    assert await ask({"channel": channel.id, "number": 3, "frames": [{"id": 4}]}) == (404, "PLACED_CHANNEL_LOST")
    lines = b"".join([piece async for piece in channel.pieces()]).splitlines()
    assert codec.loads(lines[-1]) == {"ended": "The replica does not run the server any more.", "taken": 2}
    gap = ServedChannel("held")
    gap.relay = relay
    place._channels[gap.id] = gap
    assert await ask({"channel": gap.id, "number": 2, "frames": second}) == (404, "PLACED_CHANNEL_LOST")
    assert gap.ended


async def test_a_replica_that_reads_too_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its channel ends, and what waited for it is dropped."""
    monkeypatch.setattr("sidecar.replicas.placed.MAX_QUEUED", 100)
    channel = ServedChannel("a")
    channel.send({"large": "x" * 200})
    lines = [piece async for piece in channel.pieces()]
    assert len(lines) == 2
    assert codec.loads(lines[1]) == {"ended": "The other replica reads too slowly.", "taken": 0}


async def test_a_channel_of_its_own() -> None:
    """It is busy from a request to its answer, or its cancellation."""
    server = FakeServer()
    async with server.connect(lambda _: None) as channel:
        relay = OwnRelay(channel)
        for answered in ({"id": 1, "result": {}}, None):
            await relay.take(jsonrpc.request(1, "ping", {}))
            assert relay.busy
            if answered:
                relay.passed(answered)
            else:
                await relay.take(jsonrpc.notification("notifications/cancelled", {"requestId": 1}))
            assert not relay.busy


async def test_the_shared_one() -> None:
    """Its era is the server's; requests for what is not known here go on to it, with progress under their own token."""
    sent: list[Frame] = []
    ended: list[str] = []
    asked: list[tuple[str, Json]] = []

    async def request(method: str, params: Json, *, on_progress: Any, **_: Any) -> Frame:
        asked.append((method, params))
        on_progress({"progress": 1, "progressToken": 99})
        return jsonrpc.result(99, {"content": []})

    def upstream_of(era: str) -> Any:
        greeting = SimpleNamespace(
            era=era, version="2025-11-25", capabilities={"tools": {}}, server_info={"name": "s"}, instructions=""
        )
        catalog = SimpleNamespace(greeting=greeting, tools=({"name": "t"},), prompts=(), resources=(), templates=())
        return SimpleNamespace(catalog=catalog, request=request, state="ready", reason=None)

    async def answer(relay: SharedRelay, method: str, params: Json) -> Frame:
        await relay.take(jsonrpc.request(7, method, params))
        await relay._tasks[7]
        assert sent[-1]["id"] == 7
        return sent[-1]

    for era, greets, other in (
        ("legacy", "initialize", "server/discover"),
        ("modern", "server/discover", "initialize"),
    ):
        upstream = upstream_of(era)
        relay = SharedRelay(cast("Upstream", upstream), cast("Any", None), sent.append, ended.append)
        relay.begin()
        assert (await answer(relay, greets, {}))["result"]["capabilities"] == {"tools": {}}
        assert (await answer(relay, other, {}))["error"]["code"] == -32601
        assert (await answer(relay, "tools/list", {}))["result"] == {"tools": [{"name": "t"}]}
        params = {"name": "t", "_meta": {"progressToken": 5}}
        assert (await answer(relay, "tools/call", params))["result"] == {"content": []}
        assert sent[-2]["params"] == {"progress": 1, "progressToken": 5}
        assert asked.pop() == ("tools/call", params)
        before = upstream.catalog
        upstream.catalog = SimpleNamespace(**{**vars(before), "tools": ()})
        relay.changed()
        assert sent[-1]["method"] == "notifications/tools/list_changed"
        assert not ended
        upstream.state = "failed"
        relay.changed()
        assert ended.pop()


class Nowhere:
    """A placement of a server that another replica runs, or nobody knows which one."""

    def __init__(self, error: PlacedElsewhere) -> None:
        self._error = error

    @asynccontextmanager
    async def running(self, key: str) -> AsyncIterator[int]:
        """Raise the error."""
        raise self._error
        yield 0

    async def run(self) -> None:
        """Nothing is to be done."""


def personal(key: str) -> ServerSpec:
    """A remote server with a claim of the user in a header."""
    launch = RemoteLaunch(url="http://127.0.0.1:1/mcp", headers={"x-user": "${user.name}"})
    return ServerSpec(key=key, namespace=key, launch=launch, settings=ServerSettings(placement="one"))


class NotSignedIn:
    """The account of somebody who has not signed in."""

    async def authorization(self) -> str:
        """Raise SignInRequired."""
        raise SignInRequired("You have to sign in.")

    async def refused(self, sent: str, status: int, challenge: str, *, again: bool) -> bool:
        """Nothing was sent."""
        return False


async def test_where_a_channel_is_opened() -> None:
    """At the replica that has the lease, for a user if it is one user's, who has to have what the server needs; nowhere
    while that replica is unknown."""
    connector = Connector(cast("Any", None), cast("Connections", None), Redactor(), ())
    opened: list[tuple[str, str, bool, User | None]] = []

    @asynccontextmanager
    async def elsewhere(
        replica: str, server: str, shared: bool, user: User | None, on_frame: OnFrame
    ) -> AsyncIterator[Channel]:
        opened.append((replica, server, shared, user))
        yield cast("Channel", None)

    async def open_(spec: ServerSpec | None = None, **how: Any) -> None:
        async with connector(spec or mock("a", placement="one"), **how)(lambda _: None):
            pass

    connector.placement = Nowhere(PlacedElsewhere("r1 runs it", data={"replica": "r1"}))
    with pytest.raises(PlacedElsewhere):
        await open_()
    connector.elsewhere = elsewhere
    await open_(shared=True)
    await open_()
    claims = {"name": "Ada"}
    await open_(personal("b"), claims=lambda: claims, principal="k1")
    expected = [("r1", "a", True, None), ("r1", "a", False, None), ("r1", "b", False, User("k1", claims))]
    assert opened == expected
    with pytest.raises(UserClaimMissing):
        await open_(personal("b"), claims=dict, principal="")
    with pytest.raises(PlacedElsewhere):  # the other replica does not have the account
        await open_(personal("b"), authorize=lambda _: NotSignedIn(), claims=lambda: claims, principal="k1")
    connector.accounts_elsewhere = True
    with pytest.raises(SignInRequired):
        await open_(personal("b"), authorize=lambda _: NotSignedIn(), claims=lambda: claims, principal="k1")
    with pytest.raises(PlacedElsewhere):
        async with connector.opened_here(mock("a", placement="one"), lambda _: None):
            pass
    connector.placement = Nowhere(PlacementUnavailable("It is unknown."))
    with pytest.raises(PlacementUnavailable):
        await open_()
    assert opened == expected
