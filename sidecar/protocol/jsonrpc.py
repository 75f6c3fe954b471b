"""JSON-RPC 2.0 messages as plain dicts: constructors and validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sidecar.errors import MessageInvalid
from sidecar.protocol.channel import Frame

MARK_OF_CALL = b'"tools/call"'
"""Occurs in the body of every `tools/call` that is not written with unnecessary escapes."""


def request(request_id: int | str, method: str, params: dict[str, Any] | None = None) -> Frame:
    """A request frame."""
    frame: Frame = {"jsonrpc": "2.0", "id": request_id, "method": method}
    if params is not None:
        frame["params"] = params
    return frame


def notification(method: str, params: dict[str, Any] | None = None) -> Frame:
    """A notification frame."""
    return (
        {"jsonrpc": "2.0", "method": method}
        if params is None
        else {"jsonrpc": "2.0", "method": method, "params": params}
    )


def result(request_id: Any, value: Any) -> Frame:
    """A response frame that carries a result."""
    return {"jsonrpc": "2.0", "id": request_id, "result": value}


def error(request_id: Any, value: dict[str, Any]) -> Frame:
    """A response frame that carries an error."""
    return {"jsonrpc": "2.0", "id": request_id, "error": value}


def outcome(frame: Frame) -> str:
    """Classify a response: `ok`, `error` (a JSON-RPC error), or `tool_error` (a result with `isError`)."""
    if "error" in frame:
        return "error"
    return outcome_of(frame.get("result"))


def outcome_of(result: Any) -> str:
    """The same, by its result."""
    return "tool_error" if isinstance(result, dict) and result.get("isError") is True else "ok"


def as_dict(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def describe_error(frame: Frame) -> str:
    """A short description, for log and error messages, of a response that is an error or not valid MCP."""
    error = frame.get("error")
    if isinstance(error, dict):
        return f"error {error.get('code')}: {str(error.get('message'))[:200]}"
    return "something that is not MCP"


NO_ERROR = {"code": 0, "message": ""}
NULLABLE = frozenset({"_meta", "cursor"})
"""Optional params of every method that clients send as null instead of leaving them out."""
NULLABLE_OF: Mapping[str, frozenset[str]] = {
    "tools/call": NULLABLE | {"arguments", "task", "inputResponses", "requestState"},
    "prompts/get": NULLABLE | {"arguments", "inputResponses", "requestState"},
    "resources/read": NULLABLE | {"inputResponses", "requestState"},
    "completion/complete": NULLABLE | {"context"},
    "notifications/progress": NULLABLE | {"total", "message"},
    "notifications/cancelled": NULLABLE | {"reason"},
}
"""The same for methods with further optional params."""
NULLABLE_IN: Mapping[str, tuple[str, ...]] = {
    "_meta": ("progressToken", "io.modelcontextprotocol/logLevel"),
    "context": ("arguments",),
}
"""The same for the optional members of params that are objects."""


BATCH_REFUSED = "The body is a JSON-RPC batch, which only revision 2025-03-26 of MCP allows."


def _is_error(value: Any) -> bool:
    return isinstance(value, dict) and type(value.get("code")) is int and isinstance(value.get("message"), str)


def validate(message: Any, *, nulls: bool = True) -> Frame:
    """Check that `message` is a JSON-RPC frame, and remove nulls that stand for absent members; returns it.

    The Python SDK accepts and writes such nulls (`params`, `cursor`, `_meta`, ...), other SDKs reject them.
    `nulls`: the message may contain nulls (`may_have_nulls`).

    Raises:
        MessageInvalid: the message is not a JSON-RPC frame. `answers` is the id if it is a malformed response.
    """
    if isinstance(message, list):
        raise MessageInvalid(BATCH_REFUSED)
    if not isinstance(message, dict):
        raise MessageInvalid("The body is not a JSON object.")
    if message.get("jsonrpc") != "2.0":
        raise MessageInvalid('The message has no "jsonrpc": "2.0".')
    if "id" in message and type(message["id"]) not in (int, str):  # `isinstance` takes a boolean for an integer
        raise MessageInvalid("`id` is neither a string nor an integer.")
    if "method" in message:
        _check_method(message, nulls)
    elif "id" not in message or ("result" not in message and "error" not in message):
        raise MessageInvalid("The message is neither a request, nor a notification, nor a response.")
    else:
        _check_response(message)
    return message


def may_have_nulls(body: bytes) -> bool:
    """Whether a body may contain nulls: it has the word `null`, or zero bytes (UTF-16, UTF-32)."""
    return b"null" in body or b"\0" in body


def _check_method(message: Frame, nulls: bool) -> None:
    method = message["method"]
    if not isinstance(method, str):
        raise MessageInvalid("`method` is not a string.")
    params = message.get("params")
    if isinstance(params, dict):
        if nulls:
            _drop_nulls(method, params)
    elif params is not None:
        raise MessageInvalid("`params` is not an object.")
    elif "params" in message:
        del message["params"]


def _drop_nulls(method: str, params: dict[str, Any]) -> None:
    if None in params.values():
        for name in NULLABLE_OF.get(method, NULLABLE):
            if name in params and params[name] is None:
                del params[name]
    for name, members in NULLABLE_IN.items():
        if name in params and isinstance(holder := params[name], dict) and None in holder.values():
            for member in members:
                if member in holder and holder[member] is None:
                    del holder[member]


def _check_response(message: Frame) -> None:
    for name, other in (("error", "result"), ("result", "error")):
        if name in message and message[name] is None and message.get(other) is not None:
            del message[name]
    if "result" in message and "error" in message:
        wrong = "The response has both a `result` and an `error`."
    elif not isinstance(message.get("result", {}), dict) or not _is_error(message.get("error", NO_ERROR)):
        wrong = "`result` is not an object, or `error` has no integer `code` and string `message`."
    else:
        return
    error = MessageInvalid(wrong)
    error.answers = message["id"]
    raise error
