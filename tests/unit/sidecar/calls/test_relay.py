"""The relay core: requests to the right server under its own names, answers back in the client's era."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.models import Curation
from sidecar.calls import relay
from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import (
    AnswerInvalid,
    ArgumentHidden,
    ParamsInvalid,
    PromptUnknown,
    ResourceUnknown,
    SidecarError,
    ToolUnknown,
)
from sidecar.flood_errors import TooManySubscriptions
from sidecar.protocol import eras
from tests.support.fake_server import FakeServer, Gate, RpcError, settle, text, until
from tests.support.inprocess import Recorder, World, space, world

pytestmark = pytest.mark.outside

MODERN = {"_meta": {eras.VERSION_KEY: "2026-07-28", eras.CAPABILITIES_KEY: {}, eras.CLIENT_INFO_KEY: {"name": "c"}}}


@pytest.fixture(params=["legacy", "modern"])
def server(request: pytest.FixtureRequest) -> FakeServer:
    """A server of either era."""
    server = FakeServer(era=request.param)
    server.prompts = [{"name": "p"}]
    server.resources = [{"uri": "note://1", "name": "one"}]
    server.templates = [{"uriTemplate": "note://{id}", "name": "each"}]
    return server


@pytest.fixture
async def hub(tmp_path: Path, server: FakeServer) -> AsyncIterator[World]:
    """A workspace `w` of the server, prefixed, and one `t` without prefix."""
    async with world(tmp_path, server) as made:
        made.put(server.spec(namespace="ns"), space("fake"), space("fake", name="t", template="{name}"))
        await made.settled()
        yield made


def sent(server: FakeServer, method: str) -> dict[str, Any]:
    """The params that the server got last, without what its era adds."""
    params = dict(server.channel.got(method)[-1].get("params") or {})
    meta = {key: value for key, value in params.pop("_meta", {}).items() if not key.startswith(eras.PREFIX)}
    return {**params, "_meta": meta} if meta else params


async def test_lists(hub: World) -> None:
    """Each list is the view's, whole; a cursor cannot be the hub's."""
    client = Recorder()
    assert await hub.ask(client, "prompts/list") == {"prompts": [{"name": "ns_p"}]}
    assert (await hub.ask(client, "resources/list"))["resources"] == [{"uri": "note://ns/1", "name": "one"}]
    assert (await hub.ask(client, "resources/templates/list"))["resourceTemplates"] == [
        {"uriTemplate": "note://ns/{id}", "name": "each"}
    ]
    modern = await hub.ask(client, "tools/list", MODERN)
    assert (modern["resultType"], modern["ttlMs"], modern["cacheScope"]) == ("complete", 0, "private")
    assert modern["_meta"][eras.SERVER_INFO_KEY]["name"] == "w"
    with pytest.raises(ParamsInvalid):
        await hub.ask(client, "tools/list", {"cursor": "2"})


@pytest.mark.parametrize("params", [{}, MODERN], ids=["legacy client", "modern client"])
async def test_presets_of_a_curated_tool(hub: World, server: FakeServer, params: dict[str, Any]) -> None:
    """They reach the server; a fixed argument that the client sends is refused, and the server is not asked."""
    presets = {"a": {"value": 1, "hidden": True}, "b": {"default": 2}}
    tools = {"items": {"echo": {"name": "say", "arguments": presets}}}
    curation = Curation.model_validate({"servers": {"fake": {"tools": tools}}})
    hub.put(server.spec(namespace="ns"), space("fake").model_copy(update={"curation": curation}))
    await hub.settled()
    asked = {"name": "ns_say", "arguments": {"c": 3}, **params}
    await hub.ask(Recorder(), "tools/call", asked)
    assert sent(server, "tools/call") == {"name": "echo", "arguments": {"a": 1, "b": 2, "c": 3}}
    with pytest.raises(ArgumentHidden):
        await hub.ask(Recorder(), "tools/call", {**asked, "arguments": {"a": 5}})
    assert len(server.channel.got("tools/call")) == 1


@pytest.mark.parametrize("params", [{}, MODERN], ids=["legacy client", "modern client"])
async def test_call(hub: World, server: FakeServer, params: dict[str, Any]) -> None:
    """A call gets to the server under its own name, in its era, and the result back in the client's."""
    asked = {"name": "ns_echo", "arguments": {"a": [1]}, **params}
    result = await hub.ask(Recorder(), "tools/call", asked)
    assert sent(server, "tools/call") == {"name": "echo", "arguments": {"a": [1]}}
    assert result["content"] == text("[('a', [1])]")["content"]
    assert ("resultType" in result) == bool(params)
    meta = server.channel.got("tools/call")[-1]["params"].get("_meta", {})
    assert meta.get(eras.CLIENT_INFO_KEY, {}).get("name") == ("yamcp-hub" if server.era == "modern" else None)


async def test_errors_pass(hub: World, server: FakeServer) -> None:
    """A server's error passes unchanged, data included, except for the code that one era has not."""

    def fail(code: int) -> None:
        raise RpcError(code, "went wrong", data={"why": [1]})

    server.tools["fail"] = fail
    server.channel.notify("notifications/tools/list_changed")
    await until(lambda: "ns_fail" in hub.workspace().view.tool_routes)
    for params, code, expected in (({}, -32002, -32002), (MODERN, -32002, -32602), (MODERN, -5, -5)):
        with pytest.raises(ErrorResponse) as caught:
            await hub.ask(Recorder(), "tools/call", {"name": "ns_fail", "arguments": {"code": code}, **params})
        assert caught.value.error == {"code": expected, "message": "went wrong", "data": {"why": [1]}}


@pytest.mark.parametrize("wrong", ["text", 5, {}])
async def test_error_that_is_none(hub: World, server: FakeServer, wrong: Any) -> None:
    """An error of the wrong type becomes one that clients understand."""
    server.handlers["tools/call"] = lambda channel, frame: channel.push({"id": frame["id"], "error": wrong})
    with pytest.raises(ErrorResponse) as caught:
        await hub.ask(Recorder(), "tools/call", {"name": "ns_echo"})
    assert isinstance(caught.value.error["code"], int)
    assert isinstance(caught.value.error["message"], str)


async def test_unknown(hub: World) -> None:
    """What the workspace does not have is refused with a code, and never reaches a server."""
    client = Recorder()
    unknown: list[tuple[str, dict[str, Any], type[SidecarError]]] = [
        ("tools/call", {"name": "echo"}, ToolUnknown),
        ("prompts/get", {"name": "p"}, PromptUnknown),
        ("resources/read", {"uri": "note://unlisted"}, ResourceUnknown),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "p"}}, PromptUnknown),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "x"}}, ResourceUnknown),
        ("completion/complete", {"ref": {"type": "ref/resource"}}, ResourceUnknown),
        ("completion/complete", {}, ParamsInvalid),
        ("tools/call", {}, ParamsInvalid),
        ("tools/call", {"name": ["x"]}, ParamsInvalid),
        ("resources/read", {"uri": 5}, ParamsInvalid),
        ("logging/setLevel", {"level": "loud"}, ParamsInvalid),
    ]
    for method, params, error in unknown:
        with pytest.raises(error):
            await hub.ask(client, method, params)


async def test_unknown_and_long(hub: World, caplog: pytest.LogCaptureFixture) -> None:
    """What a client names is repeated in part only: the log, which keeps thousands of such lines, has a size."""
    long = "x" * 1_000_000
    for method, params in (
        ("tools/call", {"name": long}),
        ("prompts/get", {"name": long}),
        ("resources/read", {"uri": long}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": long}}),
        ("logging/setLevel", {"level": long}),
    ):
        with pytest.raises(SidecarError) as caught:
            await hub.ask(Recorder(), method, params)
        assert "xxx" in caught.value.message
        assert len(caught.value.message) < 500
    assert all(len(str(vars(record))) < 5000 for record in caplog.records)


async def test_prompts_and_resources(hub: World, server: FakeServer) -> None:
    """Names and URIs are the server's on the way there, and the workspace's on the way back."""
    client = Recorder()
    got = await hub.ask(client, "prompts/get", {"name": "ns_p", "arguments": {"x": "1"}})
    assert got["given"]["name"] == "p"
    read = await hub.ask(client, "resources/read", {"uri": "note://ns/7"})
    assert sent(server, "resources/read") == {"uri": "note://7"}
    assert read["contents"][0]["uri"] == "note://ns/7"
    read = await hub.ask(client, "resources/read", {"uri": "note://7"}, name="t")
    assert read["contents"][0]["uri"] == "note://7"


async def test_completion(hub: World, server: FakeServer) -> None:
    """Completions go to the server of the prompt or template."""
    client = Recorder()
    argument = {"argument": {"name": "x", "value": "y"}}
    await hub.ask(client, "completion/complete", {"ref": {"type": "ref/prompt", "name": "ns_p"}, **argument})
    assert sent(server, "completion/complete") == {"ref": {"type": "ref/prompt", "name": "p"}, **argument}
    await hub.ask(client, "completion/complete", {"ref": {"type": "ref/resource", "uri": "note://ns/{id}"}, **argument})
    assert sent(server, "completion/complete")["ref"]["uri"] == "note://{id}"


async def test_progress(hub: World, server: FakeServer) -> None:
    """Progress comes back under the client's own token, whatever its type; none is asked for without one."""

    async def slow(channel: Any, frame: Any) -> dict[str, Any]:
        token = frame["params"].get("_meta", {}).get("progressToken")
        if token is None:
            return text("no token")
        channel.notify("notifications/progress", {"progressToken": token, "progress": 1, "total": 2})
        return text("done")

    server.tools["slow"] = slow
    server.channel.notify("notifications/tools/list_changed")
    await until(lambda: "ns_slow" in hub.workspace().view.tool_routes)
    client = Recorder()
    for token in ("mine", 7):
        await hub.ask(client, "tools/call", {"name": "ns_slow", "_meta": {"progressToken": token}})
    assert [params["progressToken"] for method, params in client.notes if method.endswith("progress")] == ["mine", 7]
    client.notes.clear()
    result = await hub.ask(client, "tools/call", {"name": "ns_slow"})
    assert result["content"] == text("no token")["content"]
    assert client.notes == []


async def test_cancel(hub: World, server: FakeServer) -> None:
    """A client that gives up a call cancels it at the server, under the hub's id."""
    gate = server.tools["gate"] = Gate()
    server.channel.notify("notifications/tools/list_changed")
    await until(lambda: "ns_gate" in hub.workspace().view.tool_routes)
    call = asyncio.create_task(hub.ask(Recorder(), "tools/call", {"name": "ns_gate"}))
    await gate.reached()
    call.cancel()
    cancelled = await server.channel.sent("notifications/cancelled")
    assert cancelled["params"]["requestId"] == server.channel.got("tools/call")[-1]["id"]


async def test_tool_timeout(hub: World, server: FakeServer) -> None:
    """A tool's own deadline is kept."""
    server.tools["gate"] = Gate()
    hub.put(server.spec(namespace="ns", tool_timeouts={"gate": 0.01}))
    server.channel.notify("notifications/tools/list_changed")
    await until(lambda: "ns_gate" in hub.workspace().view.tool_routes)
    with pytest.raises(SidecarError) as caught:
        await hub.ask(Recorder(), "tools/call", {"name": "ns_gate"})
    assert caught.value.code == "CALL_TIMEOUT"


async def test_debug_log(hub: World, caplog: pytest.LogCaptureFixture) -> None:
    """One correlation id follows a request; a refusal is logged with it."""
    caplog.set_level(logging.DEBUG, "sidecar.calls.relay")
    client = Recorder()
    await hub.ask(client, "tools/call", {"name": "ns_echo"})
    with pytest.raises(ToolUnknown):
        await hub.ask(client, "tools/call", {"name": "gone"})
    told = [record for record in caplog.records if record.name in ("sidecar.calls.relay", "sidecar.calls.request")]
    ids = [getattr(record, "correlation", "") for record in told]
    assert len(ids) == 3
    assert ids[0] == ids[1] != ids[2]
    assert client.calls == 2


async def test_result_that_is_none(hub: World, server: FakeServer) -> None:
    """A result that clients would refuse is an error with a code, whatever the method."""
    for method, params, wrong in (
        ("tools/call", {"name": "ns_echo"}, "text"),
        ("prompts/get", {"name": "ns_p"}, {}),
        ("resources/read", {"uri": "note://ns/1"}, None),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "ns_p"}}, []),
        ("resources/subscribe", {"uri": "note://ns/1"}, 5),
    ):
        if method == "resources/subscribe" and server.era == "modern":
            continue
        server.handlers[method] = lambda *_, wrong=wrong: wrong
        with pytest.raises(AnswerInvalid):
            await hub.ask(Recorder(), method, params)
    await settle()


async def test_a_session_has_a_limit_of_subscriptions(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused; one that there is may be repeated, and after an end there is room again."""
    monkeypatch.setattr(relay, "MAX_SUBSCRIPTIONS", 2)
    client = Recorder()
    for number in (1, 2, 2):
        await hub.ask(client, "resources/subscribe", {"uri": f"note://ns/{number}"})
    with pytest.raises(TooManySubscriptions):
        await hub.ask(client, "resources/subscribe", {"uri": "note://ns/3"})
    assert len(client.resource_subscriptions) == 2
    await hub.ask(client, "resources/unsubscribe", {"uri": "note://ns/1"})
    await hub.ask(client, "resources/subscribe", {"uri": "note://ns/3"})
