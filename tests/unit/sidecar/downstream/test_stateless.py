"""Streamable HTTP of the modern era: what is let in, as the SDK would, and what one request knows of another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sidecar.sessions.request_session import ModernRequest, Sessionless
from tests.support.fake_server import FakeServer, Gate, until
from tests.support.inprocess import space, world
from tests.support.peers import KEYS, MODERN, connected
from tests.support.sdk_entry import served_by_the_sdk

pytestmark = pytest.mark.outside

META = {f"{KEYS}protocolVersion": MODERN, f"{KEYS}clientCapabilities": {}}
HEADERS = {
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": MODERN,
    "mcp-method": "tools/call",
    "mcp-name": "a_echo",
}
SCHEMA = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "size": {"type": "integer"}},
}


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """Base URLs of the same workspace by the hub's own transport, and by the SDK's."""
    server = FakeServer()
    server.handlers["tools/call"] = lambda *_: {"content": []}
    server.extra_tools = [{"name": "named", "inputSchema": SCHEMA}]
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        async with served_by_the_sdk(made) as base:
            yield made.base, base


def call(params: Any = None, **more: Any) -> dict[str, Any]:
    """A call of `a_echo`."""
    params = {"name": "a_echo", "arguments": {"x": 1}, "_meta": META} if params is None else params
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params, **more}


def named(arguments: Any) -> dict[str, Any]:
    """A call of `a_named`, whose `region` is to be in a header."""
    return call({"name": "a_named", "arguments": arguments, "_meta": META})


NAMED = {"mcp-name": "a_named"}
BAD: list[tuple[str, Any, Any]] = [
    ("as it should be", call(), {}),
    ("no envelope", call({"name": "a_echo"}), {}),
    ("an empty envelope", call({"name": "a_echo", "_meta": {}}), {}),
    ("an envelope that is none", call({"name": "a_echo", "_meta": 5}), {}),
    ("no capabilities", call({"name": "a_echo", "_meta": {f"{KEYS}protocolVersion": MODERN}}), {}),
    ("another version in the body", call({"name": "a_echo", "_meta": {**META, f"{KEYS}protocolVersion": "x"}}), {}),
    ("a version of the future", call({"name": "a_echo", "_meta": {**META, f"{KEYS}protocolVersion": "2099-01-01"}}),
     {"mcp-protocol-version": "2099-01-01"}),
    ("another method in the header", call(), {"mcp-method": "tools/list"}),
    ("no method in the header", call(), {"mcp-method": None}),
    ("another name in the header", call(), {"mcp-name": "a_other"}),
    ("no name in the header", call(), {"mcp-name": None}),
    ("the name in base64", call(), {"mcp-name": "=?base64?YV9lY2hv?="}),
    ("a name in bad base64", call(), {"mcp-name": "=?base64?a?="}),
    ("two methods in the header", call(), [("mcp-method", "tools/call")]),
    ("a tool that is not there", call({"name": "a_no", "_meta": META}), {"mcp-name": "a_no"}),
    ("an unknown method", call(method="no/such"), {"mcp-method": "no/such", "mcp-name": None}),
    ("a method of the legacy era", call(method="logging/setLevel"), {"mcp-method": "logging/setLevel"}),
    ("a handshake", call(method="initialize"), {"mcp-method": "initialize"}),
    ("a ping", call(method="ping"), {"mcp-method": "ping"}),
    ("discovery", call({"_meta": META}, method="server/discover"), {"mcp-method": "server/discover"}),
    ("listening to nothing that there is", call({"_meta": META, "notifications": 5}, method="subscriptions/listen"),
     {"mcp-method": "subscriptions/listen"}),
    ("an argument that is in its header", named({"region": "eu"}), {**NAMED, "mcp-param-region": "eu"}),
    ("an argument that is not in its header", named({"region": "eu"}), NAMED),
    ("an argument that is another in its header", named({"region": "eu"}), {**NAMED, "mcp-param-region": "us"}),
    ("a header without its argument", named({}), {**NAMED, "mcp-param-region": "eu"}),
    ("a header twice", named({"region": "eu"}), [("mcp-param-region", "eu"), ("mcp-param-region", "eu")]),
    ("arguments that are none", named([1]), NAMED),
    ("no arguments", named(None), NAMED),
    ("a notification", {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}, {}),
    ("a notification of the future", {"jsonrpc": "2.0", "method": "notifications/x"},
     {"mcp-protocol-version": "2099-01-01"}),
    ("a response", {"jsonrpc": "2.0", "id": 1, "result": {}}, {}),
    ("no stream accepted", call(), {"accept": "application/json"}),
    ("no JSON accepted", call(), {"accept": "text/event-stream"}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "more"), [pytest.param(body, more, id=title) for title, body, more in BAD])
async def test_what_is_let_in_is_what_the_sdk_lets_in(both: tuple[str, str], body: Any, more: Any) -> None:
    """The same status and the same error, but for the words of the hub's own errors."""
    headers = HEADERS if isinstance(more, dict) else HEADERS | (NAMED if "param" in more[0][0] else {})
    lines = {**headers, **more}.items() if isinstance(more, dict) else [*headers.items(), *more]
    sent = [(name, value) for name, value in lines if value is not None]
    seen = []
    async with httpx2.AsyncClient(timeout=100) as client:
        for base in both:
            response = await client.post(f"{base}/mcp/w", json=body, headers=sent)
            answer = json.loads(response.content) if response.content else {}
            seen.append((response.status_code, answer))
    (status, ours), (their_status, theirs) = seen
    assert status == their_status, (ours, theirs)
    if status != 406 and theirs and theirs.get("id") is not None:  # what concerns no request, each says in its words
        if "error" in ours and isinstance(ours["error"].get("data"), dict):
            ours["error"]["data"].pop("correlation", None)  # the id of the request in the hub's log
        assert ours == theirs
    assert (ours.get("error") or {}).get("code") == (theirs.get("error") or {}).get("code") or status == 406


async def test_requests_are_no_clients(tmp_path: Path) -> None:
    """Requests are no clients; of those that say the same of themselves one party is kept, with its upstream."""
    gate = Gate()
    server = FakeServer(tools={"gate": gate})
    async with world(tmp_path, server, serve=True) as hub:
        hub.put(server.spec("a", session="per_client"), space("a"))
        url = f"{hub.base}/mcp/w"
        async with connected(url, "http", "modern") as one, connected(url, "http", "modern") as two:
            for peer in (one, two):
                assert (await peer.request("tools/list")).result["tools"][0]["name"] == "a_gate"
            gate.open()
            for peer in (one, two):
                assert "result" in (await peer.request("tools/call", {"name": "a_gate"})).answer
            workspace = hub.workspace()
            (party,) = workspace.sessions - {workspace.sessionless}
            assert (party.has_session, workspace.clients()) == (True, set())
            assert server.open == 1
    await until(lambda: server.open == 0)


async def test_one_request() -> None:
    """It has the capabilities that it declares, holds nothing itself, and cannot be asked."""
    standing = Sessionless()
    request = ModernRequest(standing, {"_meta": {f"{KEYS}clientCapabilities": {"sampling": {}}}})
    odd = ModernRequest(standing, {"_meta": {f"{KEYS}clientCapabilities": 5}})
    assert (request.capabilities, odd.capabilities) == ({"sampling": {}}, {})
    assert (request.holder, standing.holder, tuple(request.clients())) == (standing, standing, ())
    assert [request.next_correlation()[-1], odd.next_correlation()[-1]] == ["1", "2"]
    assert "error" in await request.ask("roots/list", {})
