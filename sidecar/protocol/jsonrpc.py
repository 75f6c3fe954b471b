"""JSON-RPC 2.0 messages as plain dicts: making them and telling them apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sidecar.errors import MessageInvalid
from sidecar.protocol.channel import Frame

MARK_OF_CALL = b'"tools/call"'
"""What is in the body of a `tools/call`, unless it is written with escapes that nobody needs."""


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
    """How a request went, by its response: `ok`, `error` (of the protocol), `tool_error` (of the tool itself)."""
    if "error" in frame:
        return "error"
    value = frame.get("result")
    return "tool_error" if isinstance(value, dict) and value.get("isError") is True else "ok"


def as_dict(value: Any) -> dict[str, Any]:
    """What a message has where an object belongs; an empty one where it has something else."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The same for a list."""
    return value if isinstance(value, list) else []


def told(frame: Frame) -> str:
    """What a server answered, short enough for a message."""
    error = frame.get("error")
    if isinstance(error, dict):
        return f"error {error.get('code')}: {str(error.get('message'))[:200]}"
    return "something that is not MCP"


NO_ERROR = {"code": 0, "message": ""}
NULLABLE = frozenset({"_meta", "cursor"})
"""Optional members of params, in which clients write null for absent: those of every method."""
NULLABLE_OF: Mapping[str, frozenset[str]] = {
    "tools/call": NULLABLE | {"arguments", "task", "inputResponses", "requestState"},
    "prompts/get": NULLABLE | {"arguments", "inputResponses", "requestState"},
    "resources/read": NULLABLE | {"inputResponses", "requestState"},
    "completion/complete": NULLABLE | {"context"},
    "notifications/progress": NULLABLE | {"total", "message"},
    "notifications/cancelled": NULLABLE | {"reason"},
}
"""The same for the methods that have more."""
NULLABLE_IN: Mapping[str, tuple[str, ...]] = {
    "_meta": ("progressToken", "io.modelcontextprotocol/logLevel"),
    "context": ("arguments",),
}
"""The same one level down: members of a member of the params."""


BATCH = "The body is a JSON-RPC batch, which MCP has in revision 2025-03-26 and in no other."


def _is_error(value: Any) -> bool:
    return isinstance(value, dict) and type(value.get("code")) is int and isinstance(value.get("message"), str)


def validate(message: Any, *, nulls: bool = True) -> Frame:
    """The message, if it is one JSON-RPC frame; without nulls that stand for what is absent.

    The Python SDK takes and writes such nulls (`params`, `cursor`, `_meta`, ...), others refuse them.
    `nulls`: there may be some (`may_have_nulls`).

    Raises:
        MessageInvalid: it is not, and why; `answers` is the id of a response that is malformed.
    """
    if isinstance(message, list):
        raise MessageInvalid(BATCH)
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
    """Whether a message may have nulls, by its bytes: without the word it has none, unless it is UTF-16 or UTF-32."""
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
        wrong = "`result` or `error` of the response is not as JSON-RPC and MCP have it."
    else:
        return
    error = MessageInvalid(wrong)
    error.answers = message["id"]
    raise error
