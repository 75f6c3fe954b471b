"""Calls that no task waits for: which take the direct way, and that they end as all others do."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest

from sidecar.calls import direct_call
from sidecar.errors import ServerExited
from tests.support.fake_server import FakeServer, Gate, text, until, within
from tests.support.inprocess import space, world
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import HttpPeer, SsePeer, client
from tests.support.ways import Ways, call, serving

pytestmark = pytest.mark.outside

TRANSPORTS = ("sse", "http")


@pytest.fixture
async def ways(tmp_path: Path) -> AsyncIterator[Ways]:
    """A hub like any."""
    async with serving(tmp_path) as made:
        yield made


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_calls_take_it(ways: Ways, transport: Any) -> None:
    """All but what a client says first; they are counted, and their ids, names, results and errors are right."""
    async with ways.peer(transport) as peer:
        for number in range(3):
            assert (await call(peer, "echo", x=number)).result == text(str({"x": number}))
        assert (await call(peer, "wrong")).result == {"isError": True, "content": []}
        assert (await call(peer, "fail")).answer["error"]["message"] == "needs more"
        [upstream] = ways.hub.hub.pool
        assert (upstream.in_flight, upstream.semaphore._free, upstream.refused) == (0, 64, {"sampling/createMessage"})
    assert ways.usual == []
    assert [frame["params"]["name"] for frame in ways.server.channel.got("tools/call")][-1] == "fail"
    assert sum(ways.figures().values()) == 5


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_limits_of_tools(tmp_path: Path, transport: Any) -> None:
    """A tool's own timeout applies on the direct way; a call with an idle timeout takes the other way, and obeys it."""
    limits = {"call_timeout": 100, "tool_timeouts": {"g*e": 0.05}, "tool_idle_timeouts": {"pro*": 0.05}}
    async with serving(tmp_path, limits=limits) as ways, ways.peer(transport) as peer:
        late = (await call(peer, "gate")).answer["error"]
        assert (late["data"]["code"], "No answer to tools/call within 0.05 s" in late["message"]) == (
            "CALL_TIMEOUT",
            True,
        )
        assert ways.usual == []
        assert (await call(peer, "progress")).result == text("done")  # the client did not ask for progress
        ways.server.handlers["tools/call"] = lambda *_: asyncio.Event().wait()
        silent = (await call(peer, "progress")).answer["error"]
        assert (silent["data"]["code"], "nor progress" in silent["message"]) == ("CALL_TIMEOUT", True)
        assert ways.usual == ["a_progress"] * 2


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("read", "hints"), [(False, {}), (True, {"readOnlyHint": True}), (True, {"idempotentHint": True})]
)
async def test_asked_again(ways: Ways, transport: Any, read: bool, hints: dict[str, Any]) -> None:
    """A call that the server did not read, or that does no harm twice, is asked once more on the next connection."""
    ways.server.extra_tools = [{"name": "again", "inputSchema": {"type": "object"}, "annotations": hints}]
    channel = ways.server.channel
    channel.notify("notifications/tools/list_changed")
    await until(lambda: "a_again" in ways.hub.workspace().view.tool_routes)
    async with ways.peer(transport) as peer:
        await call(peer, "echo")
        ways.server.handlers["tools/call"] = lambda *_: asyncio.Event().wait()
        calling = asyncio.create_task(call(peer, "again"))
        lost = await channel.sent("tools/call", 2)
        if not read:
            channel.missed = {lost["id"]}
        del ways.server.handlers["tools/call"]
        ways.server.tools["again"] = lambda: text("at last")
        channel.close(ServerExited("It exited with code 3."))
        assert (await within(calling)).result == text("at last")
        [upstream] = ways.hub.hub.pool
        assert (upstream.in_flight, upstream.semaphore._free) == (0, 64)
    assert (ways.usual, ways.figures()) == ([], {"ok": 1})


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_asked_again_in_vain(ways: Ways, transport: Any) -> None:
    """Cancelled meanwhile it is given up, and one that is lost twice is an error."""
    ways.server.extra_tools = [
        {"name": "gate", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
    ]
    del ways.server.tools["gate"]
    ways.server.channel.notify("notifications/tools/list_changed")
    await until(lambda: ways.hub.workspace().view.tools[-1].get("annotations"))
    ways.server.handlers["tools/call"] = lambda *_: asyncio.Event().wait()
    async with ways.peer(transport) as peer:
        for cancelled in (True, False):
            channel, connections = ways.server.channel, len(ways.server.channels)
            calling = asyncio.create_task(call(peer, "gate"))
            await channel.sent("tools/call")
            channel.close(ServerExited("It exited with code 3."))
            again = await ways.server.connected(connections + 1)
            await again.sent("tools/call")
            if cancelled:
                [session] = [each for each in ways.hub.workspace().clients() if each.transport == transport]
                [request_id] = session.running  # type: ignore[attr-defined]
                await peer.notify("notifications/cancelled", {"requestId": request_id})
                assert (await within(calling)).answer["error"]["code"] == -32800
                await again.sent("notifications/cancelled")
                again.received.clear()
            else:
                again.close(ServerExited("It exited with code 3."))
                assert (await within(calling)).answer["error"]["data"]["code"] == "SERVER_CONNECTION_LOST"
        [upstream] = ways.hub.hub.pool
        assert (upstream.in_flight, upstream.semaphore._free) == (0, 64)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_answers_that_are_none(ways: Ways, transport: Any) -> None:
    """A result that clients would refuse is an error with a code; what has a certain meaning is repaired."""
    answers: list[Any] = [None, "text", {"content": 5}, {"structuredContent": {"a": 1}}]
    ways.server.handlers["tools/call"] = lambda *_: answers.pop(0)
    async with ways.peer(transport) as peer:
        for _ in range(3):
            assert (await call(peer, "echo")).answer["error"]["data"]["code"] == "SERVER_ANSWER_INVALID"
        assert (await call(peer, "echo")).result == {"structuredContent": {"a": 1}, "content": []}
    assert (ways.usual, ways.figures()) == ([], {"SERVER_ANSWER_INVALID": 3, "ok": 1})


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_progress(ways: Ways, transport: Any) -> None:
    """It comes before the answer, under the client's own token: over HTTP the response becomes a stream for it."""
    async with ways.peer(transport) as peer:
        for token in ("t", 7):
            await peer.request("ping")
            params = {"name": "a_progress", "_meta": {"progressToken": token}}
            exchange = await peer.request("tools/call", params)
            assert exchange.result == text("done")
            assert [note["params"] for note in exchange.notes] == [{"progressToken": token, "progress": 1}]
    assert ways.usual == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_cancelled(ways: Ways, transport: Any) -> None:
    """The server is told so, and the client has its answer."""
    async with ways.peer(transport) as peer:
        calling = asyncio.create_task(call(peer, "gate"))
        await ways.gate.reached()
        [session] = [each for each in ways.hub.workspace().clients() if each.transport == transport]
        [request_id] = session.running  # type: ignore[attr-defined]
        await peer.notify("notifications/cancelled", {"requestId": request_id})
        assert (await within(calling)).answer["error"]["code"] == -32800
        await ways.server.channel.sent("notifications/cancelled")
        [upstream] = ways.hub.hub.pool
        assert (upstream.in_flight, upstream.semaphore._free) == (0, 64)
    assert (ways.usual, ways.figures()) == ([], {"cancelled": 1})


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_late(tmp_path: Path, transport: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A call that takes too long is given up: server, client and log are told."""
    async with serving(tmp_path, limits={"call_timeout": 0.05}) as ways, ways.peer(transport) as peer:
        error = (await call(peer, "gate")).answer["error"]
        assert (error["data"]["code"], "within 0.05 s" in error["message"]) == ("CALL_TIMEOUT", True)
        await ways.server.channel.sent("notifications/cancelled")
        assert (ways.usual, ways.figures()) == ([], {"CALL_TIMEOUT": 1})
    assert [record.code for record in caplog.records if record.message == "request failed"] == ["CALL_TIMEOUT"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_server_is_lost(ways: Ways, transport: Any) -> None:
    """A call that was under way fails with the reason; the next one waits for the next connection."""
    async with ways.peer(transport) as peer:
        calling = asyncio.create_task(call(peer, "gate"))
        await ways.gate.reached()
        ways.server.channel.close(ServerExited("It exited with code 3."))
        error = (await within(calling)).answer["error"]
        assert (error["data"]["code"], "exited with code 3" in error["message"]) == ("SERVER_CONNECTION_LOST", True)
        assert (await call(peer, "echo")).result == text("{}")
    assert ways.usual == ["a_echo"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_who_waits_for_a_place_does_so_the_usual_way(tmp_path: Path, transport: Any) -> None:
    """As many as may be under way take the short one."""
    async with serving(tmp_path, limits={"max_inflight": 1}) as ways, ways.peer(transport) as peer:
        first = asyncio.create_task(call(peer, "gate"))
        await ways.gate.reached()
        async with ways.peer(transport) as other:
            second = asyncio.create_task(call(other, "echo"))
            await until(lambda: ways.usual)
            assert not second.done()
            ways.gate.open()
            assert [(await within(each)).result for each in (first, second)] == [text("through"), text("{}")]
        assert (await call(peer, "echo")).result == text("{}")
    assert ways.usual == ["a_echo"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_goes_the_usual_way(ways: Ways, transport: Any) -> None:
    """What is no call, none of a tool that is there, a task, or of the other era."""
    envelope = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    async with ways.peer(transport) as peer:
        assert (await call(peer, "nope")).answer["error"]["data"]["code"] == "TOOL_UNKNOWN"
        await peer.request("tools/call", {"name": "a_echo", "task": {}})
        assert ways.usual == ["a_nope", "a_echo"]
        for params in (None, {}, {"name": []}, {"name": 5}):
            assert "error" in (await peer.request("tools/call", params)).answer
        enveloped = await peer.request("tools/call", {"name": "a_echo", "_meta": envelope})
        assert ("error" in enveloped.answer) or ways.usual[-2:] == ["5", "a_echo"]
        assert len((await peer.request("tools/list")).result["tools"]) == 5


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_servers_of_one_client(tmp_path: Path, transport: Any) -> None:
    """Where they may ask their client, tasks wait."""
    async with serving(tmp_path, "per_client") as ways, ways.peer(transport) as peer:
        assert (await call(peer, "echo")).result == text("{}")
        assert ways.usual == ["a_echo"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_modern_servers(tmp_path: Path, transport: Any) -> None:
    """They may answer with a question."""
    server = FakeServer(era="modern")
    async with world(tmp_path, server, serve=True) as made:
        made.put(server.spec("a", era="modern"), space("a"))
        await made.settled()
        ways = Ways(made, server, Gate())
        async with ways.peer(transport) as peer:
            assert (await call(peer, "echo")).result["content"]
        assert ways.usual == ["a_echo"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_verbose_log_has_all_of_a_call(ways: Ways, transport: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The usual way tells more."""
    with caplog.at_level(logging.DEBUG, "sidecar"):
        async with ways.peer(transport) as peer:
            await call(peer, "echo")
    assert ways.usual == ["a_echo"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_edits(ways: Ways, transport: Any) -> None:
    """After each change the usual way is gone once, which finds out whether all is as it was."""
    async with ways.peer(transport) as peer:
        await call(peer, "echo")
        ways.hub.put(space("a", template="{name}"))
        await peer.request("ping")
        assert (await peer.request("tools/call", {"name": "echo"})).result == text("{}")
        ways.hub.put(space("a", enabled=False))
        assert (await call(peer, "echo")).answer["error"]["data"]["code"] == "WORKSPACE_OFF"
        ways.hub.put(space("a"))
        await ways.hub.settled()
        await peer.request("ping")
        assert (await call(peer, "echo")).result == text("{}")
    assert ways.usual == ["a_echo"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_switched_off_without_an_edit(ways: Ways, transport: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace that refuses is asked, whatever was learned."""
    async with ways.peer(transport) as peer:
        await call(peer, "echo")
        workspace = ways.hub.workspace()
        monkeypatch.setattr(workspace, "gone", True)
        assert (await call(peer, "echo")).answer["error"]["data"]["code"] == "WORKSPACE_GONE"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_fault(
    ways: Ways, transport: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the hub is an error without details for the client."""

    def fail(*_: Any) -> Any:
        raise RuntimeError("secret details")

    monkeypatch.setattr(direct_call, "result_or_raise", fail)
    async with ways.peer(transport) as peer:
        error = (await call(peer, "echo")).answer["error"]
        assert (error["data"]["code"], "secret" in str(error)) == ("HUB_INTERNAL", False)
    assert (ways.usual, "secret details" in caplog.text) == ([], True)


async def test_id_in_use(ways: Ways) -> None:
    """A second call with an id that is under way is refused, as the usual way has it."""
    async with ways.peer("http") as peer:
        assert isinstance(peer, HttpPeer)
        body = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "a_gate"}}
        headers = peer._headers(body)
        first = asyncio.create_task(peer.http.post(peer.url, json=body, headers=headers))
        await ways.gate.reached()
        await peer.request("ping")
        second = await peer.http.post(peer.url, json=body, headers=headers)
        assert (second.status_code, second.json()["error"]["data"]["code"]) == (400, "MESSAGE_INVALID")
        ways.gate.open()
        assert (await within(first)).json()["result"] == text("through")


async def test_the_session_ends(ways: Ways) -> None:
    """What is under way is cut, and its POST answered."""
    async with ways.peer("http") as peer:
        assert isinstance(peer, HttpPeer)
        calling = asyncio.create_task(call(peer, "gate"))
        await ways.gate.reached()
        await peer.http.delete(peer.url, headers=peer._headers({"method": ""}))
        assert (await within(calling)).answer["error"]["message"] == "The session has ended."
    assert ways.gate.cancelled == 0 or await ways.server.channel.sent("notifications/cancelled")


async def test_long_calls_are_pinged(tmp_path: Path) -> None:
    """Over HTTP the response becomes a stream, which is pinged until the answer comes on it."""
    async with serving(tmp_path, ping_interval=0.02) as ways, ways.peer("http") as peer:
        assert isinstance(peer, HttpPeer)
        for number in (1, 2):
            body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "a_gate"}}
            ways.gate.door.clear()
            async with peer.http.stream("POST", peer.url, json=body, headers=peer._headers(body)) as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                seen = ""
                async for chunk in response.aiter_text():
                    seen += chunk
                    if seen.count(": ping\r\n\r\n") > 1:
                        ways.gate.open()
                assert f'"id":{number}' in seen.split("data: ")[1]
        assert (await call(peer, "echo")).result == text("{}")
    assert ways.usual == []


async def test_streams_that_are_preferred(ways: Ways) -> None:
    """A client that names event streams first has them, the usual way."""
    async with ways.peer("http") as peer:
        assert isinstance(peer, HttpPeer)
        peer.headers["accept"] = "text/event-stream, application/json"
        await call(peer, "echo")
        assert (await call(peer, "echo")).result == text("{}")
    assert ways.usual == ["a_echo", "a_echo"]


@pytest.mark.parametrize("pinged", [True, False])
@pytest.mark.parametrize("admin", [True, False])
async def test_a_revoked_key_has_no_answer(admin: bool, pinged: bool) -> None:
    """Not even to a call that was under way: the connection ends without."""
    with tempfile.TemporaryDirectory(prefix="hub", dir="/tmp") as name:  # of mode 0700
        root = Path(name)
        keys, gate = KeyFile(root), Gate()
        token, server = keys.add("one", admin=admin), FakeServer(tools={"gate": gate})
        period = 0.02 if pinged else 60
        settings = {"token": HUB_TOKEN, "runtime_dir": root / "run", "ping_interval": period}
        async with world(root, server, serve=True, **settings) as hub:
            hub.put(server.spec("a"), space("a"))
            async with client(token, hub.settings.sidecar_socket) as http:
                peer = HttpPeer(http, "http://hub/mcp/w", "legacy")
                await peer.greet()
                await peer.request("ping")
                calling = asyncio.create_task(call(peer, "gate"))
                await gate.reached()
                [session] = hub.http._sessions.values()
                assert isinstance(next(iter(session.running.values())), direct_call.DirectCall)
                await until(lambda: not pinged or session.replies[0]._reply)  # type: ignore[union-attr]
                keys.revoke("one")
                hub.keyring.refresh()
                hub.gate._check_version()
                gate.open()
                with pytest.raises(httpx2.RemoteProtocolError):
                    await within(calling)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_long_bodies(tmp_path: Path, transport: Any) -> None:
    """The limit of a body holds, whichever way its client has come to go."""
    async with serving(tmp_path, max_body_bytes=1024) as ways, ways.peer(transport) as peer:
        assert (await call(peer, "echo", x="y" * 500)).result
        url = await peer.message_url if isinstance(peer, SsePeer) else peer.url
        headers = peer._headers({"method": "tools/call"}) if isinstance(peer, HttpPeer) else {}
        params = {"name": "a_echo", "arguments": {"x": "y" * 1024}}
        body = {"jsonrpc": "2.0", "id": 99, "method": "tools/call", "params": params}
        refused = await peer.http.post(urljoin(ways.hub.base, url), json=body, headers=headers)
        assert (refused.status_code, refused.json()["error"]["data"]["code"]) == (413, "BODY_TOO_LARGE")
        assert len(ways.server.channel.got("tools/call")) == 1
    assert ways.usual == []


async def test_a_session_in_use_is_not_idle(tmp_path: Path) -> None:
    """It is not ended under a call that takes long, but is when nothing is heard of it afterwards."""
    async with serving(tmp_path) as ways, client() as http:
        peer = HttpPeer(http, f"{ways.hub.base}/mcp/w", "legacy")
        await peer.greet()
        await peer.request("ping")
        [session] = ways.hub.http._sessions.values()
        calling = asyncio.create_task(call(peer, "gate"))
        await ways.gate.reached()
        session.last_used = float("-inf")
        session._check_idle()
        assert not session.ended
        ways.gate.open()
        assert (await within(calling)).result == text("through")
        session._check_idle()
        assert not session.ended  # it was used just now
        session.last_used = float("-inf")
        session._check_idle()
        assert session.ended
    assert ways.usual == []
