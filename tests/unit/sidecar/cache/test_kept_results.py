"""Equal calls get the kept result: over each transport, in each era, from memory and from a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.keys import Principal
from bridge.models import RemoteLaunch
from sidecar import redis_connection
from sidecar.cache.redis_store import RedisStore
from sidecar.cache.result_cache import META_KEY, ResultCache
from sidecar.cache.store import MemoryStore
from sidecar.observe.metrics import Metrics
from sidecar.redis_connection import CONNECTIONS
from tests.support.fake_server import FakeServer, text, until
from tests.support.inprocess import World, space, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import connected
from tests.support.redis import redis

pytestmark = pytest.mark.outside

WAYS = [("sse", "legacy"), ("http", "legacy"), ("http", "modern"), ("sse", "modern")]
FORM = {"method": "elicitation/create", "params": {"message": "Who?", "requestedSchema": {}}}
READ_ONLY = {"annotations": {"readOnlyHint": True, "idempotentHint": True}}


def counting(era: str = "legacy") -> FakeServer:
    """A server whose tools say how often they were called before; `wrong` fails."""
    counts: dict[str, int] = {}

    def count(name: str) -> Any:
        def tool(**given: Any) -> Any:
            counts[name] = counts.get(name, 0) + 1
            return {"content": [{"type": "text", "text": f"{counts[name]} {given}"}], "_meta": {"x/y": 1}}

        return tool

    def wrong() -> Any:
        counts["wrong"] = counts.get("wrong", 0) + 1
        return {"isError": True, "content": [{"type": "text", "text": str(counts["wrong"])}]}

    tools = {"count": count("count"), "other": count("other"), "pure": count("pure"), "wrong": wrong}
    return FakeServer(era=era, tools=tools)


@contextlib.asynccontextmanager
async def hub(server: FakeServer, workspace: dict[str, Any], **settings: Any) -> AsyncIterator[World]:
    """A hub with that server, whose settings are given."""
    variables = settings.pop("variables", {})
    with tempfile.TemporaryDirectory(prefix="hub") as root:
        async with world(Path(root), server, serve=True, runtime_dir=Path(root) / "run", **variables) as made:
            made.put(server.spec("a", **settings), space("a", **workspace))
            yield made


async def call(peer: Any, tool: str = "count", bypass: bool = False, **arguments: Any) -> tuple[str, Any]:
    """The text of the result, and what it says of the cache."""
    meta = {"_meta": {META_KEY: "bypass"}} if bypass else {}
    answer = (await peer.request("tools/call", {"name": f"a_{tool}", "arguments": arguments, **meta})).answer
    result = answer["result"]
    return result["content"][0]["text"], result.get("_meta", {}).get(META_KEY)


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_equal_calls(transport: Any, era: Any) -> None:
    """The order of arguments does not count; everything else of the result stays; other tools are asked each time."""
    async with hub(counting(), {}, cache={"c*": 60, "wrong": 60}) as made:
        async with connected(f"{made.base}/mcp/w", transport, era) as peer:
            assert await call(peer, x=1, y=[1.5]) == ("1 {'x': 1, 'y': [1.5]}", None)
            kept, about = await call(peer, y=[1.5], x=1)
            assert (kept, about["hit"], 0 <= about["age"] < 60) == ("1 {'x': 1, 'y': [1.5]}", True, True)
            assert (await call(peer, x=2, y=[1.5]))[1] is None
            assert (await call(peer, bypass=True, x=1, y=[1.5]))[0].startswith("3 ")
            assert (await call(peer, x=1, y=[1.5]))[0].startswith("3 ")
            assert [(await call(peer, "other"))[0] for _ in range(3)] == ["1 {}", "2 {}", "3 {}"]
            assert [(await call(peer, "wrong"))[0] for _ in range(3)] == ["1", "2", "3"]
        page = made.metrics.render()[0].decode()
        assert 'yamcp_hub_cached_calls_total{server="a",use="hit"} 2.0' in page
        assert 'yamcp_hub_cached_calls_total{server="a",use="bypass"} 1.0' in page


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_tools_that_declare_it(transport: Any, era: Any) -> None:
    """Where the workspace allows it, and only these."""
    server = counting()
    listed = server._items
    hints = {"pure": READ_ONLY, "other": {"annotations": {"readOnlyHint": True}}}
    server._items = lambda method: [item | hints.get(item["name"], {}) for item in listed(method)]  # type: ignore[method-assign]
    workspace = {"cache_read_only": 60}
    async with hub(server, workspace) as made, connected(f"{made.base}/mcp/w", transport, era) as peer:
        assert [(await call(peer, "pure"))[0] for _ in range(3)] == ["1 {}"] * 3
        assert [(await call(peer, "other"))[0] for _ in range(3)] == ["1 {}", "2 {}", "3 {}"]


@pytest.mark.parametrize(("transport", "era"), [("http", "legacy"), ("http", "modern")])
async def test_results_of_modern_servers(transport: Any, era: Any) -> None:
    """They are kept like those of others; a question is asked each time, and what was answered is nobody else's."""
    server = counting("modern")

    def ask(frame: dict[str, Any]) -> dict[str, Any]:
        if "inputResponses" in frame["params"]:
            return text("answered")
        return {"resultType": "input_required", "inputRequests": {"q": FORM}, "requestState": "s"}

    server.tools["ask"] = ask
    running = hub(server, {}, cache={"count": 60, "ask": 60})
    async with running as made, connected(f"{made.base}/mcp/w", transport, era) as peer:
        assert [(await call(peer))[0] for _ in range(2)] == ["1 {}"] * 2
        if era == "legacy":
            return
        params = {"name": "a_ask", "arguments": {}}
        for _ in range(2):
            asked = (await peer.request("tools/call", params)).answer["result"]
            assert asked["resultType"] == "input_required"
            answers = {"inputResponses": {"q": {"action": "accept"}}, "requestState": asked["requestState"]}
            result = (await peer.request("tools/call", {**params, **answers})).answer["result"]
            assert (result["content"][0]["text"], "hit" in str(result)) == ("answered", False)


async def test_a_shorter_time_holds_for_what_is_kept() -> None:
    """An edit of it ends results that were to be kept for longer."""
    server, now = counting(), [0.0]
    async with hub(server, {}, cache={"count": 600}) as made:
        made.hub.cache._store = MemoryStore(1 << 20, lambda: now[0])
        async with connected(f"{made.base}/mcp/w", "http", "legacy") as peer:
            assert [(await call(peer))[0] for _ in range(2)] == ["1 {}"] * 2
            now[0] = 60.0
            assert (await call(peer))[0] == "1 {}"
            made.put(server.spec("a", cache={"count": 60}), space("a"))
            assert (await call(peer))[0] == "2 {}"


@pytest.mark.parametrize(
    "found", [b"", b"null", b"[]", b'{"a":1}', b"[1]", b'["1", {"content": []}]', b"[1, []]", b"[1, {}]", b"\xff[["]
)
async def test_what_others_wrote_into_the_store_is_no_result(found: bytes) -> None:
    """The server is asked; a call never fails for it."""

    class Poisoned(MemoryStore):
        async def get(self, key: str) -> tuple[bytes, float] | None:
            return found, 1.0

    async with hub(counting(), {}, cache={"count": 60}) as made:
        made.hub.cache._store = Poisoned(1 << 20)
        async with connected(f"{made.base}/mcp/w", "http", "legacy") as peer:
            assert [(await call(peer))[0] for _ in range(2)] == ["1 {}", "2 {}"]


async def test_time_and_edits_end_it() -> None:
    """A result that is too old, and those of an earlier definition."""
    server, now = counting(), [0.0]
    async with hub(server, {}, cache={"count": 60}) as made:
        made.hub.cache._store = MemoryStore(1 << 20, lambda: now[0])
        async with connected(f"{made.base}/mcp/w", "http", "legacy") as peer:
            assert [(await call(peer))[0] for _ in range(2)] == ["1 {}"] * 2
            now[0] = 60
            assert [(await call(peer))[0] for _ in range(2)] == ["2 {}"] * 2
            made.put(server.spec("a", cache={"count": 60}, args=("changed",)), space("a"))
            await made.settled()
            assert [(await call(peer))[0] for _ in range(2)] == ["3 {}"] * 2


@pytest.mark.parametrize("shared", [False, True])
async def test_keys(shared: bool) -> None:
    """Each key has results of its own, unless the server shares them."""
    with tempfile.TemporaryDirectory(prefix="hub") as name:
        root = Path(name)
        keys, server = KeyFile(root), counting()
        tokens = [keys.add("one"), keys.add("two")]
        settings = {"token": HUB_TOKEN, "runtime_dir": root / "run"}
        async with world(root, server, serve=True, **settings) as made:
            made.put(server.spec("a", cache={"count": 60}, cache_shared=shared, share_between_keys=True), space("a"))
            said = []
            for token in (*tokens, *tokens):
                socket = made.settings.sidecar_socket
                async with connected("http://hub/mcp/w", "http", "legacy", token=token, uds=socket) as peer:
                    said.append((await call(peer))[0])
            assert said == (["1 {}"] * 4 if shared else ["1 {}", "2 {}"] * 2)


async def test_servers_of_single_clients() -> None:
    """Their state belongs to a client: nothing is kept."""
    running = hub(counting(), {}, cache={"*": 60}, session="per_client")
    async with running as made, connected(f"{made.base}/mcp/w", "http", "legacy") as peer:
        assert [(await call(peer))[0] for _ in range(3)] == ["1 {}", "2 {}", "3 {}"]


async def test_large_results_are_not_kept() -> None:
    """They would push out all others."""
    server = FakeServer(tools={"large": lambda: text("x" * 300_000)})
    async with hub(server, {}, cache={"*": 60}) as made, connected(f"{made.base}/mcp/w", "http", "legacy") as peer:
        assert [(await call(peer, "large"))[1] for _ in range(2)] == [None, None]


async def test_many_calls_at_once_share_the_connections_to_redis() -> None:
    """More than there are connections; none finds Redis away because of that."""
    with tempfile.TemporaryDirectory(prefix="redis") as name:
        async with redis(Path(name)):
            store = RedisStore(f"unix://{name}/redis.sock")
            try:
                await asyncio.gather(*(store.put(f"k{n}", b"%d" % n, 60) for n in range(8 * CONNECTIONS)))
                found = await asyncio.gather(*(store.get(f"k{n}") for n in range(8 * CONNECTIONS)))
            finally:
                await store.close()
    assert [value for value, _ in found] == [b"%d" % n for n in range(8 * CONNECTIONS)]


async def test_redis(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hubs share it; while it is away calls go to the servers, which is said once, and in the status; then it is
    used again by itself."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(redis_connection, "PAUSE_SECONDS", 0.05)
    with tempfile.TemporaryDirectory(prefix="hub") as name:
        root = Path(name)
        variables = {"redis_url": SecretStr(f"unix://{root}/redis.sock")}
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(redis(root))
            hubs = [
                await stack.enter_async_context(hub(counting(), {}, cache={"*": 60}, variables=variables)) for _ in "ab"
            ]
            peers = [
                await stack.enter_async_context(connected(f"{each.base}/mcp/w", "http", "legacy")) for each in hubs
            ]
            assert await call(peers[0]) == ("1 {}", None)
            kept, about = await call(peers[1])
            assert (kept, about["hit"]) == ("1 {}", True)
            server.kill()
            await server.wait()
            assert [(await call(peers[0]))[0] for _ in range(3)] == ["2 {}", "3 {}", "4 {}"]
            assert sum("CACHE_UNAVAILABLE" in str(vars(record)) for record in caplog.records) == 1
            cache: ResultCache = hubs[0].hub.cache
            assert (trouble := cache.trouble())
            assert trouble.code == "CACHE_UNAVAILABLE"
            (root / "redis.sock").unlink(missing_ok=True)
            await stack.enter_async_context(redis(root))
            await until(lambda: cache.trouble() is None)
            assert [(await call(peers[0]))[0] for _ in range(2)] == ["5 {}"] * 2
            assert "results are kept again" in caplog.messages


@pytest.mark.parametrize(("settings", "same"), [({}, False), ({"cache_shared": True}, True)])
@pytest.mark.parametrize(
    ("sign_in", "header", "own"),
    [("none", "x", False), ("user", "x", True), ("shared", "x", False), ("none", "${user.email}", True)],
)
def test_results_got_for_a_user(settings: dict[str, Any], same: bool, sign_in: str, header: str, own: bool) -> None:
    """They are that user's, even where results are shared."""
    cache = ResultCache(MemoryStore(1), Metrics())
    launch = RemoteLaunch(url="https://a.example/mcp", headers={"x-user": header})
    spec = FakeServer().spec("a", sign_in=sign_in, **settings).model_copy(update={"launch": launch})
    offer = SimpleNamespace(spec=spec, upstream=SimpleNamespace(fingerprint="f"), label="a")
    route: Any = SimpleNamespace(offer=offer, name="count", presets=None)

    def key(principal: str) -> str:
        call: Any = SimpleNamespace(principal=Principal(principal, "x"), workspace="w", era="legacy", params={})
        found = cache.lookup(call, route, 60)
        assert found is not None
        return found._key

    assert (key("k0000001") == key("k0000002")) == (same and not own)
