"""The public port of a whole hub: acceptor, sidecar and front, each killed and stopped under the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from bridge.keys import token_hash
from tests.support.hub import Hub, Name, running
from tests.support.raw_client import INITIALIZE, Connection, unchunked
from tests.support.yamcp import mock

LONG = "long-token-of-a-hub-at-its-public-port"
SHORT = "a-short-token-1234"
NAMES: tuple[Name, ...] = ("acceptor", "sidecar", "front")
KINDS = ("endpoint", "page", "both", "nothing")
EACH = 1_000
"""Connections of each kind."""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Hub]:
    """One that asks nobody for a token."""
    async with running({"a": mock("a")}, {"w": ["a"]}, front=True, HUB_ALLOWED_HOSTS="app.example") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def protected() -> AsyncIterator[Hub]:
    """One that does."""
    more = {"HUB_ALLOWED_HOSTS": "app.example", "HUB_TOKEN": LONG}
    async with running({"a": mock("a")}, {"w": ["a"]}, front=True, **more) as made:
        yield made


@contextlib.asynccontextmanager
async def connected(hub: Hub) -> AsyncIterator[Connection]:
    """A client at the public port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.settings.port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


async def ask(one: Connection, method: str, path: str, message: object = None, **headers: str) -> tuple[int, bytes]:
    """A request on a connection that goes on: status and body."""
    one.send(method, path, message, **headers)
    head = await one.head()
    body = b"".join(await one.body(head))
    return int(head["status"]), body if "content-length" in head else unchunked(body)


async def asked(hub: Hub, path: str, message: object = None, **headers: str) -> tuple[int, bytes]:
    """A request on a connection of its own."""
    async with connected(hub) as one:
        return await ask(one, "GET" if message is None else "POST", path, message, **headers)


HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}


async def session(one: Connection, **headers: str) -> dict[str, str]:
    """Begin a session over Streamable HTTP; the headers of its further requests."""
    one.send("POST", "/mcp/w", HELLO, **headers)
    head = await one.head()
    await one.body(head)
    assert head["status"] == "200"
    return {"mcp_session_id": head["mcp-session-id"], "mcp_protocol_version": INITIALIZE["protocolVersion"], **headers}  # type: ignore[dict-item]


@contextlib.contextmanager
def stopped(hub: Hub, name: Name):  # type: ignore[no-untyped-def]
    """It hangs meanwhile."""
    process = psutil.Process(hub.pid(name))
    process.suspend()
    try:
        yield
    finally:
        process.resume()


async def test_each_goes_on_without_the_others(hub: Hub) -> None:
    """Whoever hangs or is killed takes down its own alone; what waited is served when it is back."""
    async with connected(hub) as kept:
        mine = await session(kept)

        with stopped(hub, "front"):
            assert (await ask(kept, "POST", "/mcp/w", PING, **mine))[0] == 200
            assert (await asked(hub, "/mcp/w", HELLO))[0] == 200
            page = asyncio.create_task(asked(hub, "/healthz"))
        assert (await page)[0] == 200

        with stopped(hub, "sidecar"):
            waiting = asyncio.create_task(asked(hub, "/mcp/w", HELLO))
            status, body = await asked(hub, "/healthz")
            assert (status, json.loads(body)["reasons"][0]["code"]) == (503, "HUB_AWAY")
            assert (await asked(hub, "/hub/"))[0] == 200
            assert not waiting.done()
        assert (await waiting)[0] == 200
        assert (await ask(kept, "POST", "/mcp/w", PING, **mine))[0] == 200

        await hub.kill("acceptor")
        assert (await ask(kept, "POST", "/mcp/w", PING, **mine))[0] == 200
        kept.send("GET", "/healthz")  # not for the sidecar: it waits for an acceptor to give it to
        await hub.start("acceptor")
        assert (await kept.head())["status"] == "200"

        await hub.kill("front")
        assert (await asked(hub, "/mcp/w", HELLO))[0] == 200
        page = asyncio.create_task(asked(hub, "/hub/"))
        await hub.start("front")
        assert (await page)[0] == 200


async def test_a_sidecar_that_hangs_is_told_of_and_serves_nothing_late(hub: Hub) -> None:
    """503 after 5 s, in the form of endpoints; when it goes on, it does not serve what was refused."""
    before = await sessions(hub)
    with stopped(hub, "sidecar"):
        status, body = await asked(hub, "/mcp/w", HELLO)
        assert (status, json.loads(body)["error"]["data"]["code"]) == (503, "SIDECAR_AWAY")
    assert (await asked(hub, "/mcp/w", HELLO))[0] == 200
    assert await sessions(hub) == before + 1


async def sessions(hub: Hub) -> int:
    """How many are open."""
    return sum(workspace.sessions for workspace in (await hub.status()).workspaces)


async def test_no_descriptor_is_left_of_connections_of_each_kind(hub: Hub) -> None:
    """In none of the three processes; those that nobody waits for included."""
    limit = asyncio.Semaphore(32)

    async def one(kind: str) -> None:
        async with limit, connected(hub) as client:
            if kind in ("endpoint", "both"):
                assert (await ask(client, "GET", "/mcp/nobody"))[0] == 404
            if kind in ("page", "both"):
                assert (await ask(client, "GET", "/api/hub/none"))[0] == 404
            if kind == "nothing":
                client.writer.write(b"POST /mcp/w HTTP/1.1\r\n")
                await client.writer.drain()

    async def all_of(count: int) -> None:
        await asyncio.gather(*(one(kind) for kind in KINDS for _ in range(count)))

    await all_of(20)  # what is kept for the next: the channel between acceptor and sidecar
    before = await settled(hub, None)
    await all_of(EACH)
    assert await settled(hub, before) == before


async def settled(hub: Hub, wanted: dict[str, int] | None) -> dict[str, int]:
    """How many descriptors each has, once it is as wanted, or has not changed for a second."""
    found: dict[str, int] = {}
    same, end = 0, time.monotonic() + 100
    while time.monotonic() < end:
        last, found = found, {name: psutil.Process(hub.pid(name)).num_fds() for name in NAMES}
        same = same + 1 if found == last else 0
        if found == wanted or (wanted is None and same == 10):
            break
        await asyncio.sleep(0.1)
    return found


async def test_who_has_a_token_is_served_without_the_front(protected: Hub) -> None:
    """And nobody else: wrong ones are counted by address there, and short ones are looked at nowhere else."""
    good = {"authorization": f"Bearer {LONG}"}
    with stopped(protected, "front"):
        assert (await asked(protected, "/mcp/w", HELLO, **good))[0] == 200
        assert (await asked(protected, "/mcp/w", HELLO, **good, host="any.example"))[0] == 200
    said = [await asked(protected, "/mcp/w", HELLO, authorization=f"Bearer wrong-{n:040}") for n in range(11)]
    assert [status for status, _ in said] == [401] * 10 + [429]
    assert json.loads(said[0][1])["error"]["data"]["code"] == "TOKEN_INVALID"
    claim = {"x_forwarded_for": "192.0.2.7"}  # by no trusted proxy
    assert (await asked(protected, "/mcp/w", HELLO, authorization="Bearer wrong", **claim))[0] == 429
    assert (await asked(protected, "/mcp/w", HELLO))[0] == 401
    assert (await asked(protected, "/mcp/w", HELLO, **good))[0] == 200
    assert (await asked(protected, "/api/hub/state", **good))[0] == 200


async def test_a_short_token_cannot_be_guessed_past_the_limit() -> None:
    """The sidecar does not look at it, so that ten wrong ones end the guessing."""
    async with running({"a": mock("a")}, {"w": ["a"]}, front=True, HUB_TOKEN=SHORT) as hub:
        good = {"authorization": f"Bearer {SHORT}"}
        assert (await asked(hub, "/mcp/w", HELLO, **good))[0] == 200
        said = [(await asked(hub, "/mcp/w", HELLO, authorization=f"Bearer {n:018}"))[0] for n in range(10)]
        assert said == [401] * 10
        assert (await asked(hub, "/mcp/w", HELLO, **good))[0] == 429
        assert token_hash(SHORT) not in hub.log("front")


REQUESTS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("GET", "/mcp/w", {"host": "evil.example"}),
    ("POST", "/mcp/w", {"origin": "http://evil.example"}),
    ("POST", "/mcp/w", {"origin": "http://127.0.0.1:1"}),
    ("POST", "/mcp/w", {"sec_fetch_site": "cross-site"}),
    ("OPTIONS", "/mcp/w", {"origin": "http://app.example", "access_control_request_method": "POST"}),
    ("POST", "/mcp/w", {"origin": "http://app.example"}),
    ("PUT", "/mcp/w", {}),
    ("POST", "/mcp/w/sse", {"content_length": "0"}),
    ("GET", "/mcp/w/nothing", {}),
    ("GET", "/mcp/nobody", {}),
    ("GET", "/MCP/w", {}),
    ("GET", "/mcp/%77", {"accept": "text/html"}),
    ("GET", "/mcp//w", {}),
    ("GET", "/mcp/w/../x", {}),
    ("GET", "/.well-known/oauth-protected-resource/mcp/w", {}),
    ("GET", "/mcp/w", {"connection": "Upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}),
    ("POST", "/mcp/w", {"content_length": "99999999", "content_type": "application/json"}),
    ("POST", "/mcp/w", {"content_length": "2", "content_type": "text/plain"}),
    ("POST", "/mcp/w", {"content_length": "1, 1"}),
    ("GET", "/mcp/w", {"transfer_encoding": "chunked"}),
)


async def test_all_that_is_refused_is_refused_as_by_the_front(hub: Hub) -> None:
    """Status, body and what tells browsers: the same at the public port and at the front's own socket."""
    for request in REQUESTS:
        assert await answer(hub, *request) == await answer(hub, *request, way="front"), request


async def test_a_protected_hub_refuses_alike_too(protected: Hub) -> None:
    """With the token, and with none."""
    for method, path, headers in REQUESTS:
        for more in ({}, {"authorization": f"Bearer {LONG}"}):
            request = method, path, {**headers, **more}
            assert await answer(protected, *request) == await answer(protected, *request, way="front"), request


async def answer(hub: Hub, method: str, path: str, headers: dict[str, str], way: str = "port") -> tuple[object, ...]:
    """What is answered, in short."""
    if way == "front":
        reader, writer = await asyncio.open_unix_connection(hub.settings.front_socket)
        writer.write(b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n")
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.settings.port)
    one = Connection(reader, writer)
    one.send(method, path, None, **{"host": f"127.0.0.1:{hub.settings.port}", **headers})
    if headers.get("content_length") == "2":
        writer.write(b"{}")
    head = await one.head()
    framed = {"content-length", "transfer-encoding"} & set(head)  # or its connection ends with it
    body = b"".join(await one.body(head)) if framed else b""
    writer.transport.abort()
    return *(head.get(name) for name in KEPT), body if "content-length" in head else unchunked(body)


KEPT = ("status", "content-type", "www-authenticate", "allow", "access-control-allow-origin", "retry-after",
        "access-control-allow-methods", "access-control-allow-headers", "access-control-expose-headers")  # fmt: skip
