"""The mock's tools and lists."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from demo_servers.mock.lists import NESTED_SCHEMA, ODD_NAMES
from tests.unit.demo_servers.peer import connected
from tests.unit.demo_servers.test_stdio_server import mock

ABLE: dict[str, Any] = {"sampling": {}, "elicitation": {}, "roots": {"listChanged": True}}
ANSWERS = {
    "sampling": (
        "sampling/createMessage",
        {"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"},
    ),
    "elicit": ("elicitation/create", {"action": "accept", "content": {"name": "Ada"}}),
    "roots": ("roots/list", {"roots": [{"uri": "file:///tmp"}]}),
}


def test_plain_tools_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, numbers, size, environment."""
    monkeypatch.setenv("MOCK_TEST", "value")
    monkeypatch.delenv("MOCK_ABSENT", raising=False)
    with connected(mock()) as peer:
        assert peer.call("echo", text="é\n\ud800")["content"][0]["text"] == "é\n?"
        assert peer.call("add", a=1, b=2.5)["structuredContent"] == {"sum": 3.5}
        assert len(peer.call("big", bytes=100_000)["content"][0]["text"]) == 100_000
        assert peer.call("env", name="MOCK_TEST")["content"][0]["text"] == "value"
        assert peer.call("env", name="MOCK_ABSENT")["isError"]
        assert peer.call("nested", filter={"field": "x"})["structuredContent"] == {
            "arguments": {"filter": {"field": "x"}}
        }
        assert int(peer.call("pid")["content"][0]["text"]) == peer.call("process")["structuredContent"]["pid"]


def test_contents_are_of_every_kind() -> None:
    """Image, audio, embedded text and blob, link, structured content with _meta."""
    with connected(mock()) as peer:
        kinds = {
            name: [block["type"] for block in peer.call(name)["content"]]
            for name in ("image", "audio", "embedded", "resource_link", "structured")
        }
        assert kinds == {
            "image": ["text", "image"],
            "audio": ["audio"],
            "embedded": ["resource"],
            "resource_link": ["resource_link"],
            "structured": ["text"],
        }
        assert "blob" in peer.call("embedded", blob=True)["content"][0]["resource"]
        assert peer.call("structured")["_meta"] == {"example.com/x": 1}


def test_trouble_is_as_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    """A JSON-RPC error with its code, isError, garbage between frames, lines on stderr."""
    with connected(mock()) as peer:
        error = peer.fail("tools/call", {"name": "fail", "arguments": {"code": -32042, "message": "no"}})
        assert (error["code"], error["message"]) == (-32042, "no")
        assert peer.call("tool_error", message="bad")["content"][0]["text"] == "bad"
        request = peer.start("tools/call", {"name": "garbage", "arguments": {"lines": 2}})
        for _ in range(2):
            with pytest.raises(ValueError, match="Expecting value"):
                peer.receive()
        assert peer.answer(request)["result"]["content"][0]["text"] == "done"
        peer.call("stderr", text="oops", times=2)
    assert capfd.readouterr().err.count("oops") == 2


@pytest.mark.parametrize("tool", list(ANSWERS))
def test_questions_to_a_legacy_client(tool: str) -> None:
    """The client's answer is what the tool gives; a client that cannot is not asked; its error is passed on."""
    method, answer = ANSWERS[tool]
    with connected(mock(), capabilities=ABLE) as peer:
        call = peer.start("tools/call", {"name": tool})
        question = peer.until(method)
        peer.send({"jsonrpc": "2.0", "id": question["id"], "result": answer})
        assert peer.answer(call)["result"]["structuredContent"] == {"answer": answer}
        call = peer.start("tools/call", {"name": tool})
        question = peer.until(method)
        peer.send({"jsonrpc": "2.0", "id": question["id"], "error": {"code": -1, "message": "no"}})
        assert peer.answer(call)["error"] == {"code": -1, "message": "no"}
    with connected(mock()) as peer:
        assert "does not offer" in peer.call(tool)["content"][0]["text"]
    with connected(mock("--ask-anyway")) as peer:
        peer.start("tools/call", {"name": tool})
        peer.until(method)


def test_a_cancelled_question_is_withdrawn() -> None:
    """When the call is cancelled, so is the question that it asked."""
    with connected(mock(), capabilities=ABLE) as peer:
        call = peer.start("tools/call", {"name": "sampling"})
        question = peer.until("sampling/createMessage")
        peer.notify("notifications/cancelled", {"requestId": call})
        assert peer.until("notifications/cancelled")["params"] == {"requestId": question["id"]}


@pytest.mark.parametrize("tool", list(ANSWERS))
def test_questions_to_a_modern_client(tool: str) -> None:
    """The call is answered with what is needed, and again, with the answers in it, with the result."""
    method, answer = ANSWERS[tool]
    with connected(mock(), handshake=False, capabilities=ABLE) as peer:
        pause = peer.ask("tools/call", {**peer.envelope(), "name": tool})
        assert pause["resultType"] == "input_required"
        ((key, question),) = pause["inputRequests"].items()
        assert question["method"] == method
        again = {"name": tool, "inputResponses": {key: answer}, "requestState": pause["requestState"]}
        assert peer.ask("tools/call", {**peer.envelope(), **again})["structuredContent"] == {"answer": answer}
        peer.capabilities = {}
        assert peer.fail("tools/call", {**peer.envelope(), "name": tool})["code"] == -32021


def test_a_shy_server_offers_more_to_able_clients() -> None:
    """With --shy the asking tools are listed only to clients that can answer."""
    for capabilities, count in (({}, 0), ({"sampling": {}}, 1), (ABLE, 3)):
        with connected(mock("--shy"), capabilities=capabilities) as peer:
            names = {tool["name"] for tool in peer.ask("tools/list")["tools"]}
            assert len(names & set(ANSWERS)) == count


def test_generated_and_odd_tools() -> None:
    """--tools, --odd-names and --prefix change the list; each generated tool answers with its name."""
    with connected(mock("--tools", "7", "--odd-names", "--prefix", "p_")) as peer:
        tools = {tool["name"]: tool for tool in peer.ask("tools/list")["tools"]}
        assert all(name.startswith("p_") for name in tools)
        assert {f"p_{name}" for name in ODD_NAMES} < set(tools)
        assert max(len(name) for name in ODD_NAMES) == 80
        assert tools["p_tool_0004"]["inputSchema"] == NESTED_SCHEMA
        assert peer.call("p_größe_名前")["structuredContent"]["tool"] == "größe_名前"
        assert "p_greet" in [prompt["name"] for prompt in peer.ask("prompts/list")["prompts"]]


def test_resources_and_prompts() -> None:
    """Text, binary and templated contents; prompts with and without arguments, and with pictures."""
    with connected(mock()) as peer:
        assert len(peer.ask("resources/list")["resources"]) == 3
        assert len(peer.ask("resources/templates/list")["resourceTemplates"]) == 1
        read = {
            uri: peer.ask("resources/read", {"uri": uri})["contents"][0]
            for uri in ("mock://hello", "mock://pixel", "mock://item/7")
        }
        assert read["mock://hello"]["text"] == "hello"
        assert read["mock://pixel"]["mimeType"] == "image/png"
        assert read["mock://item/7"]["text"] == "item 7"
        before = peer.ask("resources/read", {"uri": "mock://counter"})["contents"][0]["text"]
        peer.call("update_resource")
        after = peer.ask("resources/read", {"uri": "mock://counter"})["contents"][0]["text"]
        assert int(after) == int(before) + 1
        greet = peer.ask("prompts/get", {"name": "greet", "arguments": {"name": "Ada"}})
        assert greet["messages"][0]["content"]["text"] == "Greet Ada in a friendly tone."
        pictures = peer.ask("prompts/get", {"name": "pictures"})["messages"]
        assert [message["content"]["type"] for message in pictures] == ["image", "resource", "resource_link", "text"]


def test_only_tools_means_it() -> None:
    """With --only-tools the server has neither resources nor prompts, and does not say that it has."""
    with connected(mock("--only-tools"), handshake=False) as peer:
        assert set(peer.handshake()["capabilities"]) == {"tools", "logging"}


def test_methods_hang_or_fail_as_asked_for() -> None:
    """--hang-on never answers, --fail-on answers with an error."""
    with connected(mock("--hang-on", "tools/list", "--fail-on", "prompts/list")) as peer:
        hanging = peer.start("tools/list")
        assert peer.fail("prompts/list")["code"] == -32603
        assert peer.ask("ping") == {}
        assert not [note for note in peer.notes if note.get("id") == hanging]


def test_die_after_counts_calls() -> None:
    """The process would end after the answer to the Nth call, not before."""
    server = mock("--die-after", "3")
    died = threading.Event()
    count, original = 0, server.called

    def called(call: Any) -> None:
        nonlocal count
        count += 1
        if count < 3:
            original(call)
        else:
            died.set()

    server.called = called
    with connected(server) as peer:
        for _ in range(3):
            peer.call("pid")
        assert died.wait(5)
