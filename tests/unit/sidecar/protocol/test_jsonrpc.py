"""What is a JSON-RPC frame, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.errors import MessageInvalid
from sidecar.protocol import jsonrpc


def test_made() -> None:
    """Each kind of frame has just its members."""
    assert jsonrpc.request(1, "m") == {"jsonrpc": "2.0", "id": 1, "method": "m"}
    assert jsonrpc.request("a", "m", {"x": 1})["params"] == {"x": 1}
    assert jsonrpc.notification("m") == {"jsonrpc": "2.0", "method": "m"}
    assert jsonrpc.notification("m", {}) == {"jsonrpc": "2.0", "method": "m", "params": {}}
    assert jsonrpc.result(1, {}) == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert jsonrpc.error(None, {"code": 1}) == {"jsonrpc": "2.0", "id": None, "error": {"code": 1}}


@pytest.mark.parametrize(
    "message",
    [
        jsonrpc.request(1, "m", {}),
        jsonrpc.request("one", "m"),
        jsonrpc.notification("m"),
        jsonrpc.result(0, {}),
        jsonrpc.error("x", {"code": 1, "message": ""}),
    ],
)
def test_valid(message: dict[str, Any]) -> None:
    """Frames of every kind pass as they are."""
    assert jsonrpc.validate(message) is message


@pytest.mark.parametrize(
    ("message", "read_as"),
    [
        ({"id": 1, "method": "m", "params": None}, {"id": 1, "method": "m"}),
        ({"method": "n", "params": None}, {"method": "n"}),
        (
            {"id": 1, "method": "tools/list", "params": {"cursor": None, "_meta": None, "own": None}},
            {"id": 1, "method": "tools/list", "params": {"own": None}},
        ),
        (
            {"id": 1, "method": "tools/call", "params": {"name": "t", "arguments": None, "task": None}},
            {"id": 1, "method": "tools/call", "params": {"name": "t"}},
        ),
        (
            {"id": 1, "method": "tools/call", "params": {"arguments": {"a": None}, "_meta": {"progressToken": None}}},
            {"id": 1, "method": "tools/call", "params": {"arguments": {"a": None}, "_meta": {}}},
        ),
        (
            {"id": 1, "method": "completion/complete", "params": {"context": {"arguments": None}}},
            {"id": 1, "method": "completion/complete", "params": {"context": {}}},
        ),
        ({"id": 1, "method": "own", "params": {"arguments": None}},) * 2,
        (
            {"method": "notifications/progress", "params": {"total": None}},
            {"method": "notifications/progress", "params": {}},
        ),
        ({"id": 1, "result": {}, "error": None}, {"id": 1, "result": {}}),
        (
            {"id": 1, "result": None, "error": {"code": 1, "message": ""}},
            {"id": 1, "error": {"code": 1, "message": ""}},
        ),
    ],
)
def test_null_is_absent(message: dict[str, Any], read_as: dict[str, Any]) -> None:
    """Optional members that are null are as if they were not there; nulls that may mean something stay."""
    assert jsonrpc.validate({"jsonrpc": "2.0", **message}) == {"jsonrpc": "2.0", **read_as}


@pytest.mark.parametrize(
    ("message", "request_id"),
    [
        ({"id": "s", "result": None}, "s"),
        ({"id": 5, "result": [1]}, 5),
        ({"id": 5, "result": {}, "error": {"code": 1, "message": ""}}, 5),
        ({"id": 5, "error": None}, 5),
        ({"id": 5, "error": "text"}, 5),
        ({"id": None, "result": {}}, None),
        ({"id": 5}, None),
    ],
)
def test_malformed_responses(message: dict[str, Any], request_id: Any) -> None:
    """The error tells which request of a server is not answered."""
    with pytest.raises(MessageInvalid) as caught:
        jsonrpc.validate({"jsonrpc": "2.0", **message})
    assert caught.value.answers == request_id


@pytest.mark.parametrize(
    "message",
    [
        None,
        1,
        "text",
        [],
        [{"jsonrpc": "2.0", "id": 1, "method": "m"}],
        {},
        {"id": 1, "method": "m"},
        {"jsonrpc": "1.0", "id": 1, "method": "m"},
        {"jsonrpc": "2.0", "id": 1, "method": 5},
        {"jsonrpc": "2.0", "id": 1, "method": "m", "params": [1]},
        {"jsonrpc": "2.0", "id": None, "method": "m"},
        {"jsonrpc": "2.0", "id": True, "method": "m"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "m"},
        {"jsonrpc": "2.0", "id": {}, "method": "m"},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "result": {}},
        {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}},
        {"jsonrpc": "2.0", "id": 1, "result": None},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": "1", "message": ""}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1}},
    ],
)
def test_invalid(message: Any) -> None:
    """What is no frame is refused with an error for the client, whatever it is."""
    with pytest.raises(MessageInvalid) as caught:
        jsonrpc.validate(message)
    assert caught.value.rpc()["code"] == -32600


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_whether_there_may_be_nulls(encoding: str) -> None:
    """A message without the word has none, in whatever encoding of JSON it is."""
    assert jsonrpc.may_have_nulls('{"cursor":null}'.encode(encoding))
    assert not jsonrpc.may_have_nulls(b'{"cursor":"x"}')
