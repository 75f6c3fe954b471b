"""What is remembered of a conversation, and what a new session makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from hubctl.errors import HubLost, LineNotMessage
from hubctl.stdio.conversation import Conversation, check, decode, encode

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


def request(request_id: Any, method: str, **params: Any) -> dict[str, Any]:
    """A request of either side."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def result(request_id: Any, **members: Any) -> dict[str, Any]:
    """A response of either side."""
    return {"jsonrpc": "2.0", "id": request_id, "result": members}


def notice(method: str, **params: Any) -> dict[str, Any]:
    """A notification of either side."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def greeted(**capabilities: Any) -> Conversation:
    """One whose handshake is over."""
    talk = Conversation()
    talk.from_client(request(0, "initialize", clientInfo={"name": "c"}))
    talk.from_hub(result(0, capabilities=capabilities))
    talk.from_client(notice("notifications/initialized"))
    return talk


def test_the_clients_ids_stay_and_the_hubs_become_ours() -> None:
    """The client chose its own; what the hub asks has an id that no session before it had."""
    talk = greeted()
    asked = request("x", "tools/list")
    assert talk.from_client(asked) is asked
    (first,) = talk.from_hub(request("hub-1", "roots/list"))
    answer = talk.from_client(result(first["id"], roots=[]))
    assert answer == result("hub-1", roots=[])
    talk.lost(HubLost("gone"))
    (second,) = talk.from_hub(request("hub-1", "roots/list"))
    assert second["id"] != first["id"]
    assert talk.from_client(result(first["id"], roots=[])) is None


def test_cancellations_name_the_id_that_the_client_knows() -> None:
    """The hub cancels by its own id; what is cancelled is not answered to it."""
    talk = greeted()
    (asked,) = talk.from_hub(request("hub-1", "elicitation/create"))
    (told,) = talk.from_hub(notice("notifications/cancelled", requestId="hub-1", reason="r"))
    assert told["params"] == {"requestId": asked["id"], "reason": "r"}
    assert talk.from_client(result(asked["id"])) is None
    unknown = notice("notifications/cancelled", requestId="other")
    assert talk.from_hub(unknown) == [unknown]


def test_what_a_legacy_client_cancels_is_answered() -> None:
    """The hub's answer to a cancelled request (-32800) reaches the client; if the session ends first, ours does."""
    talk = greeted()
    for request_id in (5, "six", 7):
        talk.from_client(request(request_id, "tools/call"))
        talk.from_client(notice("notifications/cancelled", requestId=request_id))
    talk.from_client(notice("notifications/cancelled", requestId=[5]))
    assert talk.unanswered
    cancelled = {"jsonrpc": "2.0", "id": 5, "error": {"code": -32800, "message": "Request cancelled"}}
    assert talk.from_hub(cancelled) == [cancelled]
    late = result("six")
    assert talk.from_hub(late) == [late]
    assert [told["id"] for told in talk.lost(HubLost("It ended."))] == [7]
    assert not talk.unanswered


def test_what_a_modern_client_cancels_is_not_answered() -> None:
    """MCP 2026-07-28 forbids an answer to a cancelled request; nothing waits for one."""
    talk = Conversation()
    talk.from_client(request(1, "tools/call", _meta={"io.modelcontextprotocol/protocolVersion": "2026-07-28"}))
    talk.from_client(notice("notifications/cancelled", requestId=1))
    assert not talk.unanswered
    assert talk.from_hub(result(1)) == []
    assert talk.lost(HubLost("It ended.")) == []


def test_what_was_under_way_is_answered_once() -> None:
    """With an error of a stable code; the answer of the old session, and its failure to take it, come to nothing."""
    talk = greeted()
    call = request(1, "tools/call")
    talk.from_client(call)
    (told,) = talk.lost(HubLost("It ended."))
    assert told["id"] == 1
    assert told["error"]["code"] == -32010
    assert told["error"]["data"]["code"] == "HUB_CONNECTION_LOST"
    assert talk.failed(call, {"code": 1}) == []
    assert talk.from_hub(result(1)) == []


def test_the_handshake_is_replayed_with_what_was_wished() -> None:
    """Log level and subscriptions as they were last, if the hub had taken them."""
    talk = greeted(tools={"listChanged": True}, prompts={"listChanged": False}, resources={"listChanged": True})
    for request_id, method, params, taken in (
        (1, "logging/setLevel", {"level": "debug"}, True),
        (2, "logging/setLevel", {"level": "nonsense"}, False),
        (3, "resources/subscribe", {"uri": "a:1"}, True),
        (4, "resources/subscribe", {"uri": "a:2"}, True),
        (5, "resources/unsubscribe", {"uri": "a:1"}, True),
    ):
        talk.from_client(request(request_id, method, **params))
        error = {"jsonrpc": "2.0", "id": request_id, "error": {"code": -32602, "message": "m"}}
        talk.from_hub(result(request_id) if taken else error)
    assert talk.lost(HubLost("gone")) == []
    assert talk.handshake() == {"method": "initialize", "params": {"clientInfo": {"name": "c"}}}
    assert talk.restored() == [
        {"method": "logging/setLevel", "params": {"level": "debug"}},
        {"method": "resources/subscribe", "params": {"uri": "a:2"}},
    ]
    assert [(each["method"], each.get("params")) for each in talk.list_changes()] == [
        ("notifications/tools/list_changed", None),
        ("notifications/resources/list_changed", None),
        ("notifications/resources/updated", {"uri": "a:2"}),
    ]


def test_a_handshake_that_is_not_over_goes_on_in_the_next_session() -> None:
    """The client waits for its answer, which only the next session can give."""
    talk = Conversation()
    greeting = request(0, "initialize")
    talk.from_client(greeting)
    assert talk.lost(HubLost("gone")) == []
    assert talk.handshake() is None
    assert talk.repeated() == [greeting]
    assert talk.list_changes() == []


def test_a_handshake_that_was_refused_is_not_replayed() -> None:
    """There is nothing to be replayed for a client of which the hub would have nothing."""
    talk = Conversation()
    talk.from_client(request(0, "initialize"))
    talk.from_hub({"jsonrpc": "2.0", "id": 0, "error": {"code": -32602, "message": "m"}})
    assert talk.handshake() is None


def test_listening_goes_on() -> None:
    """The second acknowledgement is ours: the client gets what makes it look again."""
    talk = Conversation()
    wanted = {"toolsListChanged": True, "promptsListChanged": False, "resourceSubscriptions": ["a:1"]}
    listen = request("l", "subscriptions/listen", notifications=wanted)
    talk.from_client(listen)
    meta = {"_meta": {SUBSCRIPTION: "l"}}
    acknowledged = notice("notifications/subscriptions/acknowledged", **meta)
    assert talk.from_hub(acknowledged) == [acknowledged]
    assert not talk.unanswered
    assert talk.lost(HubLost("gone")) == []
    assert talk.repeated() == [listen]
    told = talk.from_hub(acknowledged)
    assert [(each["method"], each["params"]) for each in told] == [
        ("notifications/tools/list_changed", meta),
        ("notifications/resources/updated", {"uri": "a:1", **meta}),
    ]
    assert talk.from_hub(acknowledged) == [acknowledged]


@pytest.mark.parametrize(
    "value",
    [None, 1, [], {}, {"id": 1}, {"method": 1}, {"method": "m", "id": None}, {"method": "m", "id": True},
     {"id": [1], "result": {}}, {"result": {}}, {"method": "m", "id": 1.5}],
)  # fmt: skip
def test_what_is_no_message(value: Any) -> None:
    """It is refused before the hub sees it."""
    with pytest.raises(LineNotMessage):
        check(value)


@pytest.mark.parametrize(
    "text", ['{"a":"\\ud800"}', '{"a":123456789012345678901234567890}', '{"a":NaN}', '{"a":"ü"}', '{"a":1e2}']
)
def test_json_as_widely_as_it_is_understood(text: str) -> None:
    """What is hardly JSON is read, and can be written again, on one line."""
    assert b"\n" not in encode(decode(text.encode()))
