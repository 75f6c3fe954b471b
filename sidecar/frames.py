"""JSON-RPC 2.0 messages as plain dicts: making them and telling them apart."""

from __future__ import annotations

from typing import Any

from sidecar.channel import Frame
from sidecar.errors import MessageInvalid


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


BATCH = "The body is a JSON-RPC batch, which MCP has in revision 2025-03-26 and in no other."


def _is_error(value: Any) -> bool:
    return isinstance(value, dict) and type(value.get("code")) is int and isinstance(value.get("message"), str)


def validate(message: Any) -> Frame:
    """The message, if it is one JSON-RPC frame.

    Raises:
        MessageInvalid: it is not, and why.
    """
    if isinstance(message, list):
        raise MessageInvalid(BATCH)
    if not isinstance(message, dict):
        raise MessageInvalid("The body is not a JSON object.")
    if message.get("jsonrpc") != "2.0":
        raise MessageInvalid('The message has no "jsonrpc": "2.0".')
    if "method" in message:
        if not isinstance(message["method"], str):
            raise MessageInvalid("`method` is not a string.")
        if not isinstance(message.get("params", {}), dict):
            raise MessageInvalid("`params` is not an object.")
    elif "id" not in message or ("result" in message) == ("error" in message):
        raise MessageInvalid("The message is neither a request, nor a notification, nor a response.")
    elif not isinstance(message.get("result", {}), dict) or not _is_error(message.get("error", NO_ERROR)):
        raise MessageInvalid("`result` or `error` of the response is not as JSON-RPC and MCP have it.")
    if "id" in message and (isinstance(message["id"], bool) or not isinstance(message["id"], (int, str))):
        raise MessageInvalid("`id` is neither a string nor an integer.")
    return message
