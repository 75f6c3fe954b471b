"""The HTTP face: who is let in, what is refused, and how."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from sidecar.downstream import router
from sidecar.errors import ServerExited
from tests.support.fake_server import FakeServer, settle, until
from tests.support.inprocess import World, space, world
from tests.support.peers import LEGACY, MODERN, SsePeer, connected
from tests.support.properties import examples

pytestmark = pytest.mark.outside

HELLO = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[World]:
    """A workspace `w`, one that is off, one with an odd name; over HTTP."""
    server = FakeServer()
    async with world(tmp_path, server, serve=True, max_sessions=3, max_body_bytes=2048) as made:
        made.put(
            server.spec("a"),
            space("a"),
            space("a", name="off", enabled=False),
            space("a", name="a/b ?#", slug="a-b"),
        )
        await made.settled()
        yield made


@pytest.fixture
async def http(hub: World) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it."""
    async with httpx2.AsyncClient(base_url=hub.base, timeout=100) as client:
        yield client


def refused(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The error in a response, which must be of this status and code, and a JSON-RPC error without an id.

    An answer 503 has to say when to try again.
    """
    assert response.status_code == status, response.text
    assert ("retry-after" in response.headers) is (status == 503)
    body = response.json()
    assert (body["jsonrpc"], body["id"], body["error"]["data"]["code"]) == ("2.0", None, code)
    found: dict[str, Any] = body["error"]
    return found


# --- where to ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/mcp/nope", "/mcp/nope/sse", "/mcp/nope/messages?session_id=x", "/mcp/w/what", "/x", "/", "/mcp", "/mcp/a/b/c/d"],
)
async def test_unknown(http: httpx2.AsyncClient, path: str) -> None:
    """404 says which workspaces there are."""
    error = refused(await http.get(path), 404, "WORKSPACE_UNKNOWN")
    assert error["data"]["workspaces"] == ["w", "a-b"]
    assert "There are: w, a-b." in error["message"]


async def test_no_workspaces(tmp_path: Path) -> None:
    """Without any workspace, 404 says that."""
    async with world(tmp_path, serve=True) as made, httpx2.AsyncClient(timeout=100) as client:
        made.put()
        assert "none yet" in (await client.get(f"{made.base}/mcp/x")).text


PATHS = ["/mcp/w", "/mcp/w/sse", "/mcp/w/messages?session_id=x", "/mcp/nope"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_before_the_first_snapshot(tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No workspace is known then, which says nothing of whether there is one: 503, and when to try again."""
    monkeypatch.setattr(router, "STARTING_WAIT", 0.01)
    async with world(tmp_path, serve=True) as made, httpx2.AsyncClient(timeout=100, base_url=made.base) as client:
        for path in PATHS:
            response = await client.request(method, path)
            error = refused(response, 503, "HUB_STARTING")
            assert "data" not in error["data"] and "workspaces" not in error["data"]
            assert int(response.headers["retry-after"]) > 0
        assert (await client.get("/healthz")).status_code == 200


async def test_requests_wait_for_the_first_snapshot(tmp_path: Path) -> None:
    """What comes after a restart, before the workspaces are known, is served as soon as they are."""
    server = FakeServer()
    async with (
        world(tmp_path, server, serve=True) as made,
        httpx2.AsyncClient(timeout=100, base_url=made.base) as client,
    ):
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
        early = asyncio.create_task(client.post("/mcp/w", json=body, headers=ACCEPT))
        none = asyncio.create_task(client.get("/mcp/nope"))
        assert made.server is not None
        await until(lambda: len(made.server.server_state.tasks) == 2)
        made.put(server.spec("a"), space("a"))
        assert "mcp-session-id" in (await early).headers
        refused(await none, 404, "WORKSPACE_UNKNOWN")


async def test_a_stop_before_the_first_snapshot(tmp_path: Path) -> None:
    """A request that waits does not hold up the end."""
    async with world(tmp_path, serve=True) as made, httpx2.AsyncClient(timeout=100, base_url=made.base) as client:
        early = asyncio.create_task(client.get("/mcp/w"))
        assert made.server is not None
        await until(lambda: len(made.server.server_state.tasks) == 1)
        made.stop.set()
        refused(await early, 503, "HUB_STARTING")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/mcp/w/sse", "GET"),
        ("DELETE", "/mcp/w/sse", "GET"),
        ("GET", "/mcp/w/messages", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("PUT", "/status", "GET, HEAD"),
    ],
)
async def test_method(http: httpx2.AsyncClient, method: str, path: str, allowed: str) -> None:
    """405 says what is allowed."""
    response = await http.request(method, path)
    refused(response, 405, "MESSAGE_INVALID")
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD"])
async def test_method_over_streamable_http(http: httpx2.AsyncClient, method: str) -> None:
    """Streamable HTTP has three methods."""
    assert (await http.request(method, "/mcp/w", headers=ACCEPT)).status_code == 405


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"host": "evil.example"}, False),
        ({"host": "evil.example:8766"}, False),
        ({"host": "localhost.evil.example"}, False),
        ({"host": "[::1"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"host": "[::1].evil"}, False),
        ({"host": "127.0.0.1:99999999"}, False),
        ({"origin": "http://localhost:5173"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"host": "localhost"}, True),
        ({"host": "LOCALHOST:1"}, True),
        ({"host": "[::1]:8766"}, True),
        ({"host": "hub.example"}, True),
        ({"host": "public.example:444"}, True),
        ({"host": "localhost:5173", "origin": "http://127.0.0.1:5173"}, True),
        ({"host": "hub.example", "origin": "https://hub.example"}, True),
        ({"origin": "https://public.example"}, True),
        ({"origin": "http://hub.example:5173", "sec-fetch-site": "cross-site"}, True),
    ],
)
async def test_host_and_origin(tmp_path: Path, headers: dict[str, str], allowed: bool) -> None:
    """Only the hub's own names, and those allowed, may be in Host and Origin."""
    settings = {"allowed_hosts": " hub.example ,", "public_url": "https://public.example/base"}
    async with world(tmp_path, serve=True, **settings) as made, httpx2.AsyncClient(timeout=100) as client:
        response = await client.get(f"http://127.0.0.1:{made.settings.sidecar_port}/healthz", headers=headers)
        if allowed:
            assert response.status_code == 200
        else:
            refused(response, 403, "HOST_REFUSED")


async def test_a_page_of_a_named_origin_uses_the_endpoints(tmp_path: Path) -> None:
    """CORS: it is told what it may send, and reads every answer; no other page does, and nothing else is read."""
    server = FakeServer()
    async with (
        world(tmp_path, server, serve=True, allowed_hosts="localhost,https://app.example") as made,
        httpx2.AsyncClient(base_url=made.base, timeout=100) as client,
    ):
        made.put(server.spec("a"), space("a"))
        await made.settled()
        for origin in ("http://localhost:6274", "https://app.example"):
            wanted = "authorization,mcp-param-x, x-other, Mcp-Session-Id"
            asked = {"access-control-request-method": "POST", "access-control-request-headers": wanted}
            answer = await client.options("/mcp/w", headers={"origin": origin} | asked)
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
            assert answer.headers["access-control-allow-headers"] == "authorization, mcp-param-x, mcp-session-id"
            assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
            await _used_by_a_page(client, origin)
        for origin, status in (("https://app.example:444", 403), ("http://127.0.0.1:6274", 403)):
            answer = await client.options("/mcp/w", headers={"origin": origin} | asked)
            assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (status, False)
        for path in ("/healthz", "/status", "/metrics", "/mcpx"):
            answer = await client.get(path, headers={"origin": "http://localhost:6274"})
            assert "access-control-allow-origin" not in answer.headers


async def _used_by_a_page(client: httpx2.AsyncClient, origin: str) -> None:
    """A session with more calls than it takes to learn a direct way; then what is not there."""
    headers = ACCEPT | {"origin": origin, "sec-fetch-site": "cross-site"}
    frame = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    answers = [await client.post("/mcp/w", json=frame, headers=headers)]
    headers["mcp-session-id"] = answers[0].headers["mcp-session-id"]
    call = frame | {"method": "tools/call", "params": {"name": "a_echo", "arguments": {"text": "x"}}}
    answers += [await client.post("/mcp/w", json=call, headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 5
    answers += [await client.post("/mcp/w", content=b"{", headers=headers)]
    answers += [await client.get("/.well-known/oauth-protected-resource", headers=headers)]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-expose-headers"] == "Mcp-Session-Id, WWW-Authenticate"
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers


async def test_the_address_that_it_listens_on_is_a_host_too(tmp_path: Path) -> None:
    """Another loopback address than the usual one needs no further setting."""
    async with world(tmp_path, serve=True, host="127.0.0.2") as made, httpx2.AsyncClient(timeout=100) as client:
        assert (await client.get(f"{made.settings.sidecar_url}/healthz")).status_code == 200


@pytest.mark.parametrize("path", ["a-b", "a%2Fb%20%3F%23", "a%2fb%20%3f%23"])
async def test_slug_and_name(hub: World, path: str) -> None:
    """A workspace is found by its slug, and by its name percent-encoded, over both transports."""
    for transport in ("sse", "http"):
        async with connected(f"{hub.base}/mcp/{path}", transport, "legacy") as peer:  # type: ignore[arg-type]
            assert (await peer.request("tools/list")).result["tools"][0]["name"] == "a_echo"
            assert peer.greeting["serverInfo"]["name"] == "a/b ?#"


async def test_websocket(hub: World, caplog: pytest.LogCaptureFixture) -> None:
    """There is no WebSocket; who asks for one gets an answer, and no traceback is logged."""
    async with httpx2.AsyncClient(timeout=100) as client:
        upgrade = {
            "connection": "upgrade",
            "upgrade": "websocket",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
            "sec-websocket-version": "13",
        }
        response = await client.get(f"{hub.base}/mcp/w/sse2", headers=upgrade)
        assert 400 <= response.status_code < 500
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]


# --- off ---------------------------------------------------------------------------------------------------------


async def test_off(http: httpx2.AsyncClient) -> None:
    """A workspace that is off refuses new connections, of each transport and era, and says what is on."""
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    modern = {**ACCEPT, "mcp-protocol-version": MODERN, "mcp-method": "server/discover"}
    for response in (
        await http.get("/mcp/off/sse"),
        await http.post("/mcp/off", json=hello, headers=ACCEPT),
        await http.post("/mcp/off", json={**hello, "method": "server/discover"}, headers=modern),
    ):
        error = refused(response, 404, "WORKSPACE_OFF")
        assert error["data"]["workspaces"] == ["w", "a-b"]


@pytest.mark.parametrize("transport", ["sse", "http"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_off_for_live_sessions(hub: World, transport: Any, era: Any) -> None:
    """Live sessions see empty lists, and their calls are refused with where to switch it on; then all is back."""
    async with connected(f"{hub.base}/mcp/w", transport, era) as peer:
        wanted = {"toolsListChanged": True}
        async with peer.listening(wanted):
            hub.put(space("a", enabled=False))
            await peer.wait_note("notifications/tools/list_changed")
            assert (await peer.request("tools/list")).result["tools"] == []
            error = (await peer.request("tools/call", {"name": "a_echo"})).answer["error"]
            assert error["data"]["code"] == "WORKSPACE_OFF"
            assert "hubctl enable" in error["message"]
            since = len(peer.notes)
            hub.put(space("a"))
            await peer.wait_note("notifications/tools/list_changed", since)
            assert "result" in (await peer.request("tools/call", {"name": "a_echo"})).answer


async def test_removed_for_live_sessions(hub: World) -> None:
    """Sessions of a removed workspace are told that it is gone; new ones are not let in."""
    async with connected(f"{hub.base}/mcp/w", "sse", "legacy") as peer:
        hub.put(without=("w",))
        error = (await peer.request("tools/call", {"name": "a_echo"})).answer["error"]
        assert error["data"]["code"] == "WORKSPACE_GONE"
        async with httpx2.AsyncClient(timeout=100) as client:
            refused(await client.get(f"{hub.base}/mcp/w/sse"), 404, "WORKSPACE_GONE")
    await until(lambda: not hub.hub.departed)


# --- pages -------------------------------------------------------------------------------------------------------


async def test_health(http: httpx2.AsyncClient) -> None:
    """The process serves."""
    response = await http.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert (await http.head("/healthz")).status_code == 200


async def test_ready(hub: World, http: httpx2.AsyncClient) -> None:
    """Ready while each enabled workspace with servers has one that is ready."""
    assert (await http.get("/readyz")).json()["ready"] is True
    server = hub.servers["fake"]
    server.refusal = ServerExited("It exited with code 1.")
    server.channel.close()
    await until(lambda: next(iter(hub.hub.pool)).state == "backoff")
    response = await http.get("/readyz")
    assert response.status_code == 503
    assert response.json()["workspaces_without_ready_server"] == ["w", "a/b ?#"]


async def test_not_ready_before_the_first_snapshot(tmp_path: Path) -> None:
    """Without a snapshot it is not ready."""
    async with world(tmp_path, serve=True) as made, httpx2.AsyncClient(timeout=100) as client:
        response = await client.get(f"{made.base}/readyz")
        assert (response.status_code, response.json()["applied"]) == (503, False)


async def test_status_and_metrics(http: httpx2.AsyncClient) -> None:
    """The status is JSON, the figures are Prometheus'."""
    status = (await http.get("/status")).json()
    assert [each["slug"] for each in status["workspaces"]] == ["w", "off", "a-b"]
    response = await http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "yamcp_hub_upstream_state" in response.text


# --- messages ----------------------------------------------------------------------------------------------------


BAD = pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, "BODY_NOT_JSON"),
        (b"{", {}, 400, "BODY_NOT_JSON"),
        (b"\xff", {}, 400, "BODY_NOT_JSON"),
        (b"[" * 1500, {}, 400, "BODY_NOT_JSON"),
        (b"[]", {}, 400, "MESSAGE_INVALID"),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', {}, 400, "MESSAGE_INVALID"),
        (b'"text"', {}, 400, "MESSAGE_INVALID"),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', {}, 400, "MESSAGE_INVALID"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"content-type": "text/plain"}, 415, "BODY_TYPE_REFUSED"),
        (b'"' + b"x" * 3000 + b'"', {}, 413, "BODY_TOO_LARGE"),
        (b'{"jsonrpc":"2.0","id":1,"result":"text"}', {}, 400, "MESSAGE_INVALID"),
    ],
)


@BAD
async def test_bad_message(hub: World, body: bytes, headers: dict[str, str], status: int, code: str) -> None:
    """A message that is none is refused, and the session goes on."""
    async with connected(f"{hub.base}/mcp/w", "sse", "legacy") as peer:
        assert isinstance(peer, SsePeer)
        url = await peer.message_url
        response = await peer.http.post(url, content=body, headers={"content-type": "application/json", **headers})
        refused(response, status, code)
        assert "result" in (await peer.request("ping")).answer


@BAD
@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
async def test_bad_message_over_streamable_http(
    http: httpx2.AsyncClient, body: bytes, headers: dict[str, str], status: int, code: str, version: str
) -> None:
    """The same, with the hub's own words: nothing of the models that the SDK reads messages with."""
    told = {**ACCEPT, "content-type": "application/json", "mcp-protocol-version": version, **headers}
    refused(await http.post("/mcp/w", content=body, headers=told), status, code)


async def test_unknown_session(hub: World, http: httpx2.AsyncClient) -> None:
    """A message for no session, or for another workspace's, is refused."""
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    refused(await http.post("/mcp/w/messages", json=ping), 404, "SESSION_UNKNOWN")
    refused(await http.post("/mcp/w/messages?session_id=1234", json=ping), 404, "SESSION_UNKNOWN")
    assert (await http.post("/mcp/w", json=ping, headers={**ACCEPT, "mcp-session-id": "1234"})).status_code == 404
    async with connected(f"{hub.base}/mcp/w", "sse", "legacy") as peer:
        assert isinstance(peer, SsePeer)
        path = (await peer.message_url).replace("/mcp/w/", "/mcp/a-b/")
        refused(await http.post(path, json=ping), 404, "SESSION_UNKNOWN")


@pytest.mark.parametrize("method", ["tools/list", "tools/call", "prompts/list"])
async def test_before_initialize(hub: World, method: str) -> None:
    """A request before the handshake is refused on the stream, for each session anew."""
    async with httpx2.AsyncClient(timeout=100) as client:
        peer = SsePeer(client, f"{hub.base}/mcp/w/sse", "legacy")
        reader = asyncio.create_task(peer.read())
        answer = (await peer.request(method, {})).answer
        assert answer["error"]["code"] == -32602
        assert "data" not in answer["error"] or answer["error"]["data"] in ("", None)
        reader.cancel()
        await asyncio.wait([reader])


async def test_session_cap(hub: World, http: httpx2.AsyncClient) -> None:
    """One session more than allowed is answered 503; when one leaves, there is room."""
    peers = [connected(f"{hub.base}/mcp/w", "sse", "legacy") for _ in range(3)]
    for peer in peers:
        await peer.__aenter__()
    refused(await http.get("/mcp/w/sse"), 503, "SESSIONS_LIMIT")
    for peer in peers:
        await peer.__aexit__(None, None, None)
    await until(lambda: not hub.sse._sessions)
    async with connected(f"{hub.base}/mcp/w", "sse", "legacy"):
        pass


# --- whatever comes ----------------------------------------------------------------------------------------------

VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
METHOD = st.sampled_from(
    [
        *("initialize", "server/discover", "ping", "tools/list", "tools/call", "prompts/get", "resources/read"),
        *("resources/subscribe", "resources/unsubscribe", "completion/complete", "logging/setLevel"),
        *("subscriptions/listen", "notifications/cancelled", "notifications/initialized", "notifications/progress"),
        *("notifications/roots/list_changed", "nonsense", ""),
    ]
)
KEYS = ("name", "uri", "ref", "level", "arguments", "_meta", "cursor", "requestId", "protocolVersion", "notifications")
PARAMS = st.dictionaries(st.sampled_from(KEYS), VALUE, max_size=4) | VALUE
MESSAGE = (
    st.fixed_dictionaries(
        {"jsonrpc": st.just("2.0")},
        optional={"id": VALUE, "method": METHOD, "params": PARAMS, "result": VALUE, "error": VALUE},
    )
    | VALUE
)
MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


CHOSEN: list[Any] = [
    *(
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": wrong}}
        for wrong in ([], {}, None, 1.5, True)
    ),
    {"jsonrpc": "2.0", "method": "notifications/cancelled"},
    *(
        {"jsonrpc": "2.0", "id": f"c{number}", "method": "tools/call", "params": {"name": "a_echo", **params}}
        for number, params in enumerate(
            (
                {"arguments": [1]},
                {"arguments": {"a": "\ud800", "b": 2**70}},
                {"arguments": {}, "_meta": None},
                {"arguments": {}, "_meta": "progressToken"},
                {"arguments": {}, "_meta": 5},
                {"arguments": {}, "_meta": {"progressToken": {"a": []}}},
                {"arguments": {}, "_meta": {"progressToken": None}},
            )
        )
    ),
    {"jsonrpc": "2.0", "id": "\ud800", "method": "tools/list"},
    {"jsonrpc": "2.0", "id": 2**70, "method": "tools/list"},
    {"jsonrpc": "2.0", "id": "x", "error": 5},
    {"jsonrpc": "2.0", "id": "x", "error": {"code": "a", "message": 5}},
    {"jsonrpc": "2.0", "id": "x", "result": 5},
]
"""What random messages seldom are."""


def messages_of(count: int) -> list[Any]:
    """So many messages of hypothesis."""
    found: list[Any] = []

    @given(MESSAGE)
    @examples(count, suppress_health_check=list(HealthCheck))
    def collect(message: Any) -> None:
        found.append(message)

    collect()
    assert sum(isinstance(each, dict) and isinstance(each.get("params"), dict) for each in found) > 10
    return [*found, *CHOSEN]


def clean(caplog: pytest.LogCaptureFixture) -> None:
    """No traceback was logged."""
    faults = [record for record in caplog.records if record.exc_info or "Traceback" in record.getMessage()]
    assert not faults, [(record.getMessage(), record.exc_info) for record in faults]


async def test_arbitrary_messages(hub: World, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is POSTed, the answer is orderly, nothing is logged as a fault, and the session goes on."""
    messages = messages_of(150)
    async with connected(f"{hub.base}/mcp/w", "sse", "legacy") as peer, httpx2.AsyncClient(timeout=100) as client:
        assert isinstance(peer, SsePeer)
        peer._waiting = Anything(peer._waiting)
        url = await peer.message_url
        for message in messages:
            body = json.dumps(message).encode()
            response = await client.post(url, content=body, headers={"content-type": "application/json"})
            assert response.status_code in (202, 400, 413), (message, response.text)
            assert "Traceback" not in response.text
        assert "tools" in (await peer.request("tools/list")).result
    clean(caplog)


class Anything(dict[Any, Any]):
    """Answers to requests that the test does not wait for are let go."""

    def pop(self, key: Any, *_: Any) -> Any:
        """The one who waits, or nobody."""
        return super().pop(key, None) or asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_arbitrary_messages_over_streamable_http(hub: World, caplog: pytest.LogCaptureFixture, era: str) -> None:
    """The same over Streamable HTTP."""
    messages = messages_of(80)
    async with httpx2.AsyncClient(timeout=100) as client:
        headers = {**ACCEPT, "content-type": "application/json", "mcp-protocol-version": LEGACY}
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
        welcome = await client.post(f"{hub.base}/mcp/w", json=hello, headers=ACCEPT)
        if era == "legacy":
            headers["mcp-session-id"] = welcome.headers["mcp-session-id"]
        for message in messages:
            if isinstance(message, dict) and message.get("method") == "subscriptions/listen":
                continue
            if era == "modern" and isinstance(message, dict):
                headers |= {"mcp-protocol-version": MODERN}
                headers["mcp-method"] = str(message.get("method", "")) or "x"
                if isinstance(message.get("params"), dict):
                    message["params"]["_meta"] = MODERN_META
            response = await client.post(f"{hub.base}/mcp/w", content=json.dumps(message).encode(), headers=headers)
            assert response.status_code < 500, (message, response.status_code, response.text)
            assert "Traceback" not in response.text
            assert "HUB_INTERNAL" not in response.text, message
    await settle()
    clean(caplog)
