"""What passes as an answer of a server, what is repaired, and what is an error."""

from __future__ import annotations

from typing import Any

import mcp_types
import pytest
from pydantic import ValidationError

from sidecar.errors import AnswerInvalid
from sidecar.protocol import jsonrpc, results

TEXT = {"type": "text", "text": "t"}
MODELS = {
    "tools/call": mcp_types.CallToolResult,
    "prompts/get": mcp_types.GetPromptResult,
    "resources/read": mcp_types.ReadResourceResult,
    "completion/complete": mcp_types.CompleteResult,
}
GOOD: list[tuple[str, dict[str, Any]]] = [
    ("tools/call", {"content": []}),
    ("tools/call", {"content": [TEXT], "isError": True, "structuredContent": {"a": 1}, "_meta": {}, "own": None}),
    ("prompts/get", {"messages": [], "description": None}),
    ("resources/read", {"contents": [{"uri": "a://b", "text": ""}]}),
    ("completion/complete", {"completion": {"values": ["a"], "total": None}}),
    ("resources/subscribe", {}),
    ("ping", {"anything": [1]}),
    ("vendor/method", {"content": "its own affair"}),
]


@pytest.mark.parametrize(("method", "result"), GOOD)
def test_good(method: str, result: dict[str, Any]) -> None:
    """What the SDK's models take passes as it is, the very object."""
    frame = jsonrpc.result(1, result)
    assert results.checked(method, frame) is frame
    if model := MODELS.get(method):
        model.model_validate(result)


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("tools/call", {"resultType": "input_required", "inputRequests": {}}),
        ("tools/call", {"resultType": "task", "taskId": "1"}),
        ("tools/call", {"task": {"taskId": "1", "status": "working"}}),
        ("prompts/get", {"resultType": "input_required", "requestState": "x"}),
    ],
)
def test_not_final(method: str, result: dict[str, Any]) -> None:
    """A question or a task in the place of the result has other members."""
    assert results.checked(method, jsonrpc.result(1, result))["result"] == result


@pytest.mark.parametrize(
    ("result", "read_as"),
    [
        ({"isError": True}, {"isError": True, "content": []}),
        ({"structuredContent": {"a": 1}}, {"structuredContent": {"a": 1}, "content": []}),
        (
            {"content": None, "structuredContent": {}, "isError": None, "_meta": None, "own": None},
            {"structuredContent": {}, "content": [], "own": None},
        ),
        ({"content": [TEXT], "_meta": None}, {"content": [TEXT]}),
    ],
)
def test_repaired_results(result: dict[str, Any], read_as: dict[str, Any]) -> None:
    """Null means absent, and a call without `content` has none; the SDK's model takes it then, and did not before."""
    before = dict(result)
    assert results.checked("tools/call", jsonrpc.result(1, result)) == jsonrpc.result(1, read_as)
    assert result == before
    mcp_types.CallToolResult.model_validate(read_as)


@pytest.mark.parametrize("wrong", [None, "text", 5, 1.5, True, [], [TEXT]])
@pytest.mark.parametrize("method", [*MODELS, "tools/list", "ping", "vendor/method", "resources/subscribe"])
def test_no_object(method: str, wrong: Any) -> None:
    """Whatever the method, its result is an object."""
    with pytest.raises(AnswerInvalid, match=f"result of {method} is (an? .*|null), not an object"):
        results.checked(method, jsonrpc.result(1, wrong))


@pytest.mark.parametrize(
    ("method", "result", "why"),
    [
        ("tools/call", {}, "`content` .* is missing, not an array"),
        ("tools/call", {"content": None, "isError": False}, "`content` .* is missing, not an array"),
        ("tools/call", {"content": "text"}, "`content` .* is a string, not an array"),
        ("tools/call", {"content": [], "isError": "no"}, "`isError` .* is a string, not a boolean"),
        ("tools/call", {"content": [], "_meta": 5}, "`_meta` .* is a number, not an object"),
        ("tasks/result", {"content": {}}, "`content` .* is an object, not an array"),
        ("prompts/get", {}, "`messages` .* is missing"),
        ("prompts/get", {"messages": None}, "`messages` .* is missing"),
        ("resources/read", {"content": []}, "`contents` .* is missing"),
        ("resources/read", {"contents": {}}, "`contents` .* is an object, not an array"),
        ("completion/complete", {"completion": ["a"]}, "`completion` .* is an array, not an object"),
        ("resources/subscribe", {"_meta": []}, "`_meta` .* is an array, not an object"),
    ],
)
def test_wrong_member(method: str, result: dict[str, Any], why: str) -> None:
    """What clients refuse is an error that names the member."""
    with pytest.raises(AnswerInvalid, match=why) as caught:
        results.checked(method, jsonrpc.result(1, result))
    assert caught.value.rpc()["data"]["code"] == "SERVER_ANSWER_INVALID"
    if (model := MODELS.get(method)) and result.get("isError") is None:
        with pytest.raises(ValidationError):
            model.model_validate(result)


def test_error_null() -> None:
    """Beside a result it is none, as in JSON-RPC 1.0; alone it is no answer."""
    frame = {"id": 1, "result": {"content": []}, "error": None}
    assert results.checked("tools/call", frame) == jsonrpc.result(1, {"content": []})
    for nothing in ({"id": 1, "error": None}, {"id": 1}):
        with pytest.raises(AnswerInvalid, match="neither a result nor an error"):
            results.checked("tools/call", nothing)


def test_both() -> None:
    """A result and an error at once are no answer; a null beside an error is."""
    error = {"code": 1, "message": "m"}
    with pytest.raises(AnswerInvalid, match="both a result and an error"):
        results.checked("ping", {"id": 1, "result": {}, "error": error})
    assert results.checked("ping", {"id": 1, "result": None, "error": error}) == jsonrpc.error(1, error)


@pytest.mark.parametrize(
    ("error", "read_as"),
    [
        ({"code": 5, "message": "m", "data": [1]}, {"code": 5, "message": "m", "data": [1]}),
        ({"code": 5}, {"code": 5, "message": "The server gave no message."}),
        ({"code": 5, "message": None}, {"code": 5, "message": "The server gave no message."}),
        ({"message": "m"}, {"code": -32603, "message": "m"}),
        ({"code": "E1", "message": "m", "data": 1}, {"code": -32603, "message": "m", "data": 1}),
        ({"code": True, "message": "m"}, {"code": -32603, "message": "m"}),
        ({"code": -5.0, "message": "m"}, {"code": -5, "message": "m"}),
        ({"code": 2**60, "message": "m"}, {"code": -32603, "message": "m"}),
        ({}, {"code": -32603, "message": "The server gave no message."}),
        ("boom", {"code": -32603, "message": "The server answered with a malformed error: 'boom'"}),
    ],
)
def test_errors(error: Any, read_as: dict[str, Any]) -> None:
    """A server's error passes; what clients could not read as one gets a code and a message."""
    assert results.checked("tools/call", {"id": 1, "error": error}) == jsonrpc.error(1, read_as)
    mcp_types.JSONRPCError.model_validate(jsonrpc.error(1, read_as))


def test_the_handshake_judges_itself() -> None:
    """Only null errors are dropped there."""
    assert results.checked("initialize", {"id": 1, "result": [], "error": None}) == jsonrpc.result(1, [])
    assert results.checked("server/discover", {"id": 1}) == jsonrpc.result(1, None)
