"""The server library in both eras, frame by frame."""

from __future__ import annotations

import pytest

from demo_servers.mock.server import build, parse
from demo_servers.toolkit.session import Call
from demo_servers.toolkit.stdio_server import Server
from tests.unit.demo_servers.peer import META, Peer, connected

VERSION_KEY = f"{META}protocolVersion"


def mock(*flags: str) -> Server:
    """A mock with these flags."""
    return build(parse(list(flags)))


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_every_legacy_revision_is_agreed_to(version: str) -> None:
    """Initialize answers with the revision that was asked for."""
    with connected(mock("--instructions", "be kind"), handshake=False) as peer:
        result = peer.handshake(version)
        assert result["protocolVersion"] == version
        assert result["serverInfo"] == {"name": "mock", "version": "1.2.3"}
        assert result["instructions"] == "be kind"
        assert set(result["capabilities"]) == {"logging", "tools", "resources", "prompts", "completions"}
        assert peer.ask("ping") == {}


def test_an_unknown_revision_gets_the_newest_legacy_one() -> None:
    """Initialize with a revision of the future is answered with what we speak; without one, with an error."""
    with connected(mock(), handshake=False) as peer:
        assert peer.fail("initialize")["code"] == -32602
        assert peer.handshake("2099-01-01")["protocolVersion"] == "2025-11-25"


def test_a_request_before_initialize_is_refused() -> None:
    """A legacy connection serves nothing but ping before the handshake."""
    with connected(mock(), handshake=False) as peer:
        assert peer.ask("ping") == {}
        assert peer.fail("tools/list")["code"] == -32600


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"hello", -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b'{"id": 1}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}', -32600),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600),
    ],
)
def test_a_malformed_line_gets_an_error_and_ends_nothing(line: bytes, code: int) -> None:
    """Each malformed line is answered without an id, and the next request is served."""
    with connected(mock()) as peer:
        peer.send(b"")
        peer.send(line)
        frame = peer.receive()
        assert frame["id"] is None
        assert frame["error"]["code"] == code
        assert peer.ask("ping") == {}


def test_an_answer_to_nothing_is_ignored() -> None:
    """A response whose id nobody waits for changes nothing."""
    with connected(mock()) as peer:
        peer.send({"jsonrpc": "2.0", "id": "nobody", "result": {}})
        peer.notify("notifications/unheard_of")
        assert peer.ask("ping") == {}


def test_unknown_things_get_the_protocols_errors() -> None:
    """Methods, tools, prompts, resources, references, cursors and levels that there are not."""
    with connected(mock("--paginate", "5")) as peer:
        assert peer.fail("no/such")["code"] == -32601
        assert peer.fail("tools/call", {"name": "no_such"})["code"] == -32602
        assert peer.fail("prompts/get", {"name": "no_such"})["code"] == -32602
        assert peer.fail("prompts/get", {"name": "greet"})["code"] == -32602
        assert peer.fail("resources/read", {"uri": "mock://no/such"})["code"] == -32002
        assert peer.fail("resources/read", {"uri": "mock://item/201"})["data"] == {"uri": "mock://item/201"}
        assert peer.fail("completion/complete", {"ref": {"type": "ref/prompt", "name": "no"}})["code"] == -32602
        assert peer.fail("tools/list", {"cursor": "page@999"})["code"] == -32602
        assert peer.fail("tools/list", {"cursor": 7})["code"] == -32602
        assert peer.fail("logging/setLevel", {"level": "loud"})["code"] == -32602


def test_wrong_arguments_are_told_to_the_model() -> None:
    """A missing argument, and one of another type, give a result with isError that names it."""
    with connected(mock()) as peer:
        for arguments, said in (
            ({"a": 1}, "b is missing"),
            ({"a": 1, "b": "2"}, "b must be of type number"),
            ({"a": True, "b": 2}, "a must be of type number"),
        ):
            result = peer.call("add", **arguments)
            assert result["isError"]
            assert said in result["content"][0]["text"]


def test_a_fault_of_a_handler_is_an_internal_error(capfd: pytest.CaptureFixture[str]) -> None:
    """An exception in a tool reaches the client without its text, and stderr with it."""
    server = mock()

    @server.tool("Fails")
    def faulty(call: Call) -> str:
        raise ZeroDivisionError("secret detail")

    with connected(server) as peer:
        assert peer.fail("tools/call", {"name": "faulty"}) == {"code": -32603, "message": "Internal error"}
    assert "secret detail" in capfd.readouterr().err


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pages_add_up_to_the_list(size: int) -> None:
    """Following the cursors gives every tool once, in order."""
    whole = list(mock("--tools", "5").tools)
    with connected(mock("--tools", "5", "--paginate", str(size))) as peer:
        names: list[str] = []
        cursor = None
        while True:
            page = peer.ask("tools/list", {"cursor": cursor} if cursor else {})
            assert len(page["tools"]) <= size
            names += [tool["name"] for tool in page["tools"]]
            cursor = page.get("nextCursor")
            if not cursor:
                break
        assert names == whole


def test_a_cancelled_call_is_not_answered() -> None:
    """The call ends, nothing is said of it, and the server counts it."""
    with connected(mock()) as peer:
        slow = peer.start("tools/call", {"name": "slow", "arguments": {"seconds": 60}})
        peer.notify("notifications/cancelled", {"requestId": slow})
        assert peer.call("connection")["structuredContent"]["cancelled"] == 1
        assert peer.call("echo", text="after")["content"] == [{"type": "text", "text": "after"}]
        assert not [note for note in peer.notes if note.get("id") == slow]


def test_slow_calls_do_not_hold_up_others() -> None:
    """While one call sleeps, another is answered."""
    with connected(mock()) as peer:
        peer.start("tools/call", {"name": "slow", "arguments": {"seconds": 60}})
        assert peer.call("echo", text="first")["content"][0]["text"] == "first"
        slow = peer.start("tools/call", {"name": "slow", "arguments": {"seconds": 0}})
        assert peer.answer(slow)["result"]["content"][0]["text"] == "slept 0 s"


def test_progress_and_log_reach_who_asked() -> None:
    """Progress goes only to a call with a token; log messages from the level that was set."""
    with connected(mock()) as peer:
        peer.call("chatty", count=2)
        assert [note["method"] for note in peer.notes] == ["notifications/message"] * 2
        peer.notes.clear()
        peer.ask("logging/setLevel", {"level": "error"})
        params = {"name": "chatty", "arguments": {"count": 2}, "_meta": {"progressToken": "t"}}
        peer.ask("tools/call", params)
        assert [note["params"]["progress"] for note in peer.notes] == [1, 2]
        assert {note["params"]["progressToken"] for note in peer.notes} == {"t"}


def test_list_changes_are_told() -> None:
    """Adding and removing a tool, a resource and a prompt is announced and listed."""
    with connected(mock()) as peer:
        for tool, method, key in (
            ("change_tools", "tools/list", "tools"),
            ("change_resources", "resources/list", "resources"),
            ("change_prompts", "prompts/list", "prompts"),
        ):
            before = len(peer.ask(method)[key])
            assert peer.call(tool)["content"][0]["text"].startswith("added")
            assert peer.notes[-1]["method"] == f"notifications/{key}/list_changed"
            assert len(peer.ask(method)[key]) == before + 1
            assert peer.call(tool)["content"][0]["text"].startswith("removed")
            assert len(peer.ask(method)[key]) == before


def test_updates_reach_subscribers_only() -> None:
    """A resource's change is told after subscribe and not after unsubscribe."""
    with connected(mock()) as peer:
        peer.call("update_resource")
        assert not peer.notes
        peer.ask("resources/subscribe", {"uri": "mock://counter"})
        peer.call("update_resource")
        assert peer.notes.pop()["params"] == {"uri": "mock://counter"}
        peer.ask("resources/unsubscribe", {"uri": "mock://counter"})
        peer.call("update_resource")
        assert not peer.notes


def test_completions_are_of_the_argument() -> None:
    """Prompts and templates complete; a long list is cut at 100; what has no completions gives none."""
    with connected(mock()) as peer:
        greet = {"type": "ref/prompt", "name": "greet"}
        item = {"type": "ref/resource", "uri": "mock://item/{id}"}

        def complete(ref: dict[str, str], name: str, value: str, **context: object) -> list[str]:
            params = {"ref": ref, "argument": {"name": name, "value": value}, **context}
            found = peer.ask("completion/complete", params)["completion"]
            assert found["hasMore"] == (found["total"] > 100)
            values: list[str] = found["values"]
            return values

        assert complete(greet, "name", "a") == ["Ada", "Alan"]
        assert complete(greet, "tone", "f", context={"arguments": {"name": "Ada"}}) == ["formal"]
        assert len(complete(item, "id", "")) == 100
        assert complete({"type": "ref/prompt", "name": "plain"}, "x", "") == []


# --- modern era ------------------------------------------------------------------------------------------------------


def modern(peer: Peer, method: str, **params: object) -> dict[str, object]:
    """A request in the modern era; its result."""
    return peer.ask(method, {**peer.envelope(), **params})


def test_discover_names_the_version_and_the_server() -> None:
    """The modern handshake: versions, capabilities, instructions, cache hints, and who answers."""
    with connected(mock("--instructions", "be kind", "--ttl-ms", "500"), handshake=False) as peer:
        result = modern(peer, "server/discover")
        assert result["supportedVersions"] == ["2026-07-28"]
        assert result["instructions"] == "be kind"
        assert (result["resultType"], result["ttlMs"], result["cacheScope"]) == ("complete", 500, "private")
        assert result["_meta"] == {f"{META}serverInfo": {"name": "mock", "version": "1.2.3"}}


def test_modern_requests_need_their_envelope() -> None:
    """A request without it, half of it, or of another version is refused; so are legacy methods."""
    with connected(mock(), handshake=False) as peer:
        modern(peer, "server/discover")
        assert peer.fail("tools/list")["code"] == -32602
        assert peer.fail("tools/list", {"_meta": {VERSION_KEY: "2026-07-28"}})["code"] == -32602
        wrong = peer.fail("tools/list", peer.envelope("2030-01-01"))
        assert (wrong["code"], wrong["data"]) == (-32022, {"supported": ["2026-07-28"], "requested": "2030-01-01"})
        assert peer.fail("ping", peer.envelope())["code"] == -32601
        assert peer.fail("initialize", {"protocolVersion": "2025-11-25"})["code"] == -32022
        assert peer.fail("resources/read", {**peer.envelope(), "uri": "mock://no"})["code"] == -32602


def test_an_era_once_decided_stays() -> None:
    """An envelope on a legacy connection is refused, unless the server knows nothing of envelopes."""
    with connected(mock()) as peer:
        assert peer.fail("tools/list", peer.envelope())["code"] == -32600
    with connected(mock("--era", "legacy"), handshake=False) as peer:
        assert peer.fail("server/discover", peer.envelope())["code"] == -32601
        peer.handshake()
        assert "resultType" not in peer.ask("tools/list", peer.envelope())
    with connected(mock("--era", "modern"), handshake=False) as peer:
        assert peer.fail("initialize", {"protocolVersion": "2025-11-25"})["code"] == -32022


def test_modern_log_messages_need_the_requests_leave() -> None:
    """Without a level in the envelope nothing is logged to the client."""
    with connected(mock(), handshake=False) as peer:
        call = {"name": "chatty", "arguments": {"count": 1}}
        modern(peer, "tools/call", **call)
        assert not peer.notes
        peer.ask("tools/call", {**peer.envelope(logLevel="info"), **call})
        assert [note["method"] for note in peer.notes] == ["notifications/message"]


def test_listeners_hear_what_they_asked_for() -> None:
    """The acknowledgement comes first; every notice carries the stream's id; a cancelled stream is silent."""
    with connected(mock(), handshake=False) as peer:
        wanted = {"toolsListChanged": True, "promptsListChanged": False, "resourceSubscriptions": ["mock://counter"]}
        listen = peer.start("subscriptions/listen", {**peer.envelope(), "notifications": wanted})
        stream = {f"{META}subscriptionId": listen}
        honored = {"toolsListChanged": True, "resourceSubscriptions": ["mock://counter"]}
        acknowledged = peer.until("notifications/subscriptions/acknowledged")
        assert acknowledged["params"] == {"notifications": honored, "_meta": stream}
        for tool in ("change_tools", "change_prompts", "update_resource"):
            modern(peer, "tools/call", name=tool)
        assert [(note["method"], note["params"]) for note in peer.notes] == [
            ("notifications/tools/list_changed", {"_meta": stream}),
            ("notifications/resources/updated", {"uri": "mock://counter", "_meta": stream}),
        ]
        peer.notes.clear()
        peer.notify("notifications/cancelled", {"requestId": listen})
        modern(peer, "tools/call", name="change_tools")
        assert not peer.notes
        assert peer.fail("subscriptions/listen", peer.envelope())["code"] == -32602
