"""What clients may write that the specification has not: nulls for what is absent, and malformed responses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_server import FakeServer, text, until, within
from tests.support.inprocess import space, world
from tests.support.peers import HttpPeer, SsePeer, connected

pytestmark = pytest.mark.outside

WAYS = [("sse", "legacy"), ("http", "legacy"), ("sse", "modern"), ("http", "modern")]


@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_nulls(tmp_path: Path, transport: Any, era: Any) -> None:
    """Every optional member may be null, for each method, and none reaches the server."""
    server = FakeServer(tools={"echo": lambda **_: text("done")})
    server.prompts, server.resources = [{"name": "p"}], [{"uri": "a://b"}]
    asked: list[tuple[str, Any]] = [
        ("tools/list", {"cursor": None}),
        ("prompts/list", {"cursor": None}),
        ("resources/list", {"cursor": None}),
        ("resources/templates/list", {"cursor": None}),
        ("tools/call", {"name": "fake_echo", "arguments": None}),
        ("tools/call", {"name": "fake_echo", "arguments": None, "requestState": None, "inputResponses": None}),
        ("prompts/get", {"name": "fake_p", "arguments": None}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "fake_p"}, "argument": {}, "context": None}),
    ]
    if era == "legacy":
        asked += [("ping", None), ("tools/list", None), ("tools/call", {"name": "fake_echo", "_meta": None})]
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("fake"), space("fake"))
        await made.settled()
        async with connected(f"{made.base}/mcp/w", transport, era) as peer:
            for number, (method, params) in enumerate(asked):
                frame = {"jsonrpc": "2.0", "id": f"null-{number}", "method": method, "params": params}
                if era == "modern":
                    frame["params"] = peer._enveloped(params)
                answer = (await within(peer._ask(frame))).answer
                assert "result" in answer, (method, params, answer)
    for frame in server.channel.received:
        params = frame.get("params", {})
        assert None not in params.values(), frame


@pytest.mark.parametrize("wrong", [{"result": None}, {"result": "text"}, {"error": {}}, {"error": "no"}])
@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_malformed_response(tmp_path: Path, transport: Any, wrong: dict[str, Any]) -> None:
    """The server whose question it answers gets an error at once, and the client is told what is wrong."""
    server = FakeServer()
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("fake"), space("fake"))
        await made.settled()
        async with connected(f"{made.base}/mcp/w", transport, "legacy") as peer:
            [session] = made.workspace().clients()
            asking = asyncio.create_task(session.ask("roots/list", {}))
            await until(lambda: session.pending)  # type: ignore[attr-defined]
            [request_id] = session.pending  # type: ignore[attr-defined]
            url, headers = await _post_to(peer)
            frame = {"jsonrpc": "2.0", "id": request_id, **wrong}
            response = await peer.http.post(url, json=frame, headers=headers)
            assert (response.status_code, response.json()["error"]["data"]["code"]) == (400, "MESSAGE_INVALID")
            answer = await within(asking)
    assert answer["error"] == {"code": -32603, "message": "the client's response is malformed"}


async def _post_to(peer: SsePeer | HttpPeer) -> tuple[str, dict[str, str]]:
    if isinstance(peer, SsePeer):
        return await peer.message_url, {}
    return peer.url, peer._headers({"method": ""})
